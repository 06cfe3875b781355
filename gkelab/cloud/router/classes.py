"""The firewall's chains: one for all interfaces that the same rules are for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from gkelab.cloud.router.boxes import WHOLE, Box, boxes, element, layers
from gkelab.cloud.router.fabric import Fabric, Nic, Pool, Rule
from gkelab.cloud.router.ruleset import Chain, Set

LOG_GROUP = 71
PLAIN = "ip saddr . ip daddr . meta l4proto"
PORTED = f"{PLAIN} . th dport"


@dataclass
class Classes:
    """Chains in the making, with their maps, as they are asked for."""

    fabric: Fabric
    sets: dict[str, Set] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    _of: dict[tuple[str, str], tuple[list[Rule], frozenset[str]]] = field(default_factory=dict)

    def chain(self, direction: str, of: Nic | Pool) -> str:
        """The chain of those for which the same rules are, made when it is not there. Its name
        stays the same while rules of tags that there are come and go."""
        rules, known = self._rules_of(direction, of.network)
        tags = sorted(known & of.tags)
        side = "in" if direction == "INGRESS" else "out"
        name = f"{side}_{short_hash(of.network, *tags)}"
        if name not in self.chains:
            own = [rule for rule in rules if rule.targets(of.network, of.tags)]
            self.chains[name] = Chain("", tuple(self._class_rules(name, own)))
        return name

    def _rules_of(self, direction: str, network: str) -> tuple[list[Rule], frozenset[str]]:
        """A network's rules of a direction, in order, and the tags that they are for."""
        key = (direction, network)
        if key not in self._of:
            rules = [r for r in self.fabric.rules if (r.direction, r.network) == key]
            rules.sort(key=lambda rule: rule.rank)
            self._of[key] = rules, frozenset(tag for r in rules for tag in r.target_tags)
        return self._of[key]

    def _class_rules(self, name: str, rules: Iterable[Rule]) -> Iterator[str]:
        all_boxes = [box for rule in rules for box in boxes(rule, self.fabric)]
        for number, layer in enumerate(layers(all_boxes)):
            if len(layer.plain) == 1 and not layer.ported and layer.plain[0].bounds == WHOLE:
                yield self._verdict(layer.plain[0].rule)
                return
            for suffix, found, key in (("p", layer.ported, PORTED), ("q", layer.plain, PLAIN)):
                if found:
                    place = f"{name}_{number}{suffix}"
                    elements = self._elements(found)
                    self.sets[place] = Set(f"typeof {key} : verdict", True, elements)
                    yield f"{key} vmap @{place}"
        if name.startswith("in_"):
            yield "counter name implied_deny drop"

    def _elements(self, found: Iterable[Box]) -> dict[str, str]:
        return {element(box): self._verdict(box.rule) for box in found}

    def _verdict(self, rule: Rule) -> str:
        """Egress goes on to the ingress rules of who receives."""
        verdict = "drop" if rule.deny else "accept" if rule.ingress else "return"
        if not rule.logging:
            return verdict
        name = f"log_{short_hash(rule.network, rule.name)}"
        log = f'log prefix "{log_prefix(rule)}" group {LOG_GROUP}'
        self.chains[name] = Chain("", (f"{log} {verdict}",))
        return f"goto {name}"


def log_prefix(rule: Rule) -> str:
    """What names a rule in the kernel's log: its name alone says which it is in a project."""
    return rule.name


def short_hash(*words: str) -> str:
    """A part of a name that stands for words which cannot be in one."""
    return sha256("\0".join(words).encode()).hexdigest()[:12]

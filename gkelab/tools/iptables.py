"""The host's iptables: which packets of a lab are left alone on their way over its bridges.

Where br_netfilter is on, what crosses a bridge goes through the host's NAT, too, and docker
masquerades what has a network's addresses and leaves by another bridge: a packet that the VPC's
router takes from one subnet to the next would lose its source.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from gkelab.shell import Runner

BUILTIN = "PREROUTING"
BRIDGES = "br-+"  # every network's of docker's, but the one that it has from the beginning


@dataclass(frozen=True)
class Iptables:
    """The `iptables` program. Methods raise CommandError when it refuses."""

    run: Runner

    def leave_alone(self, lab: str, own: Iterable[tuple[str, IPv4Network]]) -> bool:
        """Have what comes from a network's range by another bridge than its own be no connection
        of the host's, so that no NAT is done to it: these networks' (bridge, range) and no others
        of the lab's; whether anything had to be changed. It holds for networks that are made
        later, too, as long as docker masquerades nothing of theirs."""
        networks = sorted(own)
        wanted = [words for bridge, source in networks for words in _rules(bridge, source)]
        jumps = [_jump(lab)] if wanted else []
        there = self._there()
        chain, entries = chain_of(lab), [w for w in there.get(BUILTIN, ()) if _comment(lab) in w]
        if (there.get(chain), entries) == (wanted or None, jumps):
            return False
        # Also what an older version had here.
        for words in entries:
            self._raw("-D", BUILTIN, *words)
        if chain in there:
            self._raw("-F", chain)
        elif wanted:
            self._raw("-N", chain)
        for words in wanted:
            self._raw("-A", chain, *words)
        for words in jumps:
            self._raw("-A", BUILTIN, *words)
        if chain in there and not wanted:
            self._raw("-X", chain)
        return True

    def _raw(self, *words: str) -> None:
        self.run(["iptables", "-t", "raw", *words])

    def _there(self) -> dict[str, list[list[str]]]:
        """The table's chains with their rules; none where the kernel has no such table."""
        shown = self.run(["iptables", "-t", "raw", "-S"], check=False).stdout
        found: dict[str, list[list[str]]] = {}
        for verb, chain, *words in filter(None, map(shlex.split, shown.splitlines())):
            rules = found.setdefault(chain, [])
            if verb == "-A":
                rules.append(words)
        return found


def chain_of(lab: str) -> str:
    """The chain of a lab's own: a lab's name has at most 20 letters, a chain's 28."""
    return f"gkelab-{lab}"


def _comment(lab: str) -> str:
    return f"gkelab.{lab}"


def _jump(lab: str) -> list[str]:
    return ["-m", "comment", "--comment", _comment(lab), "-j", chain_of(lab)]


def _rules(bridge: str, source: IPv4Network) -> Iterator[list[str]]:
    """As `iptables -S` shows them. A rule knows one interface, so there are two."""
    yield ["-s", str(source), "-i", bridge, "-j", "RETURN"]
    yield ["-s", str(source), "-i", BRIDGES, "-j", "CT", "--notrack"]

"""Where firewall cases are tried: the table's machines, and a look at who reaches what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.support.eventually import eventually_all
from tests.support.matrix import Cell, Matrix, Observed, observe_rows
from tests.support.outcomes import Answer, Outcome
from tests.support.ping import ping
from tests.support.places import Place
from tests.support.prober import Prober
from tests.support.probes import Probe, http
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.cases import Names, Rule, rule_body
from tests.support.vpc.google import Body, done, message
from tests.support.vpc.made import CLOSED, DATAGRAM, HTTP, LINE, VM, Made

KINDS: Mapping[str, tuple[str, int]] = {
    "http": ("http", HTTP),
    "alias": ("http", HTTP),
    "peer": ("http", HTTP),
    "line": ("tcp", LINE),
    "datagram": ("udp", DATAGRAM),
    "closed": ("tcp", CLOSED),
}


@dataclass(frozen=True)
class Spot:
    """Where tries come from: `seen` is the source address that a server shall see. `own` says
    that it is not the place's usual one, and must be asked for. `outside`: targets are known by
    their public addresses."""

    place: Place
    seen: str
    own: bool = False
    outside: bool = False


@dataclass(frozen=True)
class Aim:
    """A target: its address, and who answers there."""

    address: str
    who: str


def aims(server: VM, peer: VM, *, outside: bool) -> dict[str, Aim]:
    """The table's targets, as one inside or outside knows them."""
    at_server = Aim(server.public if outside else server.address, server.name)
    found = dict.fromkeys(("http", "line", "datagram", "closed", "ping"), at_server)
    found["peer"] = Aim(peer.public if outside else peer.address, peer.name)
    return found if outside else {**found, "alias": Aim(server.aliases[0], server.name)}


@dataclass
class Ground:
    """The table's machines. `close` ends what runs in them."""

    made: Made
    names: Names
    server: VM
    peer: VM
    spots: Mapping[str, Spot]
    _probers: dict[str, Prober] = field(default_factory=dict)
    _rules: dict[str, Body] = field(default_factory=dict)

    @contextmanager
    def having(self, rules: Sequence[Rule]) -> Iterator[None]:
        """These rules, and no others of the table's, are there inside the block, which may apply
        others; behind it none is."""
        try:
            self.apply(rules)
            yield
        finally:
            self.apply(())

    def apply(self, rules: Sequence[Rule]) -> None:
        """Have just these rules be there, and packets meet them: what is missing is inserted,
        what is another updated, what is not wanted deleted."""
        google, project = self.made.google, self.made.google.project
        wanted = {}
        for rule in rules:
            said = rule_body(rule, self.names, self.made.name)
            wanted[said["name"]] = said
        for name in self._rules.keys() - wanted.keys():
            self.made.delete("firewalls", "", name)
        for name, said in wanted.items():
            if name not in self._rules:
                self.made.firewall(said)
            elif said != self._rules[name]:
                whole = {"network": self.made.network, "description": self.made.description, **said}
                resource = message("Firewall", whole)
                done(
                    google.firewalls.update(
                        project=project, firewall=name, firewall_resource=resource
                    )
                )
        self._rules = wanted
        self.made.applied()

    def until_seen(self, matrix: Matrix, *, what: str) -> Observed:
        """As `eventually_all`."""
        return eventually_all(lambda: self.look(matrix), matrix, what=what)

    def look(self, matrix: Matrix) -> dict[Cell, Answer]:
        """Try what is compared, everything at once. Raises AssertionError where another answered
        than should, or saw another source."""
        seen = observe_rows(matrix, self._row)
        for (source, target), answer in seen.items():
            if answer.outcome is Outcome.OK and target != "ping":
                spot = self.spots[source]
                who = aims(self.server, self.peer, outside=spot.outside)[target].who
                expect(answer, who=who, saw=spot.seen, from_=source, to=target)
        return seen

    def close(self) -> None:
        """End the probers."""
        for prober in self._probers.values():
            prober.close()

    def _row(self, source: str, targets: Sequence[str]) -> list[Answer]:
        spot = self.spots[source]
        to = aims(self.server, self.peer, outside=spot.outside)
        alone = [t for t in targets if t == "ping" or spot.own]
        together = [t for t in targets if t not in alone]
        prober = self._probers.setdefault(source, Prober(spot.place))
        with ThreadPoolExecutor(len(alone) + 1) as pool:
            probes = pool.submit(prober.many, [_probe(t, to[t].address) for t in together])
            one_by_one = {t: pool.submit(_alone, spot, t, to[t].address) for t in alone}
            found = dict(zip(together, probes.result(), strict=True))
            found |= {target: answer.result() for target, answer in one_by_one.items()}
        return [found[target] for target in targets]


def _probe(target: str, address: str) -> Probe:
    kind, port = KINDS[target]
    probe = Probe("http", address, port, timeout=TIMEOUTS.short)
    return probe if kind == "http" else replace(probe, kind="tcp" if kind == "tcp" else "udp")


def _alone(spot: Spot, target: str, address: str) -> Answer:
    if target == "ping":
        return ping(spot.place, address, timeout=TIMEOUTS.short)
    url = f"http://{address}:{KINDS[target][1]}/"
    return http(spot.place, url, timeout=TIMEOUTS.short, extra=["--interface", spot.seen])

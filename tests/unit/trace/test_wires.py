"""A probe between real network namespaces, by way of one that forwards: heard, followed, judged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gkelab.cloud.router.decide import Fate
from gkelab.shell import run
from gkelab.trace import probe, verdict
from gkelab.trace.follow import Followed, Sought, follow
from gkelab.trace.hops import Way, way
from gkelab.trace.listen import Heard, inside, listening, pod_namespaces
from gkelab.trace.packets import NUMBERS
from gkelab.trace.plan import Place
from gkelab.trace.probe import Said
from gkelab.trace.resolve import End
from tests.unit.cloud.router.states import fabric, firewall, instance
from tests.unit.cloud.router.wires import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")
# Addresses that nothing else on this machine is likely to have.
A, B = "10.128.15.77", "10.132.15.78"
MACS = {A: "42:01:0a:80:0f:4d", B: "42:01:0a:84:0f:4e"}
FORWARDS = Path("/proc/sys/net/ipv4/ip_forward")  # of the namespace that reads it
PLACES = {
    name: Place(kind, name, name) for name, kind in (("a", "vm"), ("r", "router"), ("b", "vm"))
}


@dataclass(frozen=True)
class Spaces:
    """The namespaces of a machine, of the router, and of another machine."""

    prefix: str

    def path(self, name: str) -> Path:
        return Path(f"/run/netns/{self.prefix}{name}")

    def run(self, name: str, *argv: str) -> None:
        run(["ip", "netns", "exec", f"{self.prefix}{name}", *argv])

    def trace(self, protocol: str, port: int = 7) -> tuple[Said, list[Heard], Followed]:
        """A probe from a to b."""
        wanted = probe.Wanted(protocol, B, port, probe.new_token())
        number = NUMBERS[protocol]
        with listening({name: self.path(name) for name in PLACES}, number) as ears:
            if protocol == "icmp":
                said = inside(self.path("a"), lambda: probe.echo(B, wanted.token))
            else:
                argv = probe.command(End("vm", "a", A, "a"), "", wanted)
                enter = ["ip", "netns", "exec", f"{self.prefix}a"]
                said = probe.verdict(run([*enter, *argv], check=False))
            heard = ears.heard()
        sought = Sought({"a"}, {B}, {port}, number, wanted.token.encode())
        return said, heard, follow(heard, sought)


@contextmanager
def made(label: str = "t") -> Iterator[Spaces]:
    spaces = Spaces(f"gk{label}{os.getpid()}")
    names = [f"{spaces.prefix}{name}" for name in PLACES]
    for name in names:
        run(["ip", "netns", "add", name])
    try:
        for own, address, gateway in (("a", A, "10.128.0.1"), ("b", B, "10.132.0.1")):
            there = f"{spaces.prefix}{own}"
            pair = ["type", "veth", "peer", "name", f"{own}0", "netns", f"{spaces.prefix}r"]
            run(["ip", "-n", there, "link", "add", "eth0", *pair])
            spaces.run(own, "ip", "link", "set", "eth0", "address", MACS[address], "up")
            spaces.run(own, "ip", "addr", "add", f"{address}/20", "dev", "eth0")
            spaces.run("r", "ip", "link", "set", f"{own}0", "up")
            spaces.run("r", "ip", "addr", "add", f"{gateway}/20", "dev", f"{own}0")
            spaces.run(own, "ip", "route", "add", "default", "via", gateway)
        # Inherited from the host's, and not to be changed by a test.
        if inside(spaces.path("r"), FORWARDS.read_text).strip() != "1":
            pytest.skip("a new network namespace does not forward on this host")
        yield spaces
    finally:
        for name in names:
            run(["ip", "netns", "delete", name], check=False)


@pytest.fixture(scope="module")
def spaces() -> Iterator[Spaces]:
    with made() as found:
        yield found


def told(said: Said, followed: Followed, *rules: str) -> tuple[verdict.Facts, Way]:
    """What is known, where these rules allow what they name."""
    known = fabric(
        [instance("a", "us", A), instance("b", "eu", B)],
        [firewall(f"allow-{r.partition(':')[0]}", r) for r in rules],
    )
    places = tuple(PLACES.values())
    found = way(followed, places, PLACES, known, None)
    return verdict.Facts(followed, found, said, PLACES, places, {"b"}, known, {}), found


@pytest.mark.parametrize(("protocol", "outcome"), [("tcp", "refused"), ("udp", "refused")])
def test_a_refusal_goes_all_the_way_and_back(spaces: Spaces, protocol: str, outcome: str) -> None:
    said, _, followed = spaces.trace(protocol)
    facts, found = told(said, followed, f"{protocol}:7")
    assert said.outcome == outcome
    assert [(h.name, [(s.interface, s.direction, s.ttl) for s in h.seen]) for h in found.hops] == [
        ("a", [("eth0", "out", 64)]),
        ("r", [("a0", "in", 64), ("b0", "out", 63)]),
        ("b", [("eth0", "in", 63)]),
    ]
    assert [[s.direction for s in hop.answer] for hop in found.hops] == [
        ["in"],
        ["in", "out"],
        ["out"],
    ]
    assert (verdict.received_by(facts), verdict.answered_by(facts)) == ("b", "b")
    assert verdict.dropped(facts) is None
    assert list(verdict.disagreements(facts)) == []


def test_an_echo_is_answered(spaces: Spaces) -> None:
    said, _, followed = spaces.trace("icmp")
    facts, found = told(said, followed, "icmp")
    assert said.outcome == "answered"
    assert [hop.name for hop in found.hops] == ["a", "r", "b"]
    assert verdict.answered_by(facts) == "b"
    decided = found.hops[1].decided
    assert decided and (decided.fate, decided.ingress_rule) == ("delivered", "allow-icmp")


def test_what_is_let_through_against_the_rules_is_told(spaces: Spaces) -> None:
    said, _, followed = spaces.trace("tcp")
    facts, found = told(said, followed)
    assert found.passes[0].decision.fate is Fate.INGRESS
    assert list(verdict.disagreements(facts)) == [
        f"the router should drop {A} -> {B} (implied deny ingress), and let it through"
    ]


def test_what_is_dropped_against_the_rules_is_told() -> None:
    with made("u") as own:
        own.run("r", "ip", "route", "add", "blackhole", f"{B}/32")
        said, _, followed = own.trace("tcp")
    facts, found = told(said, followed, "tcp:7")
    assert said.outcome == "timeout"
    assert [(hop.name, bool(hop.seen)) for hop in found.hops] == [
        *(("a", True), ("r", True)),
        ("b", False),
    ]
    drop = verdict.dropped(facts)
    assert drop and (drop.at, drop.what) == ("r", "unknown")
    assert list(verdict.disagreements(facts)) == [
        f"the router should let {A} -> {B} through (implied allow egress, allow-tcp), and did not"
    ]


def test_only_what_is_asked_for_is_heard(spaces: Spaces) -> None:
    _, heard, followed = spaces.trace("tcp")
    times = [one.time for one in heard]
    assert times == sorted(times)
    assert 0 not in times
    assert {one.frame.protocol for one in heard} == {6}
    assert [one.place for one in followed.probe] == ["a", "r", "r", "b"]


def test_a_pods_namespace_is_found_by_its_address(spaces: Spaces) -> None:
    found = pod_namespaces(os.getpid(), [A, "10.128.15.79"])
    assert {address: path.name for address, path in found.items()} == {A: spaces.path("a").name}

"""What the compiled rules do to real packets is what the specification says, whatever the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gkelab.cloud.router.agent import Agent
from gkelab.cloud.router.compile import spoof_counter
from gkelab.cloud.router.decide import Decision, Fate, Packet, decide
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.kernel import Kernel
from gkelab.cloud.router.reading import read
from tests.unit.cloud.router import states
from tests.unit.cloud.router.states import POOL, SETTINGS, firewall, instance, route
from tests.unit.cloud.router.wires import (
    CLIENT,
    CLIENT_MAC,
    STRANGER_MAC,
    Wires,
    missing,
    neighbours,
    packet,
    payload,
    wire_of,
    wires,
)

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")
TAGS = ("node", "vm", "web")
STRANGER = IPv4Address("192.0.2.1")  # a sender whose MAC address no instance has


@dataclass
class Lab:
    """A router that an agent keeps, and the generation of the state that it has."""

    wires: Wires
    agent: Agent
    number: int = 10_000

    def apply(self, state: Any) -> Fabric:
        self.agent.apply(state)
        assert (self.agent.problems, self.agent.left_out) == ([], [])
        fabric = self.agent.fabric
        known = {CLIENT: ("net0", CLIENT_MAC)}
        for pool in fabric.pools:
            first = next(iter(fabric.servers(pool)), None)
            if first:
                known |= {address: (wire_of(first), first.mac) for address in pool.range}
        neighbours(self.wires, known)
        return fabric

    def send(self, fabric: Fabric, packets: list[Packet]) -> list[str]:
        """What differs from the specification; "" has no place in it."""
        self.wires.run(["conntrack", "-F"], check=False)
        self.wires.arrived(0.0)
        before = self.counters()
        numbers = {}
        for one in packets:
            self.number = self.number + 1 if self.number < 60_000 else 10_000
            numbers[self.number] = one
            self.put(fabric, one, self.number)
        came: dict[int, str] = {}
        for frame in self.wires.arrived():
            at = 4 if frame.protocol == 1 and frame.payload[0] == 8 else 0
            number = int.from_bytes(frame.payload[at : at + 2], "big")
            if number in numbers and numbers[number].protocol == frame.protocol:
                came[number] = f"{frame.mac} {frame.source} {frame.destination}"
        wrong, expected = [], dict(before)
        for number, one in numbers.items():
            decision = decide(fabric, one)
            for counter in counted(one, decision):
                expected[counter] = expected.get(counter, 0) + 1
            wanted = arrival(fabric, one, decision)
            if wanted != came.get(number, ""):
                wrong.append(f"{one}: {decision}: wanted {wanted!r}, got {came.get(number)!r}")
        after = self.counters()
        kept = {k: v for k, v in expected.items() if after.get(k) != v}
        if kept:
            wrong.append(f"counted { ({k: after.get(k) for k in kept}) }, not {kept}")
        return wrong

    def counters(self) -> dict[str, int]:
        return {k: v[0] for k, v in self.agent.kernel.table().counters.items()}

    def put(self, fabric: Fabric, one: Packet, number: int) -> None:
        body = payload(one.source, one.destination, one.protocol, number, one.port)
        wire, mac = "net0", CLIENT_MAC
        if one.sender == STRANGER:
            wire, mac = "us0", STRANGER_MAC
        elif one.sender is not None:
            nic = fabric.nics_by_address[one.sender]
            wire, mac = wire_of(nic), nic.mac
        self.wires.send(wire, mac, packet(one.source, one.destination, one.protocol, body))


def counted(one: Packet, decision: Decision) -> Iterator[str]:
    """The counters that a packet's fate goes to."""
    if decision.fate is Fate.SPOOFED and one.sender:
        yield f"spoofed_{one.sender.packed.hex()}"
    elif decision.ingress == "implied deny ingress":
        yield "implied_deny"
    elif decision.fate not in (Fate.DELIVERED, Fate.RESOLVER, Fate.EGRESS, Fate.INGRESS):
        yield decision.fate.value


def arrival(fabric: Fabric, one: Packet, decision: Decision) -> str:
    """Who gets the packet, and its addresses then; "" where it does not arrive."""
    if not decision.delivered:
        return ""
    if decision.receiver == "internet":
        mac = CLIENT_MAC
    else:
        pools = {str(pool.range): pool for pool in fabric.pools}
        found = [nic for nic in fabric.nics if nic.instance == decision.receiver]
        if decision.receiver in pools:
            found = list(fabric.servers(pools[decision.receiver]))
        if not found:  # a pool that nobody announces
            return ""
        mac = found[0].mac
    return f"{mac} {decision.source} {decision.destination}"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with wires() as made:
        agent = Agent(Kernel(made.run), SETTINGS, lambda line: None)
        agent.close()
        yield Lab(made, agent)


tags = st.sets(st.sampled_from(TAGS), max_size=2).map(sorted)
RANGES = (
    *("0.0.0.0/0", "10.0.0.0/8", "10.4.0.0/20", "10.4.0.0/26", "10.128.0.0/20", "10.128.0.2/32"),
    *("198.18.0.0/24", "10.132.0.0/20", "203.0.113.0/28", "10.4.0.64/27", "172.16.0.0/12"),
)
SPECS = ("all", "tcp", "udp", "icmp", "tcp:80", "tcp:80-90+443", "udp:53", "tcp:0-65535", "50")
ranges = st.lists(st.sampled_from(RANGES), min_size=1, max_size=3, unique=True)


@st.composite
def instances(draw: st.DrawFn) -> list[Any]:
    made = []
    places = [
        ("n1", "us", "10.128.0.2", ["10.4.0.0/26"], "203.0.113.17"),
        ("n2", "us", "10.128.0.3", ["10.4.0.64/26", "10.128.0.40/32"], ""),
        ("e1", "eu", "10.132.0.2", ["10.8.0.0/24"], "203.0.113.18"),
        ("e2", "eu", "10.132.0.9", [], ""),
        ("x1", "far", "10.200.0.2", ["10.204.0.0/26"], "203.0.113.19"),
    ]
    for name, where, address, aliases, public in places:
        if draw(st.integers(0, 5)):
            forward = {"canIpForward": draw(st.integers(0, 4)) == 0}
            shown = public if draw(st.booleans()) else ""
            own = draw(tags)
            made.append(
                instance(name, where, address, aliases=aliases, tags=own, public=shown, **forward)
            )
    return made


@st.composite
def rules(draw: st.DrawFn) -> list[Any]:
    made = []
    for number in range(draw(st.integers(0, 12))):
        direction = draw(st.sampled_from(["INGRESS", "INGRESS", "EGRESS"]))
        fields: dict[str, Any] = {
            "direction": direction,
            "priority": draw(st.sampled_from([0, 900, 1000, 1000, 65535])),
            "network": draw(st.sampled_from(["net", "net", "net", "other"])),
            "deny": draw(st.booleans()),
            "logConfig": {"enable": draw(st.integers(0, 3)) == 0},
        }
        if draw(st.booleans()):
            fields["targetTags"] = draw(tags)
        if direction == "INGRESS":
            if draw(st.booleans()):
                fields["sourceTags"] = draw(st.lists(st.sampled_from(TAGS), min_size=1, max_size=2))
            if draw(st.booleans()):
                fields["sourceRanges"] = draw(ranges)
        elif draw(st.booleans()):
            fields["sourceRanges"] = draw(ranges)
        if draw(st.integers(0, 2)) == 0 or direction == "EGRESS":
            fields["destinationRanges"] = draw(ranges)
        specs = draw(st.lists(st.sampled_from(SPECS), min_size=1, max_size=2, unique=True))
        made.append(firewall(f"r{number}", *specs, **fields))
    return made


@st.composite
def whole_states(draw: st.DrawFn) -> Any:
    hosts, routes = draw(instances()), []
    forwarders = [i for i in hosts if i["canIpForward"]]
    for number in range(draw(st.integers(1, 4)) if forwarders else 0):
        one = draw(st.sampled_from(forwarders))
        (nic,) = one["networkInterfaces"]
        by = {"nextHopIp": nic["networkIP"]}
        if draw(st.booleans()):
            by = {"nextHopInstance": f"{one['zone']}/instances/{one['name']}"}
        network = nic["network"].rpartition("/")[2]
        made = route(f"way{number}", draw(st.sampled_from(WAYS)), network, **by)
        routes.append(made | {"priority": number, "tags": draw(tags)})
    for network in ("net", "other"):
        if draw(st.integers(0, 3)):
            made = states.internet_route(network)
            made["destRange"] = draw(st.sampled_from(["0.0.0.0/0"] * 3 + ["198.18.0.0/25"]))
            # Between the ways by instances, and below them all.
            made["priority"] = draw(st.sampled_from([2, 1000]))
            made["tags"] = draw(tags) if draw(st.integers(0, 3)) == 0 else []
            routes.append(made)
    return states.state(hosts, draw(rules()), routes)


WAYS = (
    *("172.16.0.0/14", "172.16.0.0/16", "10.0.0.0/8", "10.192.0.0/11"),
    *("0.0.0.0/0", "198.18.0.0/24", "198.0.0.0/8", "35.191.0.0/16", "35.0.0.0/8"),
)


SOURCES = ("10.4.0.5", "10.4.0.70", "10.128.0.40", "10.8.0.1", "172.16.0.1", "203.0.113.3")
TARGETS = (
    *("10.128.0.2", "10.128.0.3", "10.128.0.77", "10.132.0.2", "10.132.0.9", "10.200.0.2"),
    *("10.4.0.5", "10.4.0.70", "10.4.1.1", "10.8.0.1", "10.204.0.1", "203.0.113.3"),
    *("203.0.113.17", "203.0.113.18", "203.0.113.19", "198.18.0.2", "172.16.0.9", "8.8.8.8"),
    *("10.128.0.1", "172.30.0.1", "10.250.0.1", "35.191.0.1"),
)


@st.composite
def packets(draw: st.DrawFn, state: Any) -> list[Packet]:
    fabric, _ = read(state, SETTINGS)
    made: dict[Any, Packet] = {}
    everyone = [nic.address for nic in fabric.nics]
    for _ in range(draw(st.integers(10, 40))):
        sender = draw(st.sampled_from([None, *everyone, *everyone, STRANGER]))
        usual = [sender] if sender in everyone else [CLIENT]
        source = draw(st.sampled_from([*usual * 4, *map(IPv4Address, SOURCES), CLIENT]))
        target = IPv4Address(draw(st.sampled_from(TARGETS)))
        protocol = draw(st.sampled_from([6, 6, 6, 17, 1, 50]))
        port = draw(st.sampled_from([80, 85, 443, 53, 22])) if protocol in (6, 17) else 0
        one = Packet(sender, source, target, protocol, port)
        # Connections of protocols without ports are told by their addresses alone.
        key: Any = frozenset((source, target)) if protocol == 50 else len(made)
        if source != target:
            made.setdefault(key, one)
    return list(made.values())


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_packets_meet_the_fate_that_is_decided(lab: Lab, data: st.DataObject) -> None:
    """States come one after the other, so that changes of rules are tried, too."""
    state = data.draw(whole_states())
    fabric = lab.apply(state)
    sent = data.draw(packets(state))
    assert lab.send(fabric, sent) == []
    assert [repair for repair in lab.agent.repairs if repair["what"] == "nftables"] == []


def test_the_universe_meets_every_fate(lab: Lab) -> None:
    """Or the property above says nothing of it: each fate once, by hand."""
    hosts = [
        *states.NODES,
        instance("fw", "us", "10.128.0.9", tags=["fw"], canIpForward=True),
    ]
    fabric = lab.apply(
        states.state(
            hosts,
            [
                firewall("web", "tcp:80", targetTags=["node"]),
                firewall("no-udp", "udp", direction="EGRESS", deny=True),
            ],
            [states.internet_route(), route("on", "172.16.0.0/14", nextHopIp="10.128.0.9")],
        )
    )
    n1, n2, vm = (IPv4Address(a) for a in ("10.128.0.2", "10.128.0.3", "10.132.0.2"))
    pod, pool = IPv4Address("10.4.0.5"), POOL.range[3]
    client, public = CLIENT, IPv4Address("203.0.113.17")
    cases = {
        Packet(vm, vm, pod, 6, 80): Fate.DELIVERED,
        Packet(vm, vm, n2, 6, 80): Fate.DELIVERED,
        Packet(n2, pod, n1, 6, 80): Fate.SPOOFED,
        Packet(STRANGER, n1, n2, 6, 80): Fate.UNKNOWN_SENDER,
        Packet(None, pod, public, 6, 80): Fate.INTERNET_SPOOFED,
        Packet(vm, vm, IPv4Address("10.4.1.1"), 6, 80): Fate.NOWHERE,
        Packet(vm, vm, IPv4Address("172.30.0.1"), 6, 80): Fate.NOWHERE,
        Packet(vm, vm, IPv4Address("10.132.0.1"), 6, 80): Fate.NOWHERE,
        Packet(vm, vm, IPv4Address("10.132.0.1"), 17, 53): Fate.RESOLVER,
        Packet(vm, vm, IPv4Address("10.200.0.1"), 17, 53): Fate.NOWHERE,
        Packet(None, client, n1, 6, 80): Fate.NOT_PUBLIC,
        Packet(None, client, public, 6, 80): Fate.DELIVERED,
        Packet(None, client, pool, 6, 80): Fate.DELIVERED,
        Packet(n1, pod, client, 6, 80): Fate.NO_PUBLIC_ADDRESS,
        Packet(n1, n1, client, 6, 80): Fate.DELIVERED,
        Packet(vm, vm, pod, 17, 80): Fate.EGRESS,
        Packet(vm, vm, pod, 6, 22): Fate.INGRESS,
        Packet(vm, vm, IPv4Address("172.16.0.9"), 6, 80): Fate.INGRESS,
    }
    assert {one: decide(fabric, one).fate for one in cases} == cases
    assert {fate for fate in Fate} == set(cases.values())
    assert lab.send(fabric, list(cases)) == []
    spoofs = {spoof_counter(nic) for nic in fabric.nics}
    assert spoofs <= lab.counters().keys()


def test_answers_come_back_and_connections_outlive_changes(lab: Lab) -> None:
    vm, pod = IPv4Address("10.132.0.2"), IPv4Address("10.4.0.5")
    open_state = states.state(states.NODES, [firewall("dns", "udp:53", targetTags=["node"])])
    fabric = lab.apply(open_state)
    node = fabric.nics_by_address[IPv4Address("10.128.0.2")]
    there = packet(vm, pod, 17, payload(vm, pod, 17, 4000, 53))
    back = packet(pod, vm, 17, payload(pod, vm, 17, 53, 4000))

    def exchange() -> tuple[int, int]:
        lab.wires.send("eu0", fabric.nics_by_address[vm].mac, there)
        one = len(lab.wires.arrived())
        lab.wires.send(wire_of(node), node.mac, back)
        return one, len(lab.wires.arrived())

    lab.wires.run(["conntrack", "-F"], check=False)
    assert exchange() == (1, 1)
    lab.apply(states.state(states.NODES, [], generation=2))
    assert exchange() == (1, 1)
    lab.wires.run(["conntrack", "-F"], check=False)
    assert exchange() == (0, 0)


def test_nothing_passes_a_closed_router(lab: Lab) -> None:
    fabric = lab.apply(states.state(states.NODES, [firewall("all", "all")]))
    vm, pod = IPv4Address("10.132.0.2"), IPv4Address("10.4.0.5")
    lab.put(fabric, Packet(vm, vm, pod, 6, 80), 4001)
    assert len(lab.wires.arrived()) == 1
    lab.wires.run(["nft", "delete", "table", "ip", "gkelab"])
    agent = Agent(Kernel(lab.wires.run), SETTINGS, lambda line: None)
    agent.close()
    lab.put(fabric, Packet(vm, vm, pod, 6, 80), 4002)
    assert lab.wires.arrived() == []
    agent.apply(states.state(states.NODES, [firewall("all", "all")]))
    lab.put(fabric, Packet(vm, vm, pod, 6, 80), 4003)
    assert len(lab.wires.arrived()) == 1
    lab.agent = agent

"""Which ports: numbers, names, ranges and protocols, at the pod and behind a Service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from gkelab.shell import Result
from gkelab.tools.kubectl import Kubectl
from tests.support.netpol import (
    Case,
    Enforcer,
    Expect,
    block,
    case,
    from_,
    only_to,
    parameters,
    peer,
    pick,
    policy,
    port,
    prove,
    to,
)
from tests.support.probes import Probe
from tests.support.reach import Reach, Target
from tests.support.spaces import Spaces
from tests.support.timeouts import TIMEOUTS

A = pick(pod="a")
NAMED_PORTS = "https://github.com/cilium/cilium/issues/30003"
TCP_PORTS = (9000, 9001, 9002)


@pytest.fixture(scope="module")
def reach(spaces: Spaces) -> Iterator[Reach]:
    """From x/b, y/a and z/a to every port of x/a and y/a ("x/a:9000", "x/a:udp"), and to x/a
    behind its Service ("x/a:service")."""
    found = Reach()
    pods = spaces.pods()
    for name in ("x/b", "y/a", "z/a"):
        found.source(name, spaces.place(name), {pods[name].ip})
    for name in ("x/a", "y/a"):
        space = spaces.by_name[name[0]].name
        ways = {str(number): Probe("tcp", pods[name].ip, number) for number in TCP_PORTS}
        ways["udp"] = Probe("udp", pods[name].ip, 9001)
        if name == "x/a":
            ways["service"] = Probe("tcp", spaces.by_name["x"].service_ip("a"), 80)
        for way, probe in ways.items():
            short = Probe(probe.kind, probe.host, probe.port, timeout=TIMEOUTS.short)
            found.targets[f"{name}:{way}"] = Target(short, "a", space)
            found.own |= {("y/a", f"{name}:{way}")} if name == "y/a" else set()
    yield found
    found.close()


def into(*ways: str) -> Expect:
    """That only these ports of x/a are open."""
    return lambda matrix: matrix.deny("*", "x/a:*").allow("*", [f"x/a:{way}" for way in ways])


def opened(id: str, *ports: dict[str, object], ways: tuple[str, ...]) -> Case:
    """x/a takes everybody on these ports alone."""
    return case(f"in-{id}", policy("x", "p", A, ingress=[from_(ports=ports)]), expect=into(*ways))


def out(id: str, *ports: dict[str, object], allowed: tuple[str, ...]) -> Case:
    """x/b gets to these ports alone, of whomever."""
    return case(
        f"out-{id}",
        policy("x", "p", pick(pod="b"), egress=[to(ports=ports)], types=["Egress"]),
        expect=only_to("x/b", *allowed),
    )


FROM_Y = peer(spaces=pick(env="dev"))
FROM_Z = peer(spaces=pick(env="test"))

INGRESS = [
    # A Service's port is translated before policies look: they know the pod's.
    opened("number", port(9000), ways=("9000", "service")),
    opened("service-port", port(80), ways=()),
    opened("two-numbers", port(9000), port(9002), ways=("9000", "9002", "service")),
    opened("tcp-by-default", port(9001), ways=("9001",)),
    opened("udp", port(9001, "UDP"), ways=("udp",)),
    opened("both-protocols", port(9001, "TCP"), port(9001, "UDP"), ways=("9001", "udp")),
    opened("protocol-alone", port(protocol="UDP"), ways=("udp",)),
    opened("protocol-tcp-alone", port(protocol="TCP"), ways=("9*", "service")),
    opened("name", port("np-line"), ways=("9000", "service")),
    opened("name-udp", port("np-datagram", "UDP"), ways=("udp",)),
    opened("name-of-another-protocol", port("np-line", "UDP"), ways=()),
    opened("name-that-the-pod-has-not", port("np-nothing"), ways=()),
    opened("range", port(9001, end=9002), ways=("9001", "9002")),
    opened("range-of-one", port(9001, end=9001), ways=("9001",)),
    opened("range-udp", port(9000, "UDP", end=9005), ways=("udp",)),
    opened(
        "overlapping-ranges",
        port(8000, end=9001),
        port(9001, end=9500),
        ways=("9*", "service"),
    ),
    case(
        "in-a-port-for-each-peer",
        policy(
            *("x", "p", A),
            ingress=[from_(FROM_Y, ports=[port(9000)]), from_(FROM_Z, ports=[port(9001)])],
        ),
        expect=lambda matrix: (
            matrix.deny("*", "x/a:*")
            .allow("y/a", ["x/a:9000", "x/a:service"])
            .allow("z/a", "x/a:9001")
        ),
    ),
    case(
        "in-all-ports-for-one-peer",
        policy("x", "p", A, ingress=[from_(FROM_Y), from_(ports=[port(9002)])]),
        expect=lambda matrix: (
            matrix.deny("*", "x/a:*").allow("y/a", "x/a:*").allow("*", "x/a:9002")
        ),
    ),
    case(
        "in-empty-ports",
        policy("x", "p", A, ingress=[{**from_(FROM_Y), "ports": []}]),
        expect=lambda matrix: matrix.deny("*", "x/a:*").allow("y/a", "x/a:*"),
    ),
    case(
        "in-union-of-ports",
        policy("x", "one", A, ingress=[from_(ports=[port(9000)])]),
        policy("x", "two", A, ingress=[from_(ports=[port(9001, "UDP")])]),
        expect=into("9000", "service", "udp"),
    ),
    case(
        "in-names-of-two-pods",
        policy("x", "p", A, ingress=[from_(ports=[port("np-other")])]),
        policy("y", "p", A, ingress=[from_(ports=[port("np-other")])]),
        expect=lambda matrix: matrix.deny("*", "*").allow("*", "x/a:9001").allow("*", "y/a:9002"),
    ),
]

EGRESS = [
    out("number", port(9000), allowed=("*:9000", "x/a:service")),
    out("service-port", port(80), allowed=()),
    out("range", port(9001, end=9002), allowed=("*:9001", "*:9002")),
    out("udp", port(9001, "UDP"), allowed=("*:udp",)),
    out("name", port("np-line"), allowed=("*:9000", "x/a:service")),
    case(
        "out-a-port-for-each-peer",
        policy(
            *("x", "p", pick(pod="b")),
            egress=[to(FROM_Y, ports=[port(9001)]), to(peer(A), ports=[port(9000)])],
            types=["Egress"],
        ),
        expect=only_to("x/b", "y/a:9001", "x/a:9000", "x/a:service"),
    ),
    # A name is each destination's own; Cilium knows it only where it is the same for all pods.
    case(
        "out-name-of-two-ports",
        policy(*("x", "p", pick(pod="b")), egress=[to(ports=[port("np-other")])], types=["Egress"]),
        expect=only_to("x/b", "x/a:9001", "y/a:9002"),
        instead=only_to("x/b"),
        link=NAMED_PORTS,
    ),
]


@pytest.mark.parametrize("case", parameters([*INGRESS, *EGRESS]))
def test_ports(case: Case, reach: Reach, enforcer: Enforcer) -> None:
    """The case's policies, and no others, decide which ports are reached."""
    prove(case, reach, enforcer)


# Rules, and the field of each that is to blame.
REFUSED = {
    "a range that ends before it begins": (from_(ports=[port(9001, end=9000)]), "ports[0].endPort"),
    "a range without a beginning": (from_(ports=[port(end=9000)]), "ports[0].endPort"),
    "a range that begins with a name": (
        from_(ports=[port("np-line", end=9000)]),
        "ports[0].endPort",
    ),
    "a port that is none": (from_(ports=[port(70000)]), "ports[0].port"),
    "a protocol that is none": (from_(ports=[port(9000, "ICMP")]), "ports[0].protocol"),
    "an exception outside its block": (
        from_(block("10.0.0.0/24", "10.0.1.0/24")),
        "from[0].ipBlock.except[0]",
    ),
    "a block that is also a selector": (from_({**block("10.0.0.0/24"), **peer(A)}), "from[0]"),
}


def told(kubectl: Kubectl, rule: dict[str, object]) -> Result:
    """How the API takes a policy with that rule; it is not kept."""
    how = ["--server-side", "--dry-run=server", "--filename=-"]
    text = yaml.safe_dump(policy("default", "p", A, ingress=[rule]))
    return kubectl("apply", *how, input=text, check=False)


@pytest.mark.parametrize(
    ("rule", "field"), REFUSED.values(), ids=[id.replace(" ", "-") for id in REFUSED]
)
def test_the_api_refuses(kubectl: Kubectl, rule: dict[str, object], field: str) -> None:
    """What means nothing does not become a policy, and the API says why not."""
    answer = told(kubectl, rule)
    assert answer.code == 1
    assert '"p" is invalid: ' in answer.stderr
    assert f"spec.ingress[0].{field}: " in answer.stderr


def test_the_api_takes_the_same_without_the_mistake(kubectl: Kubectl) -> None:
    """The counterfactual: peers, blocks, exceptions and ranges that do mean something."""
    peers = [peer(A, pick()), block("10.0.0.0/16", "10.0.1.0/24")]
    ports = [port("np-line"), port(9001, "UDP", end=9002)]
    answer = told(kubectl, from_(*peers, ports=ports))
    assert answer.code == 0, answer.stderr

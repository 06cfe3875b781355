"""From what was heard to what is told: hops, who answered, what dropped it, what disagrees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gkelab.shell import Result
from gkelab.tools.cilium import Flow
from gkelab.trace import draw, verdict
from gkelab.trace.follow import Sought, follow
from gkelab.trace.hops import way
from gkelab.trace.listen import Heard, in_order
from gkelab.trace.model import Drop, EndView, Trace
from gkelab.trace.packets import ACK, RST, SYN, Frame
from gkelab.trace.plan import Place
from gkelab.trace.probe import Said, Wanted, command
from gkelab.trace.probe import verdict as ended
from gkelab.trace.resolve import End
from tests.unit.cloud.router.states import NODES, fabric, firewall

N1, N2, VM = "42:01:0a:80:00:02", "42:01:0a:80:00:03", "42:01:0a:84:00:02"
ROUTER = "02:00:00:00:00:01"
A, B, SERVICE = "10.4.0.5", "10.4.0.70", "10.4.16.9"
POD_A, POD_B = Place("pod", "x/a", "n1", A), Place("pod", "x/b", "n2", B)
ON_1, ON_2, R = Place("node", "n1", "n1"), Place("node", "n2", "n2"), Place("router", "r", "r")
WAY = (POD_A, ON_1, R, ON_2, POD_B)
PODS = firewall("pods", "tcp", sourceRanges=["10.4.0.0/20"])
# The interfaces at which a probe is heard from pod to pod, with the MAC address of its frame.
CROSSED = [
    (POD_A, "eth0", True, ROUTER),
    (ON_1, "lxc1", False, ROUTER),
    (ON_1, "eth0", True, N1),
    (R, "us0", False, N1),
    (R, "us0", True, ROUTER),
    (ON_2, "eth0", False, ROUTER),
    (ON_2, "lxc2", True, ROUTER),
    (POD_B, "eth0", False, ROUTER),
]


def syn(mac: str, ttl: int, source: str = A, destination: str = B, port: int = 8080) -> Frame:
    return Frame(mac, source, destination, ttl, 6, 40000, port, SYN, 1000)


def heard(reached: int, *, answered: bool = False, source: str = A) -> list[Heard]:
    """The probe as far as so many interfaces; with its answer all the way back."""
    found = [
        Heard(n * 1000, place.key, interface, out, syn(mac, 64 - (n > 1) - (n > 3), source))
        for n, (place, interface, out, mac) in enumerate(CROSSED[:reached])
    ]
    if answered:
        back = Frame(N2, B, source, 64, 6, 8080, 40000, SYN | ACK, 5, 1001)
        found += [
            Heard(100_000 + n * 1000, place.key, interface, not out, back)
            for n, (place, interface, out, _) in enumerate(reversed(CROSSED))
        ]
    return found


def facts(
    listened: Sequence[Heard],
    outcome: str = "timeout",
    *,
    rules: Sequence[object] = (PODS,),
    counters: dict[str, int] | None = None,
    flows: Sequence[Flow] = (),
    expected: Sequence[Place] = WAY,
) -> verdict.Facts:
    known = fabric(NODES, list(rules))
    sought = Sought({POD_A.key}, {B, SERVICE}, {8080, 80}, 6, b"token")
    followed = follow(listened, sought)
    places = {place.key: place for place in WAY}
    found = way(followed, expected, places, known, "net0")
    said = Said(outcome)  # type: ignore[arg-type]
    receivers = {POD_B.key}
    return verdict.Facts(
        *(followed, found, said, places, expected, receivers, known, counters or {}, flows)
    )


def test_from_pod_to_pod() -> None:
    known = facts(heard(8, answered=True), "answered")
    assert [(hop.kind, hop.name, len(hop.seen), len(hop.answer)) for hop in known.way.hops] == [
        *(("pod", "x/a", 1, 1), ("node", "n1", 2, 2), ("router", "r", 2, 2)),
        *(("node", "n2", 2, 2), ("pod", "x/b", 1, 1)),
    ]
    decided = known.way.hops[2].decided
    assert decided is not None
    assert (decided.fate, decided.route) == ("delivered", "10.4.0.64/26 via 10.128.0.3")
    assert (decided.egress_rule, decided.ingress_rule) == ("implied allow egress", "pods")
    assert (verdict.received_by(known), verdict.answered_by(known)) == ("x/b", "x/b")
    assert verdict.dropped(known) is None
    assert list(verdict.disagreements(known)) == []


@pytest.mark.parametrize(
    ("reached", "drop"),
    [
        (0, Drop("x/a", "not sent", "nothing left x/a: timeout")),
        (
            2,
            Drop(
                "n1", "unknown", "it came to n1 and went no further, and Hubble names no drop of it"
            ),
        ),
        (3, Drop("n1", "lost on the link", "it left n1, and r did not get it")),
        (4, Drop("r", "unknown", "nothing that was decided explains it")),
        (5, Drop("r", "lost on the link", "it left r, and n2 did not get it")),
        (
            6,
            Drop(
                "n2", "unknown", "it came to n2 and went no further, and Hubble names no drop of it"
            ),
        ),
        (8, None),
    ],
)
def test_where_it_ends(reached: int, drop: Drop | None) -> None:
    known = facts(heard(reached))
    assert verdict.dropped(known) == drop
    wrong = [
        "the router should let 10.4.0.5 -> 10.4.0.70 through (implied allow egress, pods), "
        "and did not"
    ]
    assert list(verdict.disagreements(known)) == (wrong if reached == 4 else [])
    names = [hop.name for hop in known.way.hops if not hop.seen]
    places = [place.key for place, *_ in CROSSED[:reached]]
    assert names == [place.name for place in WAY if place.key not in places]


def test_an_answer_that_is_lost() -> None:
    known = facts(heard(8, answered=True)[:11])
    assert verdict.dropped(known) == Drop(
        "n2", "the answer was lost", "x/b answered, and the answer was last seen at n2"
    )


@pytest.mark.parametrize(
    ("rules", "what", "counters"),
    [
        ([], "implied deny ingress", {"implied_deny": 2}),
        ([PODS, firewall("no", "tcp:8080", deny=True)], "ingress rule no", {}),
        (
            [PODS, firewall("out", "all", deny=True, direction="EGRESS", targetTags=["node"])],
            *("egress rule out", {}),
        ),
    ],
)
def test_rules_are_named(rules: list[object], what: str, counters: dict[str, int]) -> None:
    known = facts(heard(4), rules=rules, counters=counters)
    drop = verdict.dropped(known)
    assert drop is not None
    assert (drop.at, drop.what) == ("r", what)
    assert ("(counted: implied_deny +2)" in drop.why) == bool(counters)
    assert list(verdict.disagreements(known)) == []


def test_a_spoofed_source() -> None:
    listened = heard(4, source="10.4.0.99")
    known = facts(listened, counters={"spoofed by n1": 1})
    assert verdict.dropped(known) == Drop(
        *("r", "anti-spoofing"),
        "n1 may not send from 10.4.0.99 (counted: spoofed by n1 +1)",
    )
    assert list(verdict.disagreements(known)) == []
    assert list(verdict.disagreements(facts(listened))) == [
        "the router should drop 10.4.0.99 -> 10.4.0.70 (anti-spoofing), and counted no such drop"
    ]


def test_nowhere_and_what_is_not_public() -> None:
    nowhere = [replace(h, frame=replace(h.frame, destination="10.4.9.9")) for h in heard(4)]
    sought = Sought({POD_A.key}, {"10.4.9.9"}, {8080}, 6, b"")
    known = facts([], counters={"nowhere": 1})
    followed = follow(nowhere, sought)
    found = way(followed, (POD_A, ON_1, R), {p.key: p for p in WAY}, known.fabric, "net0")
    drop = verdict.dropped(replace(known, followed=followed, way=found, receivers=set()))
    assert drop == Drop(
        *("r", "no route: no instance's range"),
        "10.4.9.9 is nobody's in the network of n1 (counted: nowhere +1)",
    )
    client = Heard(0, "r", "net0", False, syn(ROUTER, 63, "198.18.0.2", "10.4.0.70"))
    found = way(replace(followed, probe=(client,)), (), {"r": R}, known.fabric, "net0")
    assert found.passes[0].decision.fate.value == "not_public"


def test_what_is_let_through_against_a_rule() -> None:
    known = facts(heard(8, answered=True), "answered", rules=[])
    assert list(verdict.disagreements(known)) == [
        "the router should drop 10.4.0.5 -> 10.4.0.70 (implied deny ingress), and let it through"
    ]


def test_a_way_around_the_router() -> None:
    around = [one for one in heard(8) if one.place != "r"]
    assert list(verdict.disagreements(facts(around))) == ["x/b got it, and the router never saw it"]


def test_cilium_is_asked_where_the_router_was_not_it() -> None:
    flow = Flow(
        *("t", "n2", "x/a (10.4.0.5:40000)", "x/b (10.4.0.70:8080)"),
        *("DROPPED", "POLICY_DENIED", "ingress", "TCP SYN"),
    )
    other = replace(flow, source="x/a (10.4.0.5:40001)", reason="OTHER")
    known = facts(heard(6))
    assert verdict.at_cilium(known) == ON_2
    assert verdict.at_cilium(facts(heard(4))) is None
    assert verdict.at_cilium(facts(heard(8))) is None
    assert verdict.dropped(verdict.with_flows(known, [other, flow])) == Drop(
        *("n2", "Cilium: POLICY_DENIED"),
        "x/a (10.4.0.5:40000) -> x/b (10.4.0.70:8080) ingress",
    )


def test_a_probe_is_followed_through_translation_and_not_mistaken() -> None:
    """A Service's address before, a backend's after; another connection, and what is sent again,
    are not the probe."""
    first = replace(heard(1)[0], frame=syn(ROUTER, 64, destination=SERVICE, port=80))
    stranger = replace(first, frame=replace(first.frame, sequence=7))
    again = replace(first, time=10**9)
    followed = follow(
        [first, *heard(8, answered=True)[1:], stranger, again],
        Sought({POD_A.key}, {B, SERVICE}, {8080, 80}, 6, b""),
    )
    assert len(followed.probe) == 8
    assert followed.probe[0].frame.destination == SERVICE
    assert len(followed.answer) == 8


def test_a_pod_is_behind_its_node_though_both_have_one_time() -> None:
    """As Cilium leads a packet into a pod: the stamp stays, the TTL does not."""
    pod = Heard(7, "a-pod", "eth0", False, syn(ROUTER, 62))
    node = Heard(7, "node", "eth0", False, syn(ROUTER, 63))
    router = Heard(6, "router", "eth0", True, syn(ROUTER, 63))
    assert in_order([pod, node, router]) == [router, node, pod]


def test_a_reset_and_an_icmp_error_are_answers() -> None:
    sent = heard(8)
    reset = Heard(
        10**6, POD_B.key, "eth0", True, Frame(N2, B, A, 64, 6, 8080, 40000, RST | ACK, 0, 1001)
    )
    error = Heard(
        *(10**6, "r", "us0", True),
        Frame(ROUTER, "10.128.0.1", A, 64, 1, kind=3, quoted=syn("", 63)),
    )
    assert verdict.answered_by(facts([*sent, reset], "refused")) == "x/b"
    assert verdict.answered_by(facts([*sent[:4], error], "unreachable")) == "r"


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "said"),
    [
        (0, "answered\n", "", Said("answered")),
        (0, "timeout\n", "", Said("timeout")),
        (124, "", "", Said("timeout")),
        (1, "", "bash: connect: Connection refused", Said("refused", "Connection refused")),
        (1, "", "bash: connect: No route to host", Said("unreachable", "No route to host")),
        (126, "", "OCI runtime exec failed\nno bash", Said("broken", "no bash")),
        (0, "", "", Said("broken", "it ended with 0")),
    ],
)
def test_how_the_probe_ended(code: int, stdout: str, stderr: str, said: Said) -> None:
    assert ended(Result((), code, stdout, stderr)) == said


def test_a_pods_probe_is_sent_in_its_network() -> None:
    wanted = Wanted("tcp", "10.4.0.70", 80, "token")
    inside = command(End("pod", "x/a", A, "n1", A), "cni-1", wanted)
    assert inside[:6] == ["nsenter", "--net=/run/netns/cni-1", "timeout", "2", "bash", "-c"]
    assert inside[7:] == ["probe", "tcp", "10.4.0.70", "80", "token"]
    assert command(End("node", "n1", "10.128.0.2", "n1"), "net", wanted) == inside[2:]


def test_it_is_drawn_and_data() -> None:
    known = facts(heard(4), rules=[], counters={"implied_deny": 1})
    told = Trace(
        *(EndView("pod", "x/a", A), EndView("pod", "x/b", B), "tcp", 8080, "timeout", ""),
        *(False, "", "", known.way.hops, verdict.dropped(known), {"implied_deny": 1}),
        notes=("a note",),
    )
    assert [line.plain for line in draw.lines(told)] == [
        "tcp from pod x/a (10.4.0.5) to pod x/b (10.4.0.70) port 8080",
        "  1 pod x/a",
        "      eth0 out             10.4.0.5:40000 -> 10.4.0.70:8080             ttl 64  +0 µs",
        "  2 node n1",
        "      lxc1 in              10.4.0.5:40000 -> 10.4.0.70:8080             ttl 64  +1 µs",
        "      eth0 out             10.4.0.5:40000 -> 10.4.0.70:8080             ttl 63  +2 µs",
        "  3 router r",
        "      us0 in               10.4.0.5:40000 -> 10.4.0.70:8080             ttl 63  +3 µs",
        "      decided: ingress, route 10.4.0.64/26 via 10.128.0.3, egress by implied allow "
        "egress, ingress by implied deny ingress",
        "  4 node n2: not reached",
        "  5 pod x/b: not reached",
        "timeout",
        "ended at r: implied deny ingress: n2 takes nothing of the kind from 10.4.0.5 "
        "(counted: implied_deny +1)",
        "the router counted implied_deny +1",
        "note: a note",
    ]
    data = json.loads(json.dumps(told.to_dict()))
    assert (data["agrees"], data["delivered"], data["port"]) == (True, False, 8080)
    assert data["dropped"]["what"] == "implied deny ingress"
    assert data["hops"][2]["decided"]["passed"] is False

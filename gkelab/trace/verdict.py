"""What became of the probe: who got it, who answered, what dropped it, and whether that is what
was decided. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gkelab.cloud.router.decide import IMPLIED, Decision, Fate
from gkelab.cloud.router.fabric import Fabric
from gkelab.tools.cilium import Flow
from gkelab.trace.follow import Followed
from gkelab.trace.hops import Pass, Way, sender_of
from gkelab.trace.listen import Heard
from gkelab.trace.model import Drop
from gkelab.trace.packets import TCP, UDP, Frame
from gkelab.trace.plan import ROUTER, Place
from gkelab.trace.probe import Said

CHECKS = {
    Fate.UNKNOWN_SENDER: "anti-spoofing: no instance has this MAC address",
    Fate.SPOOFED: "anti-spoofing",
    Fate.INTERNET_SPOOFED: "anti-spoofing: no address of the internet's",
    Fate.NOWHERE: "no route: no instance's range",
    Fate.NOT_PUBLIC: "not public",
    Fate.RESOLVER: "the VPC's resolver",
    Fate.NO_PUBLIC_ADDRESS: "no public address",
}


@dataclass(frozen=True)
class Facts:
    """All that is known when the probe has ended. `places` are by key, `receivers` keys of them,
    `expected` the way as it should be; `counters` are the router's that rose; `flows` Cilium's,
    where it was asked."""

    followed: Followed
    way: Way
    said: Said
    places: Mapping[str, Place]
    expected: Sequence[Place]
    receivers: Collection[str]
    fabric: Fabric
    counters: Mapping[str, int]
    flows: Sequence[Flow] = ()

    def name(self, key: str) -> str:
        """What a place is called."""
        return self.places[key].name


def with_flows(facts: Facts, flows: Sequence[Flow]) -> Facts:
    """The same with what Cilium said."""
    return replace(facts, flows=tuple(flows))


def received_by(facts: Facts) -> str:
    """Who got the probe; "" for nobody."""
    got = arrival(facts.followed, facts.receivers)
    return facts.name(got.place) if got else ""


def arrival(followed: Followed, receivers: Collection[str]) -> Heard | None:
    """Where the probe came to one of its receivers (keys of places), first."""
    return next((one for one in followed.probe if one.place in receivers and not one.out), None)


def answered_by(facts: Facts) -> str:
    """Who sent the answer, be it a refusal: where it was heard first; an address where that is
    all that is known."""
    if not facts.followed.answer:
        return ""
    first = facts.followed.answer[0]
    if first.out:
        return facts.name(first.place)
    sender = sender_of(first.frame.source_mac)
    nic = facts.fabric.nics_by_address.get(sender)
    return nic.instance if nic else first.frame.source


def at_cilium(facts: Facts) -> Place | None:
    """The node (or the pod on it) that the probe came to and never left: what Cilium is asked
    about. None where it went on, or was never with one."""
    if not facts.followed.probe or received_by(facts):
        return None
    last = facts.followed.probe[-1]
    place = facts.places[last.place]
    if place.kind == "pod" or (place.kind == "node" and not last.out):
        return place
    return None


def dropped(facts: Facts) -> Drop | None:
    """What ended the probe, or its answer; None for one that was answered, or that who got it
    left without an answer."""
    probe, answer = facts.followed.probe, facts.followed.answer
    if not probe:
        return _unsent(facts)
    if received_by(facts):
        if facts.said.outcome != "timeout" or not answer:
            return None
        at = facts.name(answer[-1].place)
        why = f"{answered_by(facts)} answered, and the answer was last seen at {at}"
        return Drop(at, "the answer was lost", why)
    return None if facts.said.outcome == "answered" else _lost(facts, probe[-1])


def _lost(facts: Facts, last: Heard) -> Drop:
    place = facts.places[last.place]
    if place.kind == ROUTER and not last.out:
        return _at_router(facts, facts.way.passes[-1])
    if at_cilium(facts):
        return _at_node(facts, last)
    following = next((hop.name for hop in facts.way.hops if not hop.seen), "")
    nobody = "nobody at which was listened got it"
    why = f"it left {place.name}, and {f'{following} did not get it' if following else nobody}"
    return Drop(place.name, "lost on the link", why)


def _unsent(facts: Facts) -> Drop | None:
    source = facts.expected[0].name if facts.expected else "the source"
    if facts.said.outcome == "answered":
        return None
    why = facts.said.detail or facts.said.outcome
    what = "no route" if facts.said.outcome == "unreachable" else "not sent"
    return Drop(source, what, f"nothing left {source}: {why}")


def _at_router(facts: Facts, one: Pass) -> Drop:
    router = facts.name(one.came.place)
    said = one.decision
    if said.delivered:
        return Drop(router, "unknown", "nothing that was decided explains it")
    return Drop(router, what_of(said), _why(facts, one))


def what_of(said: Decision) -> str:
    """The rule or the check that drops a packet."""
    if said.fate is Fate.EGRESS:
        return f"egress rule {said.egress}"
    if said.fate is Fate.INGRESS:
        implied = said.ingress == IMPLIED["INGRESS"]
        return said.ingress if implied else f"ingress rule {said.ingress}"
    return CHECKS[said.fate]


def _why(facts: Facts, one: Pass) -> str:
    frame, said = one.came.frame, one.decision
    sender = sender_of(frame.source_mac)
    nic = facts.fabric.nics_by_address.get(sender)
    who = nic.instance if nic else frame.source_mac
    sentences = {
        Fate.UNKNOWN_SENDER: f"{who} is no instance's",
        Fate.SPOOFED: f"{who} may not send from {frame.source}",
        Fate.INTERNET_SPOOFED: f"the internet may not send from {frame.source}",
        Fate.NOWHERE: f"{frame.destination} is nobody's in the network of {who}",
        Fate.NOT_PUBLIC: f"the internet does not reach {frame.destination}",
        Fate.RESOLVER: f"{frame.destination} is where {who} asks for names, and answers itself",
        Fate.NO_PUBLIC_ADDRESS: f"{frame.source} has no public address to go to the internet with",
        Fate.EGRESS: f"{who} may not send to {said.destination}",
        Fate.INGRESS: f"{said.receiver} takes nothing of the kind from {frame.source}",
    }
    counter = counter_of(facts.fabric, one)
    counted = facts.counters.get(counter, 0)
    return sentences[said.fate] + (f" (counted: {counter} +{counted})" if counted else "")


def counter_of(fabric: Fabric, one: Pass) -> str:
    """The router's counter of what drops a packet; "" for a rule that a person made."""
    said = one.decision
    if said.fate is Fate.SPOOFED:
        return spoofed(fabric.nics_by_address[sender_of(one.came.frame.source_mac)].instance)
    if said.fate is Fate.INGRESS:
        return "implied_deny" if said.ingress == IMPLIED["INGRESS"] else ""
    uncounted = (Fate.EGRESS, Fate.DELIVERED, Fate.RESOLVER)
    return "" if said.fate in uncounted else said.fate.value


def spoofed(instance: str) -> str:
    """What the counter of an instance's spoofed packets is called to a person."""
    return f"spoofed by {instance}"


def _at_node(facts: Facts, last: Heard) -> Drop:
    place = facts.places[last.place]
    flow = next((f for f in facts.flows if f.dropped and is_of(f, last.frame)), None)
    if flow is None:
        why = f"it came to {place.machine} and went no further, and Hubble names no drop of it"
        return Drop(place.machine, "unknown", why)
    words = " ".join(word for word in ("Cilium:", flow.reason or "dropped") if word)
    why = f"{flow.source} -> {flow.destination} {flow.direction}".rstrip()
    return Drop(flow.node or place.machine, words, why)


def is_of(flow: Flow, frame: Frame) -> bool:
    """Whether a flow is that of a packet, whose destination a Service may have changed."""
    if frame.protocol in (TCP, UDP):
        ends = flow.source.replace("(", " ").replace(")", " ").split()
        return f"{frame.source}:{frame.source_port}" in ends
    return frame.source in flow.source and frame.destination in flow.destination


def disagreements(facts: Facts) -> Iterator[str]:
    """Where the packet did other than its rules say."""
    for one in facts.way.passes:
        yield from _at_pass(facts, one)
    got = arrival(facts.followed, facts.receivers)
    through = any(place.kind == ROUTER for place in facts.expected)
    # Of a Service's backends one may be beside the source.
    away = got and facts.places[got.place].machine != facts.expected[0].machine
    if got and away and through and not facts.way.passes:
        yield f"{facts.name(got.place)} got it, and the router never saw it"


def _at_pass(facts: Facts, one: Pass) -> Iterator[str]:
    said, went = one.decision, one.went
    ends = f"{one.came.frame.source} -> {one.came.frame.destination}"
    if said.delivered and went is None:
        yield f"the router should let {ends} through ({_allowed(said)}), and did not"
    elif said.delivered and went is not None:
        wanted = (str(said.source), str(said.destination))
        if wanted != (went.frame.source, went.frame.destination):
            left = f"{went.frame.source} -> {went.frame.destination}"
            yield f"{ends} should leave the router as {' -> '.join(wanted)}, and left it as {left}"
    elif went is not None:
        yield f"the router should drop {ends} ({what_of(said)}), and let it through"
    else:
        counter = counter_of(facts.fabric, one)
        if counter and not facts.counters.get(counter):
            yield f"the router should drop {ends} ({what_of(said)}), and counted no such drop"


def _allowed(said: Decision) -> str:
    return ", ".join(rule for rule in (said.egress, said.ingress) if rule) or said.route

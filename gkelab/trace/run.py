"""A trace from beginning to end: everybody listens before the probe is sent, and until it ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.tools.cilium import Cilium, Flow
from gkelab.trace import plan, probe, verdict
from gkelab.trace.follow import Sought, follow
from gkelab.trace.gather import Gathered, counters, gather
from gkelab.trace.hops import way
from gkelab.trace.listen import Heard, inside, listening, namespace_of, pod_namespaces
from gkelab.trace.model import EndView, Trace
from gkelab.trace.packets import ICMP, NUMBERS
from gkelab.trace.plan import Place
from gkelab.trace.resolve import End, destination, port, source
from gkelab.wait import until

# Seconds: beside the probe's own time, for docker to run it; for Hubble to have seen a drop.
GRACE, HUBBLE = 10, 10.0
LAST = 200


def traced(
    lab: Lab, sender: str, receiver: str, asked: int | None = None, protocol: str = "tcp"
) -> Trace:
    """Send one probe from a sender to a receiver, by their names, and tell its story.

    LabError for a name that is none or is not clear, and a lab that does not run.
    """
    if protocol not in NUMBERS:
        raise LabError(f"{protocol} is no protocol that is traced", "say tcp, udp or icmp")
    known = gather(lab)
    begin = source(sender, known.world)
    target = destination(receiver, known.world, begin)
    number = port(target, protocol, asked)
    wanted = probe.Wanted(protocol, target.address, number, probe.new_token())
    return _Tracing(lab, known, begin, target, wanted).trace()


class _Tracing:
    """One trace, with what its steps share."""

    def __init__(
        self, lab: Lab, known: Gathered, begin: End, target: End, wanted: probe.Wanted
    ) -> None:
        self.lab, self.known, self.begin, self.target = lab, known, begin, target
        self.wanted, self.protocol = wanted, NUMBERS[wanted.protocol]
        self.notes = list(known.notes)
        self.places = {
            place.key: place for place in plan.places(begin, target, known.world, known.router)
        }
        if len(target.backends) > plan.MOST:
            many = len(target.backends)
            self.notes.append(f"listened at {plan.MOST} of {many} backends, and at all nodes")

    def trace(self) -> Trace:
        where = self._namespaces()
        start = plan.begins(self.begin, tuple(self.places.values())).key
        if start not in where:
            raise LabError(f"{self.begin.name} does not run", "look at it with `invoke status`")
        self.places = {key: place for key, place in self.places.items() if key in where}
        before = counters(self.lab, self.known.router, self.known.fabric)
        with listening(where, self.protocol) as ears:
            said = self._send(where[start])
            heard = ears.heard()
        after = counters(self.lab, self.known.router, self.known.fabric)
        rose = {name: after[name] - before.get(name, 0) for name in after}
        return self._told(said, heard, {name: more for name, more in rose.items() if more > 0})

    def _namespaces(self) -> dict[str, Path]:
        """Where to listen, by place; what does not run is left out and noted."""
        found: dict[str, Path] = {}
        for machine in {place.machine for place in self.places.values()}:
            pid = self.known.pids.get(machine)
            if pid is None:
                self.notes.append(f"{machine} does not run, so nobody listened there")
                continue
            found[machine] = namespace_of(pid)
            pods = {p.pod: p for p in self.places.values() if p.machine == machine and p.pod}
            there = pod_namespaces(pid, pods)
            found |= {pods[address].key: path for address, path in there.items()}
            self.notes += [
                f"{place.name} has no network on {machine}, so nobody listened there"
                for address, place in pods.items()
                if address not in there
            ]
        return {key: found[key] for key in self.places if key in found}

    def _send(self, namespace: Path) -> probe.Said:
        if self.protocol == ICMP:
            return inside(namespace, lambda: probe.echo(self.wanted.address, self.wanted.token))
        argv = probe.command(self.begin, namespace.name, self.wanted)
        limit = probe.PATIENCE + GRACE
        return probe.verdict(
            self.lab.docker.exec(self.begin.machine, argv, check=False, timeout=limit)
        )

    def _told(self, said: probe.Said, heard: Sequence[Heard], rose: dict[str, int]) -> Trace:
        places = tuple(self.places.values())
        begins = {plan.begins(self.begin, places).key}
        expected = plan.expected(self.begin, self.target, places, self.known.router)
        sought = Sought(
            begins=begins,
            addresses={self.target.address, *(end.address for end in self.target.backends)},
            ports={self.wanted.port, *self.target.backend_ports},
            protocol=self.protocol,
            token=self.wanted.token.encode(),
        )
        followed = follow(heard, sought)
        receivers = plan.receivers(self.target, places)
        # A Service's backend beside the source is reached by none of the others' places.
        missed = () if verdict.arrival(followed, receivers) else expected
        facts = verdict.Facts(
            followed=followed,
            way=way(followed, missed, self.places, self.known.fabric, self.known.internet),
            said=said,
            places=self.places,
            expected=expected,
            receivers=receivers,
            fabric=self.known.fabric,
            counters=rose,
        )
        suspect = verdict.at_cilium(facts)
        if suspect:
            facts = verdict.with_flows(facts, self._flows(suspect, facts))
        if said.outcome == "answered" and not followed.probe:
            self.notes.append(f"nothing left {self.begin.name}: a proxy within it answered")
        return Trace(
            source=_view(self.begin),
            destination=_view(self.target),
            protocol=self.wanted.protocol,
            port=self.wanted.port,
            outcome=said.outcome,
            detail=said.detail,
            delivered=bool(verdict.received_by(facts)),
            received_by=verdict.received_by(facts),
            answered_by=verdict.answered_by(facts),
            hops=facts.way.hops,
            dropped=verdict.dropped(facts),
            counters=rose,
            disagreements=tuple(verdict.disagreements(facts)),
            notes=tuple(self.notes),
        )

    def _flows(self, suspect: Place, facts: verdict.Facts) -> list[Flow]:
        """Cilium's drops of the probe, once Hubble tells of one; none where it does not."""
        machine = self.known.world.machine(suspect.machine)
        if machine is None or not machine.cluster:
            return []
        frame = facts.followed.probe[-1].frame
        cilium = Cilium(self.lab.kubectl(machine.cluster))
        filters = ("--verdict=DROPPED", f"--ip={frame.source}", "--since=30s")

        def ask() -> list[Flow]:
            flows = cilium.flows(*filters, last=LAST, timeout=self.lab.timeouts.kubectl)
            return [flow for flow in flows if verdict.is_of(flow, frame)]

        try:
            return until(ask, bool, what="Hubble tells of the drop", timeout=HUBBLE)
        except LabError:
            return []


def _view(end: End) -> EndView:
    return EndView(end.kind, end.name, end.address)

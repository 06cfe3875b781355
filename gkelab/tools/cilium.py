"""Cilium's agents: one a node, with cilium-dbg and hubble in each; flows as dataclasses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gkelab.shell import CommandError, Result
from gkelab.tools.kubectl import Kubectl

NAMESPACE = "kube-system"
SELECTOR = "k8s-app=cilium"


@dataclass(frozen=True)
class Agent:
    """An agent's pod and its node."""

    pod: str
    node: str


@dataclass(frozen=True)
class Flow:
    """A packet as one node's Hubble saw it. `time` is RFC 3339; `source` and `destination` are
    namespace/pod, or what else Hubble knows, with address and port; `reason` is why it was
    dropped ("" if it was not), `summary` its protocol and flags."""

    time: str
    node: str
    source: str
    destination: str
    verdict: str
    reason: str
    direction: str
    summary: str

    @property
    def dropped(self) -> bool:
        """Whether this node let it go no further."""
        return self.verdict in ("DROPPED", "ERROR")

    def __str__(self) -> str:
        parts = [self.verdict, self.reason, self.direction, self.summary]
        said = " ".join(part for part in parts if part)
        return f"{self.time} {self.node}: {self.source} -> {self.destination} {said}"


@dataclass(frozen=True)
class Cilium:
    """The agents of one cluster. Methods raise CommandError when kubectl or a program refuses."""

    kubectl: Kubectl

    def agents(self) -> list[Agent]:
        """The agents, by node."""
        pods = self.kubectl.list("pods", NAMESPACE, SELECTOR)
        found = [Agent(p["metadata"]["name"], p["spec"].get("nodeName", "")) for p in pods]
        return sorted(found, key=lambda agent: agent.node)

    def exec(
        self, agent: Agent, argv: Sequence[str], *, check: bool = True, timeout: float | None = None
    ) -> Result:
        """Run a program in an agent."""
        return self.kubectl.exec(
            NAMESPACE, agent.pod, argv, container="cilium-agent", check=check, timeout=timeout
        )

    def flows(self, *filters: str, last: int, timeout: float) -> list[Flow]:
        """What all nodes' Hubbles saw, in time's order: the last flows of each that pass `hubble
        observe`'s filters ("--pod", "x/a"). Asks the agents themselves, as the relay may be what
        is broken; raises CommandError only when none of them answers. `timeout` is seconds for
        each."""
        argv = ["hubble", "observe", f"--last={last}", *filters, "--output=jsonpb"]

        def ask(agent: Agent) -> list[Flow] | CommandError:
            try:
                return parse_flows(self.exec(agent, argv, timeout=timeout).stdout)
            except CommandError as error:
                return error

        with ThreadPoolExecutor() as pool:
            said = list(pool.map(ask, self.agents()))
        errors = [answer for answer in said if isinstance(answer, CommandError)]
        if errors and len(errors) == len(said):
            raise errors[0]
        flows = [flow for answer in said if not isinstance(answer, CommandError) for flow in answer]
        return sorted(flows, key=lambda flow: flow.time)


def parse_flows(text: str) -> list[Flow]:
    """`hubble observe --output=jsonpb`: an object a line; what is no flow is passed over."""
    found = []
    for line in text.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # hubble's own warnings
        if isinstance(said, dict) and isinstance(said.get("flow"), dict):
            found.append(_flow(said["flow"]))
    return found


def _flow(raw: Mapping[str, Any]) -> Flow:
    layer: Mapping[str, Any] = raw.get("l4") or {}
    protocol = next(iter(layer), "")
    l4 = layer.get(protocol, {})
    flags = " ".join(name for name, is_set in (l4.get("flags") or {}).items() if is_set)
    reply = "reply" if raw.get("is_reply") else ""
    dropped = raw.get("verdict") == "DROPPED"
    direction = raw.get("traffic_direction", "")
    return Flow(
        time=raw.get("time", ""),
        node=raw.get("node_name", "").rpartition("/")[2],
        source=_end(raw, "source", l4),
        destination=_end(raw, "destination", l4),
        verdict=raw.get("verdict", ""),
        reason=raw.get("drop_reason_desc", "") if dropped else "",
        direction=direction.lower() if direction in ("INGRESS", "EGRESS") else "",
        summary=" ".join(word for word in (protocol, flags, reply) if word),
    )


def _end(raw: Mapping[str, Any], side: str, l4: Mapping[str, Any]) -> str:
    known = raw.get(side) or {}
    address = (raw.get("IP") or {}).get(side, "")
    port = l4.get(f"{side}_port")
    place = f"{address}:{port}" if port else address
    name = f"{known['namespace']}/{known['pod_name']}" if known.get("pod_name") else ""
    reserved = [
        label.removeprefix("reserved:")
        for label in known.get("labels") or []
        if label.startswith("reserved:")
    ]
    who = name or ",".join(reserved)
    return f"{who} ({place})" if who and place else who or place or "?"

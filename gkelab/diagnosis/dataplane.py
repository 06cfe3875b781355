"""What Cilium's agents hold and Hubble saw, and how Envoys are configured; no key among it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from gkelab.diagnosis.bundle import Collector, Group, Source, said
from gkelab.tools.cilium import Agent, Cilium
from gkelab.tools.kubectl import Kubectl

AGENT = {
    "status.txt": ["cilium-dbg", "status", "--verbose"],
    "endpoints.txt": ["cilium-dbg", "endpoint", "list"],
    "services.txt": ["cilium-dbg", "service", "list"],
    "loadbalancer.txt": ["cilium-dbg", "bpf", "lb", "list"],
    "policy.txt": ["cilium-dbg", "policy", "get"],
    "selectors.txt": ["cilium-dbg", "policy", "selectors"],
    "policy-maps.txt": ["cilium-dbg", "bpf", "policy", "get", "--all", "--numeric"],
    "ipcache.txt": ["cilium-dbg", "bpf", "ipcache", "list"],
    "masquerade.txt": ["cilium-dbg", "bpf", "ipmasq", "list"],
    "metrics.txt": ["cilium-dbg", "bpf", "metrics", "list"],
    "drops.txt": ["hubble", "observe", "--last=200", "--verdict=DROPPED", "--output=compact"],
    "flows.txt": ["hubble", "observe", "--last=1000", "--output=compact"],
}
PROXY = "istio-proxy"
SECRETS_DUMP = "SecretsConfigDump"
KEYS = ("private_key", "session_ticket_keys", "password", "inline_bytes")


def cilium_sources(kubectl: Kubectl, folder: str) -> list[Source]:
    """Each agent's state and flows, into a folder of the bundle."""
    cilium = Cilium(kubectl)

    def ask(agent: Agent, argv: Sequence[str]) -> str:
        return said(cilium.exec(agent, argv, check=False))

    def expand() -> list[Collector]:
        return [
            Collector(f"{folder}/cilium/{agent.node}/{file}", partial(ask, agent, argv))
            for agent in cilium.agents()
            for file, argv in AGENT.items()
        ]

    return [Group(f"{folder}/cilium", expand)]


def envoy_sources(kubectl: Kubectl, folder: str) -> list[Source]:
    """The configuration and the endpoints of each sidecar and gateway."""

    def ask(namespace: str, pod: str, path: str) -> str:
        words = ["pilot-agent", "request", "GET", path]
        return kubectl.exec(namespace, pod, words, container=PROXY).stdout

    def dump(namespace: str, pod: str) -> str:
        clean = without_secrets(json.loads(ask(namespace, pod, "config_dump")))
        return json.dumps(clean, indent=1) + "\n"

    def expand() -> list[Collector]:
        found = []
        for pod in kubectl.list("pods"):
            spec, name = pod["spec"], pod["metadata"]["name"]
            containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
            if any(container["name"] == PROXY for container in containers):
                namespace = pod["metadata"]["namespace"]
                place = f"{folder}/envoy/{namespace}.{name}"
                found.append(Collector(f"{place}.json", partial(dump, namespace, name)))
                clusters = partial(ask, namespace, name, "clusters")
                found.append(Collector(f"{place}.clusters.txt", clusters))
        return found

    return [Group(f"{folder}/envoy", expand)]


def without_secrets(dump: Any) -> Any:
    """Envoy's configuration without its secrets, at whatever depth they stand."""
    if isinstance(dump, list):
        kept = [item for item in dump if not _is_secrets(item)]
        return [without_secrets(item) for item in kept]
    if isinstance(dump, dict):
        return {key: without_secrets(value) for key, value in dump.items() if key not in KEYS}
    return dump


def _is_secrets(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("@type", "")).endswith(SECRETS_DUMP)

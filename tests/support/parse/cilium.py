"""`cilium-dbg bpf lb list -o json` and `cilium-dbg endpoint list -o json`.

Forms as Cilium 1.19's cilium-dbg prints them: the service map's JSON has text for keys and values.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.support.parse.errors import listed, parsing


@dataclass(frozen=True)
class Backend:
    """A service's backend in the BPF map. `slot` counts from 1."""

    address: str
    port: int
    protocol: str
    slot: int


@dataclass(frozen=True)
class Service:
    """A frontend of the BPF service map.

    `internal` is the scope of traffic from inside (Cilium has two where the traffic policies
    differ). `type` is ClusterIP, NodePort, LoadBalancer, ...; `flags` are the others, as
    "non-routable" or "sessionAffinity". `missing` counts slots whose backend is not in the map.
    """

    address: str
    port: int
    protocol: str
    internal: bool
    type: str
    flags: tuple[str, ...]
    backends: tuple[Backend, ...]
    missing: int


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of the agent. `pod` is namespace/name, "" for the host's and health's; `policy`
    is what is enforced: none, ingress, egress, both; labels are as "k8s:app=web"."""

    id: int
    identity: int
    pod: str
    ipv4: str
    ipv6: str
    state: str
    policy: str
    interface: str
    labels: tuple[str, ...]


_ADDRESS = r"(?P<address>\[[^\]]+\]|[^:\[]+):(?P<port>\d+)(/(?P<protocol>[A-Z]+))?"
# "10.96.0.1:443/TCP (1)", "[fd00::1]:443/TCP/i (0)": the frontend, its scope, the slot
_FRONTEND = re.compile(_ADDRESS + r"(?P<scope>/i)? \((?P<slot>\d+)\)")
# "10.0.1.7:8080/TCP (3) (1)": the backend, the number of the reverse NAT entry, the slot
_BACKEND = re.compile(_ADDRESS + r" \(\d+\) \((?P<slot>\d+)\)")
# Slot 0 is the service itself: "0.0.0.0:0 (3) (0) [ClusterIP, non-routable] "
_HEAD = re.compile(r".+ \(\d+\) \(0\) \[(?P<flags>[^\]]*)\].*")


def cilium_services(text: str) -> list[Service]:
    """From `cilium-dbg bpf lb list -o json`, sorted by address and port. Raises ParseError."""
    with parsing("cilium-dbg bpf lb list", text):
        slots: dict[tuple[str, int, str, bool], list[str]] = {}
        for key, values in json.loads(text).items():
            found = _match(_FRONTEND, key)
            name = (
                found["address"].strip("[]"),
                int(found["port"]),
                found["protocol"] or "ANY",
                bool(found["scope"]),
            )
            slots.setdefault(name, []).extend(values)
        return sorted(
            (_service(*name, values) for name, values in slots.items()),
            key=lambda service: (service.address, service.port, service.protocol, service.internal),
        )


def _service(address: str, port: int, protocol: str, internal: bool, values: list[str]) -> Service:
    heads = [value for value in values if _HEAD.fullmatch(value)]
    lost = [value for value in values if re.fullmatch(r"backend \d+ not found", value)]
    kind, *flags = _match(_HEAD, heads[0])["flags"].split(", ") if heads else [""]
    others = [_match(_BACKEND, value) for value in values if value not in {*heads, *lost}]
    backends = [
        Backend(b["address"].strip("[]"), int(b["port"]), b["protocol"] or "ANY", int(b["slot"]))
        for b in others
    ]
    ordered = tuple(sorted(backends, key=lambda backend: backend.slot))
    return Service(address, port, protocol, internal, kind, tuple(flags), ordered, len(lost))


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} has another form")
    return found


def cilium_endpoints(text: str) -> list[Endpoint]:
    """From `cilium-dbg endpoint list -o json`, sorted by id. Raises ParseError."""
    with parsing("cilium-dbg endpoint list", text):
        return sorted((_endpoint(raw) for raw in listed(text)), key=lambda endpoint: endpoint.id)


def _endpoint(raw: dict[str, Any]) -> Endpoint:
    status = raw["status"]
    network = status.get("networking") or {}
    pair = (network.get("addressing") or [{}])[0]
    named = status.get("external-identifiers") or {}
    space, pod = named.get("k8s-namespace", ""), named.get("k8s-pod-name", "")
    identity = status.get("identity") or {}
    return Endpoint(
        id=raw["id"],
        identity=identity.get("id", 0),
        pod=f"{space}/{pod}" if pod else "",
        ipv4=pair.get("ipv4", ""),
        ipv6=pair.get("ipv6", ""),
        state=status["state"],
        policy=((status.get("policy") or {}).get("realized") or {}).get("policy-enabled", ""),
        interface=network.get("interface-name", ""),
        labels=tuple(sorted(identity.get("labels") or ())),
    )

"""EndpointSlices and Services as the API gives them, read as what a datapath makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gkelab.tools.kubectl import Object
from tests.support.parse import Service
from tests.support.parse.errors import parsing

Backends = dict[tuple[int, str], frozenset[tuple[str, int]]]


@dataclass(frozen=True)
class Endpoint:
    """One address of a Service, as a slice lists it. `zones` are those that its hint gives it to,
    () without a hint; a condition that is not told counts as Kubernetes says: ready and serving,
    not terminating."""

    address: str
    pod: str
    node: str
    zone: str
    ready: bool
    serving: bool
    terminating: bool
    zones: tuple[str, ...]


def endpoints(slices: Sequence[Object]) -> list[Endpoint]:
    """The slices' endpoints, by address. Raises ParseError."""
    with parsing("EndpointSlices", str(slices)):
        found = [_endpoint(raw) for item in slices for raw in item.get("endpoints") or []]
        return sorted(set(found), key=lambda endpoint: endpoint.address)


def _endpoint(raw: Object) -> Endpoint:
    conditions = raw.get("conditions") or {}
    hints = (raw.get("hints") or {}).get("forZones") or []
    (address,) = raw["addresses"]
    return Endpoint(
        address=address,
        pod=(raw.get("targetRef") or {}).get("name", ""),
        node=raw.get("nodeName", ""),
        zone=raw.get("zone", ""),
        ready=conditions.get("ready") is not False,
        serving=conditions.get("serving") is not False,
        terminating=conditions.get("terminating") is True,
        zones=tuple(hint["name"] for hint in hints),
    )


def backends(service: Object, slices: Sequence[Object]) -> Backends:
    """Where each of a Service's ports leads, by port and protocol: the ready endpoints' addresses
    and ports. Raises ParseError."""
    with parsing("EndpointSlices", str(slices)):
        return {
            (port["port"], port.get("protocol", "TCP")): frozenset(
                (endpoint.address, number)
                for item in slices
                for number in _numbers(item, port)
                for endpoint in endpoints([item])
                if endpoint.ready
            )
            for port in service["spec"]["ports"]
        }


def _numbers(item: Object, port: Object) -> Iterable[int]:
    wanted = port.get("name", ""), port.get("protocol", "TCP")
    for raw in item.get("ports") or []:
        if (raw.get("name", ""), raw.get("protocol", "TCP")) == wanted:
            yield raw["port"]


def in_map(services: Sequence[Service], address: str) -> Backends:
    """Where the frontends of an address lead, as the datapath's own map says. Left out is the
    entry of port 0, by which Cilium drops what comes for none of the address's ports."""
    return {
        (service.port, service.protocol): frozenset((b.address, b.port) for b in service.backends)
        for service in services
        if service.address == address and service.port
    }

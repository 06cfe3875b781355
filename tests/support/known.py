"""What the nodes' datapath knows of Services. A Service leads to its pods once its EndpointSlices
list them and each node's Cilium agent was told so, which is a moment after they are Ready."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gkelab.faults.stage import is_ready
from gkelab.lab import Lab
from gkelab.shell import CommandError
from gkelab.tools.kubectl import Object
from tests.support.endpointslices import backends, endpoints
from tests.support.ipam import SOCKET
from tests.support.parse.errors import parsing

KINDS = "pods,services,endpointslices"
# By address, port and protocol of a Service, the addresses and ports that it leads to.
Known = Mapping[tuple[str, int, str], frozenset[tuple[str, int]]]
ASK = ("curl", "-q", "--silent", "--fail", "--max-time", "5", "--unix-socket", SOCKET)
URL = "http://localhost/v1/service"


def ask(lab: Lab, nodes: Sequence[str]) -> dict[str, Known]:
    """What the nodes' agents know; a node that is down, or whose agent is, is left out."""

    def one(node: str) -> Known | None:
        try:
            return parse(lab.docker.exec(node, [*ASK, URL], timeout=lab.timeouts.container).stdout)
        except CommandError:
            return None

    with ThreadPoolExecutor() as pool:
        found = dict(zip(nodes, pool.map(one, nodes), strict=True))
    return {node: known for node, known in found.items() if known is not None}


def parse(text: str) -> Known:
    """An agent's answer. Raises ParseError."""
    found: dict[tuple[str, int, str], frozenset[tuple[str, int]]] = {}
    with parsing("an agent's Services", text):
        for raw in json.loads(text):
            realized = raw["status"]["realized"]
            front = realized["frontend-address"]
            key = front["ip"], front["port"], front.get("protocol", "TCP").upper()
            there = realized.get("backend-addresses") or []
            own = frozenset((b["ip"], b["port"]) for b in there if b.get("state") == "active")
            found[key] = found.get(key, frozenset()) | own
    return found


def led(items: Sequence[Object]) -> bool:
    """Whether there is a Service that leads to pods."""
    return any(i["kind"] == "Service" and i.get("spec", {}).get("selector") for i in items)


def late(items: Sequence[Object], agents: Mapping[str, Known]) -> list[str]:
    """What is not known yet of a namespace's Services with a selector (`items` are its pods,
    Services and EndpointSlices), a sentence each. Where a Service leads to depends on who asks,
    slices alone are looked at. Raises ParseError."""
    return list(_late(items, agents))


def _late(items: Sequence[Object], agents: Mapping[str, Known]) -> Iterator[str]:
    for service in items:
        spec = service.get("spec", {})
        if service["kind"] != "Service" or not spec.get("selector"):
            continue
        name = service["metadata"]["name"]
        slices = [item for item in items if _is_of(item, name)]
        listed = {endpoint.address for endpoint in endpoints(slices) if endpoint.ready}
        if missing := _ready_pods(items, spec["selector"]) - listed:
            yield f"the EndpointSlices of {name} lack {', '.join(sorted(missing))}"
        elif spec.get("clusterIP", "None") != "None" and _same_for_all(service):
            for (port, protocol), wanted in backends(service, slices).items():
                key = spec["clusterIP"], port, protocol
                lacking = [n for n, known in agents.items() if wanted - known.get(key, set())]
                if lacking:
                    yield f"{', '.join(lacking)} lack endpoints of {name}:{port}"


def _is_of(item: Object, service: str) -> bool:
    labels = item["metadata"].get("labels") or {}
    return item["kind"] == "EndpointSlice" and labels.get("kubernetes.io/service-name") == service


def _ready_pods(items: Sequence[Object], selector: Mapping[str, str]) -> set[str]:
    found = set()
    for item in items:
        labels = item["metadata"].get("labels") or {}
        there = item["kind"] == "Pod" and "deletionTimestamp" not in item["metadata"]
        if there and is_ready(item) and selector.items() <= labels.items():
            found.add(item["status"]["podIP"])
    return found


def _same_for_all(service: Object) -> bool:
    """Whether it leads to the same endpoints from each node."""
    spec, notes = service["spec"], service["metadata"].get("annotations") or {}
    near = spec.get("trafficDistribution") or any(
        key.startswith("service.kubernetes.io/topology") for key in notes
    )
    return spec.get("internalTrafficPolicy", "Cluster") == "Cluster" and not near

"""Parsers from tools' output to frozen dataclasses. All take text and raise ParseError."""

from tests.support.parse.bpf import BpfMap, BpfProgram, bpf_maps, bpf_net
from tests.support.parse.cilium import (
    Backend,
    Endpoint,
    Service,
    cilium_endpoints,
    cilium_services,
)
from tests.support.parse.errors import ParseError
from tests.support.parse.flows import Flow, Socket, conntrack, sockets
from tests.support.parse.iproute import (
    Interface,
    Link,
    Neighbour,
    Route,
    addresses,
    links,
    neighbours,
    routes,
)

__all__ = [
    "Backend",
    "BpfMap",
    "BpfProgram",
    "Endpoint",
    "Flow",
    "Interface",
    "Link",
    "Neighbour",
    "ParseError",
    "Route",
    "Service",
    "Socket",
    "addresses",
    "bpf_maps",
    "bpf_net",
    "cilium_endpoints",
    "cilium_services",
    "conntrack",
    "links",
    "neighbours",
    "routes",
    "sockets",
]

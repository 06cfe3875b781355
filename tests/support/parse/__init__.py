"""Parsers from tools' output to frozen dataclasses. All take text and raise ParseError."""

from tests.support.parse.bpf import BpfProgram, bpf_net
from tests.support.parse.cilium import (
    Backend,
    Endpoint,
    Service,
    cilium_endpoints,
    cilium_services,
)
from tests.support.parse.errors import ParseError
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
    "BpfProgram",
    "Endpoint",
    "Interface",
    "Link",
    "Neighbour",
    "ParseError",
    "Route",
    "Service",
    "addresses",
    "bpf_net",
    "cilium_endpoints",
    "cilium_services",
    "links",
    "neighbours",
    "routes",
]

"""EndpointSlices as a cluster gave them, read."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.support import parse
from tests.support.endpointslices import Endpoint, backends, endpoints, in_map

# Two ports of one Service whose target port is a name of its own in each pod: two slices.
SLICES: list[dict[str, Any]] = json.loads("""[
{"addressType": "IPv4", "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
 "endpoints": [
  {"addresses": ["10.4.0.70"], "conditions": {"ready": true, "serving": true, "terminating": false},
   "hints": {"forZones": [{"name": "us-central1-b"}]}, "nodeName": "vpc-native-worker2",
   "targetRef": {"kind": "Pod", "name": "server-x2", "namespace": "t"}, "zone": "us-central1-b"},
  {"addresses": ["10.4.0.9"], "conditions": {"ready": false, "serving": true, "terminating": true},
   "nodeName": "vpc-native-worker",
   "targetRef": {"kind": "Pod", "name": "server-x1", "namespace": "t"}, "zone": "us-central1-a"}],
 "ports": [{"name": "web", "port": 8080, "protocol": "TCP"},
           {"name": "data", "port": 9001, "protocol": "UDP"}]},
{"addressType": "IPv4", "endpoints": [{"addresses": ["10.4.0.71"], "conditions": {}}],
 "ports": [{"name": "web", "port": 8081, "protocol": "TCP"}]}
]""")
SERVICE = {
    "spec": {
        "clusterIP": "10.96.0.7",
        "ports": [
            {"name": "web", "port": 80, "protocol": "TCP", "targetPort": "web"},
            {"name": "data", "port": 53, "protocol": "UDP", "targetPort": 9001},
            {"name": "none", "port": 81, "protocol": "TCP", "targetPort": "none"},
        ],
    }
}
MAP = """{
 "10.96.0.7:80/TCP (0)": ["0.0.0.0:0 (3) (0) [ClusterIP, non-routable] "],
 "10.96.0.7:80/TCP (1)": ["10.4.0.70:8080/TCP (3) (1)"],
 "10.96.0.7:80/TCP (2)": ["10.4.0.71:8081/TCP (3) (2)"],
 "10.96.0.7:53/UDP (0)": ["0.0.0.0:0 (4) (0) [ClusterIP, non-routable] "],
 "10.96.0.7:53/UDP (1)": ["10.4.0.70:9001/UDP (4) (1)"],
 "10.96.0.7:0/ANY (0)": ["0.0.0.0:0 (0) (0) [ClusterIP, non-routable] "],
 "10.96.0.7:81/TCP (0)": ["0.0.0.0:0 (5) (0) [ClusterIP, non-routable] "],
 "10.96.0.8:80/TCP (0)": ["0.0.0.0:0 (6) (0) [ClusterIP, non-routable] "]
}"""


def test_endpoints() -> None:
    assert endpoints(SLICES) == [
        Endpoint("10.4.0.70", "server-x2", "vpc-native-worker2", "us-central1-b", *(True, True),
                 terminating=False, zones=("us-central1-b",)),
        Endpoint("10.4.0.71", "", "", "", *(True, True), terminating=False, zones=()),
        Endpoint("10.4.0.9", "server-x1", "vpc-native-worker", "us-central1-a", *(False, True),
                 terminating=True, zones=()),
    ]  # fmt: skip
    assert endpoints([{"endpoints": None}]) == []


def test_the_datapaths_map_agrees_with_the_slices() -> None:
    wanted = {
        (80, "TCP"): frozenset({("10.4.0.70", 8080), ("10.4.0.71", 8081)}),
        (53, "UDP"): frozenset({("10.4.0.70", 9001)}),
        (81, "TCP"): frozenset(),
    }
    assert backends(SERVICE, SLICES) == wanted
    assert in_map(parse.cilium_services(MAP), "10.96.0.7") == wanted


def test_one_that_is_not_ready_is_no_backend() -> None:
    changed = copy.deepcopy(SLICES)
    changed[0]["endpoints"][1]["conditions"]["ready"] = True
    assert backends(SERVICE, changed) != backends(SERVICE, SLICES)


@pytest.mark.parametrize("slices", [[{"endpoints": [{}]}], [{"endpoints": [{"addresses": []}]}]])
def test_another_form_is_an_error(slices: list[dict[str, Any]]) -> None:
    with pytest.raises(parse.ParseError, match="cannot read EndpointSlices"):
        endpoints(slices)

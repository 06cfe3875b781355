"""Resources for tests to begin with, in Compute's JSON."""

from __future__ import annotations

import copy
from typing import Any

from tests.unit.cloud.servers import REGION, ZONE, Http

Body = dict[str, Any]

NETWORK: Body = {"name": "net", "autoCreateSubnetworks": False}
SUBNET: Body = {
    "name": "us",
    "network": "global/networks/net",
    "ipCidrRange": "10.128.0.0/20",
    "secondaryIpRanges": [
        {"rangeName": "pods", "ipCidrRange": "10.4.0.0/20"},
        {"rangeName": "services", "ipCidrRange": "10.5.0.0/25"},
    ],
}
VM: Body = {
    "name": "vm",
    "machineType": f"zones/{ZONE}/machineTypes/e2-medium",
    "networkInterfaces": [{"subnetwork": f"regions/{REGION}/subnetworks/us"}],
}
FIREWALL: Body = {
    "name": "fw",
    "network": "global/networks/net",
    "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
}
ROUTE: Body = {
    "name": "way",
    "network": "global/networks/net",
    "destRange": "192.168.0.0/16",
    "nextHopIp": "10.128.0.9",
}
ADDRESS: Body = {
    "name": "kept",
    "addressType": "INTERNAL",
    "subnetwork": f"regions/{REGION}/subnetworks/us",
}
PLACES = {
    "networks": "global/networks",
    "subnetworks": f"regions/{REGION}/subnetworks",
    "firewalls": "global/firewalls",
    "routes": "global/routes",
    "instances": f"zones/{ZONE}/instances",
    "addresses": f"regions/{REGION}/addresses",
}
BODIES = {
    "networks": NETWORK,
    "subnetworks": SUBNET,
    "firewalls": FIREWALL,
    "routes": ROUTE,
    "instances": VM,
    "addresses": ADDRESS,
}


def body(collection: str, **changes: Any) -> Body:
    """A resource to make, with fields changed; None leaves one out. Two underscores lead into
    lists and objects: networkInterfaces__0__networkIP."""
    made = copy.deepcopy(BODIES[collection])
    for path, value in changes.items():
        *way, last = path.split("__")
        place: Any = made
        for step in way:
            place = place[int(step)] if step.isdecimal() else place.setdefault(step, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = value
    return made


def make(http: Http, collection: str, **changes: Any) -> Body:
    """Make a resource that must be possible; as it then is."""
    wanted = body(collection, **changes)
    answer = http.send("POST", PLACES[collection], wanted)
    assert answer.status_code == 200, answer.text
    return dict(http("GET", f"{PLACES[collection]}/{wanted['name']}"))


def base(http: Http, *collections: str) -> None:
    """A network with a subnet, and one of each collection named."""
    for collection in ("networks", "subnetworks", *collections):
        make(http, collection)

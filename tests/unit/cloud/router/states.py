"""States of a cloud for tests, as its API tells them to realizers."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

from gkelab.cloud.router.compile import Interfaces
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.reading import read
from gkelab.cloud.router.settings import PoolSetting, Settings

Body = dict[str, Any]
BASE = "https://www.googleapis.com/compute/v1/projects/p"
US, EU, FAR = (
    f"projects/p/regions/{place}"
    for place in (
        "us-central1/subnetworks/us",
        "europe-west1/subnetworks/eu",
        "us-central1/subnetworks/far",
    )
)
INTERNET = IPv4Network("198.18.0.0/24")
POOL = PoolSetting(IPv4Network("203.0.113.0/28"), "us", "node")
SETTINGS = Settings("p", INTERNET, (POOL,), (IPv4Network("35.191.0.0/16"),))
INTERFACES = Interfaces({US: "us0", EU: "eu0", FAR: "far0"}, "net0")


def subnet(name: str, region: str, whole: str, pods: str, network: str = "net") -> Body:
    return {
        "name": name,
        "selfLink": f"{BASE}/regions/{region}/subnetworks/{name}",
        "region": f"{BASE}/regions/{region}",
        "network": f"{BASE}/global/networks/{network}",
        "ipCidrRange": whole,
        "gatewayAddress": str(IPv4Network(whole)[1]),
        "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": pods}],
    }


SUBNETS = {
    "us": subnet("us", "us-central1", "10.128.0.0/20", "10.4.0.0/20"),
    "eu": subnet("eu", "europe-west1", "10.132.0.0/20", "10.8.0.0/20"),
    "far": subnet("far", "us-central1", "10.200.0.0/20", "10.204.0.0/20", "other"),
}


def instance(
    name: str,
    where: str,
    address: str,
    *,
    aliases: Sequence[str] = (),
    tags: Sequence[str] = (),
    public: str = "",
    **more: Any,
) -> Body:
    region = SUBNETS[where]["region"].rpartition("/")[2]
    nic: Body = {
        "subnetwork": SUBNETS[where]["selfLink"],
        "network": SUBNETS[where]["network"],
        "networkIP": address,
        "aliasIpRanges": [{"ipCidrRange": text} for text in aliases],
    }
    if public:
        nic["accessConfigs"] = [{"type": "ONE_TO_ONE_NAT", "natIP": public}]
    return {
        "name": name,
        "zone": f"{BASE}/zones/{region}-b",
        "status": "RUNNING",
        "canIpForward": False,
        "tags": {"items": list(tags), "fingerprint": "x"},
        "networkInterfaces": [nic],
        **more,
    }


def firewall(name: str, *specs: str, deny: bool = False, network: str = "net", **more: Any) -> Body:
    """A rule; specs are as gcloud's, tcp:80-90 or all. Ingress from everywhere unless said."""
    rules = []
    for spec in specs:
        protocol, _, ports = spec.partition(":")
        rules.append({"IPProtocol": protocol, **({"ports": ports.split("+")} if ports else {})})
    body: Body = {
        "name": name,
        "network": f"{BASE}/global/networks/{network}",
        "direction": "INGRESS",
        "priority": 1000,
        "disabled": False,
        "denied" if deny else "allowed": rules,
        "logConfig": {"enable": False},
        **more,
    }
    side = "sourceRanges" if body["direction"] == "INGRESS" else "destinationRanges"
    if side not in body and "sourceTags" not in body:
        body[side] = ["0.0.0.0/0"]
    return body


def route(name: str, destination: str, network: str = "net", **hop: Any) -> Body:
    return {
        "name": name,
        "network": f"{BASE}/global/networks/{network}",
        "destRange": destination,
        "priority": 1000,
        **hop,
    }


def internet_route(network: str = "net") -> Body:
    gateway = f"{BASE}/global/gateways/default-internet-gateway"
    return route(f"default-{network}", "0.0.0.0/0", network, nextHopGateway=gateway)


def state(
    instances: Sequence[Body] = (),
    firewalls: Sequence[Body] = (),
    routes: Sequence[Body] | None = None,
    generation: int = 1,
) -> Body:
    return {
        "project": "p",
        "generation": generation,
        "resources": {
            "networks": [],
            "subnetworks": list(SUBNETS.values()),
            "instances": list(instances),
            "firewalls": list(firewalls),
            "routes": [internet_route()] if routes is None else list(routes),
            "addresses": [],
        },
    }


def fabric(*args: Any, **named: Any) -> Fabric:
    """A fabric of a state that has nothing wrong."""
    found, problems = read(state(*args, **named), SETTINGS)
    assert problems == []
    return found


NODES = (
    instance(
        "n1", "us", "10.128.0.2", aliases=["10.4.0.0/26"], tags=["node"], public="203.0.113.17"
    ),
    instance("n2", "us", "10.128.0.3", aliases=["10.4.0.64/26"], tags=["node"]),
    instance("vm", "eu", "10.132.0.2", tags=["vm"], public="203.0.113.18"),
)

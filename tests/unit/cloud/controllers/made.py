"""A cluster and its objects for tests, as Kubernetes tells of them."""

from __future__ import annotations

from typing import Any

from gkelab.cloud.client import Cloud
from gkelab.cloud.controllers.cluster import Cluster
from tests.unit.cloud.made import NETWORK, SUBNET, body
from tests.unit.cloud.servers import REGION, ZONE

Body = dict[str, Any]

CLUSTER = Cluster("small", "kind-small", "gke-small-0123abcd-node", "pods")
UID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
KUBE_SYSTEM = "6d1f5a1e-0000-4000-8000-000000000001"
POOL_RULE = "k8s-fw-a0a1b2c3d4e5f60718293a4b5c6d7e8f"


def node(name: str, pod_cidr: str = "", **changes: Any) -> Body:
    """A node with its podCIDR."""
    spec: Body = {"providerID": f"gce://test-project/{ZONE}/{name}", **changes}
    if pod_cidr:
        spec |= {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr]}
    return {"metadata": {"name": name}, "spec": spec}


def service(*addresses: str, annotations: Body | None = None, **spec: Any) -> Body:
    """A Service of type LoadBalancer with addresses."""
    ingress = [{"ip": address} for address in addresses]
    return {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": UID,
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP"}], **spec},
        "status": {"loadBalancer": {"ingress": ingress} if ingress else {}},
    }


def gcpfirewall(name: str = "allow-web", status: Body | None = None, **spec: Any) -> Body:
    """A GCPFirewall, as the API server keeps it."""
    pending = {
        "type": "Enforced",
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for controller",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    return {
        "apiVersion": "networking.gke.io/v1",
        "kind": "GCPFirewall",
        "metadata": {"name": name, "generation": 3, "uid": f"uid-{name}"},
        "spec": {"action": "ALLOW", **spec},
        "status": {"conditions": [pending]} if status is None else status,
    }


def instance(name: str, *aliases: str, cluster: str = "small", **nic: Any) -> Body:
    """A node's instance to insert; `aliases` are of the range pods."""
    ranges = [{"ipCidrRange": a, "subnetworkRangeName": "pods"} for a in aliases]
    made = body(
        "instances",
        name=name,
        labels={"goog-gke-node": "", "goog-k8s-cluster-name": cluster},
    )
    made["networkInterfaces"][0] |= {**({"aliasIpRanges": ranges} if ranges else {}), **nic}
    return made


def seen(name: str, *aliases: str, **changes: Any) -> Body:
    """A node's instance as the cloud tells of it."""
    made = instance(name, *aliases, **changes)
    return {**made, "zone": f"https://www.googleapis.com/compute/v1/projects/p/zones/{ZONE}"}


def begin(cloud: Cloud, *instances: Body) -> None:
    """A network with a subnet and instances."""
    cloud.insert("networks", "global", NETWORK)
    cloud.insert("subnetworks", f"regions/{REGION}", SUBNET)
    for made in instances:
        cloud.insert("instances", f"zones/{ZONE}", made)

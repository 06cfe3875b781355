"""Firewall rules of a test's own."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.lab import Lab
from tests.support.namespace import Pod
from tests.support.running import description


def cloud_of(lab: Lab) -> RestCloud:
    """The lab's cloud. LabError where it is not known."""
    place = recorded(lab.cloud_file)
    return RestCloud(place.endpoint, place.project)


@contextmanager
def admitted(lab: Lab, pods: Iterable[Pod]) -> Iterator[None]:
    """Inside the block every machine of the VPC admits TCP from these pods, and from those of
    other tests as little as before. Raises CloudError."""
    cloud = cloud_of(lab)
    rule = {
        "name": f"t-{secrets.token_hex(4)}",
        "description": description(),
        "network": f"global/networks/{lab.plan.network}",
        "sourceRanges": [f"{pod.ip}/32" for pod in pods],
        "allowed": [{"IPProtocol": "tcp"}],
    }
    cloud.insert("firewalls", "global", rule)
    try:
        yield
    finally:
        cloud.write("delete", "firewalls", "global", {"firewall": rule["name"]})

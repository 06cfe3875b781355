"""What the cloud has of a VPC, asked through the API's client and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Google's library takes a second to load
    from gkelab.cloud.client import Cloud

Body = dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """All resources of a project, in Compute's JSON, by collection."""

    networks: list[Body]
    subnetworks: list[Body]
    instances: list[Body]
    routes: list[Body]
    firewalls: list[Body]
    addresses: list[Body]


def read(cloud: Cloud) -> Resources:
    """Ask for everything. LabError when the cloud cannot be reached."""
    return Resources(**{one.name: cloud.list_all(one.name) for one in fields(Resources)})

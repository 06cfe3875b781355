"""What the topology says of the VPC, written through the cloud's API, as a person would."""

from __future__ import annotations

from gkelab.cloud.ensure import ensure
from gkelab.cloud.place import recorded
from gkelab.cloud.resources import resources
from gkelab.cloud.rest import RestCloud
from gkelab.graph import CACHED
from gkelab.lab import Lab


def write_vpc(lab: Lab) -> str:
    """Have networks, subnets, firewall rules and instances be as declared; what somebody made
    beside them stays. Raises CloudError when the cloud refuses."""
    place = recorded(lab.cloud_file)
    done = ensure(RestCloud(place.endpoint, place.project), resources(lab.plan))
    return f"{len(done)} resources" if done else CACHED

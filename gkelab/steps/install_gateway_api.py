"""The Gateway API's kinds, which GKE's clusters have from the start, whoever serves them."""

from __future__ import annotations

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.topology import Cluster

NAME = "gateway-api"


def install_gateway_api(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply the definitions of the pinned channel. istiod then finds them when it starts."""
    pin = lab.supplier.pins.definitions[NAME]

    def install() -> None:
        # As it is: of its megabyte of YAML nothing is to be changed.
        lab.kubectl(cluster.name).apply_text(lab.supplier.definitions(NAME).read_text())

    return pin.version if applied.once(NAME, pin.model_dump(), install) else CACHED

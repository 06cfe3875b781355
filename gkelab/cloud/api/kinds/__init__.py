"""The kinds of resources that the cloud has."""

from gkelab.cloud.api.kinds import (
    addresses,
    bulk,
    firewalls,
    instances,
    machine_types,
    networks,
    places,
    routes,
    subnetworks,
)
from gkelab.cloud.api.kinds.base import Batch, Kind

__all__ = ["BATCHES", "KINDS", "STORED", "Batch", "Kind"]

# In the order in which they can be made: none needs one that comes later.
STORED: tuple[Kind, ...] = (
    networks.KIND,
    subnetworks.KIND,
    firewalls.KIND,
    addresses.KIND,
    instances.KIND,
    routes.KIND,
)
KINDS: dict[str, Kind] = {
    kind.collection: kind for kind in (*STORED, places.REGION, places.ZONE, machine_types.KIND)
}
# Methods of a collection as a whole, by it and their name.
BATCHES: dict[tuple[str, str], Batch] = {(instances.KIND.collection, bulk.BATCH.name): bulk.BATCH}

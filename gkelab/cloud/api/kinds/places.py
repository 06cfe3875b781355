"""Regions and zones: what is there before anybody asks for it.

Regions, zones and the ranges of auto mode networks are Google's (docs compute/docs/regions-zones
and vpc/docs/subnets, "Auto mode IPv4 subnet ranges").
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from ipaddress import IPv4Network

from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds.base import Kind
from gkelab.cloud.api.links import BASE, Ref

# The network that is meant where none is said.
DEFAULT_NETWORK = "default"
AUTO_RANGE = IPv4Network("10.128.0.0/9")
_AUTO_PREFIX = 20
# Region: the second number of its auto mode range, its zones.
REGIONS = {
    "africa-south1": (218, "abc"),
    "asia-east1": (140, "abc"),
    "asia-east2": (170, "abc"),
    "asia-northeast1": (146, "abc"),
    "asia-northeast2": (174, "abc"),
    "asia-northeast3": (178, "abc"),
    "asia-south1": (160, "abc"),
    "asia-south2": (190, "abc"),
    "asia-southeast1": (148, "abc"),
    "asia-southeast2": (184, "abc"),
    "australia-southeast1": (152, "abc"),
    "australia-southeast2": (192, "abc"),
    "europe-central2": (186, "abc"),
    "europe-north1": (166, "abc"),
    "europe-north2": (226, "abc"),
    "europe-southwest1": (204, "abc"),
    "europe-west1": (132, "bcd"),
    "europe-west10": (214, "abc"),
    "europe-west12": (210, "abc"),
    "europe-west2": (154, "abc"),
    "europe-west3": (156, "abc"),
    "europe-west4": (164, "abc"),
    "europe-west6": (172, "abc"),
    "europe-west8": (198, "abc"),
    "europe-west9": (200, "abc"),
    "me-central1": (212, "abc"),
    "me-central2": (216, "abc"),
    "me-west1": (208, "abc"),
    "northamerica-northeast1": (162, "abc"),
    "northamerica-northeast2": (188, "abc"),
    "northamerica-south1": (224, "abc"),
    "southamerica-east1": (158, "abc"),
    "southamerica-west1": (194, "abc"),
    "us-central1": (128, "abcf"),
    "us-east1": (142, "bcd"),
    "us-east4": (150, "abc"),
    "us-east5": (202, "abc"),
    "us-south1": (206, "abc"),
    "us-west1": (138, "abc"),
    "us-west2": (168, "abc"),
    "us-west3": (180, "abc"),
    "us-west4": (182, "abc"),
}
ZONES = tuple(f"{region}-{zone}" for region, (_, zones) in REGIONS.items() for zone in zones)


def auto_range(region: str) -> IPv4Network:
    """The range of a region's subnet in auto mode networks."""
    return IPv4Network(f"10.{REGIONS[region][0]}.0.0/{_AUTO_PREFIX}")


def is_auto(ref: Ref, subnet: Body, network: Body) -> bool:
    """Whether a subnet is the one that auto mode gave its region."""
    number = REGIONS[ref.scope.partition("/")[2]][0]
    base = subnet["ipCidrRange"].partition("/")[0]
    return bool(ref.name == network["name"] and base == f"10.{number}.0.0")


def fixed(project: str, created: int) -> dict[str, dict[Ref, Body]]:
    """The regions and zones of a project whose database was made at `created` (microseconds)."""
    when = datetime.fromtimestamp(created / 1e6, UTC).isoformat(timespec="milliseconds")
    root = f"{BASE}projects/{project}"
    regions, zones = {}, {}
    for region, (_, letters) in REGIONS.items():
        links = [f"{root}/zones/{region}-{letter}" for letter in letters]
        ref = Ref("regions", "", region)
        regions[ref] = _place("compute#region", ref, project, when) | {"zones": links}
        for letter in letters:
            ref = Ref("zones", "", f"{region}-{letter}")
            zones[ref] = _place("compute#zone", ref, project, when)
            zones[ref]["region"] = f"{root}/regions/{region}"
    return {"regions": regions, "zones": zones}


def _place(kind: str, ref: Ref, project: str, when: str) -> Body:
    return {
        "kind": kind,
        "id": number_of(ref.name),
        "creationTimestamp": when,
        "name": ref.name,
        "description": ref.name,
        "status": "UP",
        "selfLink": ref.link(project),
    }


def number_of(name: str) -> str:
    """A number for what has none of its own: the same each time."""
    return str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]))


_SHOWN = message(
    output="name description status zones region deprecated quotas availableCpuPlatforms"
    " supportsPzs"
)
REGION = Kind(collection="regions", noun="region", scopes=("",), message=_SHOWN)
ZONE = Kind(collection="zones", noun="zone", scopes=("",), message=_SHOWN)

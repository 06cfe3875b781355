"""Machine types: a catalogue that is there from the start, and is read only.

Names, numbers of CPUs and memory are Google's (docs compute/docs/general-purpose-machines and
compute/docs/compute-optimized-machines), as are the limits of custom types. Families with
accelerators or local disks, and those for memory alone, are left out. Every zone of the lab has
all of them, which is not so at Google; a VM of the lab is as large as its host lets it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds.base import Catalog, Kind
from gkelab.cloud.api.kinds.places import ZONES, number_of
from gkelab.cloud.api.links import BASE, Ref, last

COLLECTION = "machineTypes"
# As Compute tells of all its own.
CREATED = "1969-12-31T16:00:00.000-08:00"
DISKS_SIZE_GB = 263_168
GB = 1024


@dataclass(frozen=True)
class Size:
    """What a machine type has: virtual CPUs, and memory in MB; shared are parts of a core."""

    cpus: int
    memory_mb: int
    shared: bool = False


@dataclass(frozen=True)
class Custom:
    """Which custom types a family has: numbers of CPUs, MB of memory for each CPU, and MB in
    all with extended memory (0: there is none)."""

    cpus: tuple[int, ...]
    least: int
    most: int
    extended: int = 0


_TO_96 = (2, 4, 8, 16, 32, 48, 64, 80, 96)
_N1 = (2, 4, 8, 16, 32, 64, 96)
_C2D = (2, 4, 8, 16, 32, 56, 112)
_C3 = (4, 8, 22, 44, 88, 176)
_C4 = (2, 4, 8, 16, 24, 32, 48, 96, 144, 192, 288)
_C3D = (4, 8, 16, 30, 60, 90, 180, 360)
# By the name without its number: GB of memory for each CPU, and the numbers of CPUs.
_FAMILIES: Mapping[str, tuple[float, tuple[int, ...]]] = {
    "c2-standard": (4, (4, 8, 16, 30, 60)),
    "c2d-highcpu": (2, _C2D),
    "c2d-highmem": (8, _C2D),
    "c2d-standard": (4, _C2D),
    "c3-highcpu": (2, _C3),
    "c3-highmem": (8, _C3),
    "c3-standard": (4, _C3),
    "c3d-highcpu": (2, (4, 8, 16)),
    "c3d-highmem": (8, _C3D),
    "c3d-standard": (4, _C3D),
    "c4-highcpu": (2, _C4),
    "c4-highmem": (7.75, _C4),
    "c4-standard": (3.75, _C4),
    "e2-highcpu": (1, (2, 4, 8, 16, 32)),
    "e2-highmem": (8, (2, 4, 8, 16)),
    "e2-standard": (4, (2, 4, 8, 16, 32)),
    "n1-highcpu": (0.9, _N1),
    "n1-highmem": (6.5, _N1),
    "n1-standard": (3.75, (1, *_N1)),
    "n2-highcpu": (1, _TO_96),
    "n2-highmem": (8, _TO_96),
    "n2-standard": (4, (*_TO_96, 128)),
    "n2d-highcpu": (1, (*_TO_96, 128, 224)),
    "n2d-highmem": (8, _TO_96),
    "n2d-standard": (4, (*_TO_96, 128, 224)),
    "n4-highcpu": (2, _TO_96[:-1]),
    "n4-highmem": (8, _TO_96[:-1]),
    "n4-standard": (4, _TO_96[:-1]),
    "t2d-standard": (4, (1, 2, 4, 8, 16, 32, 48, 60)),
}
# What follows no rule.
_OTHERS = {
    "c3d-highcpu-30": Size(30, 59 * GB),
    "c3d-highcpu-60": Size(60, 118 * GB),
    "c3d-highcpu-90": Size(90, 177 * GB),
    "c3d-highcpu-180": Size(180, 354 * GB),
    "c3d-highcpu-360": Size(360, 708 * GB),
    "c4-highmem-2": Size(2, 15 * GB),
    "c4-standard-2": Size(2, 7 * GB),
    "e2-micro": Size(2, 1 * GB, shared=True),
    "e2-small": Size(2, 2 * GB, shared=True),
    "e2-medium": Size(2, 4 * GB, shared=True),
    "f1-micro": Size(1, 614, shared=True),
    "g1-small": Size(1, 1740, shared=True),
    "n2-highmem-128": Size(128, 864 * GB),
}
SIZES: Mapping[str, Size] = {
    **{
        f"{name}-{cpus}": Size(cpus, round(per_cpu * GB * cpus))
        for name, (per_cpu, numbers) in _FAMILIES.items()
        for cpus in numbers
    },
    **_OTHERS,
}
_CUSTOM = {
    "e2": Custom(tuple(range(2, 33, 2)), GB // 2, 8 * GB),
    "n1": Custom((1, *range(2, 97, 2)), 922, 6656, 624 * GB),
    # Documents have said 640 GB of extended memory; Google's samples are given 800, so it is taken
    # to be what the largest of its types has.
    "n2": Custom((*range(2, 33, 2), *range(36, 129, 4)), GB // 2, 8 * GB, 864 * GB),
    "n2d": Custom((2, 4, 8, *range(16, 97, 16)), GB // 2, 8 * GB, 768 * GB),
    "n4": Custom(tuple(range(2, 81, 2)), 2 * GB, 8 * GB, 640 * GB),
}
# Least and most MB of those that share a core.
_CUSTOM_SHARED = {"micro": (1 * GB, 2 * GB), "small": (2 * GB, 4 * GB), "medium": (4 * GB, 8 * GB)}
_STEP_MB = 256
# N1's have no family in their name.
_CUSTOM_NAME = re.compile(
    r"(?:(?P<family>[a-z][0-9][a-z]?)-)?custom-(?P<cpus>[1-9][0-9]{0,2})-(?P<memory>[1-9][0-9]{0,6})"
    r"(?P<extended>-ext)?"
)
_CUSTOM_SHARED_NAME = re.compile(r"e2-custom-(?P<part>[a-z]+)-(?P<memory>[1-9][0-9]{0,6})")


def size_of(name: str) -> Size | None:
    """What the machine type of that name has, custom or not; None if there is none."""
    return SIZES.get(name) or _custom(name) or _custom_shared(name)


def _custom(name: str) -> Size | None:
    match = _CUSTOM_NAME.fullmatch(name)
    limits = _CUSTOM.get(match["family"] or "n1") if match else None
    if not match or not limits:
        return None
    cpus, memory = int(match["cpus"]), int(match["memory"])
    most = limits.extended if match["extended"] else cpus * limits.most
    if cpus in limits.cpus and cpus * limits.least <= memory <= most and memory % _STEP_MB == 0:
        return Size(cpus, memory)
    return None


def _custom_shared(name: str) -> Size | None:
    match = _CUSTOM_SHARED_NAME.fullmatch(name)
    if not match or match["part"] not in _CUSTOM_SHARED:
        return None
    least, most = _CUSTOM_SHARED[match["part"]]
    memory = int(match["memory"])
    fits = least <= memory <= most and memory % _STEP_MB == 0
    return Size(2, memory, shared=True) if fits else None


def link(value: str, zone: str, project: str, field: str) -> str:
    """The link of the machine type that a client named by one, for an instance in that zone (its
    scope, zones/ZONE). ComputeError unless there is one."""
    parsed = Ref.parse(value)
    if parsed is None or parsed[1].collection != COLLECTION:
        raise errors.invalid(field, value, "The URL is malformed.")
    if parsed[0] not in (None, project):
        raise errors.invalid(
            field, value, "Cross-project references for this resource type are not allowed."
        )
    if parsed[1].scope != zone:
        raise errors.invalid(field, value, "It is in another zone than the instance.")
    refuse_unknown(parsed[1].name, zone, field, value)
    return parsed[1].link(project)


def refuse_unknown(name: str, zone: str, field: str, value: str) -> None:
    """Raise Compute's error unless there is a machine type of that name; `value` is what the
    client wrote."""
    if size_of(name) is None:
        raise errors.invalid(
            field, value, f"Machine type with name '{name}' does not exist in zone '{last(zone)}'."
        )


def _body(project: str, ref: Ref, size: Size) -> Body:
    path = ref.path(project)
    memory = f"{size.memory_mb / GB:.4g} GB RAM" if size.memory_mb >= GB else "less than 1 GB RAM"
    cpus = f"{size.cpus} vCPU{'s' if size.cpus > 1 else ''}"
    return {
        "kind": "compute#machineType",
        "id": number_of(ref.name),
        "creationTimestamp": CREATED,
        "name": ref.name,
        "description": f"{cpus}{' (shared physical core)' if size.shared else ''}, {memory}",
        "guestCpus": size.cpus,
        "memoryMb": size.memory_mb,
        "imageSpaceGb": 0,
        "maximumPersistentDisks": 16 if size.shared else 128,
        "maximumPersistentDisksSizeGb": str(3072 if size.shared else DISKS_SIZE_GB),
        "zone": last(ref.scope),
        "selfLink": BASE + path,
        "isSharedCpu": size.shared,
        "architecture": "X86_64",
    }


def _items(project: str, scope: str | None) -> Iterator[tuple[Ref, Body]]:
    """All of a zone, or of every zone; custom ones are not listed, as Compute does not."""
    for zone in (f"zones/{zone}" for zone in ZONES) if scope is None else (scope,):
        for name, size in SIZES.items():
            ref = Ref(COLLECTION, zone, name)
            yield ref, _body(project, ref, size)


def _find(project: str, ref: Ref) -> Body | None:
    size = size_of(ref.name)
    return _body(project, ref, size) if size else None


KIND = Kind(
    collection=COLLECTION,
    noun="machineType",
    scopes=("zones",),
    message=message(
        output="name description guestCpus memoryMb imageSpaceGb maximumPersistentDisks"
        " maximumPersistentDisksSizeGb zone isSharedCpu architecture deprecated accelerators"
        " bundledLocalSsds"
    ),
    catalog=Catalog(_items, _find),
)

"""The disks in an instance's body: kept and shown, as nothing in the lab is one.

A VM of the lab has the file system of its container. What a client says of a new disk is
accepted, and answered with what Compute fills in (docs compute/docs/reference/rest/v1/instances,
`disks[]`); Compute answers without initializeParams, which stand here for the disk that cannot be
asked for. Disks and snapshots that would have to be there are refused: there are none.
"""

from __future__ import annotations

from typing import Any

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body, ListOf, MapOf, message
from gkelab.cloud.api.kinds import images
from gkelab.cloud.api.links import Ref

PARAMETERS = message(
    strings="architecture description diskName diskType onUpdateAction sourceImage storagePool",
    bools="enableConfidentialCompute",
    ints="diskSizeGb provisionedIops provisionedThroughput",
    lists="licenses replicaZones resourcePolicies",
    anys="resourceManagerTags",
    absent="sourceImageEncryptionKey sourceSnapshot sourceSnapshotEncryptionKey",
    labels=MapOf(),
)
DISK = message(
    strings="type mode interface deviceName savedState architecture",
    bools="autoDelete boot forceAttach",
    ints="diskSizeGb index",
    lists="licenses",
    anys="guestOsFeatures",
    output="shieldedInstanceInitialState",
    absent="source diskEncryptionKey",
    initializeParams=PARAMETERS,
)
DISKS = ListOf(DISK)
MODES = ("READ_ONLY", "READ_WRITE")
TYPES = ("PERSISTENT", "SCRATCH")
FAMILY = "family/"


def make(wanted: list[Body], project: str) -> list[Body]:
    """The disks of a new instance. ComputeError when they cannot be."""
    for index, disk in enumerate(wanted):
        path = f"resource.disks[{index}]"
        for field, words in (("mode", MODES), ("type", TYPES)):
            if disk.get(field, words[-1]) not in words:
                raise errors.invalid(
                    f"{path}.{field}", disk[field], f"Must be one of [{', '.join(words)}]."
                )
        if disk.get("boot") and index:
            raise errors.invalid(f"{path}.boot", True, "The boot disk must be the first one.")
        image = disk.get("initializeParams", {}).get("sourceImage")
        if image is not None:
            _refuse_missing(image, project, f"{path}.initializeParams.sourceImage")
    return [_made(disk, index) for index, disk in enumerate(wanted)]


def _made(disk: Body, index: int) -> Body:
    kind = disk.get("type", "PERSISTENT")
    parameters = disk.get("initializeParams", {})
    size = disk.get("diskSizeGb", parameters.get("diskSizeGb"))
    if size is None and "sourceImage" in parameters:
        size = images.DISK_SIZE_GB
    made: dict[str, Any] = {
        "kind": "compute#attachedDisk",
        "type": kind,
        "mode": "READ_WRITE",
        "deviceName": f"{'local-ssd' if kind == 'SCRATCH' else 'persistent-disk'}-{index}",
        "boot": False,
        "autoDelete": False,
        "interface": "SCSI",
        **disk,
        "index": index,
    }
    # 64-bit numbers are strings in Google's JSON.
    return {**made, **({"diskSizeGb": str(size)} if size is not None else {})}


def _refuse_missing(value: str, project: str, field: str) -> None:
    """Raise unless the link is one to an image that may be. Of a public project any name may:
    Google's names have dates in them, and only its families are known here."""
    missing = "The referenced image resource cannot be found."
    # A family is one more step on the way to the same.
    parsed = Ref.parse(value.replace(f"images/{FAMILY}", "images/", 1))
    if parsed is None or parsed[1].collection != "images":
        raise errors.invalid(field, value, "The URL is malformed.")
    owner, ref = parsed[0] or project, parsed[1]
    families = images.FAMILIES.get(owner)
    if owner == project or (families and FAMILY in value and ref.name not in families):
        raise errors.invalid(field, value, missing)

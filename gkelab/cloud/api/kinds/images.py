"""Images, as far as programs look for one before they make an instance.

The lab's VMs are containers of one image of its own, whatever image their disks name. So each
family of Google's public projects of images has one image, which is a name alone and says so;
the lab's project has none. Projects and families are those of Google's documents (docs
compute/docs/images/os-details), with some that Google has retired or has under another name,
and programs still name. So are those of Windows: they can be looked up and named, and a VM of
them is the lab's Linux all the same. Families for ARM are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds.base import Kind
from gkelab.cloud.api.kinds.places import number_of
from gkelab.cloud.api.links import GLOBAL, Ref

SUFFIX = "-lab"
DESCRIPTION = (
    "The local cloud's VMs are containers of the lab's own image, whatever image is named."
)
# Compute's least for most of them.
DISK_SIZE_GB = "10"
FAMILIES = {
    "almalinux-cloud": ("almalinux-8", "almalinux-9"),
    "centos-cloud": ("centos-7", "centos-stream-9"),
    "cos-cloud": (
        *("cos-stable", "cos-beta", "cos-dev"),
        *("cos-105-lts", "cos-109-lts", "cos-113-lts", "cos-117-lts", "cos-121-lts"),
    ),
    "debian-cloud": ("debian-9", "debian-10", "debian-11", "debian-12", "debian-13"),
    "fedora-coreos-cloud": ("fedora-coreos-next", "fedora-coreos-stable", "fedora-coreos-testing"),
    "opensuse-cloud": ("opensuse-leap",),
    "rhel-cloud": ("rhel-7", "rhel-8", "rhel-9"),
    "rocky-linux-cloud": (
        *("rocky-linux-8", "rocky-linux-8-optimized-gcp"),
        *("rocky-linux-9", "rocky-linux-9-optimized-gcp"),
    ),
    "suse-cloud": ("sles-12", "sles-15"),
    "ubuntu-os-cloud": (
        *(
            "ubuntu-1804-lts",
            "ubuntu-2004-lts",
            "ubuntu-2204-lts",
            "ubuntu-2404-lts",
            "ubuntu-2404-lts-amd64",
        ),
        *("ubuntu-minimal-2004-lts", "ubuntu-minimal-2204-lts", "ubuntu-minimal-2404-lts-amd64"),
    ),
    "windows-cloud": (
        *("windows-2012-r2", "windows-2012-r2-core"),
        *(f"windows-{year}{part}" for year in (2016, 2019, 2022, 2025) for part in ("", "-core")),
    ),
    "windows-sql-cloud": tuple(
        f"sql-{edition}-{sql}-win-{windows}"
        for edition in ("ent", "exp", "std", "web")
        for sql, windows in ((2017, 2019), (2019, 2019), (2019, 2022), (2022, 2022))
    ),
}


def items(project: str, when: str) -> Iterator[tuple[Ref, Body]]:
    """The images of a project; `when` is the time that they are said to be of."""
    for family in FAMILIES.get(project, ()):
        ref = Ref(KIND.collection, GLOBAL, f"{family}{SUFFIX}")
        yield ref, _body(project, ref, family, when)


def _body(project: str, ref: Ref, family: str, when: str) -> Body:
    return {
        "kind": KIND.kind,
        "id": number_of(ref.path(project)),
        "creationTimestamp": when,
        "name": ref.name,
        "description": DESCRIPTION,
        "family": family,
        "status": "READY",
        "architecture": "X86_64",
        "diskSizeGb": DISK_SIZE_GB,
        "selfLink": ref.link(project),
    }


KIND = Kind(
    collection="images",
    noun="image",
    scopes=(GLOBAL,),
    message=message(
        output="name description family status architecture diskSizeGb archiveSizeBytes deprecated"
        " enableConfidentialCompute guestOsFeatures imageEncryptionKey labelFingerprint labels"
        " licenseCodes licenses params rawDisk satisfiesPzi satisfiesPzs"
        " shieldedInstanceInitialState sourceDisk sourceDiskEncryptionKey sourceDiskId sourceImage"
        " sourceImageEncryptionKey sourceImageId sourceSnapshot sourceSnapshotEncryptionKey"
        " sourceSnapshotId sourceType storageLocations"
    ),
)

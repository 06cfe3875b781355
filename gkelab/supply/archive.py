"""Image archives by their content: a name says nothing of what docker or a node has under it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from gkelab.errors import LabError
from gkelab.supply.supplier import Supplier
from gkelab.tools.docker import Docker

MANIFEST, INDEX = "manifest.json", "index.json"  # docker's own table of contents, and OCI's


def image_ids(archive: Path) -> frozenset[str]:
    """The ids that docker may give to the archive's image: the digest of its configuration, or,
    where docker keeps its images in containerd, that of its manifest.

    Only tables of contents are read, however large the layers are. Raises LabError for a file that
    is no image archive.
    """
    try:
        tables = _tables(archive)
        configs = [PurePosixPath(image["Config"]).name for image in tables[MANIFEST]]
        manifests = [image["digest"] for image in tables.get(INDEX, {}).get("manifests", [])]
    except (tarfile.TarError, ValueError, LookupError, TypeError) as bad:
        raise LabError(
            f"The image archive {archive} is broken: {bad}",
            f"remove its folder {archive.parent}, and it is made anew",
        ) from bad
    return frozenset([*(f"sha256:{name.removesuffix('.json')}" for name in configs), *manifests])


def give_docker(docker: Docker, supplier: Supplier, image: str) -> frozenset[str]:
    """Load an image's archive, unless docker has that very image under its reference already.

    Returns the ids by which docker knows it.
    """
    archive, reference = supplier.archive(image), supplier.reference(image)
    ids = image_ids(archive)
    have = docker.image(reference)
    # What is pulled is pinned by its digest, where it is; what is built has no such thing.
    pinned = supplier.pins.images[image].digest if supplier.name == "upstream" else ""
    if have is None or not (have.id in ids or pinned in have.digests):
        docker.load(archive)
        have = docker.image(reference)
    return ids | {have.id} if have else ids


def origin(archive: Path) -> str:
    """The entry of the cache that an archive is; its key stands for all that it was made of."""
    return archive.parent.name


def _tables(archive: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tarfile.open(archive, "r:") as tar:  # never packed, so that layers are skipped
        for member in tar:
            stream = tar.extractfile(member) if member.name in (MANIFEST, INDEX) else None
            if stream is not None:
                found[member.name] = json.load(stream)
    return found

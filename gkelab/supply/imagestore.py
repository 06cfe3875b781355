"""Image stores: what containerd keeps, filled once per role and mounted into every node.

A node that boots with images still to load spends most of its time on them: copied, unpacked,
once a node. Instead containerd, run once in a container of the node image, unpacks the images of
a role into a folder of the cache. A node mounts that folder read-only and starts with
containerd's small databases copied from it and links to the unpacked layers. Nothing is loaded,
and all nodes share one copy of each file, on disk and in memory.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gkelab.shell import Runner
from gkelab.supply.archive import give_docker, origin
from gkelab.supply.cache import Cache, content_key
from gkelab.supply.supplier import Supplier
from gkelab.timeouts import TIMEOUTS
from gkelab.tools.docker import Docker
from gkelab.topology import Role
from gkelab.wait import until

FILLS = "gkelab.fills"  # label of the containers that fill a store: the store's role
MOUNT = "/gkelab/store"  # where a node sees its store
UNIT = "store.conf"
# What a node's containerd runs first, as a drop-in of its unit. A node that was stopped and
# started has its own database by then, which knows more than the store's.
UNIT_TEXT = f"""[Service]
ExecStartPre={MOUNT}/populate
"""
POPULATE = f"""#!/bin/sh
# Give this node's containerd the images of the mounted store, once.
set -eu
[ ! -e /var/lib/containerd/.gkelab-store ] || exit 0
rm -rf /var/lib/containerd
cp -a {MOUNT}/root /var/lib/containerd
touch /var/lib/containerd/.gkelab-store
"""
# Run where the store is filled: the unpacked layers and what is left of large blobs move out of
# the folder that nodes copy, and links to where nodes see them take their place.
LINK = f"""set -eu
cd /store
snapshots=root/io.containerd.snapshotter.v1.overlayfs/snapshots
mkdir snapshots blobs
for layer in "$snapshots"/*; do
    mv "$layer" snapshots/
    ln -s "{MOUNT}/snapshots/${{layer##*/}}" "$layer"
done
find root/io.containerd.content.v1.content/blobs -type f -size +64k | while read -r blob; do
    mv "$blob" blobs/
    ln -s "{MOUNT}/blobs/${{blob##*/}}" "$blob"
done
rm -rf root/io.containerd.content.v1.content/ingest/* root/io.containerd.grpc.v1.cri
"""


@dataclass(frozen=True)
class ImageStores:
    """Fills and finds the stores."""

    supplier: Supplier
    cache: Cache
    docker: Docker
    run: Runner

    def wanted(self, role: Role) -> list[str]:
        """The images that nodes of this role run and that kindest/node does not bring along."""
        brought = self.supplier.name == "upstream"
        return [
            name
            for name, pin in self.supplier.pins.images.items()
            if role in pin.on and not (brought and pin.in_node)
        ]

    def key(self, images: Sequence[str]) -> str:
        """The key of a store that holds these images."""
        archives = [str(self.supplier.archive(name)) for name in ["node", *images]]
        return content_key(["store-2", POPULATE, LINK, *archives])

    def path(self, role: Role, images: Sequence[str]) -> Path:
        """Where the store is, or would be."""
        return self.cache.path("stores", role, self.key(images))

    def filled(self, role: Role, images: Sequence[str]) -> bool:
        """Whether the store is finished."""
        return self.cache.has("stores", role, self.key(images))

    def fill(self, role: Role, images: Sequence[str]) -> Path:
        """The store's folder, filled when it is missing.

        Raises CommandError when an image cannot be imported; nothing half-made is left.
        """

        def build(work: Path) -> None:
            base = self.node_image()
            # One of an `up` that was killed still writes to a folder that is gone.
            self.docker.remove_containers([c.id for c in self.docker.containers({FILLS: role})])
            mounts = [f"--volume={work}:/store"]
            for name in images:
                mounts.append(f"--volume={self.supplier.archive(name)}:/archives/{name}.tar:ro")
            argv = ["docker", "run", "--detach", "--privileged", "--network=none"]
            argv += [f"--label={FILLS}={role}", *mounts, "--entrypoint=sleep", base, "infinity"]
            container = self.run(argv).stdout.strip()
            try:
                self._import(container, images)
            finally:
                self.docker.remove_containers([container])
            self._share(work)
            (work / UNIT).write_text(UNIT_TEXT)
            (work / "populate").write_text(POPULATE)
            (work / "populate").chmod(0o755)
            origins = [f"{name} {origin(self.supplier.archive(name))}\n" for name in images]
            (work / "images").write_text("".join(origins))

        source = f"{len(images)} images"
        return self.cache.make("stores", role, self.key(images), source, build)

    def node_image(self) -> str:
        """The node image's reference, after giving docker the image when it lacks it."""
        give_docker(self.docker, self.supplier, "node")
        return self.supplier.reference("node")

    def _import(self, container: str, images: Sequence[str]) -> None:
        address = "/run/store.sock"
        # What kindest/node brings along is part of the store.
        self.docker.exec(container, ["mkdir", "-p", "/var/lib/containerd"])
        self.docker.exec(container, ["cp", "-a", "/var/lib/containerd", "/store/root"])
        containerd = ["containerd", "--root=/store/root", "--state=/run/store"]
        self.run(["docker", "exec", "--detach", container, *containerd, f"--address={address}"])
        ctr = ["ctr", f"--address={address}", "--namespace=k8s.io"]
        until(
            lambda: self.docker.exec(container, [*ctr, "version"], check=False),
            lambda said: said.code == 0,
            what="containerd answers in the node image",
            timeout=TIMEOUTS.fill_store,
            interval=0.1,
            describe=lambda said: said.stderr,
        )
        for name in images:
            importing = ["images", "import", "--discard-unpacked-layers", f"/archives/{name}.tar"]
            self.docker.exec(container, [*ctr, *importing])
        # Stopped by its own hand, so that its databases are whole.
        self.docker.exec(container, ["pkill", "--exact", "containerd"])
        until(
            lambda: self.docker.exec(container, ["pgrep", "--exact", "containerd"], check=False),
            lambda said: said.code != 0,
            what="containerd stops in the node image",
            timeout=TIMEOUTS.fill_store,
            interval=0.1,
        )
        self.docker.exec(container, ["sh", "-s"], input=LINK)

    def _share(self, work: Path) -> None:
        """Make large files that another store has, too, one file: one copy in memory then."""
        others: dict[int, list[Path]] = {}
        for file in _large_files(self.cache.root / "stores"):
            others.setdefault(file.stat().st_size, []).append(file)
        for file in _large_files(work):
            for other in others.get(file.stat().st_size, []):
                if _same(file, other):
                    file.unlink()
                    os.link(other, file)
                    break


def images_in(store: Path) -> dict[str, str]:
    """The images that a store holds, and the origin of each; "" in a store that does not tell
    it. None when the store is not there any more."""
    listed = store / "images"
    lines = listed.read_text().splitlines() if listed.exists() else []
    return {name: rest.strip() for name, _, rest in (line.partition(" ") for line in lines)}


def _large_files(folder: Path) -> list[Path]:
    """Regular files of 1 MiB and more."""
    files = (file for file in folder.rglob("*") if not file.is_symlink() and file.is_file())
    return [file for file in files if file.stat().st_size >= 1 << 20]


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes, mode and owner."""
    a, b = one.stat(), other.stat()
    alike = (a.st_mode, a.st_uid, a.st_gid) == (b.st_mode, b.st_uid, b.st_gid)
    return alike and filecmp.cmp(one, other, shallow=False)

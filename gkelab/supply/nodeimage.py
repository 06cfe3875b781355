"""The lab's own node images: kindest/node with the images that a node of a role runs baked in.

kind builds its own images the same way: containerd, started in a container, takes the images
into its store, and the container is committed. Nothing is pulled or copied when a node boots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gkelab.shell import Runner
from gkelab.supply.cache import content_key
from gkelab.supply.pins import Role
from gkelab.supply.supplier import Supplier
from gkelab.tools.docker import Docker
from gkelab.wait import until

BAKED = "gkelab.baked"  # label of baked images (their role) and of the containers that bake them
CARRIES = "gkelab.carries"  # label of baked images, and so of nodes: the images that are in them


@dataclass(frozen=True)
class NodeImages:
    """Bakes and names the node images. `images` per role: those that are at hand."""

    supplier: Supplier
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

    def reference(self, role: Role, images: Sequence[str]) -> str:
        """The name of the node image that carries these images."""
        archives = [str(self.supplier.archive(name)) for name in ["node", *images]]
        return f"gkelab/node-{role}:{content_key(['bake-1', *archives])}"

    def bake(self, role: Role, images: Sequence[str]) -> str:
        """Make the node image of a role, when docker does not hold it; return its reference.

        Raises CommandError when an import fails; nothing half-made keeps the image's name.
        """
        reference = self.reference(role, images)
        if self.docker.has_image(reference):
            return reference
        base = self.supplier.reference("node")
        if not self.docker.has_image(base):
            self.docker.load(self.supplier.archive("node"))
        carried = ",".join(images)
        mounts = _mounts({name: self.supplier.archive(name) for name in images})
        argv = ["docker", "run", "--detach", "--label", f"{BAKED}={role}", "--network", "none"]
        started = self.run([*argv, *mounts, "--entrypoint", "sleep", base, "infinity"])
        container = started.stdout.strip()
        try:
            self._fill(container, images)
            self.run(
                ["docker", "commit", "--change", f"LABEL {BAKED}={role} {CARRIES}={carried}"]
                + ["--change", 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]']
                + ["--change", "CMD []", container, reference]
            )
        finally:
            self.docker.remove_containers([container])
        return reference

    def _fill(self, container: str, images: Sequence[str]) -> None:
        self.run(["docker", "exec", "--detach", container, "containerd"])
        until(
            lambda: self.docker.exec(container, ["ctr", "version"], check=False),
            lambda said: said.code == 0,
            what="containerd answers in the node image",
            timeout=30,
            interval=0.1,
        )
        for name in images:
            ctr = ["ctr", "--namespace", "k8s.io", "images", "import", "--no-unpack"]
            self.docker.exec(container, [*ctr, f"/bake/{name}.tar"])
        # Stopped by its own hand, so that its database is whole.
        self.docker.exec(container, ["pkill", "--exact", "containerd"])
        until(
            lambda: self.docker.exec(container, ["pgrep", "--exact", "containerd"], check=False),
            lambda said: said.code != 0,
            what="containerd stops in the node image",
            timeout=30,
            interval=0.1,
        )


def _mounts(archives: Mapping[str, Path]) -> list[str]:
    return [
        word
        for name, archive in archives.items()
        for word in ("--volume", f"{archive}:/bake/{name}.tar:ro")
    ]

"""Images that the node image did not bring along, onto the nodes whose role needs them. What was
loaded carries its origin in a label, as a name stays the same when an image is built anew."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.supply.archive import origin
from gkelab.topology import Cluster

LABEL = "gkelab.origin"  # of containerd's, on an image


def load_image(lab: Lab, cluster: Cluster, image: str) -> str:
    """Load one image onto the nodes that need it and lack it, or have another under its name."""
    pin = lab.supplier.pins.images[image]
    reference = full_name(lab.supplier.reference(image))
    archive = lab.supplier.archive(image)
    ctr = ["ctr", "--namespace", "k8s.io", "images"]
    right = f"name=={reference},labels.{LABEL}=={origin(archive)}"

    def load(node: str) -> bool:
        if lab.docker.exec(node, [*ctr, "list", "--quiet", right]).stdout.strip():
            return False
        with archive.open("rb") as stream:
            lab.docker.exec(node, [*ctr, "import", "--no-unpack", "-"], input=stream)
        lab.docker.exec(node, [*ctr, "label", reference, f"{LABEL}={origin(archive)}"])
        return True

    nodes = [node.name for node in cluster.nodes if node.role in pin.on]
    with ThreadPoolExecutor() as pool:
        loaded = sum(pool.map(load, nodes))
    return f"{loaded} nodes" if loaded else CACHED


def full_name(reference: str) -> str:
    """A reference as containerd names it: with its registry, docker.io where none is given."""
    first = reference.split("/", 1)[0]
    return reference if "/" in reference and "." in first else f"docker.io/{reference}"

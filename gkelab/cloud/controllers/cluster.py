"""A cluster as its controllers know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gkelab.errors import LabError

Body = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """A cluster's name, its context in the kubeconfig, the network tag of its nodes
    (gke-CLUSTER-HASH-node), and the secondary range that its pods' addresses are of."""

    name: str
    context: str
    tag: str
    pod_range_name: str

    @property
    def prefix(self) -> str:
        """What names of the cluster's firewall rules begin with: gke-CLUSTER-HASH."""
        return self.tag.removesuffix("-node")

    @classmethod
    def parse(cls, text: str) -> Cluster:
        """From NAME=CONTEXT=TAG=RANGE, as on the command line. LabError if it is not that."""
        parts = text.split("=")
        if len(parts) != 4 or not all(parts):
            raise LabError(f"{text!r} is no cluster", "say NAME=CONTEXT=TAG=RANGE")
        return cls(*parts)

"""What a step works with: one lab, its topology, its tools. State travels here, nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gkelab.host.facts import HostFacts
from gkelab.paths import Paths
from gkelab.shell import Runner
from gkelab.supply.pins import ROOT
from gkelab.supply.supplier import Supplier
from gkelab.timeouts import TIMEOUTS, Timeouts
from gkelab.tools.docker import LABEL, ROLE, Docker
from gkelab.tools.helm import Helm
from gkelab.tools.iproute import IpRoute
from gkelab.tools.istioctl import Istioctl
from gkelab.tools.kind import Kind, context
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import ResolvedTopology

# What the lab itself installs is in these; what else runs in a cluster is a person's own.
NAMESPACES = ("kube-system", "metallb-system", "istio-system", "sample", "sample-mesh")


@dataclass(frozen=True)
class Lab:
    """A lab on this machine. `facts` are the host's; programs come from the supplier."""

    plan: ResolvedTopology
    supplier: Supplier
    paths: Paths
    facts: HostFacts
    run: Runner
    timeouts: Timeouts = field(default=TIMEOUTS)

    @property
    def name(self) -> str:
        """The lab's name, the value of its docker label."""
        return self.plan.name

    @property
    def folder(self) -> Path:
        """Where this lab's state is kept."""
        return self.paths.lab(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The lab's own kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def cloud_file(self) -> Path:
        """Where it is written down where the lab's cloud is."""
        return self.folder / "cloud.json"

    @property
    def docker(self) -> Docker:
        """docker."""
        return Docker(self.run)

    @property
    def ip(self) -> IpRoute:
        """The host's routes."""
        return IpRoute(self.run)

    @property
    def kind(self) -> Kind:
        """kind."""
        return Kind(self.supplier.tool("kind"), self.run)

    @property
    def istioctl(self) -> Istioctl:
        """istioctl."""
        return Istioctl(self.supplier.tool("istioctl"), self.run)

    def kubectl(self, cluster: str) -> Kubectl:
        """kubectl for one of the lab's clusters."""
        return Kubectl(self.supplier.tool("kubectl"), self.kubeconfig, context(cluster), self.run)

    @property
    def helm(self) -> Helm:
        """helm."""
        return Helm(self.supplier.tool("helm"), self.run)

    def labels(self, role: str) -> dict[str, str]:
        """The labels of a container or network of this lab."""
        return {LABEL: self.name, ROLE: role}

    def log(self, name: str) -> Path:
        """A fresh log file of this lab."""
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        path = logs / f"{name}.log"
        path.write_bytes(b"")
        return path


def manifest(path: str) -> dict[str, Any]:
    """One YAML document under manifests/, as data."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "manifests" / path).read_text())
    return loaded


def manifests(path: str) -> list[dict[str, Any]]:
    """All YAML documents of a file under manifests/, as data."""
    text = (ROOT / "manifests" / path).read_text()
    return [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` on top, mapping by mapping; lists and values are replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = merge(old, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged

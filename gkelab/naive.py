"""The plain script that people write, for the bench: one step after the other, each waited for.

It has the same programs, images and values as the lab. What the host needs anyway (kubelet on
cgroup v1, the OCI runtime) it gets too, or it would not come up at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from gkelab import topology as topologies
from gkelab.host.facts import read_facts
from gkelab.host.prepare import RUNTIME, RUNTIME_DIR
from gkelab.lab import Lab, manifest, manifests, merge
from gkelab.paths import default_paths
from gkelab.shell import run
from gkelab.steps.create_networks import create_networks
from gkelab.steps.deploy_workloads import with_image
from gkelab.steps.install_cilium import cilium_values
from gkelab.steps.install_istio import istio_operator
from gkelab.steps.install_metallb import pools
from gkelab.steps.wait_ready import wait_ready
from gkelab.supply.cache import Cache
from gkelab.supply.choose import choose_supplier
from gkelab.supply.imagestore import MOUNT, UNIT, ImageStores
from gkelab.supply.pins import load_pins
from gkelab.tools.docker import LABEL, Docker
from gkelab.tools.kind import NodeSettings, cluster_config, context
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster, Role

NAME = "naive"


def run_naive(file: Path) -> dict[str, float]:
    """Bring the topology's first cluster up the plain way, and remove it. Seconds by step."""
    lab = _lab(file)
    cluster = lab.plan.clusters[0]
    steps: dict[str, Callable[[], object]] = {
        "create": lambda: _create(lab, cluster),
        "load images": lambda: _load(lab, cluster),
        "Cilium": lambda: _cilium(lab, cluster),
        "CoreDNS": lambda: _rollout(lab, cluster, "kube-system", "deployment/coredns"),
        "MetalLB": lambda: _metallb(lab, cluster),
        "Gateway API": lambda: _gateway_api(lab, cluster),
        "Istio": lambda: _istio(lab),
        "workloads": lambda: _workloads(lab, cluster),
    }
    seconds: dict[str, float] = {}
    try:
        for name, step in steps.items():
            began = time.monotonic()
            step()
            seconds[name] = time.monotonic() - began
    finally:
        _remove(lab)
    return seconds


def _lab(file: Path) -> Lab:
    pins, paths = load_pins(), default_paths()
    chosen = choose_supplier(None, None, pins, Cache(paths.cache), run)
    plan = topologies.resolve(topologies.load(file))
    return Lab(plan, chosen.supplier, paths, read_facts(), run)


def _create(lab: Lab, cluster: Cluster) -> None:
    create_networks(lab)
    stores = ImageStores(lab.supplier, Cache(lab.paths.cache), lab.docker, run)
    # What kindest/node brings along; the built one gets it from a store.
    images = lab.supplier.pins.images
    own = {
        role: [name for name in stores.wanted(role) if images[name].in_node]
        for role in ("control-plane", "worker")
    }
    roles: tuple[Role, Role] = ("control-plane", "worker")
    folders = {role: stores.fill(role, own[role]) for role in roles}
    mounts: dict[Role, dict[str, str]] = {
        role: {
            str(folder): MOUNT,
            str(folder / UNIT): "/etc/systemd/system/containerd.service.d/gkelab-store.conf",
        }
        for role, folder in folders.items()
    }
    runtime = ""
    if lab.facts.missing_capabilities:
        runtime = str(RUNTIME)
        mounts = {role: mounts[role] | {str(RUNTIME_DIR): str(RUNTIME_DIR)} for role in roles}
    stores.node_image()
    config = cluster_config(cluster, lab.supplier.reference("node"), NodeSettings(mounts, runtime))
    lab.kind.create(
        config,
        network=cluster.subnet.docker_network,
        kubeconfig=lab.folder / NAME,
        node_arguments={
            node.name: [f"--ip={node.address}", f"--label={LABEL}={lab.name}"]
            for node in cluster.nodes
        },
        folder=lab.folder / "kind" / NAME,
        log=lab.log("kind-naive"),
        timeout=lab.timeouts.create_cluster,
    )


def _load(lab: Lab, cluster: Cluster) -> None:
    for name, pin in lab.supplier.pins.images.items():
        if pin.on and not pin.in_node:
            archive = str(lab.supplier.archive(name))
            run([str(lab.kind.program), "load", "image-archive", archive, f"--name={cluster.name}"])


def _cilium(lab: Lab, cluster: Cluster) -> None:
    # What the lab does in its place is left to the chart.
    own = {"autoMount": {"enabled": True}}
    stock = {"bpf": own, "cgroup": own, "sysctlfix": {"enabled": True}}
    stock["operator"] = {"skipCRDCreation": False}
    # No router of a VPC knows the pods' ranges here: the nodes know each other's.
    stock["autoDirectNodeRoutes"] = True
    values = merge(cilium_values(lab, cluster), stock)
    _helm(lab, cluster, "cilium", "kube-system", values)


def _metallb(lab: Lab, cluster: Cluster) -> None:
    kubectl = _kubectl(lab, cluster)
    kubectl.apply(manifests("metallb/namespace.yaml"))
    # Nothing answers the chart's webhook, whose configuration the lab takes out.
    unchecked = {"crds": {"validationFailurePolicy": "Ignore"}}
    values = merge(manifest("metallb/values.yaml"), unchecked)
    _helm(lab, cluster, "metallb", "metallb-system", values)
    kubectl.apply([*pools(cluster), *manifests("metallb/gke-annotations.yaml")])


def _gateway_api(lab: Lab, cluster: Cluster) -> None:
    file = lab.supplier.definitions("gateway-api")
    _kubectl(lab, cluster)("apply", "--server-side", f"--filename={file}")


def _istio(lab: Lab) -> None:
    folder = lab.folder / "istio-naive"
    lab.istioctl.generate(istio_operator(lab), folder)
    program = str(lab.istioctl.program)
    where = [f"--kubeconfig={lab.folder / NAME}", "--skip-confirmation"]
    run([program, "install", f"--filename={folder}/istio-operator.yaml", *where])


def _workloads(lab: Lab, cluster: Cluster) -> None:
    kubectl = _kubectl(lab, cluster)
    for file in ("workloads/whoami.yaml", "workloads/mesh.yaml"):
        kubectl.apply(with_image(lab, manifests(file)))
    wait_ready(_with_kubeconfig(lab), cluster)


def _helm(lab: Lab, cluster: Cluster, chart: str, namespace: str, values: dict[str, Any]) -> None:
    words = ["upgrade", "--install", chart, str(lab.supplier.chart(chart)), "--wait"]
    where = [f"--namespace={namespace}", f"--kubeconfig={lab.folder / NAME}"]
    where += [f"--kube-context={context(cluster.name)}", "--values=-"]
    run([str(lab.helm.program), *words, *where], input=yaml.safe_dump(values))


def _rollout(lab: Lab, cluster: Cluster, namespace: str, what: str) -> None:
    _kubectl(lab, cluster)(f"--namespace={namespace}", "rollout", "status", what)


def _kubectl(lab: Lab, cluster: Cluster) -> Kubectl:
    return _with_kubeconfig(lab).kubectl(cluster.name)


def _with_kubeconfig(lab: Lab) -> Lab:
    return _NaiveLab(lab.plan, lab.supplier, lab.paths, lab.facts, lab.run)


class _NaiveLab(Lab):
    @property
    def kubeconfig(self) -> Path:
        return self.folder / NAME


def _remove(lab: Lab) -> None:
    docker = Docker(run)
    docker.remove_containers([c.id for c in docker.containers({LABEL: lab.name})])
    docker.remove_networks([n.id for n in docker.networks({LABEL: lab.name})])
    shutil.rmtree(lab.folder, ignore_errors=True)

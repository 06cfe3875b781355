"""kind: a cluster's configuration as data, and the few commands that the lab needs.

kind has no setting for a node's address or for labels of its containers, both of which the lab
needs: addresses that survive restarts, and labels by which a lab is found again. So kind is
given a `docker` that adds them to `docker run`, by the node's name, and is docker otherwise.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gkelab.shell import Runner
from gkelab.topology import Cluster, Node, Role

# How much garbage Go programs let grow before they collect it, in percent of what they use: half
# the collector's work of the default 100, for a lab that has memory and few cores.
GOGC = 300
KUBEADM = "kubeadm.k8s.io/v1beta4"
# Labels of nodes' containers by which kind knows them.
CLUSTER_LABEL, ROLE_LABEL = "io.x-k8s.kind.cluster", "io.x-k8s.kind.role"
SHIM = """#!/bin/sh
# docker, as kind calls it: `docker run` gets the node's own arguments, one a line in its file.
set -eu
[ "${1:-}" = run ] || exec "$GKELAB_DOCKER" "$@"
shift
name=
previous=
for word in "$@"; do
    [ "$previous" != --name ] || name=$word
    previous=$word
done
if [ -f "$GKELAB_NODE_ARGUMENTS/$name" ]; then
    while IFS= read -r argument; do
        set -- "$argument" "$@"
    done <"$GKELAB_NODE_ARGUMENTS/$name"
fi
exec "$GKELAB_DOCKER" run "$@"
"""


@dataclass(frozen=True)
class NodeSettings:
    """What nodes get beside kind's own: by role what they mount (host path to path in the
    node), and the OCI runtime to use where the host cannot grant every capability."""

    mounts: Mapping[Role, Mapping[str, str]]
    runtime: str = ""


def cluster_config(cluster: Cluster, image: str, settings: NodeSettings) -> dict[str, Any]:
    """kind's configuration of a cluster whose nodes run `image`."""
    manager = {"enable-hostpath-provisioner": "true", "node-cidr-mask-size": cluster.node_mask}
    patches: list[dict[str, Any]] = [
        {
            "kind": "ClusterConfiguration",
            "apiVersion": KUBEADM,
            "apiServer": {"extraEnvs": _arguments({"GOGC": GOGC})},
            "controllerManager": {"extraArgs": _arguments(manager)},
            # A lab's data need not survive a power cut; an fsync a write makes it much slower.
            "etcd": {"local": {"extraArgs": _arguments({"unsafe-no-fsync": "true"})}},
        },
        {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "maxPods": cluster.max_pods,
            "failCgroupV1": False,
            "serializeImagePulls": False,
            # How soon a changed Secret reaches a running pod; MetalLB waits for its webhook's.
            "syncFrequency": "5s",
        },
    ]
    config: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": cluster.name,
        "networking": {
            "disableDefaultCNI": True,
            "kubeProxyMode": "none",
            "podSubnet": str(cluster.pod_range),
            "serviceSubnet": str(cluster.services_range),
            "apiServerAddress": "127.0.0.1",
        },
        "kubeadmConfigPatches": [_yaml(patch) for patch in patches],
        "nodes": [_node(node, image, settings) for node in cluster.nodes],
    }
    if settings.runtime:
        config["containerdConfigPatches"] = [_runtime_patch(settings.runtime)]
    return config


@dataclass(frozen=True)
class Kind:
    """The kind CLI with docker as its provider. Methods raise CommandError when kind refuses."""

    program: Path
    run: Runner

    def create(
        self,
        config: Mapping[str, Any],
        *,
        network: str,
        kubeconfig: Path,
        node_arguments: Mapping[str, Sequence[str]],
        folder: Path,
        log: Path,
        timeout: float,
    ) -> None:
        """Create a cluster on a docker network. `node_arguments` are further arguments of
        `docker run` by node name; `folder` (the lab's own) keeps the shim and these."""
        shims = folder / "shims"
        arguments = folder / "node-arguments"
        for path in (shims, arguments):
            path.mkdir(parents=True, exist_ok=True)
        (shims / "docker").write_text(SHIM)
        (shims / "docker").chmod(0o755)
        for node, words in node_arguments.items():
            (arguments / node).write_text("".join(f"{word}\n" for word in words))
        # kind must not outlive a killed `up`: it would go on in the nodes that the next one makes.
        # --retain, as the lab itself removes what is half made.
        guarded = ["setpriv", "--pdeathsig", "KILL", str(self.program)]
        self.run(
            [*guarded, "create", "cluster", "--retain", "--config=-", f"--kubeconfig={kubeconfig}"],
            input=_yaml(config),
            env={
                "KIND_EXPERIMENTAL_PROVIDER": "docker",
                "KIND_EXPERIMENTAL_DOCKER_NETWORK": network,
                "GKELAB_DOCKER": shutil.which("docker") or "docker",
                "GKELAB_NODE_ARGUMENTS": str(arguments),
                "PATH": f"{shims}{os.pathsep}{os.environ['PATH']}",
            },
            log=log,
            timeout=timeout,
        )

    def export_kubeconfig(self, cluster: str, kubeconfig: Path) -> None:
        """Write the cluster's access into a kubeconfig, as the context kind-CLUSTER."""
        self._kind("export", "kubeconfig", f"--name={cluster}", f"--kubeconfig={kubeconfig}")

    def delete(self, cluster: str, kubeconfig: Path) -> None:
        """Remove a cluster's nodes and its entries in the kubeconfig."""
        self._kind("delete", "cluster", f"--name={cluster}", f"--kubeconfig={kubeconfig}")

    def _kind(self, *words: str) -> None:
        self.run([str(self.program), *words], env={"KIND_EXPERIMENTAL_PROVIDER": "docker"})


def context(cluster: str) -> str:
    """The kubeconfig context that kind makes for a cluster."""
    return f"kind-{cluster}"


def join_configuration(cluster: Cluster, node: Node, token: str) -> str:
    """What kubeadm joins a worker to a cluster by: as kind writes it (pkg/cluster/internal/kubeadm/
    config.go, ConfigTemplateBetaV4), with the lab's patch. What is said of the kubelet the cluster
    keeps itself."""
    return _yaml(
        {
            "apiVersion": KUBEADM,
            "kind": "JoinConfiguration",
            "nodeRegistration": {
                "criSocket": "unix:///run/containerd/containerd.sock",
                **_registration(node),
            },
            "discovery": {
                "bootstrapToken": {
                    "apiServerEndpoint": f"{cluster.control_plane.name}:6443",
                    "token": token,
                    "unsafeSkipCAVerification": True,
                }
            },
            # It would ask for things of a machine that a container has not.
            "skipPhases": ["preflight"],
        }
    )


def _registration(node: Node) -> dict[str, Any]:
    labels = ",".join(f"{key}={value}" for key, value in node.labels.items())
    # kind's own list, whose place a patch takes as a whole, with GCE's form of the provider ID.
    kubelet = {
        "node-ip": str(node.address),
        "provider-id": node.provider_id,
        "node-labels": labels,
    }
    return {"kubeletExtraArgs": _arguments(kubelet)}


def _node(node: Node, image: str, settings: NodeSettings) -> dict[str, Any]:
    patch = {
        "kind": "InitConfiguration" if node.role == "control-plane" else "JoinConfiguration",
        "apiVersion": KUBEADM,
        "nodeRegistration": _registration(node),
    }
    config: dict[str, Any] = {
        "role": node.role,
        "image": image,
        "kubeadmConfigPatches": [_yaml(patch)],
    }
    config["extraMounts"] = [
        {"hostPath": host, "containerPath": inside, "readOnly": True}
        for host, inside in settings.mounts[node.role].items()
    ]
    return config


def _runtime_patch(runtime: str) -> str:
    table = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options'
    return f'[{table}]\n  BinaryName = "{runtime}"\n'


def _arguments(values: Mapping[str, object]) -> list[dict[str, str]]:
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def _yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(data, sort_keys=False)

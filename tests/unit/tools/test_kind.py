"""kind: a cluster's configuration as data, and the few commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gkelab.shell import CommandError
from gkelab.tools.kind import SHIM, Kind, NodeSettings, cluster_config, context
from gkelab.topology import Cluster
from tests.support.recorder import Recorder
from tests.unit.steps import plan_of

IMAGE = "kindest/node:v1.36.4"
SETTINGS = NodeSettings(
    {
        "control-plane": {"/cache/cp": "/gkelab/store", "/x.conf": "/etc/x.conf"},
        "worker": {"/cache/worker": "/gkelab/store"},
    }
)


@pytest.fixture
def cluster() -> Cluster:
    return plan_of().clusters[0]


def patches(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """kubeadm's patches of a cluster or of a node, by kind."""
    loaded = [yaml.safe_load(text) for text in config["kubeadmConfigPatches"]]
    return {patch["kind"]: patch for patch in loaded}


def arguments(listed: list[dict[str, str]]) -> dict[str, str]:
    assert all(set(entry) == {"name", "value"} for entry in listed)
    return {entry["name"]: entry["value"] for entry in listed}


def test_the_clusters_ranges_are_the_topologys(cluster: Cluster) -> None:
    config = cluster_config(cluster, IMAGE, SETTINGS)
    assert (config["kind"], config["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert config["name"] == "vpc-native"
    assert config["networking"] == {
        "disableDefaultCNI": True,
        "kubeProxyMode": "none",
        "podSubnet": "10.0.0.0/20",
        "serviceSubnet": "10.0.16.0/25",
        "apiServerAddress": "127.0.0.1",
    }


@pytest.mark.parametrize(("max_pods", "mask"), [(30, "26"), (64, "25"), (8, "28"), (256, "23")])
def test_node_mask_and_max_pods_follow_gkes_table(max_pods: int, mask: str) -> None:
    cluster = plan_of(maxPodsPerNode=max_pods).clusters[0]
    found = patches(cluster_config(cluster, IMAGE, SETTINGS))
    manager = arguments(found["ClusterConfiguration"]["controllerManager"]["extraArgs"])
    assert manager["node-cidr-mask-size"] == mask
    assert found["KubeletConfiguration"]["maxPods"] == max_pods


def test_kubelet_also_runs_where_the_host_has_cgroup_v1(cluster: Cluster) -> None:
    kubelet = patches(cluster_config(cluster, IMAGE, SETTINGS))["KubeletConfiguration"]
    assert kubelet["failCgroupV1"] is False


def test_etcd_does_not_wait_for_the_disk(cluster: Cluster) -> None:
    etcd = patches(cluster_config(cluster, IMAGE, SETTINGS))["ClusterConfiguration"]["etcd"]
    assert arguments(etcd["local"]["extraArgs"]) == {"unsafe-no-fsync": "true"}


def test_each_node_has_gces_provider_id_gkes_labels_and_its_fixed_address(
    cluster: Cluster,
) -> None:
    nodes = cluster_config(cluster, IMAGE, SETTINGS)["nodes"]
    assert [node["role"] for node in nodes] == ["control-plane", "worker", "worker"]
    assert {node["image"] for node in nodes} == {IMAGE}
    kinds = [list(patches(node)) for node in nodes]
    assert kinds == [["InitConfiguration"], ["JoinConfiguration"], ["JoinConfiguration"]]
    seen = [
        arguments(patch["nodeRegistration"]["kubeletExtraArgs"])
        for node in nodes
        for patch in patches(node).values()
    ]
    assert [each["node-ip"] for each in seen] == ["10.128.0.2", "10.128.0.3", "10.128.0.4"]
    assert [each["provider-id"] for each in seen] == [
        "gce://gkelab/us-central1-a/vpc-native-control-plane",
        "gce://gkelab/us-central1-a/vpc-native-worker",
        "gce://gkelab/us-central1-b/vpc-native-worker2",
    ]
    labels = dict(pair.split("=") for pair in seen[2]["node-labels"].split(","))
    assert labels == dict(cluster.nodes[2].labels)
    assert labels["topology.kubernetes.io/zone"] == "us-central1-b"
    assert labels["cloud.google.com/gke-nodepool"] == "default-pool"
    assert "cloud.google.com/gke-nodepool" not in seen[0]["node-labels"]


def test_a_node_mounts_what_its_role_needs_and_cannot_write_it(cluster: Cluster) -> None:
    nodes = cluster_config(cluster, IMAGE, SETTINGS)["nodes"]
    mounted = [
        {mount["hostPath"]: mount["containerPath"] for mount in node["extraMounts"]}
        for node in nodes
    ]
    assert mounted[0] == {"/cache/cp": "/gkelab/store", "/x.conf": "/etc/x.conf"}
    assert mounted[1] == mounted[2] == {"/cache/worker": "/gkelab/store"}
    assert all(mount["readOnly"] for node in nodes for mount in node["extraMounts"])


def test_containerd_is_patched_only_where_a_runtime_is_needed(cluster: Cluster) -> None:
    assert "containerdConfigPatches" not in cluster_config(cluster, IMAGE, SETTINGS)
    patched = cluster_config(cluster, IMAGE, NodeSettings(SETTINGS.mounts, "/lib/runc-caps"))
    (patch,) = patched["containerdConfigPatches"]
    assert patch == (
        '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\n'
        '  BinaryName = "/lib/runc-caps"\n'
    )


def test_the_configuration_is_plain_yaml(cluster: Cluster) -> None:
    config = cluster_config(cluster, IMAGE, SETTINGS)
    assert yaml.safe_load(yaml.safe_dump(config)) == config


# --- the commands

CREATE = [
    *("setpriv", "--pdeathsig", "KILL", "/bin/kind", "create", "cluster"),
    *("--retain", "--config=-", "--kubeconfig=/lab/kubeconfig"),
]


def create(run: Recorder, folder: Path) -> None:
    Kind(Path("/bin/kind"), run).create(
        {"kind": "Cluster", "name": "one"},
        network="gkelab.lab.us",
        kubeconfig=Path("/lab/kubeconfig"),
        node_arguments={"one-worker": ["--ip=10.128.0.3", "--label=gkelab.lab=lab"]},
        folder=folder,
        log=folder / "kind.log",
        timeout=600,
    )


def test_create_gives_kind_the_configuration_the_network_and_the_labs_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    run = Recorder()
    run.handle(CREATE)
    create(run, tmp_path)
    (call,) = run.calls
    assert list(call.argv) == CREATE
    assert call.input is not None
    assert yaml.safe_load(call.input) == {"kind": "Cluster", "name": "one"}
    assert call.env == {
        "KIND_EXPERIMENTAL_PROVIDER": "docker",
        "KIND_EXPERIMENTAL_DOCKER_NETWORK": "gkelab.lab.us",
        "GKELAB_DOCKER": "/usr/bin/docker",
        "GKELAB_NODE_ARGUMENTS": f"{tmp_path}/node-arguments",
        "PATH": f"{tmp_path}/shims:/usr/bin",
    }
    assert (call.log, call.timeout) == (tmp_path / "kind.log", 600)
    assert (tmp_path / "shims" / "docker").read_text() == SHIM
    assert os.access(tmp_path / "shims" / "docker", os.X_OK)
    written = (tmp_path / "node-arguments" / "one-worker").read_text()
    assert written == "--ip=10.128.0.3\n--label=gkelab.lab=lab\n"


def test_create_can_be_said_again(tmp_path: Path) -> None:
    run = Recorder()
    run.handle(CREATE)
    create(run, tmp_path)
    create(run, tmp_path)
    assert run.times("setpriv") == 2


def test_what_kind_refuses_is_an_error(tmp_path: Path) -> None:
    run = Recorder()
    run.handle(CREATE, code=1, stderr="ERROR: failed to create cluster: node(s) already exist")
    with pytest.raises(CommandError, match="already exist"):
        create(run, tmp_path)


def test_kubeconfig_and_delete_name_the_cluster() -> None:
    run = Recorder()
    export = ["/bin/kind", "export", "kubeconfig", "--name=one", "--kubeconfig=/lab/kubeconfig"]
    delete = ["/bin/kind", "delete", "cluster", "--name=one", "--kubeconfig=/lab/kubeconfig"]
    run.handle(export)
    run.handle(delete)
    kind = Kind(Path("/bin/kind"), run)
    kind.export_kubeconfig("one", Path("/lab/kubeconfig"))
    kind.delete("one", Path("/lab/kubeconfig"))
    assert run.argvs == [export, delete]
    assert all(call.env == {"KIND_EXPERIMENTAL_PROVIDER": "docker"} for call in run.calls)
    assert context("one") == "kind-one"

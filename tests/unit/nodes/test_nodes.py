"""Workers added to a cluster that is up, and deleted from it: the cloud is the real one, what
docker and Kubernetes say is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from gkelab.cloud.ensure import ensure
from gkelab.cloud.place import Place, record
from gkelab.cloud.resources import node_instance, resources
from gkelab.cloud.rest import RestCloud
from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.nodes import add as adding
from gkelab.nodes.add import Adding, in_use, plan_node
from gkelab.nodes.container import Sibling, run_argv
from gkelab.nodes.delete import Deleting
from gkelab.shell import CommandError
from gkelab.steps.remove_remains import clear_remains
from gkelab.supply.imagestore import ImageStores
from gkelab.topology import deletable, next_node, with_nodes
from gkelab.wait import Clock
from tests.support.recorder import Recorder
from tests.unit.cloud.servers import PROJECT, Running, running
from tests.unit.steps import inside, kubectl, make_lab, plan_of
from tests.unit.tools import Raw

NAME, SIBLING, CONTROL_PLANE = (f"vpc-native-{n}" for n in ("worker3", "worker", "control-plane"))
AWAY = f"gkelab.vpc-native.away.{NAME}"
CIDR = "10.0.0.192/26"
SIBLING_RAW: Raw = {
    "Config": {
        "Image": "kindest/node:v1.36.4",
        "Env": [
            "PATH=/bin",
            "https_proxy=http://p:3128",
            "KIND_DNS_SEARCH=lab",
            "container=docker",
        ],
    },
    "HostConfig": {
        "Binds": ["/lib/modules:/lib/modules:ro", "/old/worker:/gkelab/store:ro"],
        "Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse"}],
        "UsernsMode": "",
    },
}
CREATE_VOLUME = [
    *("docker", "volume", "create", "--label", "gkelab.lab=vpc-native"),
    *("--label", "gkelab.role=node", "--label", "gkelab.away=vpc-native"),
]
TOKEN = "abcdef.0123456789abcdef"
CONFIG = "/etc/containerd/config.toml"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as it:
        yield it


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder, server: Running, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The lab with its VPC in the cloud, and a router that has applied whatever there is."""
    monkeypatch.setattr("gkelab.wait.Clock", lambda: Clock(sleep=lambda _: None))
    lab = make_lab(tmp_path, run)
    server.fresh()
    lab.folder.mkdir(parents=True)
    record(lab.cloud_file, Place(server.endpoint, PROJECT))
    ensure(cloud(lab), resources(lab.plan))
    monkeypatch.setattr(adding, "told", lambda *_: {"generation": cloud(lab).generation()})
    return replace(lab, timeouts=replace(lab.timeouts, drain=60))


def cloud(lab: Lab) -> RestCloud:
    return adding.cloud_of(lab)


def instance(lab: Lab, name: str, zone: str = "us-central1-a") -> dict[str, object] | None:
    return cloud(lab).find("instances", f"zones/{zone}", name)


def away(run: Recorder, *volumes: str) -> None:
    filters = ["label=gkelab.lab=vpc-native", "label=gkelab.away=vpc-native"]
    words = [word for one in filters for word in ("--filter", one)]
    text = "".join(f"{volume}\n" for volume in volumes)
    run.handle(["docker", "volume", "ls", "--quiet", *words], text)


def planned(lab: Lab, run: Recorder) -> Adding:
    away(run)
    return plan_node(lab, None, None, None)


# --- the container


def test_a_container_as_kind_runs_it() -> None:
    plan = plan_of()
    cluster, node = plan.clusters[0], plan.clusters[0].nodes[2]
    argv = run_argv(cluster, node, Sibling.of(SIBLING_RAW), {"gkelab.lab": "vpc-native"})
    assert argv == [
        *("docker", "run", "--name=vpc-native-worker2", "--hostname=vpc-native-worker2"),
        *("--privileged", "--security-opt=seccomp=unconfined"),
        *("--security-opt=apparmor=unconfined", "--tmpfs=/tmp", "--tmpfs=/run", "--volume=/var"),
        *("--detach", "--tty", "--network=gkelab.vpc-native.us-central1"),
        *("--restart=on-failure:1", "--init=false", "--cgroupns=private"),
        *("--ip=10.128.0.4", "--label=io.x-k8s.kind.cluster=vpc-native"),
        *("--label=io.x-k8s.kind.role=worker", "--label=gkelab.lab=vpc-native"),
        *("--volume=/lib/modules:/lib/modules:ro", "--volume=/old/worker:/gkelab/store:ro"),
        *("--env=KIND_DNS_SEARCH=lab", "--env=https_proxy=http://p:3128"),
        *("--device=/dev/fuse", "kindest/node:v1.36.4"),
    ]


def test_a_newer_store_is_mounted_in_place_of_the_siblings() -> None:
    mounting = Sibling.of(SIBLING_RAW).mounting({"/new": "/gkelab/store"})
    assert mounting.binds == ("/lib/modules:/lib/modules:ro", "/new:/gkelab/store:ro")


def test_what_is_mounted_must_be_there() -> None:
    with pytest.raises(LabError, match="/old/worker, which nodes mount, is not there any more"):
        Sibling.of(SIBLING_RAW).refuse_gone()


# --- adding


def test_the_next_node_leaps_over_what_the_cloud_has(lab: Lab, run: Recorder) -> None:
    nic = {"subnetwork": "regions/us-central1/subnetworks/us-central1", "networkIP": "10.128.0.5"}
    body = {
        "name": "mine",
        "machineType": "zones/us-central1-a/machineTypes/e2-small",
        "networkInterfaces": [nic],
    }
    cloud(lab).insert("instances", "zones/us-central1-a", body)
    assert "10.128.0.5/32" in map(str, in_use(cloud(lab).state(), "us-central1"))
    it = planned(lab, run)
    assert (it.node.name, str(it.node.address)) == (NAME, "10.128.0.6")


def test_first_the_instance_is_written_and_what_is_there_counts_as_half_made(
    lab: Lab, run: Recorder
) -> None:
    it = planned(lab, run)
    run.handle([*CREATE_VOLUME, AWAY])
    assert it.write_instance() == "10.128.0.5"
    found = instance(lab, NAME)
    sibling = instance(lab, SIBLING)
    assert found and sibling
    assert found["labels"] == sibling["labels"]
    assert found["tags"] == sibling["tags"]
    assert run.argvs[-1] == [*CREATE_VOLUME, AWAY]


def boots(run: Recorder, config: str = "same") -> None:
    logs = ["docker", "logs", "--timestamps", "--tail=200", NAME]
    run.handle(logs, "Detected virtualization docker.")
    run.handle(logs, "[  OK  ] Reached target \x1b[0;1;39mMulti-User System\x1b[0m.")
    run.handle(["docker", "container", "inspect", SIBLING], json.dumps([SIBLING_RAW]))
    run.handle(inside(SIBLING, "cat", CONFIG), "same")
    run.handle(inside(NAME, "cat", CONFIG), config)
    active = inside(NAME, "systemctl", "is-active", "containerd")
    run.handle(active, code=1, stderr="Failed to connect to system scope bus")  # it still boots
    run.handle(active)
    run.handle(inside(NAME, "ctr", "version"))


@pytest.mark.parametrize("config", ["same", "unpatched"])
def test_the_container_has_the_store_and_the_siblings_containerd(
    lab: Lab, run: Recorder, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    lab = replace(lab, timeouts=replace(lab.timeouts, node_boots=5))
    it = planned(lab, run)
    monkeypatch.setattr(ImageStores, "filled", lambda *_: True)
    monkeypatch.setattr(Sibling, "refuse_gone", lambda _: None)
    boots(run, config)
    store = ImageStores(lab.supplier, None, lab.docker, run)  # type: ignore[arg-type]
    monkeypatch.setattr(ImageStores, "path", lambda *_: Path("/new"))
    assert store.wanted("worker")
    words = {"/lib/modules": "/lib/modules", "/new": "/gkelab/store"}
    binds = [f"{host}:{inside_}:ro" for host, inside_ in words.items()]
    unit = "/new/store.conf:/etc/systemd/system/containerd.service.d/gkelab-store.conf:ro"
    sibling = replace(Sibling.of(SIBLING_RAW), binds=tuple(sorted([*binds, unit])))
    told = (
        '{"cluster":"vpc-native","pool":"default-pool","zone":"us-central1-a",'
        '"address":"10.128.0.5"}'
    )
    labels = {"gkelab.lab": "vpc-native", "gkelab.role": "node", "gkelab.node": told}
    run.handle(run_argv(it.cluster, it.node, sibling, labels))
    copy = inside(NAME, "cp", "/dev/stdin", CONFIG, stdin=True)
    restart = inside(NAME, "systemctl", "restart", "containerd")
    if config != "same":
        run.handle(copy)
        run.handle(restart)
    it.run_container()
    assert it.images == []
    assert run.times(*copy) == run.times(*restart) == (config != "same")
    assert it.load_images() == ""


def test_images_that_the_siblings_store_lacks_are_to_be_loaded(
    lab: Lab, run: Recorder, tmp_path: Path
) -> None:
    it = planned(lab, run)
    store = tmp_path / "store"
    store.mkdir()
    wanted = ImageStores(lab.supplier, None, lab.docker, run).wanted("worker")  # type: ignore[arg-type]
    (store / "images").write_text("".join(f"{name}\n" for name in wanted if name != "workload"))
    sibling = replace(Sibling.of(SIBLING_RAW), binds=(f"{store}:/gkelab/store:ro",))
    assert it._store(sibling) == {}
    assert it.images == ["workload"]


def test_it_joins_by_a_token_of_its_own(lab: Lab, run: Recorder) -> None:
    it = planned(lab, run)
    run.handle(inside(CONTROL_PLANE, "kubeadm", "token", "create", "--ttl=10m"), f"{TOKEN}\n")
    write = inside(NAME, "cp", "/dev/stdin", "/kind/kubeadm.conf", stdin=True)
    join = inside(NAME, "kubeadm", "join", "--config=/kind/kubeadm.conf", "--v=1")
    delete = inside(CONTROL_PLANE, "kubeadm", "token", "delete", "abcdef")
    for argv in (write, join, delete):
        run.handle(argv)
    it.join()
    assert run.argvs[-3:] == [write, join, delete]
    text = next(call.input for call in run.calls if list(call.argv) == write)
    node = it.node
    labels = ",".join(f"{key}={value}" for key, value in node.labels.items())
    assert yaml.safe_load(text or "") == {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "nodeRegistration": {
            "criSocket": "unix:///run/containerd/containerd.sock",
            "kubeletExtraArgs": [
                {"name": "node-ip", "value": "10.128.0.5"},
                {"name": "provider-id", "value": "gce://gkelab/us-central1-a/vpc-native-worker3"},
                {"name": "node-labels", "value": labels},
            ],
        },
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": "vpc-native-control-plane:6443",
                "token": TOKEN,
                "unsafeSkipCAVerification": True,
            }
        },
        "skipPhases": ["preflight"],
    }
    assert "cloud.google.com/gke-nodepool=default-pool" in labels


def test_a_join_that_fails_leaves_no_token(lab: Lab, run: Recorder) -> None:
    it = planned(lab, run)
    run.handle(inside(CONTROL_PLANE, "kubeadm", "token", "create", "--ttl=10m"), f"{TOKEN}\n")
    run.handle(inside(NAME, "cp", "/dev/stdin", "/kind/kubeadm.conf", stdin=True))
    join = inside(NAME, "kubeadm", "join", "--config=/kind/kubeadm.conf", "--v=1")
    run.handle(join, code=1, stderr="couldn't validate the identity of the API Server")
    delete = inside(CONTROL_PLANE, "kubeadm", "token", "delete", "abcdef")
    run.handle(delete)
    with pytest.raises(CommandError, match="identity of the API Server"):
        it.join()
    assert run.argvs[-1] == delete


def test_its_podcidr_is_awaited_in_the_cloud(lab: Lab, run: Recorder) -> None:
    lab = replace(lab, timeouts=replace(lab.timeouts, vpc=5))
    it = planned(lab, run)
    run.handle([*CREATE_VOLUME, AWAY])
    it.write_instance()
    asks = kubectl(lab, "get", "node", NAME, "--ignore-not-found", "--output=json")

    def gives() -> None:
        wanted = node_instance(it.lab.plan, it.cluster, it.node, IPv4Network(CIDR))
        ensure(cloud(lab), [wanted])

    run.handle(asks, json.dumps({"spec": {}}))
    run.handle(asks, json.dumps({"spec": {"podCIDR": CIDR}}), does=gives)
    assert it.await_route().startswith(f"{CIDR}, 0.")


# --- deleting


def drains(lab: Lab, run: Recorder, node: str, code: int = 0) -> list[list[str]]:
    """Expect, and return, what deletes a node beside the cloud's part."""
    argvs = [
        kubectl(lab, "get", "node", node, "--ignore-not-found", "--output=json"),
        [*CREATE_VOLUME, f"gkelab.vpc-native.away.{node}"],
        kubectl(
            lab,
            *("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"),
            "--timeout=60s",
        ),
    ]
    run.handle(argvs[0], '{"kind": "Node"}')
    run.handle(argvs[1])
    run.handle(argvs[2], code=code)
    return argvs + goes(lab, run, node)


def goes(lab: Lab, run: Recorder, node: str, *, container: bool = True) -> list[list[str]]:
    raw = {
        "Id": "c0ffee",
        "Name": f"/{node}",
        "State": {"Status": "running"},
        "Config": {"Image": "x", "Labels": {"gkelab.lab": "vpc-native"}},
        "NetworkSettings": {"Networks": {}},
        "Mounts": [],
    }
    delete = kubectl(lab, "delete", "node", node, "--ignore-not-found", "--wait=true")
    look = ["docker", "container", "inspect", node]
    remove = ["docker", "rm", "--force", "--volumes", "c0ffee"]
    run.handle(delete)
    run.handle(look, json.dumps([raw]), code=0 if container else 1)
    run.handle(remove)
    return [delete, look, *([remove] if container else [])]


@pytest.mark.parametrize(("code", "note"), [(0, ""), (1, "not all of its pods left within 60 s")])
def test_a_declared_worker_goes_and_stays_away(
    lab: Lab, run: Recorder, code: int, note: str
) -> None:
    node = "vpc-native-worker2"
    it = Deleting(lab, *deletable(lab.plan, node))
    argvs = drains(lab, run, node, code)
    assert it.drain() == note
    assert it.remove() == it.await_route() == ""
    assert run.argvs == argvs  # its volume goes on telling that it is away
    assert instance(lab, node, "us-central1-b") is None
    assert instance(lab, SIBLING) is not None


def test_of_an_added_one_nothing_is_left(lab: Lab, run: Recorder) -> None:
    it = planned(lab, run)
    run.handle([*CREATE_VOLUME, AWAY])
    it.write_instance()
    deleting = Deleting(it.lab, *deletable(it.lab.plan, NAME))
    drains(lab, run, NAME)
    unmark = ["docker", "volume", "rm", AWAY]
    run.handle(unmark)
    for task in deleting.tasks():
        task.run()
    assert run.argvs[-1] == unmark
    assert instance(lab, NAME) is None


def test_a_cluster_that_does_not_answer_keeps_its_node(lab: Lab, run: Recorder) -> None:
    asks = kubectl(lab, "get", "node", SIBLING, "--ignore-not-found", "--output=json")
    run.handle(asks, code=1, stderr="connection refused")
    with pytest.raises(CommandError, match="connection refused"):
        Deleting(lab, *deletable(lab.plan, SIBLING)).drain()
    assert run.argvs == [asks]


# --- what is left


def test_what_a_killed_one_left_is_removed(lab: Lab, run: Recorder) -> None:
    cluster = lab.plan.clusters[0]
    it = Adding.to(lab, next_node(lab.plan, cluster, None, None, taken=[], names=[]))
    run.handle([*CREATE_VOLUME, AWAY])
    it.write_instance()
    # Whoever finds the lab now, does not count it.
    away(run, AWAY)
    argvs = goes(lab, run, NAME)
    unmark = ["docker", "volume", "rm", AWAY]
    run.handle(unmark)
    assert clear_remains(lab, cluster) == NAME
    assert run.argvs[-len(argvs) - 1 :] == [*argvs, unmark]
    assert instance(lab, NAME) is None


def test_a_declared_one_that_was_deleted_stays_so(lab: Lab, run: Recorder) -> None:
    node = "vpc-native-worker2"
    zone = "zones/us-central1-b"
    cloud(lab).write("delete", "instances", zone, {"instance": node})
    less = replace(lab, plan=with_nodes(lab.plan, [], [node]))
    away(run, f"gkelab.vpc-native.away.{node}")
    goes(lab, run, node, container=False)
    assert clear_remains(less, less.plan.clusters[0]) == CACHED
    assert run.times("docker", "volume", "rm") == 0


def test_where_none_is_away_one_question_is_all(lab: Lab, run: Recorder) -> None:
    away(run)
    assert clear_remains(lab, lab.plan.clusters[0]) == CACHED
    assert len(run.calls) == 1

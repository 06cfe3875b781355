"""docker: every method's exact words, and what is made of docker's recorded answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from gkelab.shell import CommandError
from gkelab.tools.docker import Container, Docker, Image, Network
from tests.support.recorder import Recorder
from tests.unit.tools import (
    FOREIGN_CONTAINER,
    FOREIGN_ID,
    FOREIGN_NETWORK,
    FOREIGN_NETWORK_ID,
    LS,
    PS,
    Raw,
    docker,
    lists_containers,
    lists_networks,
    recorded,
    stopped,
)

NETWORK = "gkelab.vpc-native.us-central1"


def make_network(it: Docker) -> None:
    it.create_network(
        NETWORK,
        IPv4Network("10.128.0.0/20"),
        "10.128.15.254",
        {"gkelab.lab": "vpc-native", "gkelab.plan": '{"a":1}'},
        {"com.docker.network.bridge.enable_ip_masquerade": "true"},
    )


COMMANDS: list[tuple[Callable[[Docker], object], list[str]]] = [
    (
        make_network,
        [
            *("docker", "network", "create", "--driver", "bridge"),
            *("--subnet", "10.128.0.0/20", "--gateway", "10.128.15.254"),
            *("--opt", "com.docker.network.bridge.enable_ip_masquerade=true"),
            *("--label", "gkelab.lab=vpc-native", "--label", 'gkelab.plan={"a":1}', NETWORK),
        ],
    ),
    (
        lambda it: it.create_network("mine", None, "", {"gkelab.lab": "x"}, {}),
        ["docker", "network", "create", "--driver", "bridge", "--label", "gkelab.lab=x", "mine"],
    ),
    (
        lambda it: it.connect("net", "10.128.0.1", "router"),
        ["docker", "network", "connect", "--ip", "10.128.0.1", "net", "router"],
    ),
    (
        lambda it: it.disconnect("net", "router"),
        ["docker", "network", "disconnect", "--force", "net", "router"],
    ),
    (
        lambda it: it.create_volume("kept", {"gkelab.lab": "x"}),
        ["docker", "volume", "create", "--label", "gkelab.lab=x", "kept"],
    ),
    (lambda it: it.remove_volumes(["a", "b"]), ["docker", "volume", "rm", "a", "b"]),
    (lambda it: it.remove_networks(["a", "b"]), ["docker", "network", "rm", "a", "b"]),
    (
        lambda it: it.remove_containers(["a", "b"]),
        ["docker", "rm", "--force", "--volumes", "a", "b"],
    ),
    (lambda it: it.start(["a", "b"]), ["docker", "start", "a", "b"]),
    (lambda it: it.stop(["a", "b"]), ["docker", "stop", "--time", "10", "a", "b"]),
    (lambda it: it.stop(["a"], grace=1), ["docker", "stop", "--time", "1", "a"]),
    (lambda it: it.exec("node", ["ip", "route"]), ["docker", "exec", "node", "ip", "route"]),
    (lambda it: it.remove_image("net/net:1"), ["docker", "image", "rm", "net/net:1"]),
    (lambda it: it.pull("net/net:1"), ["docker", "pull", "--quiet", "net/net:1"]),
    (
        lambda it: it.save(["a:1", "b:1"], Path("/out.tar")),
        ["docker", "save", "--output", "/out.tar", "a:1", "b:1"],
    ),
    (
        lambda it: it.load(Path("/in.tar")),
        ["docker", "load", "--quiet", "--input", "/in.tar"],
    ),
]


@pytest.mark.parametrize(("act", "argv"), COMMANDS)
def test_a_method_is_one_command(act: Callable[[Docker], object], argv: list[str]) -> None:
    it, run = docker()
    run.handle(argv)
    act(it)
    assert run.argvs == [argv]


@pytest.mark.parametrize(("act", "argv"), COMMANDS)
def test_what_docker_refuses_is_an_error(act: Callable[[Docker], object], argv: list[str]) -> None:
    it, run = docker()
    run.handle(argv, code=1, stderr="Error response from daemon: no")
    with pytest.raises(CommandError, match="Error response from daemon: no"):
        act(it)


def test_nothing_to_do_runs_nothing() -> None:
    it, run = docker()
    it.remove_networks([])
    it.remove_volumes([])
    it.remove_containers([])
    it.start([])
    it.stop([])
    assert run.calls == []


def test_exec_with_text_or_a_file_keeps_stdin_open() -> None:
    it, run = docker()
    run.handle(["docker", "exec", "--interactive", "node", "tee", "/f"])
    it.exec("node", ["tee", "/f"], input="routes\n")
    it.exec("node", ["tee", "/f"], input=io.BytesIO(b"archive"))
    assert [call.input for call in run.calls] == ["routes\n", None]


def test_exec_is_judged_by_the_caller_who_asks_for_it() -> None:
    it, run = docker()
    run.handle(["docker", "exec", "node", "test", "-f", "/x"], code=1)
    assert it.exec("node", ["test", "-f", "/x"], check=False, timeout=5).code == 1
    assert run.calls[0].timeout == 5
    with pytest.raises(CommandError):
        it.exec("node", ["test", "-f", "/x"])


def test_a_pulls_words_go_to_its_log(tmp_path: Path) -> None:
    it, run = docker()
    run.handle(["docker", "pull", "--quiet", "net/net:1"], "pulled\n")
    it.pull("net/net:1", tmp_path / "log")
    assert (tmp_path / "log").read_text() == "pulled\n"


@pytest.mark.parametrize(("code", "there"), [(0, True), (1, False)])
def test_has_image(code: int, there: bool) -> None:
    it, run = docker()
    run.handle(["docker", "image", "inspect", "net/net:1"], "[]", code=code)
    assert it.has_image("net/net:1") is there


def test_images_of_a_label_each_once() -> None:
    it, run = docker()
    argv = ["docker", "image", "ls", "--quiet", "--no-trunc"]
    run.handle([*argv, "--filter", "label=gkelab.scratch"], "sha256:a\nsha256:b\nsha256:a\n")
    assert it.images({"gkelab.scratch": None}) == ["sha256:a", "sha256:b"]


# --- containers


def test_containers_of_a_label_as_docker_tells_of_them() -> None:
    it, run = docker()
    lists_containers(run, ["gkelab.lab=vpc-native"], recorded("containers"))
    found = it.containers({"gkelab.lab": "vpc-native"})
    assert [container.name for container in found] == [
        *("vpc-native-client", "vpc-native-cloud", "vpc-native-control-plane"),
        *("vpc-native-controllers", "vpc-native-machines", "vpc-native-router"),
        *("vpc-native-vm-vm-a", "vpc-native-worker", "vpc-native-worker2"),
    ]
    assert found[0] == Container(
        id="5c32d67f975b1575a000b392aa76ad0c9f2193b7bbf0aba828de8d37fbcaeb04",
        name="vpc-native-client",
        state="running",
        image="gkelab/workload:1",
        image_id="",  # the recording is without it
        labels={"gkelab.lab": "vpc-native", "gkelab.role": "client"},
        addresses={"gkelab.vpc-native.internet": "198.18.0.2"},
        mounts={},
        ports={},
        started="",  # and without that
    )
    store = "/home/lab/.cache/gkelab/stores/worker-4ee59e8917c4"
    assert found[7].mounts["/gkelab/store"] == store
    assert found[7].labels["io.x-k8s.kind.role"] == "worker"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, []),
        ({"gkelab.lab": None}, ["--filter", "label=gkelab.lab"]),
        (
            {"gkelab.lab": "x", "gkelab.role": "node"},
            ["--filter", "label=gkelab.lab=x", "--filter", "label=gkelab.role=node"],
        ),
    ],
)
def test_labels_are_dockers_own_filters(labels: dict[str, str | None], words: list[str]) -> None:
    it, run = docker()
    run.handle([*PS, *words], "")
    assert it.containers(labels) == []
    assert run.argvs == [[*PS, *words]]  # and nothing is inspected


def test_a_stopped_container_keeps_its_fixed_address() -> None:
    it, run = docker()
    raw = stopped(recorded("containers")[1])
    lists_containers(run, [], [raw])
    (found,) = it.containers({})
    assert (found.state, found.addresses) == ("exited", {NETWORK: "10.128.0.3"})


def test_a_container_without_labels_or_a_fixed_address() -> None:
    it, run = docker()
    raw = FOREIGN_CONTAINER | {"Config": {"Image": "nginx:1.29", "Labels": None}}
    lists_containers(run, [], [raw])
    (found,) = it.containers({})
    assert (dict(found.labels), found.addresses) == ({}, {"vpc-native_default": "172.18.0.2"})


def test_a_container_on_no_network_has_no_address() -> None:
    it, run = docker()
    lists_containers(run, [], [FOREIGN_CONTAINER | {"NetworkSettings": {"Networks": None}}])
    assert it.containers({})[0].addresses == {}


def test_one_that_goes_away_while_docker_is_asked_is_left_out() -> None:
    it, run = docker()
    run.handle(PS, f"{FOREIGN_ID}\ngone\n")
    argv = ["docker", "container", "inspect", FOREIGN_ID, "gone"]
    run.handle(argv, json.dumps([FOREIGN_CONTAINER]), code=1, stderr="No such container: gone")
    assert [container.id for container in it.containers({})] == [FOREIGN_ID]


def test_when_the_last_one_goes_away_there_are_none() -> None:
    it, run = docker()
    run.handle(PS, "gone\n")
    run.handle(["docker", "container", "inspect", "gone"], "", code=1)
    assert it.containers({}) == []


def test_a_container_by_name() -> None:
    it, run = docker()
    run.handle(["docker", "container", "inspect", "web"], json.dumps([FOREIGN_CONTAINER]))
    run.handle(["docker", "container", "inspect", "gone"], "[]", code=1, stderr="No such container")
    web = it.container("web")
    assert web is not None
    assert web.name == "vpc-native-web-1"
    assert it.container("gone") is None


@pytest.mark.parametrize(("code", "has"), [(0, True), (1, False)])
def test_a_file_in_a_container_that_may_stand_still(code: int, has: bool) -> None:
    it, run = docker()
    run.handle(["docker", "cp", "one:/etc/hosts", "-"], code=code)
    assert it.has_file("one", "/etc/hosts") is has


# --- images


def test_an_image_by_its_name() -> None:
    it, run = docker()
    digest = "sha256:" + "ab" * 32
    raw = {"Id": "sha256:1", "RepoDigests": [f"kindest/node@{digest}"], "RepoTags": ["x:1"]}
    run.handle(["docker", "image", "inspect", "x:1"], json.dumps([raw]))
    run.handle(["docker", "image", "inspect", "y:1"], json.dumps([raw | {"RepoDigests": None}]))
    run.handle(["docker", "image", "inspect", "z:1"], "[]", code=1, stderr="No such image: z:1")
    assert it.image("x:1") == Image("sha256:1", (digest,))
    assert it.image("y:1") == Image("sha256:1", ())
    assert it.image("z:1") is None


def test_a_containers_image_is_what_its_name_stood_for() -> None:
    it, run = docker()
    raw = recorded("containers")[0] | {"Image": "sha256:1"}
    run.handle(["docker", "container", "inspect", "x"], json.dumps([raw]))
    found = it.container("x")
    assert found is not None
    assert (found.image, found.image_id) == ("gkelab/workload:1", "sha256:1")


@pytest.mark.parametrize(
    ("bindings", "ports"),
    [
        (
            {"6443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "37439"}], "80/tcp": None},
            {"6443/tcp": "127.0.0.1:37439"},
        ),
        (None, {}),
    ],
)
def test_published_ports(bindings: Raw | None, ports: dict[str, str]) -> None:
    it, run = docker()
    lists_containers(run, [], [FOREIGN_CONTAINER | {"HostConfig": {"PortBindings": bindings}}])
    assert it.containers({})[0].ports == ports


def test_all_that_docker_says() -> None:
    it, run = docker()
    run.handle(["docker", "container", "inspect", "web"], json.dumps([FOREIGN_CONTAINER]))
    assert it.inspect(["web"]) == [FOREIGN_CONTAINER]
    assert it.inspect([]) == []
    assert len(run.calls) == 1


def test_what_a_container_wrote_to_either_stream() -> None:
    it, run = docker()
    run.handle(["docker", "logs", "--timestamps", "--tail=7", "web"], "out\n", stderr="err\n")
    assert it.logs("web", tail=7) == "out\nerr\n"


# --- volumes


def test_volumes_by_label_and_a_volumes_labels() -> None:
    it, run = docker()
    run.handle(["docker", "volume", "ls", "--quiet", "--filter", "label=gkelab.lab=x"], "a\nb\n")
    assert it.volumes({"gkelab.lab": "x"}) == ["a", "b"]
    run.handle(["docker", "volume", "inspect", "a"], '[{"Labels": {"gkelab.lab": "x"}}]')
    run.handle(["docker", "volume", "inspect", "b"], '[{"Labels": null}]')
    run.handle(["docker", "volume", "inspect", "c"], code=1, stderr="no such volume")
    assert it.volume("a") == {"gkelab.lab": "x"}
    assert it.volume("b") == {}
    assert it.volume("c") is None


# --- networks


def test_networks_as_docker_tells_of_them() -> None:
    it, run = docker()
    lists_networks(run, [], [*recorded("networks"), FOREIGN_NETWORK])
    bridge, ours, internet, management, host, none, foreign = it.networks()
    assert (ours.name, ours.subnets) == (NETWORK, (IPv4Network("10.128.0.0/20"),))
    assert ours.bridge == "br-02d35b4f99bd"
    assert set(ours.containers) == {
        *("vpc-native-control-plane", "vpc-native-worker", "vpc-native-worker2"),
        *("vpc-native-router", "vpc-native-vm-vm-a"),
    }
    assert internet.subnets == (IPv4Network("198.18.0.0/24"),)
    assert set(management.containers) == {"vpc-native-cloud", "vpc-native-router"}
    assert ours.labels["gkelab.images"] == "built"
    assert (bridge.name, bridge.bridge) == ("bridge", "docker0")
    assert (host.subnets, none.subnets) == ((), ())
    assert foreign == Network(
        id=FOREIGN_NETWORK_ID,
        name="vpc-native_default",
        subnets=(IPv4Network("172.18.0.0/16"),),  # its IPv6 subnet is no concern of the lab's
        labels={"com.docker.compose.network": "default"},
        bridge="br-e0e0e0e0e0e0",
        containers=("vpc-native-web-1",),
    )


def test_a_bridge_that_was_given_a_name_has_it() -> None:
    it, run = docker()
    named = {"com.docker.network.bridge.name": "shop0"}
    lists_networks(run, [], [FOREIGN_NETWORK | {"Options": named, "Labels": None}])
    assert (it.networks()[0].bridge, dict(it.networks()[0].labels)) == ("shop0", {})


def test_networks_of_a_label_and_none() -> None:
    it, run = docker()
    run.handle([*LS, "--filter", "label=gkelab.lab"], "")
    assert it.networks({"gkelab.lab": None}) == []
    assert run.times("docker", "network", "inspect") == 0


@pytest.mark.parametrize(
    "said",
    ["Error: No such network: n2", "Error response from daemon: network n2 not found"],
)
def test_a_network_that_goes_meanwhile_is_no_error(said: str) -> None:
    run, one = Recorder(), recorded("networks")[0]
    run.handle([*LS], f"{one['Id']}\nn2\n")
    inspect = ["docker", "network", "inspect", one["Id"], "n2"]
    run.handle(inspect, json.dumps([one]), code=1, stderr=said)
    assert [network.name for network in Docker(run).networks()] == [one["Name"]]


def test_a_docker_that_does_not_tell_of_networks_is_an_error() -> None:
    run = Recorder()
    run.handle([*LS], "n2\n")
    run.handle(["docker", "network", "inspect", "n2"], "[]\n", code=1, stderr="Cannot connect")
    with pytest.raises(CommandError, match="Cannot connect"):
        Docker(run).networks()

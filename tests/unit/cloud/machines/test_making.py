"""Subnets that came after `up`, by an agent against a docker that behaves: commands to the word,
and that it comes to rest."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from gkelab.cloud.machines.agent import Agent
from tests.unit.cloud.machines.fakes import (
    LINK,
    US,
    FakeDocker,
    agent,
    instance,
    route,
    subnet,
    with_subnets,
)

NEW, NAME = "regions/us-central1/subnetworks/new", "gkelab.lab.us-central1.new"
ROUTER = {"gkelab.lab": "lab", "gkelab.role": "router"}
NODE = {"gkelab.lab": "lab", "gkelab.role": "node"}
LATER = subnet("new", "10.9.0.0/24", "10.9.4.0/22")
RM = ["docker", "network", "rm"]
UNREACHABLE = ["ip", "route", "replace", "unreachable"]
NOWHERE = ["metric", "4000000000", "proto", "71"]


def create(primary: str = "10.9.0.0/24", bridge: str = "10.9.0.254", number: str = "9") -> Any:
    return [
        *("docker", "network", "create", "--driver", "bridge"),
        *("--subnet", primary, "--gateway", bridge),
        *("--opt", "com.docker.network.bridge.enable_ip_masquerade=false"),
        *("--label", "gkelab.lab=lab", "--label", "gkelab.role=subnet"),
        *("--label", f"gkelab.subnetwork={NEW}", "--label", f"gkelab.subnetwork.id={number}"),
        *("--label", "gkelab.gateway=10.9.0.1", NAME),
    ]


CONNECT = ["docker", "network", "connect", "--ip", "10.9.0.1", NAME, "lab-router"]
DISCONNECT = ["docker", "network", "disconnect", "--force", NAME, "lab-router"]
HOLD = [[*UNREACHABLE, n, *NOWHERE] for n in ("10.9.0.0/24", "10.9.4.0/22")]


@pytest.fixture
def docker() -> FakeDocker:
    """With the lab's router, on the network that `up` made."""
    docker = FakeDocker()
    docker.add("lab-router", ROUTER)
    return docker


@pytest.fixture
def it(docker: FakeDocker, tmp_path: Path) -> Agent:
    made = agent(docker)
    made.making.resolv_conf = tmp_path / "resolv.conf"
    return made


def of(docker: FakeDocker, name: str = NAME) -> dict[str, Any]:
    return next(n for n in docker.networks if n["Name"] == name)


def at_rest(it: Agent, docker: FakeDocker, *args: Any, **named: Any) -> None:
    """Nothing more is done for the same state."""
    docker.changes()
    it.step(with_subnets(*args, **named))
    assert docker.changes() == []


def test_a_subnet_is_made_joined_by_the_router_and_held_on_the_host(
    docker: FakeDocker, it: Agent
) -> None:
    assert it.step(with_subnets(LATER)) is None
    assert docker.changes() == [create(), CONNECT, *HOLD]
    assert it.status.told["subnets"] == {LINK: US.name, NEW: NAME}
    assert (it.status.told["problems"], it.status.told["left_out"]) == ([], [])
    at_rest(it, docker, LATER)


def test_a_vm_is_started_there_and_goes_by_its_router(docker: FakeDocker, it: Agent) -> None:
    vm = instance("web", "10.9.0.5", subnet=NEW)
    it.step(with_subnets(LATER, instances=[vm]))
    done = docker.changes()
    run = next(words for words in done if words[:2] == ["docker", "run"])
    assert f"--network={NAME}" in run and "--ip=10.9.0.5" in run
    assert done.index(run) > done.index(CONNECT)
    assert ["bridge", "link", "set", "dev", *done[-2][4:]] == done[-2]  # its port is isolated
    assert "route replace default via 10.9.0.1 dev eth0" in docker.inputs[0].splitlines()
    at_rest(it, docker, LATER, instances=[vm])


def test_a_router_that_was_made_anew_is_joined_again(docker: FakeDocker, it: Agent) -> None:
    it.step(with_subnets(LATER))
    docker.add("lab-router", ROUTER)
    docker.changes()
    it.step(with_subnets(LATER))
    assert docker.changes() == [CONNECT]


def test_another_agent_finds_all_as_it_is(docker: FakeDocker, it: Agent, tmp_path: Path) -> None:
    """After a restart of docker or of the lab."""
    it.step(with_subnets(LATER))
    docker.changes()
    other = agent(docker)
    other.making.resolv_conf = tmp_path / "resolv.conf"
    other.step(with_subnets(LATER))
    assert docker.changes() == []
    other.step(with_subnets())
    number = next(words[3] for words in docker.changes() if words[:3] == RM)
    assert number not in [n["Id"] for n in docker.networks]


def test_a_network_that_somebody_removed_comes_back(docker: FakeDocker, it: Agent) -> None:
    it.step(with_subnets(LATER))
    docker.networks.pop()
    del docker.containers["lab-router"]["NetworkSettings"]["Networks"][NAME]
    docker.changes()
    it.step(with_subnets(LATER))
    assert docker.changes() == [create(), CONNECT]


def test_a_deleted_subnet_goes_after_its_machines_and_the_router(
    docker: FakeDocker, it: Agent
) -> None:
    it.step(with_subnets(LATER, instances=[instance("web", "10.9.0.5", subnet=NEW)]))
    number = of(docker)["Id"]
    docker.changes()
    assert it.step(with_subnets()) is not None  # what waits for the range may come now
    gone = [["ip", "route", "delete", "unreachable", n, "proto", "71"] for n in ("10.9.0.0/24",)]
    done = docker.changes()
    assert done[0] == gone[0]
    assert done[2:] == [
        ["docker", "rm", "--force", "--volumes", "lab-vm-web"],
        DISCONNECT,
        [*RM, number],
    ]
    assert [n["Name"] for n in docker.networks] == [US.name]
    assert docker.routes == []
    assert it.status.told["subnets"] == {LINK: US.name}
    at_rest(it, docker)


def test_one_of_the_same_name_and_range_takes_its_place(docker: FakeDocker, it: Agent) -> None:
    it.step(with_subnets(LATER))
    number = of(docker)["Id"]
    docker.changes()
    anew = {**LATER, "id": "10"}
    assert it.step(with_subnets(anew)) == 0.1
    assert [words for words in docker.changes() if words[0] == "docker"] == [
        DISCONNECT,
        [*RM, number],
    ]
    it.step(with_subnets(anew))
    assert docker.changes() == [create(number="10"), CONNECT, *HOLD]
    at_rest(it, docker, anew)


def test_an_expanded_subnet_is_made_anew_and_keeps_its_gateway(
    docker: FakeDocker, it: Agent
) -> None:
    """As long as a VM is there its network stays, and it is told."""
    vm = instance("web", "10.9.0.5", subnet=NEW)
    it.step(with_subnets(LATER, instances=[vm]))
    larger = {**LATER, "ipCidrRange": "10.9.0.0/23"}
    docker.changes()
    it.step(with_subnets(larger, instances=[vm]))
    assert docker.changes() == []
    assert "10.9.0.0/23 and real as 10.9.0.0/24 alone" in it.status.told["left_out"][0]
    it.step(with_subnets(larger))  # the VM goes
    it.step(with_subnets(larger))
    docker.changes()
    it.step(with_subnets(larger))
    assert docker.changes()[:2] == [create("10.9.0.0/23", "10.9.1.254"), CONNECT]
    assert it.status.told["left_out"] == []
    at_rest(it, docker, larger)


HOSTS_ROUTE = {"dst": "10.9.0.0/16", "dev": "tun0", "protocol": "static"}
MINE = {
    "Id": "e0" * 32,
    "Name": "mine",
    "IPAM": {"Config": [{"Subnet": "10.9.4.0/24"}]},
    "Labels": {},
    "Containers": {},
}


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (
            {"routes": [HOSTS_ROUTE]},
            "10.9.0.0/24 overlaps the host's route via tun0 10.9.0.0/16",
        ),
        (
            {"routes": [{"dst": "10.9.4.0/24", "type": "unreachable", "protocol": "71"}]},
            "10.9.4.0/22 overlaps a lab's 10.9.4.0/24",
        ),
        ({"networks": [MINE]}, "10.9.4.0/22 overlaps docker's network mine 10.9.4.0/24"),
        (
            {"peers": "0 0 10.1.0.9:22 10.9.0.7:52144\n"},
            "10.9.0.0/24 overlaps a connection of this host to 10.9.0.7/32",
        ),
    ],
)
def test_what_this_host_uses_is_left_to_it(
    docker: FakeDocker, it: Agent, there: dict[str, Any], why: str
) -> None:
    docker.routes += there.get("routes", [])
    docker.networks += there.get("networks", [])
    docker.peers = there.get("peers", "")
    vm = instance("web", "10.9.0.5", subnet=NEW)
    it.step(with_subnets(LATER, instances=[vm]))
    assert docker.changes() == []
    first, second = it.status.told["left_out"]
    assert first.startswith(f"{NEW} is not real: {why}")
    assert second.endswith(f"web: no docker network is {NEW} (there are: {LINK})")


def test_nor_is_the_hosts_name_server_hidden(docker: FakeDocker, it: Agent, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 10.9.0.53\n")
    it.step(with_subnets(LATER))
    assert docker.changes() == []
    assert "this host's name server 10.9.0.53/32" in it.status.told["left_out"][0]


def test_the_hosts_default_route_and_dockers_bridges_are_nobodys_claim(
    docker: FakeDocker, it: Agent
) -> None:
    docker.routes += [
        {"dst": "default", "dev": "eth0"},
        {"dst": "10.128.0.0/20", "dev": "br-us", "protocol": "kernel"},
    ]
    it.step(with_subnets(LATER))
    assert it.status.told["left_out"] == []


def test_of_two_networks_the_older_ones_keep_their_ranges(docker: FakeDocker, it: Agent) -> None:
    """Compute lets networks overlap; this host has one router."""
    second = subnet("second", "10.9.4.0/24", network="b", creationTimestamp="2026-09-09")
    first = subnet("zzz", "10.128.0.0/24", network="b")
    it.step(with_subnets(second, first, LATER))
    assert it.status.told["subnets"] == {LINK: US.name, NEW: NAME}
    assert it.status.told["left_out"] == [
        "regions/us-central1/subnetworks/zzz is not real: 10.128.0.0/24 overlaps"
        " docker's network gkelab.lab.us 10.128.0.0/20",
        f"regions/us-central1/subnetworks/second is not real: 10.9.4.0/24 overlaps {NEW}"
        " 10.9.4.0/22",
    ]


def test_a_secondary_range_comes_and_goes(docker: FakeDocker, it: Agent) -> None:
    it.step(with_subnets(subnet("new", "10.9.0.0/24")))
    docker.changes()
    it.step(with_subnets(LATER))
    assert docker.changes() == [HOLD[1]]
    it.step(with_subnets(subnet("new", "10.9.0.0/24")))
    assert docker.changes() == [
        ["ip", "route", "delete", "unreachable", "10.9.4.0/22", *NOWHERE[2:]]
    ]


def test_a_secondary_range_that_the_host_uses_is_told_and_the_rest_is_real(
    docker: FakeDocker, it: Agent
) -> None:
    it.step(with_subnets(subnet("new", "10.9.0.0/24")))
    docker.routes.append({"dst": "10.9.5.0/24", "dev": "tun0"})
    docker.changes()
    it.step(with_subnets(LATER))
    assert docker.changes() == []
    assert it.status.told["left_out"] == [
        f"a range of {NEW} is not real: 10.9.4.0/22 overlaps the host's route via tun0 10.9.5.0/24"
    ]


def test_what_docker_refuses_is_told_and_tried_again(docker: FakeDocker, it: Agent) -> None:
    docker.refuses = {("docker", "network", "create"): "Pool overlaps with other one"}
    assert it.step(with_subnets(LATER)) == 2.0
    (problem,) = it.status.told["problems"]
    assert problem.startswith(f"cannot create the network {NAME}: ") and "Pool overlaps" in problem
    docker.refuses = {("docker", "network", "connect"): "Address already in use"}
    assert it.step(with_subnets(LATER)) == 2.0
    assert it.status.told["problems"][0].startswith(f"cannot connect lab-router to {NAME}: ")
    docker.refuses = {}
    assert it.step(with_subnets(LATER)) is None
    docker.refuses = {("docker", "network", "rm"): "has active endpoints"}
    assert it.step(with_subnets()) == 2.0
    assert it.status.told["problems"][0].startswith(f"cannot remove the network {NAME}: ")
    docker.refuses = {}
    it.step(with_subnets())
    assert [n["Name"] for n in docker.networks] == [US.name]


BY_VM = {"nextHopIp": "10.128.0.9"}


def test_nodes_learn_where_routes_lead_that_they_would_send_out_of_the_machine(
    docker: FakeDocker, it: Agent
) -> None:
    node = docker.add("small-worker", NODE)["Id"]
    routes = [
        route("on", "10.77.0.0/16", **BY_VM),
        route("again", "10.77.0.0/16", nextHopInstance="zones/z/instances/vm"),
        # Known already; the machine's own way out; another network's; nobody's business.
        route("within", "10.4.3.0/24", **BY_VM),
        route("default", "0.0.0.0/0", **BY_VM),
        route("theirs", "10.78.0.0/16", "other", **BY_VM),
        route("out", "10.79.0.0/16", nextHopGateway="global/gateways/default-internet-gateway"),
    ]
    it.making.ranges = [IPv4Network("10.4.0.0/14")]
    assert it.step(with_subnets(routes=routes)) is None
    batch = ["docker", "exec", "--interactive", node, "ip", "-batch", "-"]
    assert docker.changes().count(batch) == 1
    assert docker.inputs == [
        "route replace unreachable 10.77.0.0/16 metric 4000000000 proto 71\n"
        "route replace 10.77.0.0/16 via 10.128.0.1 dev eth0 proto 71\n"
    ]
    at_rest(it, docker, routes=routes)
    docker.ways[node] = [
        {"dst": "10.77.0.0/16", "gateway": "10.128.0.1", "dev": "eth0"},
        {"type": "unreachable", "dst": "10.77.0.0/16", "metric": 4000000000},
    ]
    docker.inputs = []
    it.step(with_subnets())
    assert [line.split()[1] for line in docker.inputs[0].splitlines()] == ["delete", "delete"]


def test_a_route_takes_nothing_that_the_host_needs(docker: FakeDocker, it: Agent) -> None:
    docker.add("small-worker", NODE)
    docker.routes.append(HOSTS_ROUTE)
    docker.peers = "0 0 10.1.0.9:22 10.77.0.7:52144\n"
    routes = [
        route("lan", "10.8.0.0/15", **BY_VM),
        route("ssh", "10.77.0.0/16", **BY_VM),
        route("public", "192.0.2.0/24", **BY_VM),
        # What docker and the lab have is on shorter ways than this one.
        route("wide", "172.16.0.0/12", **BY_VM),
    ]
    docker.networks.append(MINE | {"IPAM": {"Config": [{"Subnet": "172.20.0.0/16"}]}})
    it.step(with_subnets(routes=routes))
    assert it.status.told["left_out"] == [
        "routes lan is no way for nodes and their pods: 10.8.0.0/15 overlaps the host's route via"
        " tun0 10.9.0.0/16",
        "routes ssh is no way for nodes and their pods: 10.77.0.0/16 overlaps a connection of this"
        " host to 10.77.0.7/32",
        "routes public is no way for nodes and their pods: 192.0.2.0/24 is not of private"
        " addresses, so this host would lose who has it",
    ]
    assert "172.16.0.0/12 via 10.128.0.1" in docker.inputs[0]
    assert "10.8.0.0/15" not in docker.inputs[0]


def test_nodes_learn_of_it_by_a_route_each_and_forget_it(docker: FakeDocker, it: Agent) -> None:
    node = docker.add("small-worker", NODE)["Id"]
    it.step(with_subnets(LATER))
    batch = ["docker", "exec", "--interactive", node, "ip", "-batch", "-"]
    assert docker.changes().count(batch) == 1
    assert docker.inputs == [
        "route replace unreachable 10.9.0.0/24 metric 4000000000 proto 71\n"
        "route replace unreachable 10.9.4.0/22 metric 4000000000 proto 71\n"
        "route replace 10.9.0.0/24 via 10.128.0.1 dev eth0 proto 71\n"
        "route replace 10.9.4.0/22 via 10.128.0.1 dev eth0 proto 71\n"
    ]
    docker.ways[node] = [
        {"dst": "10.9.0.0/24", "gateway": "10.128.0.1", "dev": "eth0", "flags": []},
        {"dst": "10.9.4.0/22", "gateway": "10.128.0.1", "dev": "eth0", "flags": []},
        {"type": "unreachable", "dst": "10.9.0.0/24", "metric": 4000000000, "flags": []},
        {"type": "unreachable", "dst": "10.9.4.0/22", "metric": 4000000000, "flags": []},
    ]
    at_rest(it, docker, LATER)
    docker.inputs.clear()
    it.step(with_subnets(LATER), thorough=True)
    assert docker.inputs == []
    it.step(with_subnets(subnet("new", "10.9.0.0/24")))
    assert docker.inputs == [
        "route delete 10.9.4.0/22 via 10.128.0.1 dev eth0 proto 71\n"
        "route delete unreachable 10.9.4.0/22 metric 4000000000 proto 71\n"
    ]
    # A node that starts anew has lost all.
    docker.ways[node], docker.inputs = [], []
    docker.containers["small-worker"]["State"]["StartedAt"] = "2026-03-03T00:00:00Z"
    it.step(with_subnets(subnet("new", "10.9.0.0/24")))
    assert len(docker.inputs) == 1


def test_pods_keep_their_addresses_there(docker: FakeDocker, it: Agent) -> None:
    """By ip-masq-agent's ConfigMap: what a person wrote into it stays."""
    kind = {"io.x-k8s.kind.role": "control-plane", "io.x-k8s.kind.cluster": "small"}
    node = docker.add("small-control-plane", NODE | kind)["Id"]
    it.step(with_subnets())
    assert not [words for words in docker.calls if "kubectl" in words]
    told = {"nonMasqueradeCIDRs": ["10.128.0.0/20"], "masqLinkLocal": True}
    docker.config = {"metadata": {"name": "ip-masq-agent"}, "data": {"config": json.dumps(told)}}
    docker.changes()
    it.step(with_subnets(LATER))
    kubectl = ["docker", "exec", node, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"]
    kubectl += ["--namespace=kube-system"]
    patch, annotate = (words for words in docker.changes() if words[: len(kubectl)] == kubectl)
    *words, said = patch[len(kubectl) :]
    assert words == ["patch", "configmap", "ip-masq-agent", "--type=merge"]
    both = ["10.9.0.0/24", "10.9.4.0/22"]
    change = json.loads(said.removeprefix("--patch="))
    assert change["metadata"]["annotations"] == {"gkelab/subnets": ",".join(both)}
    assert json.loads(change["data"]["config"]) == {
        "nonMasqueradeCIDRs": ["10.128.0.0/20", *both],
        "masqLinkLocal": True,
    }
    assert annotate[len(kubectl) :] == [
        *("annotate", "--overwrite", "pods", "--selector=k8s-app=cilium"),
        "gkelab/subnets=10.9.0.0/24,10.9.4.0/22",
    ]
    docker.config = change
    it.step(with_subnets(LATER), thorough=True)
    assert not [words for words in docker.changes() if "patch" in words]
    it.step(with_subnets())
    (patch,) = (words for words in docker.changes() if "patch" in words)
    change = json.loads(patch[-1].removeprefix("--patch="))
    assert json.loads(change["data"]["config"])["nonMasqueradeCIDRs"] == ["10.128.0.0/20"]
    assert change["metadata"]["annotations"] == {"gkelab/subnets": ""}


def test_a_cluster_that_does_not_answer_is_told_of_and_asked_again(
    docker: FakeDocker, it: Agent
) -> None:
    kind = {"io.x-k8s.kind.role": "control-plane"}
    docker.add("small-control-plane", NODE | kind)
    assert it.step(with_subnets(LATER)) == 2.0  # no such ConfigMap yet
    (problem,) = it.status.told["problems"]
    assert problem.startswith("small-control-plane does not know the subnets made later: ")

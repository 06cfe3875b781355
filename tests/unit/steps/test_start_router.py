"""The router's container: an address on every network, and waited for until it has applied."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gkelab.cloud.rest import RestCloud
from gkelab.cloud.router.__main__ import _parser
from gkelab.lab import Lab
from gkelab.steps.start_router import router_container, start_router
from gkelab.topology import load, resolve
from gkelab.wait import Clock, WaitError
from tests.support.recorder import Recorder
from tests.unit.steps import inside
from tests.unit.steps.beside import changes, comes_up, lab_with_images
from tests.unit.steps.test_start_machines import CLUSTERS

NAME = "vpc-native-router"
STATUS = inside(NAME, "cat", "/run/gkelab/status.json")


@pytest.fixture
def lab(tmp_path: Path, run: Recorder, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr("gkelab.wait.Clock", lambda: Clock(sleep=lambda _: None))
    monkeypatch.setattr(RestCloud, "generation", lambda _: 7)
    lab = lab_with_images(tmp_path, run)
    return replace(lab, timeouts=replace(lab.timeouts, api_answers=0.5))


def test_it_has_the_gateways_address_on_each_subnet_and_is_never_privileged(
    lab: Lab, run: Recorder
) -> None:
    create, *rest = comes_up(lab, run, router_container(lab))
    run.handle(STATUS, code=1, stderr="No such file or directory")
    run.handle(STATUS, json.dumps({"generation": 6}))
    run.handle(STATUS, json.dumps({"generation": 7}))
    assert start_router(lab) == "1 subnets"
    assert changes(run) == [create, *rest, STATUS, STATUS, STATUS]
    assert rest == [
        [*("docker", "network", "connect", "--ip", "10.128.0.1"), SUBNET, NAME],
        [*("docker", "network", "connect", "--ip", "198.18.0.1"), INTERNET, NAME],
        ["docker", "start", NAME],
    ]
    (tag,) = {word.split("=")[-1] for word in create if word.startswith("--pool=")}
    assert tag.startswith("gke-vpc-native-") and tag.endswith("-node")
    assert create == [
        *("docker", "create", f"--name={NAME}", f"--hostname={NAME}"),
        *("--network=gkelab.vpc-native.management", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW"),
        *("--restart=unless-stopped", "--sysctl=net.ipv4.ip_forward=0"),
        "--sysctl=net.ipv4.conf.all.rp_filter=0",
        "--sysctl=net.ipv4.conf.all.send_redirects=0",
        "--sysctl=net.ipv4.conf.all.accept_redirects=0",
        *("--security-opt=systempaths=unconfined", "--security-opt=apparmor=unconfined"),
        *("--init", "--label=gkelab.lab=vpc-native", "--label=gkelab.role=router"),
        *(f"--label=gkelab.spec={router_container(lab).spec}", "gkelab/router:1"),
        *("--cloud=http://vpc-native-cloud:8080", "--project=gkelab"),
        *("--state=/var/lib/gkelab/state.json", "--status=/run/gkelab/status.json"),
        *("--firewall-log=/var/log/firewall.log", "--names=/var/lib/gkelab/names"),
        "--internet-range=198.18.0.0/24",
        f"--pool=203.0.113.0/28=us-central1={tag}",
        f"--pool={lab.plan.clusters[0].internal_pool}=us-central1={tag}",
        *(f"--made-up={network}" for network in lab.plan.held_inside()),
    ]


SUBNET, INTERNET = "gkelab.vpc-native.us-central1", "gkelab.vpc-native.internet"


def test_one_that_does_not_come_to_it_is_told_of(lab: Lab, run: Recorder) -> None:
    lab = replace(lab, timeouts=replace(lab.timeouts, api_answers=0))
    comes_up(lab, run, router_container(lab))
    run.handle(STATUS, json.dumps({"generation": 6}))
    with pytest.raises(WaitError, match=r"has applied what the cloud says.*generation 6 of 7"):
        start_router(lab)


@pytest.mark.parametrize("name", sorted(file.stem for file in CLUSTERS.glob("*.yaml")))
def test_its_program_takes_what_it_is_told(tmp_path: Path, run: Recorder, name: str) -> None:
    plan = resolve(load(CLUSTERS / f"{name}.yaml"), [])
    wanted = router_container(lab_with_images(tmp_path, run, plan))
    told = _parser().parse_args(wanted.command)
    assert told.project == plan.project
    assert [(pool.range, pool.subnet) for pool in told.pool] == [
        (pool, cluster.subnet.name)
        for cluster in plan.clusters
        for pool in (cluster.external_pool, cluster.internal_pool)
    ]
    assert told.made_up == list(plan.held_inside())
    assert [(each.regions, each.milliseconds) for each in told.latency] == [
        (each.between, each.one_way.total_seconds() * 2000) for each in plan.latency
    ]
    assert list(wanted.connected.values())[: len(plan.subnets)] == [
        str(subnet.primary[1]) for subnet in plan.subnets
    ]


def test_latency_is_told_there_and_back(tmp_path: Path, run: Recorder) -> None:
    plan = resolve(load(CLUSTERS / "two-regions.yaml"), [])
    command = router_container(lab_with_images(tmp_path, run, plan)).command
    assert "--latency=us-central1:europe-west1=100" in command

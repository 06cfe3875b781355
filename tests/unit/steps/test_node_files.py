"""What a node does by its own files, in a network namespace of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from gkelab.host.prepare import RUNTIME, RUNTIME_DIR
from gkelab.ipam import mac_address
from gkelab.lab import Lab
from gkelab.node_files import (
    DROP_IN,
    FILES,
    JOIN_VPC,
    ROUTES,
    node_settings,
    vpc_routes,
    write_files,
)
from gkelab.topology import Role
from tests.support.recorder import Recorder
from tests.unit.namespaces import needs_namespace
from tests.unit.steps import make_lab, two_regions

STORES: dict[Role, Path] = {"control-plane": Path("/s/cp"), "worker": Path("/s/worker")}
# All that a node of the recorded lab is told: who is on its link, that the rest of the VPC, its
# own subnet too, is behind the router, and what is nowhere.
WAYS = """\
10.128.0.1/32 dev eth0 scope link
10.128.15.254/32 dev eth0 scope link
10.0.0.0/20 via 10.128.0.1 dev eth0
10.0.16.0/25 via 10.128.0.1 dev eth0
10.128.0.0/20 via 10.128.0.1 dev eth0
192.168.240.0/20 via 10.128.0.1 dev eth0
198.18.0.0/24 via 10.128.0.1 dev eth0
198.51.100.0/24 via 10.128.0.1 dev eth0
203.0.113.0/26 via 10.128.0.1 dev eth0
unreachable 10.0.0.0/20 metric 4000000000
unreachable 10.0.16.0/25 metric 4000000000
unreachable 35.191.0.0/16 metric 4000000000
unreachable 130.211.0.0/22 metric 4000000000
unreachable 192.168.240.0/20 metric 4000000000
unreachable 198.18.0.0/24 metric 4000000000
unreachable 198.51.100.0/24 metric 4000000000
unreachable 203.0.113.0/26 metric 4000000000
unreachable 169.254.0.0/16 metric 4000000000
"""

BEFORE = """
set -e
ip link set lo up
ip link add eth0 type veth peer name other
ip link set eth0 up
ip link set other up
ip address add 10.132.15.253/20 brd + dev eth0
"""


@needs_namespace
def test_a_node_has_gces_mac_address_and_its_routes_before_a_pod_is(tmp_path: Path) -> None:
    routes = tmp_path / "routes"
    routes.write_text(
        "route replace 10.132.0.1/32 dev eth0 scope link\n"
        "route replace 10.132.0.0/20 via 10.132.0.1 dev eth0\n"
    )
    script = BEFORE + FILES[JOIN_VPC].replace(ROUTES, str(routes))
    script += "ip -json link show dev eth0\nip -4 route show\n"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    link, *shown = done.stdout.splitlines()
    assert json.loads(link)[0]["address"] == mac_address(IPv4Address("10.132.15.253"))
    assert [words.strip() for words in shown] == [
        "10.132.0.0/20 via 10.132.0.1 dev eth0",
        "10.132.0.1 dev eth0 scope link",
    ]


def test_a_nodes_ways_lead_to_the_router(lab: Lab, tmp_path: Path) -> None:
    mounts = write_files(lab, lab.plan.clusters[0], tmp_path)
    lines = (tmp_path / "vpc.routes").read_text().splitlines()
    assert mounts[str(tmp_path / "vpc.routes")] == ROUTES
    assert [line.removeprefix("route replace ") for line in lines] == WAYS.splitlines()
    drop_in = "/etc/systemd/system/containerd.service.d/gkelab-vpc.conf"
    assert f"ExecStartPre=/bin/sh {JOIN_VPC}" in FILES[drop_in].splitlines()


def test_the_subnet_of_another_region_is_behind_the_own_router(
    tmp_path: Path, run: Recorder
) -> None:
    lab = make_lab(tmp_path, run, two_regions())
    us, europe = (vpc_routes(lab, cluster).splitlines() for cluster in lab.plan.clusters)
    assert "route replace 10.132.0.0/20 via 10.128.0.1 dev eth0" in us
    assert "route replace 10.128.0.0/20 via 10.132.0.1 dev eth0" in europe
    assert [line for line in europe if line.endswith("link")] == [
        "route replace 10.132.0.1/32 dev eth0 scope link",
        "route replace 10.132.15.254/32 dev eth0 scope link",
    ]


def test_nodes_mount_their_roles_store(lab: Lab) -> None:
    settings = node_settings(lab, STORES, {"/f": "/inside"})
    assert settings.mounts["worker"] == {
        "/s/worker": "/gkelab/store",
        "/s/worker/store.conf": DROP_IN,
        "/f": "/inside",
    }
    assert settings.mounts["control-plane"] == {
        "/s/cp": "/gkelab/store",
        "/s/cp/store.conf": DROP_IN,
        "/f": "/inside",
    }
    assert settings.runtime == ""


def test_where_capabilities_are_missing_nodes_get_a_runtime(tmp_path: Path, run: Recorder) -> None:
    lab = make_lab(tmp_path, run, missing_capabilities=("CAP_PERFMON",))
    settings = node_settings(lab, STORES, {"/f": "/inside"})
    assert settings.runtime == str(RUNTIME)
    assert all(mounts[str(RUNTIME_DIR)] == str(RUNTIME_DIR) for mounts in settings.mounts.values())
    allowed = replace(lab, facts=replace(lab.facts, missing_capabilities=()))
    assert node_settings(allowed, STORES, {}).runtime == ""

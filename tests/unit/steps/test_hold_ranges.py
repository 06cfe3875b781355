"""Unreachable routes under the made-up ranges, on the host."""

from __future__ import annotations

import json
from pathlib import Path

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.steps.hold_ranges import hold_on_host
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab, two_regions
from tests.unit.tools import FOREIGN_NETWORK, Raw, lists_networks, own_networks, recorded, text

SHOW = ["ip", "-json", "-4", "route", "show"]
REPLACE = ["ip", "route", "replace"]
BRIDGE = "br-02d35b4f99bd"
ON_LINK = [*REPLACE, "203.0.113.0/28", "dev", BRIDGE, "scope", "link", "proto", "71"]
MADE_UP = (
    *("10.0.0.0/20", "10.0.16.0/25", "35.191.0.0/16", "130.211.0.0/22"),
    *("192.168.240.0/20", "198.18.0.0/24", "198.51.100.0/24", "203.0.113.0/26"),
)


def unreachable(network: str) -> list[str]:
    return [*REPLACE, "unreachable", network, "metric", "4000000000", "proto", "71"]


def foreign_routes() -> list[Raw]:
    """The recorded host's routes that are not the lab's."""
    return [
        route
        for route in recorded("routes")
        if route.get("protocol") != "71" and route.get("dev") != BRIDGE
    ]


def test_on_a_host_without_them_all_are_made_and_the_pool_is_on_link(
    lab: Lab, run: Recorder
) -> None:
    run.handle(SHOW, json.dumps(foreign_routes()))
    lists_networks(run, [], [*own_networks(), FOREIGN_NETWORK])
    expected = [unreachable(network) for network in MADE_UP]
    for argv in (*expected, ON_LINK):
        run.handle(argv)
    assert hold_on_host(lab) == "8 ranges"
    assert [argv for argv in run.argvs if argv[:3] == REPLACE] == [*expected, ON_LINK]


def test_on_a_host_that_has_them_nothing_is_run(lab: Lab, run: Recorder) -> None:
    run.handle(SHOW, text("routes"))
    lists_networks(run, [], recorded("networks"))
    assert hold_on_host(lab) == CACHED
    assert run.times(*REPLACE) == 0


def test_what_is_missing_of_them_comes_back(lab: Lab, run: Recorder) -> None:
    """docker takes the on-link route with the bridge when it restarts."""
    lost = [r for r in recorded("routes") if r["dst"] not in ("203.0.113.0/28", "10.0.0.0/20")]
    run.handle(SHOW, json.dumps(lost))
    lists_networks(run, [], recorded("networks"))
    run.handle(unreachable("10.0.0.0/20"))
    run.handle(ON_LINK)
    assert hold_on_host(lab) == "1 ranges"
    assert run.times(*REPLACE) == 2


def test_a_reachable_route_of_the_same_range_does_not_count(lab: Lab, run: Recorder) -> None:
    routes = [r for r in recorded("routes") if r["dst"] != "10.0.0.0/20"]
    routes.append({"dst": "10.0.0.0/20", "dev": "eth0", "protocol": "static"})
    run.handle(SHOW, json.dumps(routes))
    lists_networks(run, [], recorded("networks"))
    run.handle(unreachable("10.0.0.0/20"))
    assert hold_on_host(lab) == "1 ranges"


def test_each_cluster_has_its_pool_on_its_own_subnets_bridge(tmp_path: Path, run: Recorder) -> None:
    lab = make_lab(tmp_path, run, two_regions())
    networks = [
        {**own_networks()[0], "Name": subnet.docker_network, "Id": f"{index}" * 64}
        for index, subnet in enumerate(lab.plan.subnets)
    ]
    lists_networks(run, [], networks)
    made_up = [
        {"dst": str(net), "type": "unreachable", "protocol": "71"}
        for net in lab.plan.made_up_ranges()
    ]
    run.handle(SHOW, json.dumps(made_up))
    tail = ["scope", "link", "proto", "71"]
    expected = [
        [*REPLACE, "203.0.113.0/28", "dev", "br-000000000000", *tail],
        [*REPLACE, "203.0.113.16/28", "dev", "br-111111111111", *tail],
    ]
    raw, said = ["iptables", "-t", "raw"], ["-m", "comment", "--comment", f"gkelab.{lab.name}"]
    # What comes to a subnet from the other, by the router, keeps its source.
    untracked = [
        [*raw, "-A", "PREROUTING", "-s", source, "-i", bridge, *said, "-j", "CT", "--notrack"]
        for source, bridge in (
            ("10.128.0.0/20", "br-111111111111"),
            ("10.132.0.0/20", "br-000000000000"),
        )
    ]
    run.handle([*raw, "-S", "PREROUTING"], "-P PREROUTING ACCEPT\n")
    for argv in (*expected, *untracked):
        run.handle(argv)
    hold_on_host(lab)
    assert [argv for argv in run.argvs if argv[:3] == REPLACE] == expected
    assert [argv for argv in run.argvs if argv[:4] == [*raw, "-A"]] == untracked

"""Unreachable routes under the made-up ranges, on the host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.shell import CommandError
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


RAW = ["iptables", "-t", "raw"]


def leaves_alone(lab: Lab, run: Recorder, *networks: tuple[str, str]) -> list[list[str]]:
    """Expect the host's rules for these (range, bridge), of which none are there; what they are."""
    chain = f"gkelab-{lab.name}"
    rules = [[*RAW, "-N", chain]]
    for source, bridge in networks:
        rules.append([*RAW, "-A", chain, "-s", source, "-i", bridge, "-j", "RETURN"])
        rules.append([*RAW, "-A", chain, "-s", source, "-i", "br-+", "-j", "CT", "--notrack"])
    said = ["-m", "comment", "--comment", f"gkelab.{lab.name}"]
    rules.append([*RAW, "-A", "PREROUTING", *said, "-j", chain])
    run.handle([*RAW, "-S"], "-P PREROUTING ACCEPT\n")
    for argv in rules:
        run.handle(argv)
    return rules


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
    rules = leaves_alone(lab, run, ("10.128.0.0/20", BRIDGE))
    assert hold_on_host(lab) == "8 ranges"
    assert [argv for argv in run.argvs if argv[:3] == REPLACE] == [*expected, ON_LINK]
    assert run.argvs[-len(rules) :] == rules


def test_on_a_host_that_has_them_nothing_is_run(lab: Lab, run: Recorder) -> None:
    run.handle(SHOW, text("routes"))
    lists_networks(run, [], recorded("networks"))
    rules = leaves_alone(lab, run, ("10.128.0.0/20", BRIDGE))
    there = [" ".join(words[3:]) for words in rules]
    run.handle([*RAW, "-S"], "".join(f"{words}\n" for words in there))
    hold_on_host(lab)
    assert hold_on_host(lab) == CACHED
    assert run.times(*REPLACE) == 0
    assert run.times(*RAW, "-N") == 1


def test_a_host_that_refuses_the_rules_is_told_of_where_they_are_needed(
    tmp_path: Path, lab: Lab, run: Recorder
) -> None:
    run.handle(SHOW, text("routes"))
    lists_networks(run, [], recorded("networks"))
    run.handle([*RAW, "-S"], code=3)
    run.handle([*RAW, "-N", f"gkelab-{lab.name}"], code=3, stderr="no such table")
    assert "a subnet made later may see the host's address" in hold_on_host(lab)
    run = Recorder()
    two = make_lab(tmp_path, run, two_regions())
    run.handle([*RAW, "-S"], code=3)
    run.handle([*RAW, "-N", f"gkelab-{two.name}"], code=3, stderr="no such table")
    names = [subnet.docker_network for subnet in two.plan.subnets]
    networks = [{**own_networks()[0], "Name": name} for name in names]
    lists_networks(run, [], networks)
    held = [{"dst": str(net), "type": "unreachable"} for net in two.plan.made_up_ranges()]
    pools = [{"dst": str(c.external_pool), "dev": BRIDGE} for c in two.plan.clusters]
    run.handle(SHOW, json.dumps([*held, *pools]))
    with pytest.raises(CommandError, match="no such table"):
        hold_on_host(two)


def test_what_is_missing_of_them_comes_back(lab: Lab, run: Recorder) -> None:
    """docker takes the on-link route with the bridge when it restarts."""
    lost = [r for r in recorded("routes") if r["dst"] not in ("203.0.113.0/28", "10.0.0.0/20")]
    run.handle(SHOW, json.dumps(lost))
    lists_networks(run, [], recorded("networks"))
    run.handle(unreachable("10.0.0.0/20"))
    run.handle(ON_LINK)
    leaves_alone(lab, run, ("10.128.0.0/20", BRIDGE))
    assert hold_on_host(lab) == "1 ranges"
    assert run.times(*REPLACE) == 2


def test_a_reachable_route_of_the_same_range_does_not_count(lab: Lab, run: Recorder) -> None:
    routes = [r for r in recorded("routes") if r["dst"] != "10.0.0.0/20"]
    routes.append({"dst": "10.0.0.0/20", "dev": "eth0", "protocol": "static"})
    run.handle(SHOW, json.dumps(routes))
    lists_networks(run, [], recorded("networks"))
    run.handle(unreachable("10.0.0.0/20"))
    leaves_alone(lab, run, ("10.128.0.0/20", BRIDGE))
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
    # What comes to a subnet from another, by the router, keeps its source.
    pairs = (("10.128.0.0/20", "br-000000000000"), ("10.132.0.0/20", "br-111111111111"))
    rules = leaves_alone(lab, run, *pairs)
    for argv in expected:
        run.handle(argv)
    hold_on_host(lab)
    assert [argv for argv in run.argvs if argv[:3] == REPLACE] == expected
    assert run.argvs[-len(rules) :] == rules

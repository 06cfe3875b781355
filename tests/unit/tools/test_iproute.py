"""The host's routes: what is read of them, and that only the lab's own are ever removed."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from gkelab.shell import CommandError
from gkelab.tools.iproute import IpRoute, Route, parse_routes, unreachable_words
from tests.support.recorder import Recorder
from tests.unit.tools import recorded, text

SHOW = ["ip", "-json", "-4", "route", "show"]
DELETE = ["ip", "route", "delete"]


def net(cidr: str) -> IPv4Network:
    return IPv4Network(cidr)


@pytest.fixture
def run() -> Recorder:
    return Recorder()


def test_recorded_routes() -> None:
    routes = parse_routes(text("routes"))
    assert len(routes) == len(recorded("routes"))
    assert routes[0] == Route(net("0.0.0.0/0"), "eth0", "", "unicast")
    assert routes[1] == Route(net("10.0.0.0/20"), "", "71", "unreachable")
    assert routes[3] == Route(net("10.128.0.0/20"), "br-02d35b4f99bd", "kernel", "unicast")
    assert routes[13] == Route(net("203.0.113.0/28"), "br-02d35b4f99bd", "71", "unicast")


def test_a_route_to_one_address_and_no_routes() -> None:
    one = parse_routes('[{"dst": "192.0.2.7", "dev": "tun0", "protocol": "static"}]')
    assert one == [Route(net("192.0.2.7/32"), "tun0", "static", "unicast")]
    assert parse_routes("") == parse_routes("[]") == []


def test_routes_are_asked_of_the_main_table(run: Recorder) -> None:
    run.handle(SHOW, text("routes"))
    assert IpRoute(run).routes() == parse_routes(text("routes"))


def test_unreachable_routes_stand_behind_all_others_and_carry_the_labs_protocol(
    run: Recorder,
) -> None:
    replace = ["ip", "route", "replace", "unreachable"]
    tail = ["metric", "4000000000", "proto", "71"]
    expected = [[*replace, cidr, *tail] for cidr in ("10.0.0.0/20", "35.191.0.0/16")]
    for argv in expected:
        run.handle(argv)
    IpRoute(run).unreachable([net("10.0.0.0/20"), net("35.191.0.0/16")])
    assert run.argvs == expected
    assert unreachable_words(net("10.0.0.0/20")) == [
        *("unreachable", "10.0.0.0/20", "metric", "4000000000")
    ]


def test_on_link(run: Recorder) -> None:
    argv = ["ip", "route", "replace", "203.0.113.0/28", "dev", "br-1", "scope", "link"]
    run.handle([*argv, "proto", "71"])
    IpRoute(run).on_link(net("203.0.113.0/28"), "br-1")
    assert run.argvs == [[*argv, "proto", "71"]]


def test_who_may_not_change_routes_is_told_by_ip(run: Recorder) -> None:
    argv = ["ip", "route", "replace", "unreachable", "10.0.0.0/20", "metric", "4000000000"]
    run.handle([*argv, "proto", "71"], code=2, stderr="RTNETLINK answers: Operation not permitted")
    with pytest.raises(CommandError, match="Operation not permitted"):
        IpRoute(run).unreachable([net("10.0.0.0/20")])


def test_the_labs_routes_to_its_ranges_are_removed(run: Recorder) -> None:
    run.handle(SHOW, text("routes"))
    unreachable = [*DELETE, "unreachable", "10.0.0.0/20", "proto", "71"]
    on_link = [*DELETE, "203.0.113.0/28", "dev", "br-02d35b4f99bd", "proto", "71"]
    run.handle(unreachable)
    run.handle(on_link)
    # Another of the lab's protocol, 35.191.0.0/16, was not asked for.
    IpRoute(run).remove_own([net("10.0.0.0/20"), net("203.0.113.0/28"), net("10.0.32.0/20")])
    assert run.argvs == [SHOW, unreachable, on_link]


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "10.0.0.0/20", "dev": "tun0", "protocol": "static"},
        {"dst": "10.0.0.0/20", "dev": "eth0"},
        {"dst": "10.0.0.0/20", "type": "unreachable", "protocol": "boot"},
        {"dst": "10.0.0.0/20", "dev": "br-1", "protocol": "kernel"},
        {"dst": "10.0.0.0/20", "dev": "eth0", "protocol": "bird"},
        {"dst": "10.0.0.0/16", "type": "unreachable", "protocol": "71"},
    ],
)
def test_other_peoples_routes_to_the_same_range_stay(run: Recorder, route: dict[str, Any]) -> None:
    run.handle(SHOW, json.dumps([route]))
    IpRoute(run).remove_own([net("10.0.0.0/20")])
    assert run.argvs == [SHOW]


def test_with_what_is_held_all_else_that_leads_nowhere_goes(run: Recorder) -> None:
    """A later subnet's: nobody tells of its ranges. What leads somewhere is named, or stays."""
    routes = [
        {"dst": "10.9.0.0/24", "type": "unreachable", "protocol": "71"},
        {"dst": "10.0.0.0/20", "type": "unreachable", "protocol": "71"},
        {"dst": "10.7.0.0/24", "type": "unreachable", "protocol": "static"},
        {"dst": "203.0.113.0/28", "dev": "br-1", "protocol": "71"},
    ]
    run.handle(SHOW, json.dumps(routes))
    run.handle([*DELETE, "unreachable", "10.9.0.0/24", "proto", "71"])
    IpRoute(run).remove_own([], held={net("10.0.0.0/20")})
    assert len(run.argvs) == 2

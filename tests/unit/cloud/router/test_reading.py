"""What a state says becomes a fabric; what it should not say is left out and told."""

from __future__ import annotations

import contextlib
import copy
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.cloud.router.applicable import groups
from gkelab.cloud.router.compile import compiled
from gkelab.cloud.router.fabric import Fabric, Nic, Rule, Service, StaticRoute
from gkelab.cloud.router.reading import read
from gkelab.cloud.router.settings import PoolSetting, Settings
from tests.unit.cloud.router import states
from tests.unit.cloud.router.states import EU, INTERFACES, INTERNET, NODES, SETTINGS, US


def test_an_instance_is_an_interface_with_all_that_it_has() -> None:
    found = states.fabric(NODES).nics_by_address[IPv4Address("10.128.0.2")]
    assert found == Nic(
        instance="n1",
        zone="us-central1-b",
        network="net",
        subnet=US,
        address=IPv4Address("10.128.0.2"),
        aliases=(IPv4Network("10.4.0.0/26"),),
        tags=frozenset({"node"}),
        can_ip_forward=False,
        nat_ip=IPv4Address("203.0.113.17"),
    )
    assert found.mac == "42:01:0a:80:00:02"


def test_a_rule_is_what_compute_says_of_it() -> None:
    body = states.firewall(
        "web",
        "tcp:80+8000-8080",
        "icmp",
        "47",
        deny=True,
        sourceTags=["vm"],
        targetTags=["web"],
        logConfig={"enable": True, "metadata": "EXCLUDE_ALL_METADATA"},
    )
    assert states.fabric(firewalls=[body]).rules == (
        Rule(
            name="web",
            network="net",
            direction="INGRESS",
            priority=1000,
            deny=True,
            services=(
                Service(6, ((80, 80), (8000, 8080))),
                Service(1),
                Service(47),
            ),
            source_tags=frozenset({"vm"}),
            target_tags=frozenset({"web"}),
            logging=True,
            metadata=False,
        ),
    )


def test_rules_stand_in_the_order_in_which_they_decide() -> None:
    rules = [
        states.firewall("allow", "all"),
        states.firewall("z-deny", "all", deny=True),
        states.firewall("a-deny", "all", deny=True),
        states.firewall("first", "all", priority=0),
        states.firewall("off", "all", disabled=True),
    ]
    names = [rule.name for rule in states.fabric(firewalls=rules).rules]
    assert names == ["first", "a-deny", "z-deny", "allow"]


def test_static_routes_lead_to_instances() -> None:
    via = states.instance("fw", "eu", "10.132.0.7", canIpForward=True)
    link = f"{via['zone']}/instances/fw"
    routes = [
        states.route("one", "192.168.0.0/16", nextHopInstance=link),
        states.route("two", "192.168.0.0/16", nextHopIp="10.132.0.7"),
    ]
    hop = (IPv4Address("10.132.0.7"), EU)
    network = IPv4Network("192.168.0.0/16")
    assert states.fabric([via], routes=routes).routes == (
        StaticRoute("one", "net", network, 1000, *hop),
        StaticRoute("two", "net", network, 1000, *hop),
    )


def led(routes: list[Any], *hosts: Any) -> dict[tuple[str, ...], set[str]]:
    """Where the routes of the groups of `net` lead, by the groups' tags."""
    found = states.fabric(hosts, routes=routes)
    own = (group for group in groups(found) if group.network == "net")
    return {tuple(sorted(g.tags)): {str(n) for n in g.led(found)} for g in own}


def test_a_network_without_a_default_route_has_no_internet() -> None:
    assert led([states.internet_route()]) == {(): {"198.18.0.0/24"}}
    assert led([]) == {(): set()}


def test_a_route_with_tags_is_for_those_who_have_one() -> None:
    tagged = states.internet_route() | {"tags": ["out", "web"]}
    named = [states.instance(n, "us", f"10.128.0.{i}", tags=[n]) for i, n in enumerate("ab", 2)]
    web = states.instance("w", "us", "10.128.0.9", tags=["web", "a"])
    assert led([tagged], *named, web) == {(): set(), ("web",): {"198.18.0.0/24"}}


def test_a_better_route_takes_what_it_holds() -> None:
    """The longest first, then the lowest number; what is held or a subnet's, none of them has."""
    part = states.internet_route() | {"destRange": "198.18.0.0/25"}
    by_hand = states.route("r", "198.18.0.0/24", **BY_FW)
    assert led([part, by_hand], FORWARDS) == {(): {"198.18.0.0/25", "198.18.0.128/25"}}
    wide = states.route("wide", "10.128.0.0/19", **BY_FW)
    assert led([wide], FORWARDS) == {(): {"10.128.16.0/20"}}
    around = states.route("around", "35.190.0.0/15", **BY_FW)
    assert led([around], FORWARDS) == {(): {"35.190.0.0/16"}}
    held = states.route("held", "35.191.0.0/16", **BY_FW)
    assert led([around, held], FORWARDS) == {(): {"35.190.0.0/16", "35.191.0.0/16"}}


def test_a_stopped_instance_is_not_there() -> None:
    assert states.fabric([states.instance("n", "us", "10.128.0.2", status="TERMINATED")]).nics == ()


def test_a_pools_rules_are_those_that_all_of_its_servers_share() -> None:
    nodes = [
        states.instance("a", "us", "10.128.0.2", tags=["node", "web", "x"]),
        states.instance("b", "us", "10.128.0.3", tags=["node", "web"]),
        states.instance("c", "us", "10.128.0.4", tags=["y"]),
    ]
    (pool,) = states.fabric(nodes).pools
    assert pool.tags == frozenset({"node", "web"})
    assert pool.public


def problem(**named: Any) -> list[str]:
    return read(states.state(**named), SETTINGS)[1]


TWICE = states.instance("twice", "us", "10.128.0.2")
FORWARDS = states.instance("fw", "us", "10.128.0.9", canIpForward=True)
BY_FW = {"nextHopIp": "10.128.0.9"}
LEFT_OUT: list[tuple[dict[str, Any], str]] = [
    ({"instances": [*NODES, TWICE]}, "instances twice is left out: n1 has its address"),
    ({"instances": [{"name": "odd"}]}, "instances odd is left out: it has no 'networkInterfaces'"),
    (
        {"instances": [states.instance("far", "us", "10.9.0.2")]},
        "instances far is left out: its address 10.9.0.2 is not of subnetwork us",
    ),
    (
        {"instances": [states.instance("al", "us", "10.128.0.5", aliases=["10.99.0.0/26"])]},
        "instances al is left out: its alias range 10.99.0.0/26 is not of subnetwork us",
    ),
    (
        {"firewalls": [states.firewall("f", "tcp:99999")]},
        "firewalls f is left out: 99999 is no port",
    ),
    (
        {"firewalls": [states.firewall("f", "all", direction="SIDEWAYS")]},
        "firewalls f is left out: its direction is SIDEWAYS",
    ),
    (
        {"firewalls": [states.firewall("f", "all", sourceRanges=["10.0.0.1/8"])]},
        "firewalls f is left out: 10.0.0.1/8 has host bits set",
    ),
    (
        {"routes": [states.route("r", "192.168.0.0/16", nextHopIp="10.128.0.9")]},
        "routes r is left out: its next hop is no running instance of the network",
    ),
    (
        {
            "instances": NODES,
            "routes": [states.route("r", "192.168.0.0/16", nextHopIp="10.128.0.2")],
        },
        "routes r is left out: its next hop n1 does not have canIpForward set",
    ),
    (
        {"instances": [FORWARDS], "routes": [states.route("r", "10.8.0.0/24", **BY_FW)]},
        "routes r is left out: its destination is within subnetwork eu",
    ),
]


@pytest.mark.parametrize(("named", "told"), LEFT_OUT, ids=[told[:40] for _, told in LEFT_OUT])
def test_what_is_wrong_is_left_out_and_told(named: dict[str, Any], told: str) -> None:
    assert problem(**named) == [told]


def test_what_overlaps_in_another_network_is_left_out() -> None:
    state = states.state()
    same = states.subnet("z", "us-central1", "10.128.0.0/24", "10.250.0.0/24", "third")
    state["resources"]["subnetworks"].append(same)
    assert read(state, SETTINGS)[1] == ["subnetworks z is left out: it overlaps us's 10.128.0.0/20"]


def test_who_came_first_keeps_its_range() -> None:
    """Whatever the names are."""
    state = states.state()
    later = states.subnet("a", "asia-east1", "10.128.0.0/24", "10.250.0.0/24", "third")
    later["creationTimestamp"] = "2026-02-02T00:00:00.000+00:00"
    state["resources"]["subnetworks"].insert(0, later)
    assert read(state, SETTINGS)[1] == ["subnetworks a is left out: it overlaps us's 10.128.0.0/20"]


def test_a_pool_is_in_the_older_subnet_of_its_name() -> None:
    state = states.state(NODES)
    later = states.subnet("us", "asia-east1", "10.77.0.0/24", "10.78.0.0/24", "third")
    later["creationTimestamp"] = "2026-02-02T00:00:00.000+00:00"
    state["resources"]["subnetworks"].insert(0, later)
    (pool,) = read(state, SETTINGS)[0].pools
    assert pool.subnet == states.US


def test_two_networks_have_routes_of_their_own() -> None:
    there = states.instance("there", "far", "10.200.0.9", canIpForward=True)
    hop = {"nextHopIp": "10.200.0.9"}
    routes = [
        states.route("r", "192.168.0.0/16", **BY_FW),
        states.route("same", "192.168.7.0/24", "other", **hop),
        states.route("theirs", "10.128.0.0/24", "other", **hop),
    ]
    found = states.fabric([FORWARDS, there], routes=routes)
    names = {group.network: [route.name for route in group.routes] for group in groups(found)}
    assert names == {"net": ["r"], "other": ["same", "theirs"]}


def test_pools_that_cannot_be_are_told() -> None:
    pools = (
        PoolSetting(IPv4Network("10.4.0.0/28"), "us", "x"),
        PoolSetting(IPv4Network("203.0.113.0/28"), "nowhere", "x"),
    )
    assert read(states.state(NODES), Settings("p", INTERNET, pools))[1] == [
        "the pool 10.4.0.0/28 is left out: 10.4.0.0/26 is in use",
        "the pool 203.0.113.0/28 is left out: no subnetwork nowhere",
    ]


def test_no_state_at_all_is_an_empty_fabric() -> None:
    nothings: list[object] = [None, [], 3, {}, {"resources": []}]
    for nothing in nothings:
        found, problems = read(nothing, Settings())
        assert (found, problems) == (Fabric(), ["the state has no resources"])


WHOLE = states.state(
    [*NODES, FORWARDS],
    [states.firewall("f", "tcp:80", sourceTags=["vm"], targetTags=["node"])],
    [states.internet_route(), states.route("r", "192.168.0.0/16", **BY_FW)],
)
junk: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.integers(), st.text(max_size=5), st.just([]), st.just({})
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything that stands in a state."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in inside:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += places(item, (*path, key))
    return found


@given(st.lists(st.tuples(st.sampled_from(places(WHOLE)), junk), min_size=1, max_size=4))
def test_junk_anywhere_in_a_state_is_survived(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    state = copy.deepcopy(WHOLE)
    for path, value in changes:
        # Junk that came before may have taken the place away.
        with contextlib.suppress(LookupError, TypeError):
            place = state
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
    found, _ = read(state, SETTINGS)
    compiled(found, INTERFACES)

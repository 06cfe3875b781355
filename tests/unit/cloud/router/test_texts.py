"""What the kernel is told, word by word."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network

import pytest

from gkelab.cloud.router.applicable import groups
from gkelab.cloud.router.compile import CLOSED, compiled
from gkelab.cloud.router.latency import far, netem, queued, queues
from gkelab.cloud.router.routes import (
    Lookup,
    Neighbour,
    Route,
    change_lookups,
    change_neighbours,
    change_routes,
    parse_lookups,
    parse_neighbours,
    parse_routes,
    wanted_lookups,
    wanted_neighbours,
    wanted_routes,
)
from gkelab.cloud.router.ruleset import Chain, Ruleset, Set
from gkelab.cloud.router.settings import Latency, PoolSetting, network
from gkelab.errors import LabError
from tests.unit.cloud.router import states
from tests.unit.cloud.router.states import INTERFACES, NODES

CONNECTED = {"us0": [IPv4Network("10.128.0.0/20")], "eu0": [IPv4Network("10.132.0.0/20")]}


def test_a_closed_table_has_two_chains_that_drop() -> None:
    assert CLOSED.text().splitlines() == [
        "add table ip gkelab",
        "delete table ip gkelab",
        "add table ip gkelab",
        "add chain ip gkelab forward { type filter hook forward priority 0; policy drop; }",
        "add chain ip gkelab input { type filter hook input priority 0; policy drop; }",
        'add rule ip gkelab input iifname "lo" accept',
        "add rule ip gkelab input ct state established,related accept",
    ]


def test_a_change_names_what_differs() -> None:
    old = Ruleset(
        frozenset({"a", "b"}),
        {
            "s": Set("type ipv4_addr", True, {"10.0.0.1": "", "10.0.0.2": ""}),
            "m": Set("type ipv4_addr : verdict", False, {"10.0.0.1": "goto x"}),
            "gone": Set("type ipv4_addr", False, {"10.0.0.9": ""}),
        },
        {"x": Chain("", ("accept",)), "y": Chain("", ("drop",)), "same": Chain("", ("drop",))},
    )
    new = Ruleset(
        frozenset({"b", "c"}),
        {
            "s": Set("type ipv4_addr", True, {"10.0.0.2": "", "10.0.0.3": ""}),
            "m": Set("type ipv4_addr : verdict", False, {"10.0.0.1": "goto y"}),
        },
        {"y": Chain("", ("accept",)), "same": Chain("", ("drop",)), "z": Chain("", ())},
    )
    assert old.change_to(new).splitlines() == [
        "add counter ip gkelab c { packets 0 bytes 0 }",
        "add chain ip gkelab z",
        "flush chain ip gkelab y",
        "flush chain ip gkelab x",
        "delete element ip gkelab s { 10.0.0.1 }",
        "delete element ip gkelab m { 10.0.0.1 }",
        "flush set ip gkelab gone",
        "add element ip gkelab s { 10.0.0.3 }",
        "add element ip gkelab m { 10.0.0.1 : goto y }",
        "add rule ip gkelab y accept",
        "delete chain ip gkelab x",
        "delete set ip gkelab gone",
        "delete counter ip gkelab a",
    ]
    assert new.change_to(new) == ""


def test_counters_go_on_in_a_table_that_is_loaded_whole() -> None:
    text = Ruleset(frozenset({"a"})).text({"a": (3, 120)})
    assert text.splitlines()[-1] == "add counter ip gkelab a { packets 3 bytes 120 }"


def test_rules_are_for_whom_they_target() -> None:
    rules = [
        states.firewall("to-nodes", "tcp:80", targetTags=["node"]),
        states.firewall("from-vms", "udp:53", sourceTags=["vm"]),
    ]
    table = compiled(states.fabric(NODES, rules), INTERFACES)
    ingress = table.sets["ingress"].elements
    assert ingress["10.128.0.2"] == ingress["10.128.0.3"] != ingress["10.132.0.2"]
    name = ingress["10.128.0.2"].removeprefix("goto ")
    assert table.sets[f"{name}_0p"].elements == {
        "10.132.0.2/32 . 0.0.0.0/0 . 17 . 53": "accept",
        "0.0.0.0/0 . 0.0.0.0/0 . 6 . 80": "accept",
    }
    assert table.chains[name].rules == (
        f"ip saddr . ip daddr . meta l4proto . th dport vmap @{name}_0p",
        "counter name implied_deny drop",
    )


def test_a_rule_of_tags_that_are_there_changes_elements_alone() -> None:
    """So that a write is in the packets' way soon, however many rules there are."""
    rules = [states.firewall(f"r{n}", f"tcp:{n}", targetTags=["node"]) for n in range(9)]
    old, new = (compiled(states.fabric(NODES, some), INTERFACES) for some in (rules[:8], rules))
    (line,) = old.change_to(new).splitlines()
    assert line.startswith("add element ip gkelab in_")
    assert line.endswith("{ 0.0.0.0/0 . 0.0.0.0/0 . 6 . 8 : accept }")


def test_routes() -> None:
    words = [r.words() for r in sorted(wanted_routes(states.fabric(NODES), INTERFACES, CONNECTED))]
    assert words == [
        "unreachable 0.0.0.0/0 proto 71 metric 4000000000",
        "unreachable 10.4.0.0/20 proto 71 metric 4000000000",
        "10.4.0.0/26 proto 71 via 10.128.0.2 dev us0 onlink",
        "10.4.0.64/26 proto 71 via 10.128.0.3 dev us0 onlink",
        "unreachable 10.8.0.0/20 proto 71 metric 4000000000",
        "10.200.0.0/20 proto 71 dev far0 scope link",  # which the kernel here does not have
        "unreachable 10.204.0.0/20 proto 71 metric 4000000000",
        "unreachable 35.191.0.0/16 proto 71 metric 4000000000",
        "203.0.113.0/28 proto 71 dev us0 scope link",
        "unreachable 203.0.113.0/28 proto 71 metric 4000000000",
    ]


def test_static_routes_of_one_priority_share_what_there_is() -> None:
    hosts = [states.instance(f"f{n}", "us", f"10.128.0.{n}", canIpForward=True) for n in (8, 9)]
    routes = [states.route(f"r{n}", "172.16.0.0/12", nextHopIp=f"10.128.0.{n}") for n in (8, 9)]
    fabric = states.fabric(hosts, routes=routes)
    wanted = wanted_routes(fabric, INTERFACES, CONNECTED)
    (words,) = [r.words() for r in wanted if r.destination == IPv4Network("172.16.0.0/12")]
    (table,) = [g.table for g in groups(fabric) if g.has_table]
    assert words == (
        f"172.16.0.0/12 table {table} proto 71 metric 1001 nexthop via 10.128.0.8 dev us0 onlink "
        "nexthop via 10.128.0.9 dev us0 onlink"
    )


def test_static_routes_stand_in_tables_of_those_whom_they_are_for() -> None:
    """What is a subnet's, or the internet gateway's, the main table leads."""
    nat = states.instance("nat", "us", "10.128.0.8", canIpForward=True)
    vm = states.instance("vm", "eu", "10.132.0.2", tags=["quiet"])
    way = states.route("way", "0.0.0.0/0", nextHopIp="10.128.0.8") | {"tags": ["quiet"]}
    fabric = states.fabric([nat, vm], routes=[way | {"priority": 800}, states.internet_route()])
    (group,) = (group for group in groups(fabric) if group.has_table)
    assert group.tags == {"quiet"}
    assert [nic.instance for nic in group.nics] == ["vm"]
    made = sorted(wanted_routes(fabric, INTERFACES, CONNECTED))
    table = f"table {group.table} proto 71"
    assert [route.words() for route in made if route.table == group.table] == [
        f"0.0.0.0/0 {table} metric 801 via 10.128.0.8 dev us0 onlink",
        f"throw 0.0.0.0/0 {table} metric 1001",
        f"throw 10.4.0.0/20 {table}",
        f"throw 10.8.0.0/20 {table}",
        f"throw 10.128.0.0/20 {table}",
        f"throw 10.132.0.0/20 {table}",
        f"throw 35.191.0.0/16 {table} metric 4000000000",
        f"throw 203.0.113.0/28 {table}",
    ]
    marks = compiled(fabric, INTERFACES).sets["tables"].elements
    assert marks == {'"eu0" . 42:01:0a:84:00:02': f"0x{group.table:08x}"}
    lookups = wanted_lookups(fabric, INTERFACES)
    assert Lookup(1000, str(group.table), group.table) in lookups
    assert group.table >> 24 == 0  # as an address, nobody's


LOOKUPS = [
    {"priority": 0, "src": "all", "table": "local"},
    {"priority": 7, "src": "all", "action": "unreachable"},
    {"priority": 1000, "src": "all", "fwmark": "0x800009", "table": "8388617"},
    {"priority": 32766, "src": "all", "table": "main"},
]


def test_lookups_of_others_go_and_the_kernels_own_stay() -> None:
    there = parse_lookups(json.dumps(LOOKUPS))
    assert change_lookups(there, wanted_lookups(states.fabric(NODES), INTERFACES)) == [
        "rule add priority 32767 lookup default",
        "rule del priority 7",
        "rule del priority 1000 fwmark 0x800009 lookup 8388617",
    ]


RECORDED = [
    {"dst": "default", "gateway": "172.17.0.1", "dev": "eth9", "flags": []},
    {"dst": "10.128.0.0/20", "dev": "us0", "protocol": "kernel", "scope": "link", "flags": []},
    {"dst": "10.4.0.0/26", "gateway": "10.128.0.2", "dev": "us0", "protocol": "71", "flags": []},
    {
        "type": "unreachable",
        "dst": "10.4.0.0/20",
        "dev": "lo",
        "protocol": "71",
        "metric": 4000000000,
    },
    {"dst": "192.168.0.0/16", "protocol": "bgp", "gateway": "10.128.0.9", "dev": "us0"},
    {"type": "throw", "dst": "10.4.0.0/20", "table": "8388617", "protocol": "71"},
    {"type": "throw", "dst": "10.8.0.0/20", "table": "8388617"},
    {"type": "local", "dst": "10.128.0.1", "table": "local", "dev": "us0"},
]


def test_routes_of_others_go_and_own_ones_are_put_right() -> None:
    own, foreign = parse_routes(json.dumps(RECORDED))
    kept = Route(IPv4Network("10.4.0.0/20"), 4000000000)
    assert kept in own
    assert change_routes(own, foreign, frozenset({kept})) == [
        "route del throw 10.4.0.0/20 table 8388617 proto 71",
        "route del 10.4.0.0/26 proto 71 via 10.128.0.2 dev us0 onlink",
        "route del default via 172.17.0.1 dev eth9",
        "route del throw 10.8.0.0/20 table 8388617",
    ]
    other = Route(IPv4Network("10.4.0.0/26"), hops=((IPv4Address("10.128.0.3"), "us0"),))
    assert change_routes(own, frozenset(), frozenset({kept, other})) == [
        "route replace 10.4.0.0/26 proto 71 via 10.128.0.3 dev us0 onlink",
        "route del throw 10.4.0.0/20 table 8388617 proto 71",
    ]


def test_neighbours() -> None:
    wanted = wanted_neighbours(states.fabric(NODES), INTERFACES)
    text = json.dumps(
        [
            {"dst": "10.128.0.2", "dev": "us0", "lladdr": "02:00:00:00:00:01"},
            {"dst": "10.128.0.3", "dev": "us0", "lladdr": "42:01:0a:80:00:03"},
            {"dst": "10.128.0.9", "dev": "us0", "lladdr": "42:01:0a:80:00:09"},
            {"dst": "172.17.0.1", "dev": "eth9", "lladdr": "02:00:00:00:00:09"},
        ]
    )
    there = parse_neighbours(text, ["us0", "eu0"])
    assert Neighbour(IPv4Address("10.128.0.9"), "us0", "42:01:0a:80:00:09") in there
    assert change_neighbours(there, wanted) == [
        "neigh replace 10.128.0.2 lladdr 42:01:0a:80:00:02 dev us0 nud permanent",
        "neigh replace 10.132.0.2 lladdr 42:01:0a:84:00:02 dev eu0 nud permanent",
        "neigh del 10.128.0.9 dev us0",
    ]


def test_latency_is_half_of_it_each_way() -> None:
    ways = far(states.fabric(), INTERFACES, [Latency.parse("us-central1:europe-west1=100")])
    assert netem(ways)[-4:] == [
        "qdisc replace dev us0 root handle 1: prio bands 3 priomap " + " ".join(["0"] * 16),
        "qdisc replace dev us0 parent 1:2 handle 20: netem delay 50ms limit 100000",
        "filter add dev us0 parent 1: protocol ip prio 1 u32 match ip src 10.132.0.0/20 flowid 1:2",
        "filter add dev us0 parent 1: protocol ip prio 1 u32 match ip src 10.8.0.0/20 flowid 1:2",
    ]
    assert netem([]) == []


def test_each_latency_has_a_queue() -> None:
    ways = far(states.fabric(), INTERFACES, [Latency.parse("us-central1:europe-west1=100")])
    numbers = queues(ways)
    assert numbers == {50.0: 0}
    lines = queued(ways, numbers).splitlines()
    assert (lines[0], lines[-1]) == ("*mangle", "COMMIT")
    to_us = [line for line in lines if " -o us0 " in line]
    assert to_us == [
        f"-A POSTROUTING -o us0 -s {network} -j NFQUEUE --queue-num 0 --queue-bypass"
        for network in ("10.132.0.0/20", "10.8.0.0/20")
    ]
    assert queued([], {}) == "*mangle\nCOMMIT\n"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (PoolSetting.parse, "10.0.0.0/8=us"),
        (PoolSetting.parse, "10.0.0.1/8=us=node"),
        (Latency.parse, "us=5"),
        (Latency.parse, "us:eu=fast"),
        (Latency.parse, "us:eu=-1"),
        (network, "here"),
    ],
)
def test_settings_that_say_nothing_are_refused(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(LabError):
        parse(text)

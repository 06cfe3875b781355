"""The table of firewall cases is right: what each says is what the rules mean, by the API that
takes them and the router's own specification of them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from gkelab.cloud.api.kinds import KINDS
from gkelab.cloud.api.service import Call, Service
from gkelab.cloud.api.store import Settings as StoreSettings
from gkelab.cloud.api.store import Store
from gkelab.cloud.router.decide import Packet, decide
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.reading import read
from gkelab.cloud.router.settings import Settings
from tests.support.matrix import Matrix
from tests.support.outcomes import Outcome
from tests.support.vpc import cases
from tests.support.vpc.cases import BASE, CASES, TARGETS, TRIED, Case, Names, Rule

Body = dict[str, Any]
PODS, NODES, INTERNET = "10.4.0.0/20", "10.128.0.0/20", "198.18.0.0/24"
CLIENT, POD = IPv4Address("198.18.0.2"), IPv4Address("10.4.0.5")
PORTS = {
    "http": (6, 8080),
    "line": (6, 9000),
    "datagram": (17, 9001),
    "closed": (6, 7777),
    "ping": (1, 0),
    "alias": (6, 8080),
    "peer": (6, 8080),
}
# What Google gives a project's default network, in every topology of the lab.
DEFAULTS: tuple[Body, ...] = (
    {
        "name": "default-allow-internal",
        "sourceRanges": ["10.128.0.0/9"],
        "allowed": [
            {"IPProtocol": "tcp", "ports": ["0-65535"]},
            {"IPProtocol": "udp", "ports": ["0-65535"]},
            {"IPProtocol": "icmp"},
        ],
    },
    {"name": "default-allow-icmp", "allowed": [{"IPProtocol": "icmp"}]},
)
SETTINGS = StoreSettings("p", (IPv4Network("203.0.113.0/28"),), ())


def insert(service: Service, collection: str, scope: str, body: Body) -> Body:
    service.insert(KINDS[collection], scope, Call(body, {}))
    state: Body = service.state()
    return next(b for b in state["resources"][collection] if b["name"] == body["name"])


def instance(name: str, *, public: bool = False, **more: Any) -> Body:
    nic: Body = {"subnetwork": "regions/us-central1/subnetworks/us", **more}
    if public:
        nic["accessConfigs"] = [{"type": "ONE_TO_ONE_NAT"}]
    return {
        "name": name,
        "machineType": "zones/us-central1-a/machineTypes/e2-small",
        "tags": {"items": [f"t-{name}"]},
        "networkInterfaces": [nic],
    }


class Ground:
    """A cloud with the table's machines in it."""

    def __init__(self) -> None:
        self.service = Service(Store(Path(":memory:"), SETTINGS))
        insert(self.service, "networks", "global", {"name": "net", "autoCreateSubnetworks": False})
        subnet = {
            "name": "us",
            "network": "global/networks/net",
            "ipCidrRange": NODES,
            "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": PODS}],
        }
        insert(self.service, "subnetworks", "regions/us-central1", subnet)
        alias = [{"ipCidrRange": "/32"}]
        node = [{"ipCidrRange": "10.4.0.0/26", "subnetworkRangeName": "pods"}]
        bodies = (
            instance("server", public=True, aliasIpRanges=alias),
            instance("peer", public=True),
            instance("friend", aliasIpRanges=alias),
            instance("stranger"),
            instance("nodes", aliasIpRanges=node),
        )
        made = {
            b["name"]: insert(self.service, "instances", "zones/us-central1-a", b) for b in bodies
        }
        self.nics = {name: body["networkInterfaces"][0] for name, body in made.items()}
        for rule in DEFAULTS:
            self.rule({"priority": 65534, **rule})

    def rule(self, body: Body) -> None:
        insert(self.service, "firewalls", "global", {"network": "global/networks/net", **body})

    def address(self, name: str) -> IPv4Address:
        machine, _, alias = name.partition("-")
        nic = self.nics[machine]
        text = nic["aliasIpRanges"][0]["ipCidrRange"] if alias else nic["networkIP"]
        return IPv4Address(text.removesuffix("/32"))

    def names(self) -> Names:
        single = ("server", "server-alias", "peer", "friend", "friend-alias", "stranger")
        ranges = {name: f"{self.address(name)}/32" for name in single}
        ranges |= {"pods": PODS, "nodes": NODES, "internet": INTERNET}
        tags = {name: f"t-{name}" for name in (*cases.VMS, "nodes", "nobody")}
        return Names(ranges, tags)

    def fabric(self, rules: tuple[Rule, ...]) -> Fabric:
        for rule in rules:
            self.rule(cases.rule_body(rule, self.names(), "t-x"))
        found, problems = read(self.service.state(), Settings("p", IPv4Network(INTERNET)))
        assert problems == []
        return found

    def packet(self, source: str, target: str) -> Packet:
        protocol, port = PORTS[target]
        machine = "peer" if target == "peer" else "server"
        if source == "client":
            public = IPv4Address(self.nics[machine]["accessConfigs"][0]["natIP"])
            return Packet(None, CLIENT, public, protocol, port)
        to = self.address("server-alias" if target == "alias" else machine)
        if source == "pod":
            return Packet(self.address("nodes"), POD, to, protocol, port)
        sender = self.address("nodes" if source == "node" else source.partition("-")[0])
        own = sender if source == "node" else self.address(source)
        return Packet(sender, own, to, protocol, port)


def decided(matrix: Matrix, rules: tuple[Rule, ...]) -> dict[tuple[str, str], Outcome]:
    ground = Ground()
    fabric = ground.fabric(rules)

    def outcome(source: str, target: str) -> Outcome:
        if not decide(fabric, ground.packet(source, target)).delivered:
            return Outcome.TIMEOUT
        return Outcome.REFUSED if target == "closed" else Outcome.OK

    return {cell: outcome(*cell) for cell in matrix.compared()}


def wanted(matrix: Matrix) -> dict[tuple[str, str], Outcome]:
    return {cell: matrix.expected(*cell) for cell in matrix.compared()}


def under(case: Case, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return rules if case.bare else (BASE, *rules)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_table_says_what_the_rules_mean(case: Case) -> None:
    matrix = cases.expected(case.opens, left_out=case.left_out)
    assert decided(matrix, under(case, case.rules)) == wanted(matrix)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_and_what_it_says_of_the_change(case: Case) -> None:
    matrix = cases.expected(case.then, left_out=case.left_out)
    assert decided(matrix, under(case, case.changed)) == wanted(matrix)


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 30
    assert len({case.id for case in CASES}) == len(CASES)


def test_every_change_is_one_that_is_seen() -> None:
    for case in CASES:
        before = wanted(cases.expected(case.opens, left_out=case.left_out))
        after = wanted(cases.expected(case.then, left_out=case.left_out))
        assert before != after, case.id


def test_every_source_and_every_target_is_both_let_in_and_not() -> None:
    seen = {
        (source, target, target in case.opens.get(source, "").split())
        for case in CASES
        for source, tried in TRIED.items()
        for target in tried.split()
    }
    assert len(seen) == 2 * sum(len(tried.split()) for tried in TRIED.values())


def test_the_table_has_all_that_a_rule_can_say() -> None:
    rules = [rule for case in CASES for rule in (*case.rules, *case.changed)]
    assert {rule.egress for rule in rules} == {True, False}
    assert {rule.disabled for rule in rules} == {True, False}
    for attribute in ("allow", "deny", "sources", "tags", "destinations"):
        assert any(getattr(rule, attribute) for rule in rules), attribute
    assert {0, 1000, 65535} <= {rule.priority for rule in rules}


def test_no_rule_is_for_all_instances() -> None:
    for case in CASES:
        for rule in (*case.rules, *case.changed, BASE):
            assert rule.targets, f"{case.id}: {rule.name} would be for others' machines too"


def test_the_matrix() -> None:
    matrix = cases.expected({"friend": "http closed"})
    assert matrix.expected("friend", "http") is Outcome.OK
    assert matrix.expected("friend", "closed") is Outcome.REFUSED
    assert matrix.expected("friend", "ping") is Outcome.TIMEOUT
    assert ("client", "alias") not in matrix.compared()
    with pytest.raises(ValueError, match="client does not try alias"):
        cases.expected({"client": "alias"})
    left = cases.expected({}, left_out="pod")
    assert not [cell for cell in left.compared() if cell[0] == "pod"]
    assert len(left.compared()) == len(matrix.compared()) - len(TARGETS)


def test_a_rule_in_computes_json() -> None:
    names = Names({"friend": "10.0.0.2/32"}, {"server": "t-server", "friend": "t-friend"})
    said = Rule("r", allow="tcp:80-90,tcp:100,icmp", sources=("friend",), tags=("friend",))
    assert cases.rule_body(said, names, "t-x") == {
        "name": "t-x-r",
        "direction": "INGRESS",
        "priority": 1000,
        "disabled": False,
        "targetTags": ["t-server"],
        "allowed": [{"IPProtocol": "tcp", "ports": ["80-90", "100"]}, {"IPProtocol": "icmp"}],
        "sourceRanges": ["10.0.0.2/32"],
        "sourceTags": ["t-friend"],
    }

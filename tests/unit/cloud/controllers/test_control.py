"""The controllers against a real Compute API: what they write, what they leave, what they say."""

from __future__ import annotations

from typing import Any

import pytest

from gkelab.cloud.client import Cloud
from gkelab.cloud.controllers import names
from gkelab.cloud.controllers.control import Controllers, Seen
from gkelab.cloud.mirror import Mirror
from tests.unit.cloud.controllers.made import (
    CLUSTER,
    KUBE_SYSTEM,
    POOL_RULE,
    Body,
    begin,
    gcpfirewall,
    instance,
    node,
    service,
)
from tests.unit.cloud.servers import PROJECT, ZONE

A, B = "10.4.0.0/24", "10.4.1.0/24"
GF_RULE = "gke-small-0123abcd-pfw-allow-web"
UNSEEN: dict[str, Any] = {"nodes": None, "services": None, "gcpfirewalls": None}


class Lab:
    """The controllers of a cluster, a cloud, and the statuses that were written."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.statuses: dict[str, Body] = {}
        self.mirror = Mirror(cloud.endpoint)
        moment = "2026-01-01T00:00:00Z"
        write = self.statuses.__setitem__
        self.it = Controllers(CLUSTER, cloud, "net", write, now=lambda: moment)

    def step(self, **seen: list[Body]) -> list[str]:
        self.mirror.refresh()
        assert self.mirror.state
        return self.it.step(
            Seen(**{**UNSEEN, **seen}, kube_system_uid=KUBE_SYSTEM), self.mirror.state
        )

    def aliases(self, name: str) -> list[str]:
        nic = self.cloud.get("instances", f"zones/{ZONE}", name)["networkInterfaces"][0]
        return [alias["ipCidrRange"] for alias in nic.get("aliasIpRanges", [])]

    def rules(self) -> list[str]:
        return sorted(rule["name"] for rule in self.cloud.list_of("firewalls", "global"))

    def generation(self) -> int:
        self.mirror.refresh()
        assert self.mirror.state
        return self.mirror.state.generation


@pytest.fixture
def lab(cloud: Cloud) -> Lab:
    begin(cloud)
    return Lab(cloud)


def test_pod_cidrs_become_alias_ranges_and_go(lab: Lab) -> None:
    begun = [instance("a"), instance("b"), instance("vm")]
    del begun[2]["labels"]
    for made in begun:
        lab.cloud.insert("instances", f"zones/{ZONE}", made)
    assert lab.step(nodes=[node("a", A), node("b", B), node("c", "10.4.2.0/24")]) == [
        "node c has no instance"
    ]
    assert (lab.aliases("a"), lab.aliases("b"), lab.aliases("vm")) == ([A], [B], [])
    before = lab.generation()
    assert lab.step(nodes=[node("a", A), node("b", B)]) == []
    assert lab.generation() == before
    # Made anew, with each other's; then one is gone.
    assert lab.step(nodes=[node("a", B), node("b", A)]) == []
    assert (lab.aliases("a"), lab.aliases("b")) == ([B], [A])
    assert lab.step(nodes=[node("a", B)]) == []
    assert (lab.aliases("a"), lab.aliases("b")) == ([B], [])
    assert lab.step() == []
    assert lab.aliases("a") == [B]


def test_a_range_that_somebody_else_has_is_told_of(lab: Lab) -> None:
    other = instance("vm", "10.4.0.7/32")
    del other["labels"]
    for made in (instance("a"), instance("b"), other):
        lab.cloud.insert("instances", f"zones/{ZONE}", made)
    (problem,) = lab.step(nodes=[node("a", A), node("b", B)])
    assert problem.startswith("instance a: ")
    assert (lab.aliases("a"), lab.aliases("b")) == ([], [B])


class Meddling(Cloud):
    """A cloud to which somebody writes an alias range between our reading and our writing."""

    def write(self, method: str, collection: str, scope: str, said: Any) -> Body:
        if method == "update_network_interface" and not self._clients.get("met"):
            self._clients["met"] = True
            nic = self.get(collection, scope, "a")["networkInterfaces"][0]
            mine = [{"ipCidrRange": "10.128.9.0/28"}]
            resource = {"aliasIpRanges": mine, "fingerprint": nic["fingerprint"]}
            super().write(method, collection, scope, {**said, "networkInterfaceResource": resource})
        return super().write(method, collection, scope, said)


def test_what_somebody_writes_at_the_same_time_is_kept(lab: Lab) -> None:
    lab.cloud.insert("instances", f"zones/{ZONE}", instance("a"))
    lab.it.cloud = Meddling(lab.cloud.endpoint, PROJECT)
    assert lab.step(nodes=[node("a", A)]) == []
    assert lab.aliases("a") == ["10.128.9.0/28", A]


def test_services_rules_come_change_and_go(lab: Lab) -> None:
    other = service("203.0.113.6", annotations={"cloud.google.com/l4-rbs": "enabled"})
    second = names.backend_service_rule(KUBE_SYSTEM, "shop", "web")
    assert lab.step(services=[service("203.0.113.5"), other]) == []
    assert lab.rules() == [POOL_RULE, second]
    before = lab.generation()
    assert lab.step(services=[service("203.0.113.5"), other]) == []
    assert lab.generation() == before
    moved = service("203.0.113.7", loadBalancerSourceRanges=["10.0.0.0/8"])
    assert lab.step(services=[moved]) == []
    assert lab.rules() == [POOL_RULE]
    rule = lab.cloud.get("firewalls", "global", POOL_RULE)
    assert (rule["destinationRanges"], rule["sourceRanges"]) == (["203.0.113.7"], ["10.0.0.0/8"])
    lab.cloud.delete("firewalls", "global", POOL_RULE)
    assert lab.step(services=[moved]) == []
    assert lab.rules() == [POOL_RULE]
    assert lab.step() == []
    assert lab.rules() == [POOL_RULE]
    assert lab.step(services=[]) == []
    assert lab.rules() == []


def foreign(name: str) -> Body:
    return {
        "name": name,
        "network": "global/networks/net",
        "description": "mine",
        "sourceRanges": ["192.0.2.0/24"],
        "allowed": [{"IPProtocol": "tcp"}],
    }


def test_somebody_elses_rule_is_left_and_told_of(lab: Lab) -> None:
    lab.cloud.insert("firewalls", "global", foreign(POOL_RULE))
    lab.cloud.insert("firewalls", "global", foreign(GF_RULE))
    before = lab.generation()
    said = "The firewall rule {} is somebody else's and is left alone"
    assert lab.step(services=[service("203.0.113.5")], gcpfirewalls=[gcpfirewall()]) == [
        said.format(POOL_RULE),
        said.format(GF_RULE),
    ]
    assert lab.generation() == before
    (condition,) = lab.statuses["allow-web"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "SyncError")
    assert condition["message"] == said.format(GF_RULE)
    assert lab.step(services=[], gcpfirewalls=[]) == []
    assert lab.rules() == sorted([GF_RULE, POOL_RULE])


def test_gcpfirewalls_rules_and_statuses(lab: Lab) -> None:
    assert lab.step(gcpfirewalls=[gcpfirewall()]) == []
    rule = lab.cloud.get("firewalls", "global", GF_RULE)
    status = lab.statuses.pop("allow-web")
    assert status["resourceURL"] == rule["selfLink"]
    assert (status["type"], status["priority"]) == ("VPC", rule["priority"])
    assert [c["reason"] for c in status["conditions"]] == ["Synchronized"]
    before = lab.generation()
    assert lab.step(gcpfirewalls=[gcpfirewall(status=status)]) == []
    assert (lab.generation(), lab.statuses) == (before, {})
    narrow: Body = {"ingress": {"source": {"ipBlocks": ["10.0.0.0/8"]}}}
    assert lab.step(gcpfirewalls=[gcpfirewall(status=status, **narrow)]) == []
    assert lab.cloud.get("firewalls", "global", GF_RULE)["sourceRanges"] == ["10.0.0.0/8"]
    assert lab.step(gcpfirewalls=[gcpfirewall(status=status, disabled=True)]) == []
    assert lab.rules() == []
    assert lab.statuses["allow-web"]["conditions"][0]["reason"] == "Pending"
    lab.step(gcpfirewalls=[gcpfirewall()])
    assert lab.step(gcpfirewalls=[]) == []
    assert lab.rules() == []


def test_what_the_cloud_refuses_is_in_the_status(cloud: Cloud) -> None:
    lab = Lab(cloud)  # without a network
    (problem,) = lab.step(gcpfirewalls=[gcpfirewall()])
    assert problem.startswith(f"The firewall rule {GF_RULE} cannot be written: ")
    (condition,) = lab.statuses["allow-web"]["conditions"]
    assert (condition["reason"], condition["message"]) == ("SyncError", problem)


def test_each_leaves_the_others_rules(lab: Lab) -> None:
    lab.step(services=[service("203.0.113.5")], gcpfirewalls=[gcpfirewall()])
    lab.step(services=[service("203.0.113.5")], gcpfirewalls=[])
    assert lab.rules() == [POOL_RULE]
    lab.step(services=[], gcpfirewalls=[gcpfirewall()])
    assert lab.rules() == [GF_RULE]

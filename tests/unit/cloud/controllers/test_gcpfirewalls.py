"""GCPFirewall objects: the rule of each, what is no rule, and the status."""

from __future__ import annotations

from typing import Any

import pytest

from gkelab.cloud.controllers.gcpfirewalls import Outcome, gcpfirewall_rules, status
from tests.unit.cloud.controllers.made import CLUSTER, Body, gcpfirewall

RULE: Body = {
    "name": "gke-small-0123abcd-pfw-allow-web",
    "description": '{"networking.gke.io/gcpfirewall-name":"allow-web"}',
    "network": "global/networks/net",
    "direction": "INGRESS",
    "priority": 1000,
    "sourceRanges": ["0.0.0.0/0"],
    "targetTags": ["gke-small-0123abcd-node"],
    "allowed": [{"IPProtocol": "all"}],
}


def tcp(**port: Any) -> Body:
    return {"protocol": "TCP", **port}


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        ({}, {}),
        ({"ingress": {}}, {}),
        ({"ingress": {"source": {}, "destination": {"ipBlocks": []}}}, {}),
        (
            {
                "ingress": {
                    "source": {"ipBlocks": ["192.168.1.1/24", "10.0.0.7"]},
                    "destination": {"ipBlocks": ["10.4.0.0/20"]},
                }
            },
            {
                "sourceRanges": ["10.0.0.7/32", "192.168.1.0/24"],
                "destinationRanges": ["10.4.0.0/20"],
            },
        ),
        ({"ports": [tcp()]}, {"allowed": [{"IPProtocol": "tcp"}]}),
        (
            {"ports": [tcp(startPort=80), {"protocol": "ICMP"}, tcp(startPort=90, endPort=99)]},
            {"allowed": [{"IPProtocol": "tcp", "ports": ["80", "90-99"]}, {"IPProtocol": "icmp"}]},
        ),
        # An endPort without a startPort that it ends is ignored.
        ({"ports": [tcp(endPort=80)]}, {"allowed": [{"IPProtocol": "tcp"}]}),
        (
            {"ports": [tcp(startPort=80, endPort=70)]},
            {"allowed": [{"IPProtocol": "tcp", "ports": ["80"]}]},
        ),
        # All ports are all ports, whatever else is said.
        (
            {"ports": [tcp(startPort=80), tcp(), tcp(startPort=81)]},
            {"allowed": [{"IPProtocol": "tcp"}]},
        ),
    ],
)
def test_the_rule(spec: Body, changes: Body) -> None:
    made = gcpfirewall_rules([gcpfirewall(**spec)], CLUSTER, "net")
    assert made.wanted == ({**RULE, **changes},)
    assert made.outcomes == {
        "allow-web": Outcome("Synchronized", "The firewall rule is enforced.", RULE["name"])
    }


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"disabled": True}, "Pending", "The GCPFirewall is disabled and is not synced."),
        ({"action": "DENY"}, "Invalid", "action DENY is not supported, only ALLOW."),
        (
            {"ingress": {"source": {"ipBlocks": ["10.0.0.0/8", "2001:db8::/32"]}}},
            "Invalid",
            "ingress.source.ipBlocks[1]: '2001:db8::/32' is no range of IPv4.",
        ),
        (
            {"ingress": {"destination": {"ipBlocks": ["10.0.0.0/40"]}}},
            "Invalid",
            "ingress.destination.ipBlocks[0]: '10.0.0.0/40' is no range of IPv4.",
        ),
        (
            {"ports": [{"protocol": "ICMP", "startPort": 8}]},
            "Invalid",
            "ports[0].startPort: ICMP has no ports; TCP, UDP, SCTP have.",
        ),
        (
            {"ports": [{"protocol": "IGMP"}]},
            "Invalid",
            "ports[0].protocol: 'IGMP' is none of TCP, UDP, SCTP, ICMP, AH, ESP.",
        ),
        ({"ports": [tcp(startPort=70000)]}, "Invalid", "ports[0].startPort: 70000 is no port."),
    ],
)
def test_what_is_no_rule(spec: Body, reason: Any, message: str) -> None:
    made = gcpfirewall_rules([gcpfirewall(**spec)], CLUSTER, "net")
    assert (made.wanted, made.outcomes) == ((), {"allow-web": Outcome(reason, message)})


def test_one_that_is_being_deleted_has_no_rule_and_no_status() -> None:
    thing = gcpfirewall()
    thing["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    made = gcpfirewall_rules([thing], CLUSTER, "net")
    assert (made.wanted, made.outcomes) == ((), {})


NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"
SYNCED = Outcome("Synchronized", "The firewall rule is enforced.", RULE["name"])
LINK = f"https://www.googleapis.com/compute/v1/projects/p/global/firewalls/{RULE['name']}"
STATUS: Body = {
    "type": "VPC",
    "resourceURL": LINK,
    "priority": 1000,
    "conditions": [
        {
            "type": "Enforced",
            "status": "True",
            "reason": "Synchronized",
            "message": "The firewall rule is enforced.",
            "observedGeneration": 3,
            "lastTransitionTime": NOW,
        }
    ],
}


def test_the_status_of_one_that_is_enforced() -> None:
    assert status(gcpfirewall(), SYNCED, "p", NOW) == STATUS
    assert status(gcpfirewall(status=STATUS), SYNCED, "p", LATER) is None


def test_the_moment_is_that_of_another_truth_not_of_another_reason() -> None:
    bad = status(gcpfirewall(status=STATUS), Outcome("Invalid", "no."), "p", LATER)
    assert bad
    condition = bad["conditions"][0]
    assert (condition["status"], condition["lastTransitionTime"]) == ("False", LATER)
    assert bad["resourceURL"] == ""
    worse = status(
        gcpfirewall(status=bad), Outcome("SyncError", "not now."), "p", "2030-01-01T00:00:00Z"
    )
    assert worse and worse["conditions"][0]["lastTransitionTime"] == LATER


def test_conditions_of_others_stay() -> None:
    mine = {"type": "Mine", "status": "True"}
    thing = gcpfirewall(status={"conditions": [mine]})
    new = status(thing, SYNCED, "p", NOW)
    assert new and new["conditions"] == [mine, *STATUS["conditions"]]

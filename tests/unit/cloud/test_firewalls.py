"""Firewall rules, by Google's own client."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, ZONE, Google, Http


def rule(google: Google, name: str = "fw") -> compute_v1.Firewall:
    return google.firewalls.get(project=PROJECT, firewall=name)


def test_a_rule_from_its_insert_to_its_end(google: Google, http: Http) -> None:
    made.base(http)
    wanted = compute_v1.Firewall(
        name="web",
        network="global/networks/net",
        direction="INGRESS",
        allowed=[{"I_p_protocol": "TCP", "ports": ["80", "8000-8080"]}],
        source_ranges=["10.0.0.0/8", "192.0.2.1"],
        source_tags=["client"],
        target_tags=["web"],
        log_config={"enable": True},
    )
    google.firewalls.insert(project=PROJECT, firewall_resource=wanted).result()
    found = rule(google, "web")
    assert found.network.endswith(f"/projects/{PROJECT}/global/networks/net")
    assert (found.priority, found.disabled, found.description) == (1000, False, "")
    assert found.allowed[0].I_p_protocol == "tcp"
    assert found.allowed[0].ports == ["80", "8000-8080"]
    assert found.source_ranges == ["10.0.0.0/8", "192.0.2.1"]
    assert (found.log_config.enable, found.log_config.metadata) == (True, "INCLUDE_ALL_METADATA")

    change = compute_v1.Firewall(priority=10, disabled=True)
    google.firewalls.patch(project=PROJECT, firewall="web", firewall_resource=change).result()
    patched = rule(google, "web")
    assert (patched.priority, patched.disabled) == (10, True)
    assert (patched.target_tags, patched.id) == (["web"], found.id)

    google.firewalls.update(
        project=PROJECT,
        firewall="web",
        firewall_resource=compute_v1.Firewall(name="web", denied=[{"I_p_protocol": "all"}]),
    ).result()
    updated = rule(google, "web")
    assert (updated.allowed, updated.denied[0].I_p_protocol) == ([], "all")
    assert (updated.priority, updated.source_ranges, updated.target_tags) == (
        1000,
        ["0.0.0.0/0"],
        [],
    )
    google.firewalls.delete(project=PROJECT, firewall="web").result()
    assert list(google.firewalls.list(project=PROJECT)) == []


DEFAULTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"direction": "INGRESS", "sourceRanges": ["0.0.0.0/0"], "logConfig": {"enable": False}}),
    ({"sourceTags": ["a"]}, {"sourceTags": ["a"], "sourceRanges": None}),
    ({"sourceRanges": []}, {"sourceRanges": ["0.0.0.0/0"]}),
    ({"direction": "EGRESS"}, {"destinationRanges": ["0.0.0.0/0"], "sourceRanges": None}),
    # Compute takes both sides for either direction.
    (
        {"destinationRanges": ["10.4.0.0/20"]},
        {"destinationRanges": ["10.4.0.0/20"], "sourceRanges": ["0.0.0.0/0"]},
    ),
    (
        {"direction": "EGRESS", "sourceRanges": ["10.4.0.0/20"]},
        {"destinationRanges": ["0.0.0.0/0"], "sourceRanges": ["10.4.0.0/20"]},
    ),
    ({"priority": 0}, {"priority": 0}),
    ({"priority": 65535}, {"priority": 65535}),
    ({"allowed": [{"IPProtocol": "132", "ports": ["1"]}]}, {"denied": None}),
    ({"allowed": [{"IPProtocol": "icmp", "ports": []}]}, {"allowed": [{"IPProtocol": "icmp"}]}),
    ({"logConfig": {"metadata": "EXCLUDE_ALL_METADATA"}}, {"logConfig": {"enable": False}}),
]


@pytest.mark.parametrize(("changes", "expected"), DEFAULTS)
def test_what_is_left_out_is_filled_in(
    http: Http, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    made.base(http)
    found = made.make(http, "firewalls", **changes)
    assert {key: found.get(key) for key in expected} == expected


PATCHES: list[tuple[dict[str, Any], str]] = [
    ({"network": "global/networks/other"}, "It cannot be changed"),
    ({"direction": "EGRESS"}, "It cannot be changed"),
    ({"name": "another"}, "The name cannot be changed"),
    ({"denied": [{"IPProtocol": "tcp"}]}, "both allowed and denied"),
    ({"allowed": []}, "allowed or denied"),
    ({"priority": 99999}, "resource.priority"),
    ({"sourceRanges": ["x"]}, "resource.sourceRanges[0]"),
    ({"colour": 1}, "Unknown name"),
]


@pytest.mark.parametrize(("changes", "says"), PATCHES)
def test_a_refused_patch_changes_nothing(http: Http, changes: dict[str, Any], says: str) -> None:
    made.base(http, "firewalls")
    made.make(http, "networks", name="other")
    before = http.state().json()
    answer = http.send("PATCH", "global/firewalls/fw", changes)
    assert (answer.status_code, says in answer.text) == (400, True)
    assert http.state().json() == before


def test_a_patch_of_null_takes_a_field_away(http: Http) -> None:
    made.base(http)
    made.make(http, "firewalls", targetTags=["a"], sourceTags=["b"], description="said")
    http("PATCH", "global/firewalls/fw", {"targetTags": None, "description": None})
    found = http("GET", "global/firewalls/fw")
    assert ("targetTags" in found, found["description"]) == (False, "")
    assert found["sourceTags"] == ["b"]
    http("PATCH", "global/firewalls/fw", {"network": f"projects/{PROJECT}/global/networks/net"})
    http("PATCH", "global/firewalls/fw", {"logConfig": {"enable": True}})
    log = {"enable": True, "metadata": "EXCLUDE_ALL_METADATA"}
    http("PATCH", "global/firewalls/fw", {"logConfig": {"metadata": log["metadata"]}})
    assert http("GET", "global/firewalls/fw")["logConfig"] == log


def test_the_rules_that_a_network_and_an_instance_are_under(google: Google, http: Http) -> None:
    made.base(http)
    made.make(http, "instances", tags={"items": ["web"]})
    rules: dict[str, dict[str, Any]] = {
        "late": {"priority": 2000},
        "deny": {"allowed": None, "denied": [{"IPProtocol": "all"}]},
        "allow": {},
        "tagged": {"priority": 5, "targetTags": ["web"]},
        "elsewhere": {"priority": 1, "targetTags": ["db"]},
    }
    for name, changes in rules.items():
        made.make(http, "firewalls", name=name, **changes)
    of_network = google.networks.get_effective_firewalls(project=PROJECT, network="net")
    names = [found.name for found in of_network.firewalls]
    assert names == ["elsewhere", "tagged", "deny", "allow", "late"]
    of_instance = google.instances.get_effective_firewalls(
        project=PROJECT, zone=ZONE, instance="vm", network_interface="nic0"
    )
    assert [found.name for found in of_instance.firewalls] == names[1:]


def test_a_rule_keeps_its_network(google: Google, http: Http) -> None:
    made.base(http, "firewalls")
    google.subnetworks.delete(project=PROJECT, region="us-central1", subnetwork="us")
    with pytest.raises(exceptions.BadRequest, match="global/firewalls/fw"):
        google.networks.delete(project=PROJECT, network="net")

"""What a write answers: an operation that tells of it, that can be asked for, listed, waited for
and deleted; the same request sent twice is done once."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from google.cloud import compute_v1

from tests.support.vpc.google import Body, Google, message, refused
from tests.support.vpc.made import Made


def rule(made: Made, name: str, **more: Any) -> Body:
    """A rule for nobody."""
    return {
        "name": made.own(name),
        "network": made.network,
        "description": made.description,
        "targetTags": [made.own("nobody")],
        "allowed": [{"IPProtocol": "tcp"}],
        **more,
    }


def insert(made: Made, said: Body, number: str = "") -> Any:
    """Insert a rule, as a request of that number."""
    made.on_close(said["name"], lambda: made.delete("firewalls", "", said["name"]))
    request = compute_v1.InsertFirewallRequest(
        project=made.google.project, firewall_resource=message("Firewall", said), request_id=number
    )
    operation = made.google.firewalls.insert(request)
    operation.result(timeout=30)
    return operation


def test_an_operation_tells_of_a_write(google: Google, made: Made) -> None:
    """What was done to what, by whom, when, and that it is done."""
    operation = insert(made, rule(made, "told"))
    found = google.global_operations.get(project=google.project, operation=operation.name)
    rule_ = google.firewalls.get(project=google.project, firewall=made.own("told"))
    assert found.status == compute_v1.Operation.Status.DONE
    assert (found.operation_type, found.progress) == ("insert", 100)
    assert found.target_link == rule_.self_link
    assert found.target_id == rule_.id
    assert found.insert_time <= found.end_time
    waited = google.global_operations.wait(project=google.project, operation=operation.name)
    assert waited.name == operation.name


def test_operations_are_listed_and_deleted(google: Google, made: Made) -> None:
    """By a filter on what they did; one that was deleted is told of no more, what it did stays."""
    name = insert(made, rule(made, "listed")).name
    rule_ = google.firewalls.get(project=google.project, firewall=made.own("listed"))

    def listed() -> list[str]:
        request = compute_v1.ListGlobalOperationsRequest(
            project=google.project, filter=f'targetLink = "{rule_.self_link}"'
        )
        return [one.name for one in google.global_operations.list(request)]

    assert listed() == [name]
    # Compute answers with nothing at all; whatever the library makes of that, it is gone.
    google.global_operations.delete(project=google.project, operation=name)
    assert listed() == []
    said = refused(lambda: google.global_operations.get(project=google.project, operation=name))
    assert (said.code, said.reason) == (404, "notFound")
    assert google.firewalls.get(project=google.project, firewall=made.own("listed")).name


def test_the_same_request_is_done_once(google: Google, made: Made) -> None:
    """A request's number makes it safe to send again; another request under it is ignored."""
    number, said = str(uuid.uuid4()), rule(made, "once")
    other = rule(made, "other")
    first, *later = (insert(made, one, number) for one in (said, said, other))
    assert [operation.name for operation in later] == [first.name] * 2
    missing = refused(lambda: google.firewalls.get(project=google.project, firewall=other["name"]))
    assert missing.code == 404


@pytest.mark.parametrize("number", ["not-a-number", "00000000-0000-0000-0000-000000000000"])
def test_a_number_that_is_none(made: Made, number: str) -> None:
    """It must be a UUID, and not zero."""
    answer = refused(lambda: insert(made, rule(made, "bad"), number))
    assert (answer.code, answer.reason) == (400, "invalid")


def test_regional_and_zonal_operations(google: Google, made: Made) -> None:
    """A write in a place has its operation there."""
    region = made.lab.plan.subnets[0].region
    made.insert("addresses", f"regions/{region}", {"name": made.own("address")})
    request = compute_v1.ListRegionOperationsRequest(
        project=google.project, region=region, filter=f'targetLink : "{made.own("address")}"'
    )
    (found,) = google.region_operations.list(request)
    assert found.operation_type == "insert"
    assert found.region.endswith(f"/regions/{region}")

"""Operations, requests that come twice, and the state that realizers follow."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.unit.cloud import made
from tests.unit.cloud.made import PLACES
from tests.unit.cloud.servers import PROJECT, REGION, ZONE, Google, Http

ROOT = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"
SHAPE = {
    *("kind", "id", "name", "operationType", "targetLink", "targetId", "status", "user"),
    *("progress", "insertTime", "startTime", "endTime", "selfLink"),
}


@pytest.mark.parametrize(
    ("collection", "scope"),
    [("networks", "global"), ("subnetworks", f"regions/{REGION}"), ("instances", f"zones/{ZONE}")],
)
def test_a_write_answers_an_operation_that_is_done(http: Http, collection: str, scope: str) -> None:
    if collection != "networks":
        made.base(http)
    wanted = made.body(collection, name="x")
    if collection == "subnetworks":
        wanted |= {"ipCidrRange": "10.9.0.0/24", "secondaryIpRanges": []}
    operation = http("POST", PLACES[collection], wanted)
    place = "" if scope == "global" else scope.partition("/")[0][:-1]
    assert set(operation) == SHAPE | ({place} if place else set())
    target = http("GET", f"{PLACES[collection]}/x")
    assert (operation["kind"], operation["status"]) == ("compute#operation", "DONE")
    assert (operation["operationType"], operation["progress"]) == ("insert", 100)
    assert (operation["targetLink"], operation["targetId"]) == (target["selfLink"], target["id"])
    assert operation["selfLink"] == f"{ROOT}/{scope}/operations/{operation['name']}"
    if place:
        assert operation[place] == f"{ROOT}/{scope}"

    path = f"{scope}/operations/{operation['name']}"
    assert http("GET", path) == operation
    assert http("POST", f"{path}/wait") == operation
    assert http("GET", f"{scope}/operations/{operation['id']}") == operation
    assert operation in http("GET", f"{scope}/operations")["items"]
    deleted = http("DELETE", f"{PLACES[collection]}/x")
    assert (deleted["operationType"], deleted["targetId"]) == ("delete", target["id"])


def test_operations_by_the_client(google: Google, http: Http) -> None:
    made.base(http, "instances")
    newest, *_ = google.global_operations.list(
        {"project": PROJECT, "order_by": "creationTimestamp desc"}
    )
    assert newest.target_link == f"{ROOT}/global/networks/net"
    waited = google.global_operations.wait(project=PROJECT, operation=newest.name)
    assert waited.status == compute_v1.Operation.Status.DONE
    google.global_operations.delete(project=PROJECT, operation=newest.name)
    with pytest.raises(exceptions.NotFound):
        google.global_operations.get(project=PROJECT, operation=newest.name)
    assert google.networks.get(project=PROJECT, network="net").name == "net"
    (regional,) = google.region_operations.list(project=PROJECT, region=REGION)
    assert regional.operation_type == "insert"
    google.region_operations.get(project=PROJECT, region=REGION, operation=regional.name)
    (zonal,) = google.zone_operations.list(project=PROJECT, zone=ZONE)
    google.zone_operations.wait(project=PROJECT, zone=ZONE, operation=zonal.name)
    scopes = dict(google.global_operations.aggregated_list(project=PROJECT))
    assert [o.name for o in scopes[f"zones/{ZONE}"].operations] == [zonal.name]
    assert not scopes["global"].operations


def test_what_was_refused_leaves_no_operation(http: Http) -> None:
    http("POST", "global/networks", {"name": "Wrong"})
    assert "items" not in http("GET", "global/operations")


def test_a_request_that_comes_twice_is_done_once(http: Http) -> None:
    once = {"requestId": str(uuid.uuid4())}
    first = http("POST", "global/networks", made.NETWORK, **once)
    assert first["clientOperationId"] == once["requestId"]
    assert http("POST", "global/networks", made.NETWORK, **once) == first
    # Of whatever it is: the id alone counts.
    assert http("POST", "global/networks", {**made.NETWORK, "name": "other"}, **once) == first
    assert http("DELETE", "global/networks/net", **once) == first
    assert [network["name"] for network in http("GET", "global/networks")["items"]] == ["net"]
    delete = {"requestId": str(uuid.uuid4())}
    gone = http("DELETE", "global/networks/net", **delete)
    assert http("DELETE", "global/networks/net", **delete) == gone
    assert http("DELETE", "global/networks/net")["error"]["code"] == 404
    # What was refused may be tried again.
    again = {"requestId": str(uuid.uuid4())}
    path = "global/firewalls"
    assert http("POST", path, made.FIREWALL, **again)["error"]["code"] == 404
    made.base(http)
    assert http("POST", path, made.FIREWALL, **again)["status"] == "DONE"
    change = {"requestId": str(uuid.uuid4())}
    patched = http("PATCH", f"{path}/fw", {"priority": 7}, **change)
    assert http("PATCH", f"{path}/fw", {"priority": 7}, **change) == patched
    made.make(http, "instances")
    stop = {"requestId": str(uuid.uuid4())}
    stopped = http("POST", f"{PLACES['instances']}/vm/stop", **stop)
    assert http("POST", f"{PLACES['instances']}/vm/stop", **stop) == stopped


@pytest.mark.parametrize("wrong", ["x", "0" * 32, str(uuid.UUID(int=0)), "1" * 36])
def test_a_request_id_is_a_uuid(http: Http, wrong: str) -> None:
    error = http("POST", "global/networks", made.NETWORK, requestId=wrong)["error"]
    assert error["errors"][0]["reason"] == "invalid"
    assert "items" not in http("GET", "global/networks")


def test_each_write_has_a_generation(http: Http) -> None:
    start = http.state().json()["generation"]
    made.base(http)
    state = http.state(since=start).json()
    assert state["generation"] == start + 2
    assert state["project"] == PROJECT
    assert {kind: [b["name"] for b in bodies] for kind, bodies in state["resources"].items()} == {
        "networks": ["net"],
        "subnetworks": ["us"],
        "firewalls": [],
        "addresses": [],
        "instances": [],
        "routes": sorted(b["name"] for b in http("GET", "global/routes")["items"]),
    }
    http("POST", "global/networks", {"name": "Wrong"})
    http("GET", "global/networks")
    assert http.state(since=start).json() == state
    assert http.state(since=state["generation"], wait=0.05).status_code == 204
    # Another number is news, also one that was never there.
    assert http.state(since=state["generation"] + 9).json() == state
    assert http.state(since="x").status_code == 400


def test_who_waits_is_told_at_once(http: Http) -> None:
    made.base(http)
    known = http.state().json()["generation"]
    seen: list[Any] = []

    def follow() -> None:
        other = Http(http.endpoint)
        seen.append(other.state(since=known, wait=20).json())

    followers = [threading.Thread(target=follow) for _ in range(3)]
    for follower in followers:
        follower.start()
    made.make(http, "firewalls")
    for follower in followers:
        follower.join(10)
    assert [state["generation"] for state in seen] == [known + 1] * 3
    assert all(state["resources"]["firewalls"][0]["name"] == "fw" for state in seen)


def test_two_writers_at_once(http: Http) -> None:
    """Of two who saw the same subnet, one changes it; the other is told."""
    made.base(http)
    path = f"{PLACES['subnetworks']}/us"
    seen = http("GET", path)
    codes: list[int] = []

    def write(index: int) -> None:
        ranges = [
            *seen["secondaryIpRanges"],
            {"rangeName": f"r{index}", "ipCidrRange": f"10.{30 + index}.0.0/24"},
        ]
        wanted = {"fingerprint": seen["fingerprint"], "secondaryIpRanges": ranges}
        codes.append(Http(http.endpoint).send("PATCH", path, wanted).status_code)

    writers = [threading.Thread(target=write, args=(index,)) for index in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(10)
    assert sorted(codes) == [200] + [412] * 7
    assert len(http("GET", path)["secondaryIpRanges"]) == 3


def test_healthz(http: Http) -> None:
    answer = http.session.get(f"{http.endpoint}/lab/healthz").json()
    assert answer == {
        "project": PROJECT,
        "generation": http.state().json()["generation"],
    }

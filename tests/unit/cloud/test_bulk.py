"""Many instances by one request: their names, how many there come to be, what is told of it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, REGION, ZONE, Google, Http

BULK = f"zones/{ZONE}/instances/bulkInsert"
PROPERTIES: dict[str, Any] = {
    "machineType": "e2-small",
    "networkInterfaces": [{"subnetwork": f"regions/{REGION}/subnetworks/us"}],
}


def body(**changes: Any) -> dict[str, Any]:
    wanted = {"count": 3, "namePattern": "vm-##", "instanceProperties": PROPERTIES, **changes}
    return {key: value for key, value in wanted.items() if value is not None}


def names(http: Http) -> list[str]:
    return [one["name"] for one in http("GET", f"zones/{ZONE}/instances").get("items", [])]


def test_by_googles_client(google: Google, http: Http) -> None:
    made.base(http)
    label = {"batch": uuid.uuid4().hex}
    properties = compute_v1.InstanceProperties(
        machine_type="e2-small",
        labels=label,
        disks=[
            {
                "boot": True,
                "initialize_params": {
                    "source_image": "projects/debian-cloud/global/images/family/debian-12"
                },
            }
        ],
        tags={"items": ["web"]},
        network_interfaces=[{"subnetwork": f"regions/{REGION}/subnetworks/us"}],
    )
    wanted = compute_v1.BulkInsertInstanceResource(
        count=3, min_count=2, name_pattern="web-###", instance_properties=properties
    )
    operation = google.instances.bulk_insert(
        project=PROJECT, zone=ZONE, bulk_insert_instance_resource_resource=wanted
    )
    operation.result()
    chosen = {"project": PROJECT, "zone": ZONE, "filter": f"labels.batch:{label['batch']}"}
    found = list(google.instances.list(chosen))
    assert [one.name for one in found] == ["web-001", "web-002", "web-003"]
    addresses = [one.network_interfaces[0].network_i_p for one in found]
    assert addresses == ["10.128.0.2", "10.128.0.3", "10.128.0.4"]
    assert all(one.machine_type.endswith(f"/zones/{ZONE}/machineTypes/e2-small") for one in found)
    assert all(one.disks[0].boot for one in found)

    told = google.zone_operations.get(project=PROJECT, zone=ZONE, operation=operation.name)
    status = told.instances_bulk_insert_operation_metadata.per_location_status[f"zones/{ZONE}"]
    assert told.operation_type == "bulkInsert"
    assert (status.target_vm_count, status.created_vm_count) == (3, 3)
    group = f"operationType=insert AND operationGroupId={told.operation_group_id}"
    inserts = google.zone_operations.list({"project": PROJECT, "zone": ZONE, "filter": group})
    assert {one.target_link for one in inserts} == {one.self_link for one in found}


def test_names(http: Http) -> None:
    made.base(http)
    made.make(http, "instances", name="vm-07")
    made.make(http, "instances", name="vm-100")
    assert http("POST", BULK, body(count=2))["status"] == "DONE"
    assert names(http) == ["vm-07", "vm-08", "vm-09", "vm-100"]
    own = {"a": {"hostname": "a.lab"}, "b": {}}
    named = body(count=None, namePattern=None, perInstanceProperties=own)
    assert http("POST", BULK, named)["status"] == "DONE"
    assert names(http)[:2] == ["a", "b"]
    assert http("GET", f"zones/{ZONE}/instances/a")["hostname"] == "a.lab"


def test_as_many_as_there_is_room_for(http: Http) -> None:
    made.base(http)
    made.make(http, "subnetworks", name="small", ipCidrRange="10.9.0.0/29", secondaryIpRanges=[])
    nics = [{"subnetwork": f"regions/{REGION}/subnetworks/small"}]
    small = {**PROPERTIES, "networkInterfaces": nics}
    # A /29 has addresses for four.
    for least in (None, 5):
        error = http("POST", BULK, body(count=6, minCount=least, instanceProperties=small))["error"]
        assert error["errors"][0]["reason"] == "IP_SPACE_EXHAUSTED"
        assert names(http) == []
    operation = http("POST", BULK, body(count=6, minCount=4, instanceProperties=small))
    told = operation["instancesBulkInsertOperationMetadata"]["perLocationStatus"][f"zones/{ZONE}"]
    assert (told["createdVmCount"], told["failedToCreateVmCount"]) == (4, 2)
    assert names(http) == ["vm-01", "vm-02", "vm-03", "vm-04"]


def test_a_request_that_comes_twice_is_done_once(http: Http) -> None:
    made.base(http)
    once = {"requestId": str(uuid.uuid4())}
    first = http("POST", BULK, body(), **once)
    generation = http.state().json()["generation"]
    assert http("POST", BULK, body(), **once) == first
    assert http.state().json()["generation"] == generation
    assert len(names(http)) == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"count": 0}, "'resource.count'"),
        ({"count": None}, "Required field 'resource.count'"),
        ({"count": 1001}, "'resource.count'"),
        ({"minCount": 4}, "'resource.minCount'"),
        ({"namePattern": None}, "Exactly one of namePattern and perInstanceProperties"),
        ({"perInstanceProperties": {"a": {}}}, "Exactly one of"),
        ({"namePattern": None, "perInstanceProperties": {"a": {}}}, "There are 1 names"),
        ({"namePattern": "vm"}, "one continuous sequence"),
        ({"namePattern": "vm-#-#"}, "one continuous sequence"),
        ({"namePattern": "#"}, "Must be a match of regex"),
        ({"namePattern": "vm-#", "count": 10}, "not enough placeholders"),
        ({"instanceProperties": None}, "Required field 'resource.instanceProperties'"),
        ({"instanceProperties": {}}, "'resource.instanceProperties.machineType'"),
        (
            {"instanceProperties": {**PROPERTIES, "machineType": "e2-huge"}},
            "'resource.instanceProperties.machineType': 'e2-huge'. Machine type with name "
            "'e2-huge' does not exist in zone 'us-central1-a'.",
        ),
        (
            {"instanceProperties": {**PROPERTIES, "deletionProtection": True}},
            'Unknown name "deletionProtection"',
        ),
        ({"sourceInstanceTemplate": "global/instanceTemplates/a"}, "does not make this field real"),
        ({"namePattern": None, "perInstanceProperties": ["a"]}, "perInstanceProperties' (a map)"),
    ],
)
def test_what_cannot_be(http: Http, changes: dict[str, Any], says: str) -> None:
    made.base(http)
    before = http.state().json()
    error = http("POST", BULK, body(**changes))["error"]
    assert error["code"] == 400
    assert says in error["message"]
    assert http.state().json() == before


def test_the_way_is_for_instances_of_a_zone(google: Google, http: Http) -> None:
    made.base(http)
    assert http.send("GET", BULK).status_code == 400
    assert http.send("POST", "global/networks/bulkInsert", body()).status_code == 501
    with pytest.raises(exceptions.MethodNotImplemented):
        google.region_instances.bulk_insert(
            project=PROJECT, region=REGION, bulk_insert_instance_resource_resource={}
        )

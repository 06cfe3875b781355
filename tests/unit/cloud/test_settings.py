"""Methods that change what is kept and shown, of instances and of the project, and those that ask
about them, by Google's own client."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.unit.cloud import made
from tests.unit.cloud.servers import EXTERNAL, PROJECT, REGION, ZONE, Google, Http

VM = {"project": PROJECT, "zone": ZONE, "instance": "vm"}
PATH = f"zones/{ZONE}/instances/vm"
ROOT = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"


@pytest.fixture
def instances(google: Google, http: Http) -> Any:
    """The client, and an instance `vm` that runs."""
    made.base(http)
    made.make(
        http,
        "instances",
        disks=[{"boot": True, "deviceName": "root"}, {"deviceName": "data"}],
        networkInterfaces__0__accessConfigs=[{"name": "out"}],
    )
    return google.instances


def vm(instances: Any) -> compute_v1.Instance:
    return instances.get(**VM)


def test_scheduling(instances: Any) -> None:
    wanted = compute_v1.Scheduling(automatic_restart=False)
    instances.set_scheduling(**VM, scheduling_resource=wanted).result()
    found = vm(instances).scheduling
    assert (found.automatic_restart, found.on_host_maintenance) == (False, "MIGRATE")


# By the method: its request, and what it is then.
STOPPED: dict[str, tuple[dict[str, Any], str, Any]] = {
    "set_service_account": (
        {"instances_set_service_account_request_resource": {"email": "a@b", "scopes": ["all"]}},
        "service_accounts",
        [compute_v1.ServiceAccount(email="a@b", scopes=["all"])],
    ),
    "set_min_cpu_platform": (
        {"instances_set_min_cpu_platform_request_resource": {"min_cpu_platform": "Intel Skylake"}},
        "min_cpu_platform",
        "Intel Skylake",
    ),
}


@pytest.mark.parametrize("method", STOPPED)
def test_what_is_set_of_a_stopped_instance(instances: Any, method: str) -> None:
    said, field, value = STOPPED[method]
    with pytest.raises(exceptions.BadRequest, match="Instance must be stopped before"):
        getattr(instances, method)(**VM, **said)
    instances.stop(**VM).result()
    getattr(instances, method)(**VM, **said).result()
    assert getattr(vm(instances), field) == value
    (name,) = said
    getattr(instances, method)(**VM, **{name: {}}).result()
    assert not getattr(vm(instances), field)


def rename(instances: Any, name: str, current: str = "vm") -> None:
    wanted = compute_v1.InstancesSetNameRequest(name=name, current_name=current)
    instances.set_name(**VM, instances_set_name_request_resource=wanted).result()


def test_another_name(instances: Any, http: Http) -> None:
    made.make(http, "instances", name="taken")
    before = vm(instances)
    with pytest.raises(exceptions.BadRequest, match="stopped before its name is changed"):
        rename(instances, "new")
    instances.stop(**VM).result()
    with pytest.raises(exceptions.PreconditionFailed):
        rename(instances, "new", current="other")
    with pytest.raises(exceptions.Conflict, match="instances/taken' already exists"):
        rename(instances, "taken")
    with pytest.raises(exceptions.BadRequest, match="Must be a match of regex"):
        rename(instances, "New")
    assert vm(instances).name == "vm"
    rename(instances, "new")
    with pytest.raises(exceptions.NotFound):
        vm(instances)
    after = instances.get(project=PROJECT, zone=ZONE, instance="new")
    assert (after.id, after.creation_timestamp) == (before.id, before.creation_timestamp)
    assert after.self_link == f"{ROOT}/zones/{ZONE}/instances/new"
    assert after.network_interfaces == before.network_interfaces
    (last,) = (o for o in http("GET", f"zones/{ZONE}/operations")["items"] if "setName" in str(o))
    assert last["targetLink"] == after.self_link


def test_a_disk_that_goes_with_its_instance(instances: Any) -> None:
    def kept() -> list[bool]:
        return [disk.auto_delete for disk in vm(instances).disks]

    assert kept() == [False, False]
    for value in (True, False):
        instances.set_disk_auto_delete(**VM, device_name="data", auto_delete=value).result()
        assert kept() == [False, value]
    with pytest.raises(exceptions.BadRequest, match="No attached disk found with device name"):
        instances.set_disk_auto_delete(**VM, device_name="gone", auto_delete=True)


def test_what_changes_nothing(instances: Any) -> None:
    before = vm(instances)
    instances.simulate_maintenance_event(**VM).result()
    assert vm(instances) == before


def test_start_with_a_key(instances: Any) -> None:
    """As the sample on encrypted disks starts its instance."""
    instances.stop(**VM).result()
    wanted = compute_v1.InstancesStartWithEncryptionKeyRequest(
        disks=[{"source": "zones/a/disks/d", "disk_encryption_key": {"raw_key": "aGVsbG8="}}]
    )
    instances.start_with_encryption_key(
        **VM, instances_start_with_encryption_key_request_resource=wanted
    ).result()
    assert vm(instances).status == "RUNNING"


def test_another_access_config(instances: Any, google: Google, http: Http) -> None:
    def update(**said: Any) -> compute_v1.AccessConfig:
        config = compute_v1.AccessConfig(**said)
        instances.update_access_config(
            **VM, network_interface="nic0", access_config_resource=config
        ).result()
        return vm(instances).network_interfaces[0].access_configs[0]

    assert update(name="out", network_tier="STANDARD").network_tier == "STANDARD"
    assert update(name="out").nat_i_p == str(EXTERNAL[0])
    reserved = http("POST", f"regions/{REGION}/addresses", {"name": "mine"})
    assert reserved["status"] == "DONE"
    found = update(name="out", nat_i_p=str(EXTERNAL[1]))
    assert (found.nat_i_p, found.network_tier) == (str(EXTERNAL[1]), "STANDARD")
    mine = google.addresses.get(project=PROJECT, region=REGION, address="mine")
    assert mine.status == "IN_USE"
    with pytest.raises(exceptions.BadRequest, match="was not found in region"):
        update(name="out", nat_i_p=str(EXTERNAL[5]))
    with pytest.raises(exceptions.BadRequest, match="no such access config"):
        update(name="other")


def test_the_serial_port_says_nothing(instances: Any) -> None:
    said = instances.get_serial_port_output({**VM, "port": 1, "start": 0})
    assert (said.contents, said.next_, said.start) == ("", 0, 0)
    assert said.self_link == f"{ROOT}/{PATH}/serialPort"
    with pytest.raises(exceptions.BadRequest, match="'port': '9'"):
        instances.get_serial_port_output({**VM, "port": 9})


def test_there_are_no_guest_attributes(instances: Any) -> None:
    with pytest.raises(exceptions.NotFound, match="'hostkeys/' of type 'Guest Attribute'"):
        instances.get_guest_attributes({**VM, "query_path": "hostkeys/"})


def test_there_are_no_referrers(instances: Any) -> None:
    assert list(instances.list_referrers(**VM)) == []
    with pytest.raises(exceptions.NotFound):
        instances.list_referrers(project=PROJECT, zone=ZONE, instance="gone")


@pytest.mark.parametrize(
    ("collection", "place"),
    [
        ("addresses", {"region": REGION, "resource": "kept"}),
        ("firewalls", {"resource": "fw"}),
        ("instances", {"zone": ZONE, "resource": "vm"}),
        ("routes", {"resource": "way"}),
        ("subnetworks", {"region": REGION, "resource": "us"}),
    ],
)
def test_who_asks_may_do_everything(
    google: Google, http: Http, collection: str, place: dict[str, str]
) -> None:
    made.base(http, "addresses", "firewalls", "routes")
    made.make(http, "instances")
    before = http.state().json()["generation"]
    asked = ["compute.instances.get", "compute.instances.delete"]
    ask = getattr(google, collection).test_iam_permissions
    request: dict[str, Any] = {"project": PROJECT, **place}
    request["test_permissions_request_resource"] = {"permissions": asked}
    assert ask(request).permissions == asked
    assert ask(request | {"test_permissions_request_resource": {}}).permissions == []
    assert http.state().json()["generation"] == before
    with pytest.raises(exceptions.NotFound):
        ask(request | {"resource": "gone"})


def test_the_projects_metadata(google: Google) -> None:
    project = google.projects.get(project=PROJECT)
    metadata = project.common_instance_metadata
    metadata.items = [compute_v1.Items(key="enable-oslogin", value="TRUE")]
    operation = google.projects.set_common_instance_metadata(
        project=PROJECT, metadata_resource=metadata
    )
    operation.result()
    assert operation.name.startswith("operation-")
    after = google.projects.get(project=PROJECT)
    assert after.common_instance_metadata.items == metadata.items
    assert (after.id, after.creation_timestamp) == (project.id, project.creation_timestamp)
    assert after.self_link == ROOT
    with pytest.raises(exceptions.PreconditionFailed):
        google.projects.set_common_instance_metadata(project=PROJECT, metadata_resource=metadata)
    (told,) = google.global_operations.list(project=PROJECT)
    assert (told.operation_type, told.target_link) == ("setCommonInstanceMetadata", ROOT)


def test_where_the_usage_is_exported(google: Google) -> None:
    """As the sample sets it, looks, and takes it away."""

    def said() -> compute_v1.UsageExportLocation:
        return google.projects.get(project=PROJECT).usage_export_location

    for location in ({"bucket_name": "b", "report_name_prefix": "usage_gce"}, {}):
        wanted = compute_v1.UsageExportLocation(location)
        google.projects.set_usage_export_bucket(
            project=PROJECT, usage_export_location_resource=wanted
        ).result()
        assert (said().bucket_name, said().report_name_prefix) == (
            location.get("bucket_name", ""),
            location.get("report_name_prefix", ""),
        )


def test_the_projects_network_tier(google: Google, http: Http) -> None:
    def set_tier(tier: str) -> None:
        google.projects.set_default_network_tier(
            project=PROJECT,
            projects_set_default_network_tier_request_resource={"network_tier": tier},
        ).result()

    made.base(http)
    assert google.projects.get(project=PROJECT).default_network_tier == "PREMIUM"
    set_tier("STANDARD")
    assert google.projects.get(project=str(google.projects.get(project=PROJECT).id)).name
    access = {"networkInterfaces__0__accessConfigs": [{"name": "out"}]}
    nic = made.make(http, "instances", **access)["networkInterfaces"][0]
    assert nic["accessConfigs"][0]["networkTier"] == "STANDARD"
    for scope, tier in ((f"regions/{REGION}", "STANDARD"), ("global", "PREMIUM")):
        http("POST", f"{scope}/addresses", {"name": "a"})
        assert http("GET", f"{scope}/addresses/a")["networkTier"] == tier
    with pytest.raises(exceptions.BadRequest, match="Must be one of"):
        set_tier("GOLD")
    # It is no resource for what makes resources real.
    assert "projects" not in http.state().json()["resources"]

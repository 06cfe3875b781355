"""Machine types: what there is of them, and that an instance has one that there is."""

from __future__ import annotations

import pytest
from google.api_core import exceptions

from gkelab.cloud.api.kinds.machine_types import SIZES, Size, size_of
from gkelab.cloud.api.kinds.places import ZONES
from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, REGION, ZONE, Google, Http

GB = 1024
WHERE = f"zones/{ZONE}/machineTypes"
UNKNOWN = "Machine type with name 'n1-standard-99' does not exist in zone 'us-central1-a'."


@pytest.mark.parametrize(
    ("name", "cpus", "memory"),
    [
        ("e2-micro", 2, 1024),
        ("e2-medium", 2, 4096),
        ("e2-standard-4", 4, 16384),
        ("f1-micro", 1, 614),
        ("n1-standard-1", 1, 3840),
        ("n1-highmem-2", 2, 13312),
        ("n1-highcpu-2", 2, 1843),
        ("n1-highcpu-16", 16, 14746),
        ("n2-highmem-128", 128, 884736),
        ("n2d-standard-224", 224, 917504),
        ("c2-standard-60", 60, 245760),
        ("c3-standard-22", 22, 90112),
        ("c3d-highcpu-30", 30, 60416),
        ("c4-standard-2", 2, 7168),
        ("c4-standard-4", 4, 15360),
        ("t2d-standard-1", 1, 4096),
    ],
)
def test_sizes_are_googles(name: str, cpus: int, memory: int) -> None:
    assert (SIZES[name].cpus, SIZES[name].memory_mb) == (cpus, memory)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("custom-1-1024", Size(1, 1024)),
        ("n1-custom-2-13312", Size(2, 13312)),
        ("custom-2-13568", None),
        ("custom-2-13568-ext", Size(2, 13568)),
        ("custom-3-6144", None),
        ("n2-custom-4-8192", Size(4, 8192)),
        ("n2-custom-4-8193", None),
        ("n2-custom-8-819200-ext", Size(8, 819200)),
        ("n2-custom-8-885760-ext", None),
        ("n2-custom-34-65536", None),
        ("n2-custom-36-65536", Size(36, 65536)),
        ("n2d-custom-16-8192", Size(16, 8192)),
        ("n2d-custom-18-9216", None),
        ("e2-custom-4-1024", None),
        ("e2-custom-4-8192", Size(4, 8192)),
        ("e2-custom-4-65536-ext", None),
        ("e2-custom-small-4096", Size(2, 4096, shared=True)),
        ("e2-custom-small-8192", None),
        ("e2-custom-large-4096", None),
        ("c2-custom-4-8192", None),
        ("custom-0-1024", None),
    ],
)
def test_custom_types_have_limits(name: str, size: Size | None) -> None:
    assert size_of(name) == size


def test_by_googles_client(google: Google) -> None:
    types = google.machine_types
    small = types.get(project=PROJECT, zone=ZONE, machine_type="e2-small")
    assert (small.guest_cpus, small.memory_mb, small.is_shared_cpu) == (2, 2048, True)
    assert (small.zone, small.architecture) == (ZONE, "X86_64")
    assert small.self_link.endswith(f"/projects/{PROJECT}/{WHERE}/e2-small")
    assert types.get(project=PROJECT, zone=ZONE, machine_type=str(small.id)) == small
    custom = types.get(project=PROJECT, zone=ZONE, machine_type="n2-custom-4-8192")
    assert (custom.guest_cpus, custom.memory_mb) == (4, 8192)
    with pytest.raises(exceptions.NotFound, match=f"{WHERE}/e2-huge' was not found"):
        types.get(project=PROJECT, zone=ZONE, machine_type="e2-huge")

    listed = list(types.list(project=PROJECT, zone=ZONE))
    assert {one.name for one in listed} == SIZES.keys()
    chosen = {"project": PROJECT, "zone": ZONE, "filter": "guestCpus = 2 AND memoryMb <= 4096"}
    assert "e2-medium" in [one.name for one in types.list(chosen)]
    everywhere = types.aggregated_list(
        {"project": PROJECT, "filter": f'name = "e2-medium" AND zone : {REGION}-*'}
    )
    found = {scope for scope, scoped in everywhere if scoped.machine_types}
    assert found == {f"zones/{zone}" for zone in ZONES if zone.startswith(f"{REGION}-")}


def test_they_are_read_only(http: Http) -> None:
    for method, path in (
        ("POST", WHERE),
        ("DELETE", f"{WHERE}/e2-small"),
        ("PATCH", f"{WHERE}/e2-small"),
    ):
        assert http.send(method, path, {"name": "x"}).status_code == 501
    assert http.state().json()["resources"].keys().isdisjoint({"machineTypes"})


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("zones/us-central1-a/machineTypes/n1-standard-99", UNKNOWN),
        (f"projects/{PROJECT}/{WHERE}/n1-standard-99", UNKNOWN),
        ("zones/us-central1-b/machineTypes/e2-medium", "It is in another zone than the instance."),
        (f"projects/other/{WHERE}/e2-medium", "Cross-project references"),
        ("e2-medium", "The URL is malformed."),
        ("zones/us-central1-a/instances/vm", "The URL is malformed."),
    ],
)
def test_an_instance_has_one_that_there_is(http: Http, link: str, why: str) -> None:
    made.base(http)
    error = http("POST", made.PLACES["instances"], made.body("instances", machineType=link))
    assert error["error"]["errors"][0]["reason"] == "invalid"
    start = f"Invalid value for field 'resource.machineType': '{link}'. {why}"
    assert error["error"]["message"].startswith(start)
    made.make(http, "instances")
    path = f"{made.PLACES['instances']}/vm"
    http("POST", f"{path}/stop")
    again = http("POST", f"{path}/setMachineType", {"machineType": link})
    assert again["error"]["message"].startswith(start)
    whole = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/{WHERE}/custom-2-4096"
    assert http("POST", f"{path}/setMachineType", {"machineType": whole})["status"] == "DONE"
    assert http("GET", path)["machineType"] == whole

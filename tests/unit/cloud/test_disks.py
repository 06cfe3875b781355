"""The disks in an instance's body, and what of an instance cannot be real."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, ZONE, Http

DEBIAN = "projects/debian-cloud/global/images"
LINK = "https://www.googleapis.com/compute/v1"


def boot(image: str) -> dict[str, Any]:
    return {"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": image}}


def test_what_is_said_is_kept_and_the_rest_filled_in(http: Http) -> None:
    made.base(http)
    kind = f"zones/{ZONE}/diskTypes/pd-ssd"
    first = {**boot(f"{DEBIAN}/debian-12-lab"), "deviceName": "root"}
    first["initializeParams"] |= {"diskSizeGb": "25", "diskType": kind, "labels": {"a": "b"}}
    second = {"initializeParams": {"diskSizeGb": 50}, "mode": "READ_WRITE"}
    third = {"type": "SCRATCH", "interface": "NVME", "autoDelete": True}
    found = made.make(http, "instances", disks=[first, second, third])["disks"]
    assert found[0] == {
        "kind": "compute#attachedDisk",
        "type": "PERSISTENT",
        "mode": "READ_WRITE",
        "deviceName": "root",
        "boot": True,
        "autoDelete": True,
        "interface": "SCSI",
        "index": 0,
        "diskSizeGb": "25",
        "initializeParams": {
            "sourceImage": f"{DEBIAN}/debian-12-lab",
            "diskSizeGb": 25,
            "diskType": kind,
            "labels": {"a": "b"},
        },
    }
    assert [disk["index"] for disk in found] == [0, 1, 2]
    assert (found[1]["diskSizeGb"], found[1]["deviceName"]) == ("50", "persistent-disk-1")
    assert (found[1]["boot"], found[1]["autoDelete"]) == (False, False)
    assert (found[2]["interface"], found[2]["deviceName"]) == ("NVME", "local-ssd-2")


@pytest.mark.parametrize(
    "image",
    [
        f"{LINK}/{DEBIAN}/debian-12-lab",
        f"{DEBIAN}/family/debian-12",
        # As Google names them, which the lab does not know.
        f"{DEBIAN}/debian-12-bookworm-v20240415",
        "projects/somebody/global/images/family/theirs",
    ],
)
def test_an_image_that_may_be(http: Http, image: str) -> None:
    made.base(http)
    (disk,) = made.make(http, "instances", disks=[boot(image)])["disks"]
    assert (disk["initializeParams"]["sourceImage"], disk["diskSizeGb"]) == (image, "10")


MISSING = "The referenced image resource cannot be found."
NOT_REAL = "The local cloud does not make this field real."


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        (
            {"disks": [boot(f"{DEBIAN}/family/debian-1")]},
            "disks[0].initializeParams.sourceImage",
            MISSING,
        ),
        (
            {"disks": [boot("global/images/mine")]},
            "disks[0].initializeParams.sourceImage",
            MISSING,
        ),
        (
            {"disks": [boot(f"projects/{PROJECT}/global/images/family/mine")]},
            "disks[0].initializeParams.sourceImage",
            MISSING,
        ),
        ({"disks": [boot("debian-12")]}, "disks[0].initializeParams.sourceImage", "malformed"),
        ({"disks": [{"source": f"zones/{ZONE}/disks/data"}]}, "disks[0].source", NOT_REAL),
        (
            {"disks": [{"initializeParams": {"sourceSnapshot": "global/snapshots/a"}}]},
            "disks[0].initializeParams.sourceSnapshot",
            NOT_REAL,
        ),
        ({"disks": [{}, {"boot": True}]}, "disks[1].boot", "must be the first"),
        ({"disks": [{"mode": "WRITE"}]}, "disks[0].mode", "Must be one of"),
        ({"guestAccelerators": [{"acceleratorCount": 1}]}, "guestAccelerators", NOT_REAL),
    ],
)
def test_what_there_is_not(http: Http, changes: dict[str, Any], field: str, why: str) -> None:
    made.base(http)
    error = http("POST", made.PLACES["instances"], made.body("instances", **changes))["error"]
    assert error["errors"][0]["reason"] == "invalid"
    assert f"field 'resource.{field}'" in error["message"]
    assert why in error["message"]


@pytest.mark.parametrize(
    "request_",
    [
        "POST instances/vm/attachDisk",
        "POST instances/vm/detachDisk",
        "POST instances/vm/setMachineResources",
        "GET disks",
        "GET diskTypes",
        "GET acceleratorTypes",
    ],
)
def test_what_is_not_served_says_so(http: Http, request_: str) -> None:
    made.base(http, "instances")
    method, path = request_.split()
    answer = http.send(method, f"zones/{ZONE}/{path}", {} if method == "POST" else None)
    assert answer.status_code == 501
    assert answer.json()["error"]["message"].startswith("The local cloud does not serve ")

"""The lab's way to Google's client: any method, plain JSON, errors as sentences."""

from __future__ import annotations

import pytest

from gkelab.cloud.client import Cloud, CloudError
from gkelab.errors import LabError
from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, free_port

REGIONAL = "regions/us-central1"


def test_plain_json_in_and_out(cloud: Cloud) -> None:
    operation = cloud.insert("networks", "global", made.NETWORK)
    assert (operation["status"], operation["operationType"]) == ("DONE", "insert")
    cloud.insert("subnetworks", REGIONAL, made.SUBNET)
    assert cloud.get("subnetworks", REGIONAL, "us")["ipCidrRange"] == "10.128.0.0/20"
    cloud.insert("firewalls", "global", made.FIREWALL)
    cloud.patch("firewalls", "global", "fw", {"priority": 7})
    (rule,) = cloud.list_of("firewalls", "global")
    assert (rule["priority"], rule["allowed"][0]["IPProtocol"]) == (7, "tcp")
    assert cloud.list_of("firewalls", "global", "priority > 7") == []
    cloud.insert("addresses", "global", {"name": "front"})
    cloud.insert("addresses", REGIONAL, made.ADDRESS)
    names = {address["name"] for address in cloud.list_all("addresses")}
    assert names == {"front", "kept"}
    assert [subnet["name"] for subnet in cloud.list_all("subnetworks")] == ["us"]
    assert len(cloud.list_all("operations")) == 6
    assert len(cloud.list_all("regions", 'name = "us-central1"')) == 1
    cloud.delete("addresses", "global", "front")
    assert cloud.find("addresses", "global", "front") is None
    assert cloud.call("get", "projects", "", {})["name"] == PROJECT


def test_a_refusal_has_code_reason_and_sentence(cloud: Cloud) -> None:
    with pytest.raises(CloudError) as refused:
        cloud.get("networks", "global", "gone")
    assert (refused.value.code, refused.value.reason) == (404, "notFound")
    assert refused.value.message == (
        f"The resource 'projects/{PROJECT}/global/networks/gone' was not found"
    )
    with pytest.raises(CloudError, match=r"Invalid value for field 'resource\.name': 'N'") as wrong:
        cloud.insert("networks", "global", {"name": "N", "autoCreateSubnetworks": False})
    assert wrong.value.reason == "invalid"
    with pytest.raises(CloudError, match="colour"):
        cloud.insert("networks", "global", {"name": "net", "colour": "red"})
    with pytest.raises(CloudError):
        cloud.find("networks", "global", "Not")


def test_a_cloud_that_is_away() -> None:
    with pytest.raises(LabError, match="does not answer"):
        Cloud(f"http://127.0.0.1:{free_port()}", PROJECT).get("networks", "global", "net")

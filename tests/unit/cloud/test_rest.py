"""The light client against the real server: it says and hears what Google's client does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gkelab.cloud.asking import Asking, CloudError
from gkelab.cloud.client import Cloud
from gkelab.cloud.ensure import ensure
from gkelab.cloud.place import Place, record, recorded
from gkelab.cloud.resources import resources
from gkelab.cloud.rest import RestCloud
from gkelab.errors import LabError
from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, ROOT, free_port
from tests.unit.cloud.test_resources import NAMES, plan_of, pod_cidrs

REGIONAL, ZONAL = "regions/us-central1", "zones/us-central1-a"


@pytest.fixture
def rest(cloud: Cloud) -> RestCloud:
    """The light client to the cloud that Google's asks."""
    return RestCloud(cloud.endpoint, cloud.project)


@pytest.mark.parametrize("topology", NAMES)
def test_a_whole_topology_is_written_and_then_nothing_is_left_to_do(
    rest: RestCloud, cloud: Cloud, topology: str
) -> None:
    plan = plan_of(topology)
    asking: Asking = rest
    done = ensure(asking, resources(plan))
    assert len(done) == len(resources(plan))
    assert ensure(asking, resources(plan)) == []
    assert ensure(cloud, resources(plan)) == []
    # What is written afterwards: an interface's alias ranges, by its fingerprint.
    assert ensure(asking, resources(plan, pod_cidrs(plan)))
    assert ensure(asking, resources(plan)) == []  # not said is not taken away
    assert ensure(cloud, resources(plan, pod_cidrs(plan))) == []


def test_it_answers_what_googles_client_answers(rest: RestCloud, cloud: Cloud) -> None:
    operation = rest.insert("networks", "global", made.NETWORK)
    assert (operation["status"], operation["operationType"]) == ("DONE", "insert")
    rest.insert("subnetworks", REGIONAL, made.SUBNET)
    rest.insert("firewalls", "global", made.FIREWALL)
    rest.patch("firewalls", "global", "fw", {"priority": 7})
    assert rest.get("firewalls", "global", "fw") == cloud.get("firewalls", "global", "fw")
    assert rest.get("subnetworks", REGIONAL, "us")["ipCidrRange"] == "10.128.0.0/20"
    rest.write("delete", "firewalls", "global", {"firewall": "fw"})
    assert rest.find("firewalls", "global", "fw") is None


def test_lists_have_all_of_their_pages(rest: RestCloud) -> None:
    assert rest.list_of("firewalls", "global") == []
    rest.insert("networks", "global", made.NETWORK)
    for index in range(501):  # a page has 500
        rest.insert("firewalls", "global", {**made.FIREWALL, "name": f"fw-{index:03}"})
    names = [item["name"] for item in rest.list_of("firewalls", "global")]
    assert names == [f"fw-{index:03}" for index in range(501)]


def test_methods_with_names_of_their_own(rest: RestCloud, cloud: Cloud) -> None:
    ensure(rest, resources(plan_of("vpc-native")))
    vm = rest.get("instances", ZONAL, "vm-a")
    tags = {"items": ["a", "b"], "fingerprint": vm["tags"]["fingerprint"]}
    rest.write("set_tags", "instances", ZONAL, {"instance": "vm-a", "tagsResource": tags})
    nic = vm["networkInterfaces"][0]
    where = {"instance": "vm-a", "networkInterface": nic["name"]}
    config = {"name": "out", "type": "ONE_TO_ONE_NAT"}
    rest.write("add_access_config", "instances", ZONAL, {**where, "accessConfigResource": config})
    wide = {"ipCidrRange": "10.128.0.0/19"}
    said = {
        "subnetwork": "us-central1",
        "subnetworksExpandIpCidrRangeRequestResource": wide,
    }
    rest.write("expand_ip_cidr_range", "subnetworks", REGIONAL, said)
    seen = cloud.get("instances", ZONAL, "vm-a")
    assert seen["tags"]["items"] == ["a", "b"]
    assert seen["networkInterfaces"][0]["accessConfigs"][0]["name"] == "out"
    rest.write("delete_access_config", "instances", ZONAL, {**where, "accessConfig": "out"})
    assert "accessConfigs" not in cloud.get("instances", ZONAL, "vm-a")["networkInterfaces"][0]
    assert cloud.get("subnetworks", REGIONAL, "us-central1")["ipCidrRange"] == "10.128.0.0/19"


def test_the_state_and_its_generation(rest: RestCloud) -> None:
    before = rest.generation()
    rest.insert("networks", "global", made.NETWORK)
    assert rest.generation() > before
    state = rest.state()
    assert (state["generation"], state["project"]) == (rest.generation(), PROJECT)


def test_a_refusal_has_code_reason_and_sentence(rest: RestCloud, cloud: Cloud) -> None:
    with pytest.raises(CloudError) as theirs:
        cloud.get("networks", "global", "gone")
    with pytest.raises(CloudError) as refused:
        rest.get("networks", "global", "gone")
    assert (refused.value.code, refused.value.reason) == (404, "notFound")
    assert refused.value.message == theirs.value.message
    with pytest.raises(CloudError, match=r"Invalid value for field 'resource\.name': 'N'"):
        rest.insert("networks", "global", {"name": "N", "autoCreateSubnetworks": False})


def test_a_cloud_that_is_away_or_something_else() -> None:
    port = free_port()
    with pytest.raises(LabError, match=f"the cloud at http://127.0.0.1:{port} does not answer"):
        RestCloud(f"http://127.0.0.1:{port}", PROJECT).generation()


def test_it_loads_nothing_of_googles() -> None:
    """For which `up` would wait a second."""
    code = "import sys, gkelab.cloud.rest, gkelab.cloud.ensure, gkelab.cloud.resources;"
    code += "print([name for name in sys.modules if name.startswith(('google', 'requests'))])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert said.stdout.decode().strip() == "[]"


def test_where_it_is_stands_in_the_labs_folder(tmp_path: Path) -> None:
    file = tmp_path / "lab" / "cloud.json"
    with pytest.raises(LabError, match="not known here"):
        recorded(file)
    record(file, Place("http://127.0.0.1:7", "p"))
    assert recorded(file) == Place("http://127.0.0.1:7", "p")

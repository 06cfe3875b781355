"""gcloud's rarer commands: what each does to a real cloud, and shows."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gkelab.cloud.client import Body, Cloud
from gkelab.cloud.gcloud.main import Defaults, run
from tests.unit.cloud.gclouds import LINK, NET, SUBNET, VM, Gcloud, described, good

DO = "compute instances"


@pytest.fixture(autouse=True)
def network(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET)


@pytest.fixture
def vm(gcloud: Gcloud, network: None) -> None:
    good(gcloud, f"{VM} --labels=a=b --metadata=k=v --aliases=pods:/24 --boot-disk-size=20")


@pytest.mark.usefixtures("vm")
def test_suspend_and_resume(gcloud: Gcloud) -> None:
    said = gcloud(f"{DO} suspend vm")
    assert said.err == f"Updated [{LINK}/zones/us-central1-a/instances/vm].\n"
    assert described(gcloud, "instances describe vm")["status"] == "SUSPENDED"
    good(gcloud, f"{DO} resume vm")
    assert described(gcloud, "instances describe vm")["status"] == "RUNNING"
    assert "is not suspended" in gcloud(f"{DO} resume vm").err


@pytest.mark.usefixtures("vm")
def test_set_machine_type(gcloud: Gcloud) -> None:
    line = f"{DO} set-machine-type vm --machine-type=e2-medium"
    assert "must be stopped" in gcloud(line).err
    good(gcloud, f"{DO} stop vm", line)
    found = described(gcloud, "instances describe vm")
    assert found["machineType"].endswith("/zones/us-central1-a/machineTypes/e2-medium")


@pytest.mark.usefixtures("vm")
def test_set_scheduling(gcloud: Gcloud) -> None:
    before = described(gcloud, "instances describe vm")
    good(gcloud, f"{DO} set-scheduling vm --maintenance-policy=TERMINATE --no-restart-on-failure")
    after = described(gcloud, "instances describe vm")
    changed = {"onHostMaintenance": "TERMINATE", "automaticRestart": False}
    assert after["scheduling"] == {**before["scheduling"], **changed}
    same = set(before) - {"scheduling", "fingerprint"}
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    good(gcloud, f"{DO} set-scheduling vm --provisioning-model=SPOT")
    assert described(gcloud, "instances describe vm")["scheduling"]["preemptible"] is True
    assert "At least one property" in gcloud(f"{DO} set-scheduling vm").err


@pytest.mark.usefixtures("vm")
def test_a_serial_port_to_which_nothing_was_written(gcloud: Gcloud) -> None:
    said = gcloud(f"{DO} get-serial-port-output vm")
    assert (said.code, said.out.strip()) == (0, "")
    assert "invalid choice: 9" in gcloud(f"{DO} get-serial-port-output vm --port=9").err


class Talking(Cloud):
    """A cloud whose instances have written to their serial port."""

    def call(self, method: str, collection: str, scope: str, said: Mapping[str, Any]) -> Body:
        if method != "get_serial_port_output":
            return super().call(method, collection, scope, said)
        assert said == {"instance": "vm", "port": 2, "start": 7}
        return {"contents": "hello\nworld", "next": "18", "start": "7"}


@pytest.mark.usefixtures("vm")
def test_a_serial_port(cloud: Cloud) -> None:
    out, err = io.StringIO(), io.StringIO()
    words = [*DO.split(), "get-serial-port-output", "vm", "--port=2", "--start=7"]
    talking = Talking(cloud.endpoint, cloud.project)
    assert run(words, talking, Defaults("", ""), out, err) == 0
    assert out.getvalue() == "hello\nworld\n"
    assert "Specify --start=18 in the next" in err.getvalue()


@pytest.mark.usefixtures("vm")
def test_export_and_update_from_file(
    gcloud: Gcloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "vm.yaml"
    said = gcloud(f"{DO} export vm --destination={file}")
    assert said.err == f"Exported [vm] to '{file}'.\n"
    body = yaml.safe_load(file.read_text())
    assert yaml.safe_load(good(gcloud, f"{DO} export vm")) == body
    body["labels"] = {"c": "d"}
    body["tags"]["items"] = ["z"]
    file.write_text(yaml.safe_dump(body))
    update = f"{DO} update-from-file vm"
    good(gcloud, f"{update} --source={file} --most-disruptive-allowed-action=restart")
    found = described(gcloud, "instances describe vm")
    assert (found["labels"], found["tags"]["items"]) == ({"c": "d"}, ["z"])
    assert found["networkInterfaces"] == body["networkInterfaces"]
    assert "fingerprint" in gcloud(f"{update} --source={file}").err
    del body["fingerprint"]
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(body)))
    assert '"standard input" is missing' in gcloud(update).err
    file.write_text("[")
    assert "Cannot parse YAML" in gcloud(f"{update} --source={file}").err
    assert "Unable to read file" in gcloud(f"{update} --source={tmp_path}").err
    assert "Unable to write file" in gcloud(f"{DO} export vm --destination={tmp_path}").err
    # An update restarts nothing in the lab: what asks for it is not taken.
    assert "invalid choice: 'RESTART'" in gcloud(f"{update} --minimal-action=RESTART").err


BULK = f"{DO} bulk create --zone=us-central1-a --subnet=us --no-address"


def test_bulk_create_by_a_pattern(gcloud: Gcloud) -> None:
    said = gcloud(f"{BULK} --name-pattern=web-# --count=3 --tags=x --machine-type=e2-medium")
    assert (said.code, said.out) == (0, "")
    assert said.err == (
        "Bulk create request finished with status message: [VM instances created: 3, failed: 0.]\n"
    )
    table = "value(name,tags.items,machineType.basename())"
    assert good(gcloud, f"{DO} list --format='{table}'") == (
        "web-1\tx\te2-medium\nweb-2\tx\te2-medium\nweb-3\tx\te2-medium\n"
    )


def test_bulk_create_by_names(gcloud: Gcloud) -> None:
    told = json.loads(good(gcloud, f"{BULK} --predefined-names=b,a --format=json"))
    assert [one["name"] for one in told["instances"]] == ["a", "b"]
    assert (told["createdInstanceCount"], told["failedInstanceCount"]) == (2, 0)
    said = gcloud(f"{BULK} --predefined-names=c --async")
    assert said.err.startswith("Bulk instance creation in progress: https://")
    assert len(good(gcloud, f"{DO} list --format=value(name)").split()) == 3


def test_bulk_create_refused(gcloud: Gcloud) -> None:
    assert "namePattern and perInstanceProperties" in gcloud(BULK).err
    said = gcloud(f"{BULK} --name-pattern=web-# --count=2 --private-network-ip=10.128.0.9")
    assert "unrecognized arguments: --private-network-ip" in said.err
    assert good(gcloud, f"{DO} list --format=value(name)") == ""


RULES = (
    "compute firewall-rules create in --network=net --allow=tcp:80 --source-ranges=10.0.0.0/8"
    " --priority=7 --target-tags=a",
    "compute firewall-rules create other --network=net --allow=tcp:81 --target-tags=none",
    "compute firewall-rules create out --network=net --action=deny --rules=all"
    " --direction=EGRESS --priority=3 --destination-ranges=192.0.2.0/24,192.0.3.0/24 --disabled",
)
COLUMNS = "value(name,type,priority,action,direction,disabled,ip_ranges.list(),target_tags)"
IN = "in\tnetwork-firewall\t7\tALLOW\tINGRESS\tFalse\t10.0.0.0/8\ta\n"
OTHER = "other\tnetwork-firewall\t1000\tALLOW\tINGRESS\tFalse\t0.0.0.0/0\tnone\n"
OUT = "out\tnetwork-firewall\t3\tDENY\tEGRESS\tTrue\t192.0.2.0/24,192.0.3.0/24\t\n"


@pytest.mark.usefixtures("vm")
def test_effective_firewalls(gcloud: Gcloud) -> None:
    good(gcloud, *RULES)
    of_network = "compute networks get-effective-firewalls net"
    of_nic = f"{DO} network-interfaces get-effective-firewalls vm"
    assert good(gcloud, f"{of_network} --format='{COLUMNS}'") == IN + OTHER + OUT
    assert good(gcloud, f"{of_nic} --format='{COLUMNS}'") == IN + OUT
    said = gcloud(f"{of_nic} --filter=action=DENY")
    assert said.out == (
        "TYPE              FIREWALL_POLICY_NAME  PRIORITY  ACTION  DIRECTION  DISABLED  IP_RANGES\n"
        "network-firewall                        3         DENY    EGRESS     True"
        "      192.0.2.0/24,192.0.3.0/24\n"
    )
    assert "please show in JSON format" in said.err
    whole = json.loads(good(gcloud, f"{of_nic} --format=json"))
    assert {rule["name"] for rule in whole["firewalls"]} == {"in", "out"}
    said = gcloud(f"{of_nic} --network-interface=nic9")
    assert "[nic9], present interfaces are [nic0]" in said.err
    assert "was not found" in gcloud("compute networks get-effective-firewalls none").err


def test_usable_subnets(gcloud: Gcloud) -> None:
    line = "compute networks subnets create eu --network=net --region=europe-west1"
    good(gcloud, f"{line} --range=10.9.0.0/24")
    words = "compute networks subnets list-usable"
    assert good(gcloud, words) == (
        "PROJECT       REGION        NETWORK  SUBNET  RANGE          SECONDARY_RANGES\n"
        "test-project  europe-west1  net      eu      10.9.0.0/24\n"
        "test-project  us-central1   net      us      10.128.0.0/20  pods 10.4.0.0/20\n"
        f"{' ' * 60}services 10.5.0.0/25\n"
    )
    only = f"{words} --filter=subnetwork:eu --format='value(subnetwork.basename())'"
    assert good(gcloud, only) == "eu\n"


def test_ssh_is_elsewhere(gcloud: Gcloud) -> None:
    said = gcloud("compute ssh vm --zone=us-central1-a")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("ERROR: (gcloud.compute) Invalid choice: 'ssh'.")
    assert "`invoke ssh NAME`" in said.err

"""gcloud's flags: what each says to the cloud, and how those are refused that contradict."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from gkelab.cloud.client import Cloud
from gkelab.cloud.gcloud.main import Defaults, run
from tests.unit.cloud.gclouds import NET, SUBNET, VM, Gcloud, described, good

AUTH = "https://www.googleapis.com/auth/"
CREATE = "compute instances create vm --zone=us-central1-a --subnet=us"


@pytest.fixture(autouse=True)
def network(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET)


def made(gcloud: Gcloud, flags: str) -> dict[str, Any]:
    """An instance as it came of some flags."""
    good(gcloud, f"{CREATE} {flags}")
    return described(gcloud, "instances describe vm")


def test_boot_disk(gcloud: Gcloud) -> None:
    (disk,) = made(gcloud, "--boot-disk-size=2TB --boot-disk-type=pd-ssd")["disks"]
    assert disk["diskSizeGb"] == "2048"
    assert disk["initializeParams"] == {
        "diskSizeGb": "2048",
        "diskType": "zones/us-central1-a/diskTypes/pd-ssd",
        "sourceImage": "projects/debian-cloud/global/images/family/debian-12",
    }


def test_a_boot_disk_of_an_image(gcloud: Gcloud) -> None:
    flags = "--image-family=debian-13 --image-project=debian-cloud --boot-disk-size=20"
    (disk,) = made(gcloud, flags)["disks"]
    assert disk["initializeParams"]["sourceImage"].endswith("/family/debian-13")
    assert disk["diskSizeGb"] == "20"


ACCOUNTS = {
    "--scopes=storage-ro,https://example.com/x": [
        {"email": "default", "scopes": ["https://example.com/x", f"{AUTH}devstorage.read_only"]}
    ],
    "--no-scopes": None,
    "--no-service-account --no-scopes": None,
    "--service-account=a@b.example --no-scopes": [{"email": "a@b.example"}],
    "--service-account=a@b.example --scopes=cloud-platform": [
        {"email": "a@b.example", "scopes": [f"{AUTH}cloud-platform"]}
    ],
}


@pytest.mark.parametrize("flags", ACCOUNTS)
def test_service_accounts(gcloud: Gcloud, flags: str) -> None:
    assert made(gcloud, flags).get("serviceAccounts") == ACCOUNTS[flags]


def test_an_account_alone_has_the_usual_scopes(gcloud: Gcloud) -> None:
    (account,) = made(gcloud, "--service-account=a@b.example")["serviceAccounts"]
    assert f"{AUTH}logging.write" in account["scopes"]


SCHEDULED: dict[str, dict[str, Any]] = {
    "--preemptible": {"preemptible": True, "automaticRestart": False},
    "--provisioning-model=spot": {
        "preemptible": True,
        "automaticRestart": False,
        "provisioningModel": "SPOT",
    },
    "--maintenance-policy=TERMINATE --no-restart-on-failure": {
        "onHostMaintenance": "TERMINATE",
        "automaticRestart": False,
        "preemptible": False,
    },
}


@pytest.mark.parametrize("flags", SCHEDULED)
def test_scheduling(gcloud: Gcloud, flags: str) -> None:
    found = made(gcloud, flags)["scheduling"]
    assert found == {**found, **SCHEDULED[flags]}


def test_metadata_from_files(gcloud: Gcloud, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#! /bin/sh\n")
    found = made(gcloud, f"--metadata=a=b --metadata-from-file=startup-script={script}")
    assert found["metadata"]["items"] == [
        {"key": "a", "value": "b"},
        {"key": "startup-script", "value": "#! /bin/sh\n"},
    ]


def test_an_interfaces_own_flags(gcloud: Gcloud) -> None:
    flags = "--network-tier=standard --nic-type=gvnic --stack-type=ipv4-only"
    (nic,) = made(gcloud, flags)["networkInterfaces"]
    assert nic["accessConfigs"][0]["networkTier"] == "STANDARD"
    assert (nic["nicType"], nic["stackType"]) == ("GVNIC", "IPV4_ONLY")


def test_an_interfaces_keys(gcloud: Gcloud) -> None:
    keys = "subnet=us,network-tier=PREMIUM,nic-type=VIRTIO_NET,stack-type=IPV4_ONLY"
    create = CREATE.removesuffix(" --subnet=us")
    good(gcloud, f"{create} --network-interface={keys}")
    (nic,) = described(gcloud, "instances describe vm")["networkInterfaces"]
    assert nic["accessConfigs"][0]["networkTier"] == "PREMIUM"
    assert nic["nicType"] == "VIRTIO_NET"


REFUSED = {
    "--stack-type=IPV4_IPV6": "IPV4_ONLY alone",
    "--network-tier=STANDARD --no-address": "network-tier is for an external address",
    "--network-tier=STANDARD --network-interface=subnet=us": "--subnet cannot be used with",
    "--scopes=storage-ro --no-scopes": "--scopes: not allowed with --no-scopes",
    "--scopes=nonsense": "[nonsense] is an illegal value for [--scopes]",
    "--no-service-account": "for use with --no-scopes",
    "--preemptible --restart-on-failure": "leave --restart-on-failure",
    "--metadata-from-file=a=/nowhere/at-all": "Unable to read file [/nowhere/at-all]: No such file",
    "--metadata=a=b --metadata-from-file=a=/dev/null": "duplicate metadata key [a]",
}


@pytest.mark.parametrize("flags", REFUSED)
def test_what_cannot_be_is_refused_by_name(gcloud: Gcloud, flags: str) -> None:
    said = gcloud(f"{CREATE} {flags}")
    assert (said.code, REFUSED[flags] in said.err) == (1, True), said.err
    assert good(gcloud, "compute instances list --format=value(name)") == ""


def test_what_nobody_waits_for(gcloud: Gcloud) -> None:
    said = gcloud(f"{CREATE} --async")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("Instance creation in progress for [vm]: [https://")
    assert "Use [gcloud compute operations describe URI] command" in said.err
    said = gcloud("compute instances stop vm --async")
    assert said.err.startswith("Stop instance in progress for [https://")
    said = gcloud("compute instances start vm --async --format=value(operationType)")
    assert said.out == "start\n"
    assert described(gcloud, "instances describe vm")["status"] == "RUNNING"


def test_protection_from_deletion(gcloud: Gcloud) -> None:
    update = "compute instances update vm"
    good(gcloud, VM, f"{update} --deletion-protection")
    assert "protected against deletion" in gcloud("compute instances delete vm").err
    good(gcloud, f"{update} --no-deletion-protection --update-labels=a=b")
    assert described(gcloud, "instances describe vm")["labels"] == {"a": "b"}
    assert "At least one property" in gcloud(update).err
    good(gcloud, "compute instances delete vm")


def test_subnets_of_a_network(gcloud: Gcloud) -> None:
    other = NET.replace(" net ", " two ")
    line = "compute networks subnets create eu --network=two --region=europe-west1"
    good(gcloud, other, f"{line} --range=10.9.0.0/24")
    for network, name in {"net": "us", "two": "eu", "global/networks/two": "eu"}.items():
        words = f"compute networks subnets list --network={network} --format=value(name)"
        assert good(gcloud, words) == f"{name}\n"
    assert gcloud("compute networks subnets list --network=three").err == "Listed 0 items.\n"


def test_subnets_flags(gcloud: Gcloud) -> None:
    line = "compute networks subnets create eu --network=net --region=europe-west1"
    kept = "--enable-flow-logs --purpose=private --stack-type=IPV4_ONLY"
    good(gcloud, f"{line} --range=10.9.0.0/24 {kept}")
    found = described(gcloud, "networks subnets describe eu")
    assert found["logConfig"] == {"enable": True}
    assert (found["purpose"], found["stackType"]) == ("PRIVATE", "IPV4_ONLY")
    update = "compute networks subnets update eu"
    good(gcloud, f"{update} --no-enable-flow-logs")
    assert described(gcloud, "networks subnets describe eu")["logConfig"] == {"enable": False}
    assert "At least one property" in gcloud(update).err
    for wrong in ("--stack-type=IPV4_IPV6", "--purpose=PRIVATE_NAT"):
        field = "stackType" if "stack" in wrong else "purpose"
        assert f"resource.{field}" in gcloud(f"{update} {wrong}").err
        said = gcloud(f"{line.replace(' eu ', ' x ')} --range=10.8.0.0/24 {wrong}")
        assert (said.code, "The local cloud serves" in said.err) == (1, True)


def test_the_last_secondary_range_goes(gcloud: Gcloud) -> None:
    good(gcloud, "compute networks subnets update us --remove-secondary-ranges=pods,services")
    assert "secondaryIpRanges" not in described(gcloud, "networks subnets describe us")


def test_addresses_flags(gcloud: Gcloud) -> None:
    create = "compute addresses create"
    good(
        gcloud,
        f"{create} a --region=us-central1 --network-tier=STANDARD",
        f"{create} b --global --ip-version=IPV4",
    )
    assert described(gcloud, "addresses describe a")["networkTier"] == "STANDARD"
    assert described(gcloud, "addresses describe b --global")["ipVersion"] == "IPV4"
    assert "serves IPV4 alone" in gcloud(f"{create} c --global --ip-version=IPV6").err
    assert "peerings" in gcloud(f"{create} c --global --network=net").err


def test_flatten(gcloud: Gcloud) -> None:
    other = "compute networks subnets create eu --network=two --region=us-central1"
    good(gcloud, NET.replace(" net ", " two "), f"{other} --range=10.9.0.0/24")
    good(
        gcloud,
        f"{CREATE.removesuffix(' --subnet=us')} --network-interface=subnet=us,no-address"
        " --network-interface=subnet=eu",
    )
    words = "compute instances list --flatten=networkInterfaces[]"
    key = "'value(name,networkInterfaces.networkIP)'"
    assert good(gcloud, f"{words} --format={key}") == "vm\t10.128.0.2\nvm\t10.9.0.2\n"
    only = "--filter=networkInterfaces.networkIP:10.9.*"
    assert good(gcloud, f"{words} {only} --format={key}") == "vm\t10.9.0.2\n"
    nested = f"{words.replace('[]', '[].accessConfigs[]')} --format="
    told = good(gcloud, f"{nested}'value(networkInterfaces.accessConfigs.natIP)'")
    assert told == "203.0.113.0\n"
    one = "compute instances describe vm --flatten=networkInterfaces"
    assert len(good(gcloud, f"{one} --format=value(name)").split()) == 2


def test_configurations(cloud: Cloud, gcloud: Gcloud, tmp_path: Path) -> None:
    good(gcloud, VM.replace("us-central1-a", "us-central1-b"), VM)
    (tmp_path / "config_mine").write_text("[core]\n[compute]\nzone = us-central1-b\n")
    (tmp_path / "config_other").write_text("[core]\nproject = other\n")
    (tmp_path / "config_broken").write_text("[")

    def call(name: str, **defaults: str) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        words = ["compute", "instances", "describe", "vm", "--format=value(zone.basename())"]
        said = Defaults("", **{"zone": "", **defaults}, configurations=tmp_path)
        code = run([*words, f"--configuration={name}", "--account=me"], cloud, said, out, err)
        return code, out.getvalue() + err.getvalue()

    assert call("mine") == (0, "us-central1-b\n")
    assert call("mine", zone="us-central1-a") == (0, "us-central1-a\n")
    assert "'projects/other' was not found" in call("other")[1]
    assert "Underspecified" in call("other", project="said-by-the-environment")[1]
    assert "[none]: it does not exist" in call("none")[1]
    assert "Cannot read configuration [broken]" in call("broken")[1]


def test_where_configurations_are() -> None:
    assert Defaults.of({"HOME": "/h"}).configurations == Path("/h/.config/gcloud/configurations")
    said = {"HOME": "/h", "CLOUDSDK_CONFIG": "/c"}
    assert Defaults.of(said).configurations == Path("/c/configurations")

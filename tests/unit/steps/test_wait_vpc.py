"""The VPC is real when what Kubernetes gave out is in the cloud, and that in the packets' way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gkelab.cloud.place import Place, record
from gkelab.cloud.rest import RestCloud
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.steps.wait_vpc import KINDS, missing, wait_vpc
from gkelab.wait import WaitError
from tests.support.recorder import Recorder
from tests.unit.steps import Object, find, inside, kubectl, make_lab, plan_of, snapshot

LINK = "zones/us-central1-a/instances/vm-a"
NODES = ("vpc-native-control-plane", "vpc-native-worker", "vpc-native-worker2")
CIDRS = ("10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26")


def state() -> Object:
    """The cloud's state that fits the recorded cluster."""
    instances = [
        {"name": name, "networkInterfaces": [{"aliasIpRanges": [{"ipCidrRange": cidr}]}]}
        for name, cidr in zip(NODES, CIDRS, strict=True)
    ]
    instances.append({"name": "vm-a", "networkInterfaces": [{"networkIP": "10.128.8.2"}]})
    rules = [{"name": f"k8s-fw-{n}", "destinationRanges": [f"203.0.113.{n}"]} for n in (1, 2)]
    rules.append({"name": "default-allow-icmp"})
    return {"generation": 9, "resources": {"instances": instances, "firewalls": rules}}


def told() -> dict[str, Object]:
    """What the containers tell then."""
    vm = {"container": "vpc-native-vm-vm-a", "state": "running"}
    isolated = {name: "veth1" for name in (*NODES, "vpc-native-vm-vm-a")}
    return {
        "router": {"generation": 9},
        "machines": {"machines": {LINK: vm}, "isolated": isolated},
        "controllers": {"clusters": {"vpc-native": {"synced": True}}},
    }


def wrong(
    change: Callable[[Object, dict[str, Object]], Any] = lambda *_: None,
    objects: list[Object] | None = None,
) -> list[str]:
    now, says = state(), told()
    change(now, says)
    return missing(plan_of(), snapshot("ready") if objects is None else objects, now, says)


def test_all_of_it_is_real() -> None:
    assert wrong() == []


def no_alias(now: Object, _: object) -> None:
    now["resources"]["instances"][1]["networkInterfaces"][0].pop("aliasIpRanges")


def other_alias(now: Object, _: object) -> None:
    (alias,) = now["resources"]["instances"][1]["networkInterfaces"][0]["aliasIpRanges"]
    alias["ipCidrRange"] = "10.0.0.192/26"


def no_instance(now: Object, _: object) -> None:
    now["resources"]["instances"].pop(1)


WORKER_HAS_NOT = "instance vpc-native-worker has not the alias range 10.0.0.64/26"
CHANGES: list[tuple[Callable[[Object, dict[str, Object]], Any], list[str]]] = [
    (no_alias, [WORKER_HAS_NOT]),
    (other_alias, [WORKER_HAS_NOT]),
    (no_instance, [WORKER_HAS_NOT]),
    (
        lambda now, _: now["resources"]["firewalls"].pop(1),
        ["no firewall rule admits anybody to 203.0.113.2, which is Service sample/whoami-external"],
    ),
    (
        lambda _, says: says["router"].update(generation=8),
        ["the router has applied generation 8 of 9"],
    ),
    (
        lambda now, _: now.update(generation=10),
        ["the router has applied generation 9 of 10"],
    ),
    (lambda _, says: says["machines"]["machines"].clear(), ["VM vm-a is not there"]),
    (
        lambda _, says: says["machines"]["machines"][LINK].update(state="exited"),
        ["VM vm-a is exited"],
    ),
    (
        lambda _, says: says["machines"]["isolated"].pop("vpc-native-worker2"),
        ["vpc-native-worker2 is not kept apart"],
    ),
    (
        lambda _, says: says["machines"]["isolated"].pop("vpc-native-vm-vm-a"),
        ["vpc-native-vm-vm-a is not kept apart"],
    ),
    (
        lambda _, says: says["controllers"].clear(),
        ["the controllers have not seen all of cluster vpc-native"],
    ),
    (
        lambda _, says: says["controllers"]["clusters"]["vpc-native"].update(synced=False),
        ["the controllers have not seen all of cluster vpc-native"],
    ),
]


@pytest.mark.parametrize(("change", "sentences"), CHANGES)
def test_what_is_missing_is_told(
    change: Callable[[Object, dict[str, Object]], Any], sentences: list[str]
) -> None:
    assert wrong(change) == sentences


def test_an_address_with_its_mask_is_the_same() -> None:
    def masked(now: Object, _: object) -> None:
        now["resources"]["firewalls"][1]["destinationRanges"] = ["203.0.113.2/32"]

    assert wrong(masked) == []


def test_a_persons_own_service_is_not_waited_for() -> None:
    objects = snapshot("ready")
    service = find(objects, "Service", "whoami-external", "sample")
    service["metadata"]["namespace"] = "mine"

    def no_rule(now: Object, _: object) -> None:
        now["resources"]["firewalls"].pop(1)

    assert wrong(no_rule, objects) == []


def ready_lab(folder: Path, run: Recorder, monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = make_lab(folder, run)
    record(lab.cloud_file, Place("http://127.0.0.1:40123", "gkelab"))
    monkeypatch.setattr(RestCloud, "state", lambda _: state())
    words = ["get", KINDS, "--all-namespaces", "--output=json"]
    kinds = ("Node", "Service")
    items = [item for item in snapshot("ready") if item["kind"] in kinds]
    run.handle(kubectl(lab, *words), json.dumps({"items": items}))
    return lab


def test_a_lab_that_is_whole_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Recorder()
    lab = ready_lab(tmp_path, run, monkeypatch)
    asked = []
    for role, about in told().items():
        asked.append(inside(f"vpc-native-{role}", "cat", "/run/gkelab/status.json"))
        run.handle(asked[-1], json.dumps(about))
    assert wait_vpc(lab) == CACHED
    assert run.argvs[1:] == asked


def test_one_that_is_not_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Recorder()
    lab = ready_lab(tmp_path, run, monkeypatch)
    for role, about in {**told(), "router": {"generation": 8}}.items():
        argv = inside(f"vpc-native-{role}", "cat", "/run/gkelab/status.json")
        run.handle(argv, json.dumps(about))
    with pytest.raises(WaitError, match=r"VPC of lab vpc-native is real.*generation 8 of 9"):
        wait_vpc(lab)

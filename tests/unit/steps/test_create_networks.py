"""The VPC's networks: made with the lab's labels, never taken from somebody else."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.steps.create_networks import create_networks
from gkelab.topology import ResolvedTopology, parse, resolve
from tests.support.recorder import Recorder
from tests.unit.steps import declared, make_lab, two_regions
from tests.unit.tools import FOREIGN_NETWORK, Raw, lists_networks, own_networks, recorded

MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"


def creates(plan: ResolvedTopology, role: str, name: str, *ranges: str) -> list[str]:
    """The command line that makes a network."""
    return [
        *("docker", "network", "create", "--driver", "bridge", *ranges),
        # What is of the lab's internet leaves the machine under no name.
        *("--opt", f"{MASQUERADE}={'false' if role == 'internet' else 'true'}"),
        *("--label", f"gkelab.lab={plan.name}", "--label", f"gkelab.role={role}"),
        *("--label", f"gkelab.plan={json.dumps(plan.to_dict(), separators=(',', ':'))}"),
        *("--label", "gkelab.images=built", f"gkelab.{plan.name}.{name}"),
    ]


def all_of(plan: ResolvedTopology) -> list[list[str]]:
    """The command lines that make the networks of a lab, in order."""
    made = [
        creates(
            *(plan, "subnet", it.name, "--subnet", str(it.primary)),
            *("--gateway", str(it.bridge_address)),
        )
        for it in plan.subnets
    ]
    outside = ("--subnet", "198.18.0.0/24", "--gateway", "198.18.0.254")
    return [
        *made,
        creates(plan, "internet", "internet", *outside),
        creates(plan, "management", "management"),
    ]


def test_a_network_a_subnet_one_outside_and_one_for_the_labs_own(
    tmp_path: Path, run: Recorder
) -> None:
    lab = make_lab(tmp_path, run, two_regions())
    lists_networks(run, [], [recorded("networks")[0], FOREIGN_NETWORK])
    made = all_of(lab.plan)
    for argv in made:
        run.handle(argv)
    assert create_networks(lab) == "4 made"
    assert run.argvs[2:] == made
    assert "10.132.0.0/20" in made[1]


def test_without_an_internet_there_is_no_network_of_it(tmp_path: Path, run: Recorder) -> None:
    plan = resolve(parse(declared() | {"internet": None}, "clusters/vpc-native.yaml"))
    lab = make_lab(tmp_path, run, plan)
    lists_networks(run, [], [])
    made = [argv for argv in all_of(plan) if "gkelab.role=internet" not in argv]
    for argv in made:
        run.handle(argv)
    assert create_networks(lab) == "2 made"


def test_the_label_holds_the_whole_plan(tmp_path: Path, run: Recorder) -> None:
    lab = make_lab(tmp_path, run)
    for argv in all_of(lab.plan):
        label = next(word for word in argv if word.startswith("gkelab.plan="))
        assert ResolvedTopology.from_dict(json.loads(label.partition("=")[2])) == lab.plan


def test_what_is_there_stays(tmp_path: Path, run: Recorder) -> None:
    lists_networks(run, [], recorded("networks"))
    assert create_networks(make_lab(tmp_path, run)) == CACHED
    assert run.times("docker", "network", "create") == 0


def test_after_an_interruption_only_what_is_missing_is_made(tmp_path: Path, run: Recorder) -> None:
    lab = make_lab(tmp_path, run, two_regions())
    first = copy.deepcopy(own_networks()[0])
    first["Name"] = "gkelab.two.us-central1"
    first["Labels"]["gkelab.lab"] = "two"
    lists_networks(run, [], [first])
    for argv in all_of(lab.plan)[1:]:
        run.handle(argv)
    assert create_networks(lab) == "3 made"
    assert run.times("docker", "network", "create") == 3


def test_the_labs_own_networks_are_refused_where_they_are_somebody_elses(
    tmp_path: Path, run: Recorder
) -> None:
    subnet, internet, management = copy.deepcopy(own_networks())
    management["Labels"] = {}
    lists_networks(run, [], [subnet, internet, management])
    with pytest.raises(LabError) as caught:
        create_networks(make_lab(tmp_path, run))
    assert str(caught.value) == (
        "The docker network gkelab.vpc-native.management (172.19.0.0/16) is not the management"
        " network of lab vpc-native. Remove it, or give the lab another name."
    )


def foreign(raw: Raw) -> None:
    raw["Labels"] = {}


def another_labs(raw: Raw) -> None:
    raw["Labels"]["gkelab.lab"] = "other"


def no_subnet(raw: Raw) -> None:
    raw["Labels"]["gkelab.role"] = "management"


def another_range(raw: Raw) -> None:
    raw["IPAM"]["Config"] = [{"Subnet": "10.129.0.0/20"}]


@pytest.mark.parametrize("change", [foreign, another_labs, no_subnet, another_range])
def test_a_network_of_that_name_that_is_not_the_labs_is_refused_and_left_alone(
    tmp_path: Path, run: Recorder, change: object
) -> None:
    taken = copy.deepcopy(own_networks()[0])
    assert callable(change)
    change(taken)
    lists_networks(run, [], [taken])
    with pytest.raises(LabError) as caught:
        create_networks(make_lab(tmp_path, run))
    shown = taken["IPAM"]["Config"][0]["Subnet"]
    assert str(caught.value) == (
        f"The docker network gkelab.vpc-native.us-central1 ({shown}) is not the subnet"
        " us-central1 (10.128.0.0/20) of lab vpc-native."
        " Remove it, or give the lab another name."
    )
    assert [argv[:3] for argv in run.argvs] == [
        ["docker", "network", "ls"],
        ["docker", "network", "inspect"],
    ]

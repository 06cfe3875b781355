"""Each check: a machine on which it is content, and the one change at which it no longer is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gkelab.errors import LabError
from gkelab.host.checks import (
    CHECKS,
    Finding,
    LabSeen,
    Level,
    Situation,
    Supply,
    addresses,
    capabilities,
    docker,
    earlier_labs,
    examine_situation,
    inotify,
    kernel,
    programs,
)
from gkelab.host.facts import GIB
from gkelab.host.prepare import Preparation
from tests.unit.host.fakes import FACTS

GOOD = Situation(
    facts=FACTS,
    docker_installed=True,
    docker_version="28.2.2",
    docker_says="",
    todo=(),
    can_prepare=True,
    topology="clusters/vpc-native.yaml",
    wanted="vpc-native",
    conflict=None,
    labs=(),
    supply=Supply("upstream", "Its registries answer.", cold=False),
)
RUNNING = LabSeen("vpc-native", running=4, stopped=0)
STOPPED = LabSeen("vpc-native", running=0, stopped=4)
BUILT = Supply("built", "No registry answers.", cold=False)
COLD = replace(BUILT, cold=True)


def situation(**changes: Any) -> Situation:
    """GOOD with changes; those that name facts change these."""
    facts = {key: changes.pop(key) for key in list(changes) if hasattr(FACTS, key)}
    return replace(GOOD, facts=replace(FACTS, **facts), **changes)


def preparation(check: str) -> Preparation:
    return Preparation(check, f"mending {check}", (f"mend {check}", "and more"), lambda: None)


def finding(check: str, seen: Situation) -> Finding:
    (found,) = (f for f in examine_situation(seen) if f.check == check)
    return found


def test_a_good_machine_has_nothing_to_remedy() -> None:
    findings = examine_situation(GOOD)
    assert {f.level for f in findings} == {"ok"}
    assert not [f for f in findings if f.remedy]
    assert len(findings) == len(CHECKS)
    assert len({f.check for f in findings}) == len(CHECKS)


@pytest.mark.parametrize(
    ("check", "change", "level", "seen"),
    [
        ("root", {"root": False}, "fail", "no, and `up` puts routes on this host"),
        ("cgroup", {"cgroup": 1}, "note", "version 1"),
        ("cores", {"cores": 1}, "note", "1"),
        ("memory", {"memory_available": 4 * GIB}, "ok", "4 GiB of 16 GiB available"),
        ("memory", {"memory_available": 4 * GIB - 1}, "note", "4 GiB of 16 GiB available"),
        ("memory", {"memory_available": 3 * GIB}, "note", "3 GiB of 16 GiB available"),
        ("memory", {"memory_available": 3 * GIB - 1}, "fail", "3 GiB of 16 GiB available"),
        ("disk", {"disk_free": 15 * GIB}, "ok", "15 GiB free"),
        ("disk", {"disk_free": 15 * GIB - 1}, "fail", "15 GiB free"),
        ("disk", {"disk_free": 12 * GIB, "supply": BUILT}, "ok", "12 GiB free"),
        ("disk", {"disk_free": 12 * GIB - 1, "supply": BUILT}, "fail", "12 GiB free"),
        ("disk", {"disk_free": 30 * GIB, "supply": COLD}, "ok", "30 GiB free"),
        ("disk", {"disk_free": 30 * GIB - 1, "supply": COLD}, "fail", "30 GiB free"),
        ("images", {"supply": BUILT}, "ok", "built (No registry answers)"),
        ("images", {"supply": COLD}, "note", "built (No registry answers)"),
        ("images", {"supply": LabError("Nothing answers", "x")}, "fail", "Nothing answers"),
    ],
)
def test_one_change(check: str, change: dict[str, Any], level: Level, seen: str) -> None:
    found = finding(check, situation(**change))
    assert (found.level, found.seen) == (level, seen)
    assert bool(found.remedy) == (level != "ok")


@pytest.mark.parametrize("change", [{"memory_available": GIB}, {"disk_free": GIB}])
def test_a_lab_that_is_here_needs_no_more_of_what_it_has(change: dict[str, Any]) -> None:
    (check,) = {"memory", "disk"} & {key.partition("_")[0] for key in change}
    assert finding(check, situation(**change)).level == "fail"
    assert finding(check, situation(labs=(RUNNING,), **change)).level == "ok"
    other = replace(RUNNING, name="small")
    assert finding(check, situation(labs=(other,), **change)).level == "fail"


def test_a_stopped_lab_has_its_disk_and_wants_its_memory() -> None:
    seen = situation(labs=(STOPPED,), memory_available=GIB, disk_free=GIB)
    assert finding("memory", seen).level == "fail"
    assert finding("disk", seen).level == "ok"


@pytest.mark.parametrize(
    ("check", "change", "seen"),
    [
        ("docker", {"docker_installed": False, "docker_version": ""}, "not installed"),
        (
            "docker",
            {"docker_version": "", "docker_says": "Client: 28\nCannot connect\n"},
            "does not answer: Cannot connect",
        ),
        ("programs", {}, "not all are installed"),
        (
            "capabilities",
            {"missing_capabilities": ("CAP_SYS_RESOURCE",)},
            "this machine cannot grant CAP_SYS_RESOURCE",
        ),
        ("inotify limits", {"inotify_instances": 128}, "128 instances, 524288 watches, too few"),
    ],
)
def test_what_up_puts_right(check: str, change: dict[str, Any], seen: str) -> None:
    change = {**change, "todo": (preparation("another"), preparation(check))}
    assert finding(check, situation(**change)) == Finding(
        check, "prepare", seen, f"`up` does it: mending {check}"
    )
    forbidden = situation(**change, can_prepare=False)
    commands = f"mend {check}\nand more"
    assert finding(check, forbidden) == Finding(check, "fail", seen, f"run:\n{commands}")
    elsewhere = situation(**change, can_prepare=False, root=False, os_id="fedora")
    assert finding(check, elsewhere).remedy == (
        f"run, as root, what these do on Debian:\n{commands}"
    )


def test_nothing_to_prepare_means_nothing_to_mend() -> None:
    others = situation(todo=(preparation("another"),), inotify_instances=128)
    assert [f.level for check in (docker, programs, inotify) for f in check(others)] == ["ok"] * 3


def test_capabilities_that_the_runtime_does_not_ask_for() -> None:
    (found,) = capabilities(situation(missing_capabilities=("CAP_SYS_RESOURCE",)))
    assert found.level == "ok"
    assert "CAP_SYS_RESOURCE" in found.seen


def test_capabilities_that_no_runtime_can_do_without() -> None:
    missing = ("CAP_NET_ADMIN", "CAP_SYS_RESOURCE")
    todo = (preparation("capabilities"),)
    (found,) = capabilities(situation(missing_capabilities=missing, todo=todo))
    assert found.level == "fail"
    assert "CAP_NET_ADMIN" in found.seen
    assert "CAP_SYS_RESOURCE" not in found.seen


def test_settings_that_cannot_be_read() -> None:
    todo = LabError("/etc/docker/daemon.json cannot be read: no", "mend it")
    (found,) = programs(situation(todo=todo))
    assert found == Finding(
        "docker's settings", "fail", "/etc/docker/daemon.json cannot be read: no", "mend it"
    )


def test_kernel_features() -> None:
    seen = situation(absent_features=("veth", "NAT"), unseen_features=("TPROXY",), btf=False)
    absent, unseen, btf = kernel(seen)
    assert (absent.level, absent.seen) == ("fail", "absent: veth, NAT")
    assert unseen.level == "note"
    assert unseen.seen.endswith("TPROXY")
    assert btf.level == "note"
    assert [f.level for f in kernel(GOOD)] == ["ok"]


def test_addresses() -> None:
    error = LabError("x.yaml: onPrem.range overlaps", "choose another")
    (found,) = addresses(situation(conflict=error))
    assert found == Finding("addresses", "fail", "x.yaml: onPrem.range overlaps", "choose another")
    (unknown,) = addresses(situation(docker_version=""))
    assert unknown.level == "note"
    (own,) = addresses(situation(labs=(STOPPED,)))
    assert own == Finding("addresses", "ok", "those of lab vpc-native, which is here")


@pytest.mark.parametrize(
    ("lab", "remedy"),
    [
        (RUNNING, "none needed: `up` keeps it, and adds what is missing"),
        (STOPPED, "none needed: `up` starts it"),
        (replace(RUNNING, stopped=1), "none needed: `up` starts it"),
        (replace(RUNNING, running=0), "none needed: `up` goes on from there"),
        (LabSeen("small", 2, 0), "none needed: it is left as it is"),
        (
            LabSeen("small", 2, 0, whole=False),
            "its networks are gone: remove its containers, which\n"
            "docker ps --all --filter label=gkelab.lab=small\nshows",
        ),
    ],
)
def test_an_earlier_lab(lab: LabSeen, remedy: str) -> None:
    seen = f"lab {lab.name}: {lab.running} containers running, {lab.stopped} stopped"
    assert earlier_labs(situation(labs=(lab,))) == [Finding("earlier lab", "note", seen, remedy)]


def test_earlier_labs_that_cannot_be_seen() -> None:
    (unknown,) = earlier_labs(situation(docker_version=""))
    assert (unknown.level, unknown.seen) == ("note", "unknown")
    (damaged,) = earlier_labs(situation(labs=LabError("The recorded topology", "run down")))
    assert (damaged.level, damaged.seen) == ("fail", "The recorded topology")

"""What the commands share: names from flags, and errors as sentences."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gkelab import commands
from gkelab.commands import own_kubeconfig, plain_errors, supplier_name, topology_file
from gkelab.errors import LabError
from gkelab.find import Found
from gkelab.graph import Timings
from gkelab.host.checks import Finding
from gkelab.lab import Lab
from gkelab.lock import hold
from gkelab.supply.choose import Choice
from gkelab.supply.pins import ROOT, SupplierName
from tests.support.recorder import Recorder
from tests.unit.host.fakes import installed
from tests.unit.steps import FakeSupplier, kubectl, make_lab, plan_of, two_regions


def test_a_topology_is_a_name_under_clusters_or_a_file() -> None:
    assert topology_file("vpc-native") == ROOT / "clusters" / "vpc-native.yaml"
    assert topology_file("mine/lab.yaml") == Path("mine/lab.yaml")
    assert topology_file("lab.yml") == Path("lab.yml")


def test_every_topology_of_the_project_has_a_name() -> None:
    for file in (ROOT / "clusters").glob("*.yaml"):
        assert topology_file(file.stem) == file
    assert topology_file(commands.DEFAULT_TOPOLOGY).exists()


@pytest.mark.parametrize("name", ["nowhere", "clusters/small", "../clusters/nowhere"])
def test_a_name_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(LabError) as caught:
        topology_file(name)
    known = ", ".join(sorted(file.stem for file in (ROOT / "clusters").glob("*.yaml")))
    assert str(caught.value) == (f"There is no topology {name}. Name a file, or one of {known}.")


@pytest.mark.parametrize("name", ["upstream", "built", None])
def test_suppliers(name: str | None) -> None:
    assert supplier_name(name) == name


@pytest.mark.parametrize("name", ["", "Built", "docker"])
def test_a_supplier_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(LabError) as caught:
        supplier_name(name)
    assert str(caught.value) == f"--images={name} names no supplier. Say upstream or built."


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        (None, "/home/me/.kube/config"),
        ("", "/home/me/.kube/config"),
        ("/a/config", "/a/config"),
        ("/a/config:/b/config", "/a/config"),
        (":/b/config", "/b/config"),  # kubectl passes over empty entries
        (":", "/home/me/.kube/config"),
    ],
)
def test_the_persons_own_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, path: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    if setting is not None:
        monkeypatch.setenv("KUBECONFIG", setting)
    assert own_kubeconfig() == Path(path)


def test_the_labs_name_is_its_files() -> None:
    assert commands.lab_name("small") == "small"


# --- labs that commands find


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A machine of this test's own: its commands, its state."""
    run = Recorder()
    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(commands, "docker_answers", lambda _: True)
    monkeypatch.setenv("GKELAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GKELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    return run


def labs(*names: str) -> list[Found]:
    return [Found(name, plan_of(), "built") for name in names]


def test_down_takes_the_named_lab_and_tells_of_those_that_stay(
    machine: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[tuple[str, list[str], Path]] = []

    def down(found: Found, *_: object, merged: Path, others: Sequence[Found]) -> None:
        taken.append((found.name, [lab.name for lab in others], merged))

    monkeypatch.setattr(commands, "find_labs", lambda _: labs("a", "b", "c"))
    monkeypatch.setattr("gkelab.down.down", down)
    commands.down("b")
    assert taken == [("b", ["a", "c"], tmp_path / "config")]
    with pytest.raises(LabError, match="There is no lab x"):
        commands.down("x")
    assert len(taken) == 1


@pytest.mark.parametrize("act", [commands.down, commands.stop, commands.find_lab])
def test_without_docker_there_is_a_sentence(
    machine: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[str | None], object],
) -> None:
    monkeypatch.setattr(commands, "docker_answers", lambda _: False)
    with pytest.raises(LabError, match="docker does not answer"):
        act(None)
    assert machine.calls == []


def test_a_second_command_is_told_who_is_at_it(machine: Recorder, tmp_path: Path) -> None:
    held = hold(tmp_path / "state", "invoke up --topology small")
    with held, pytest.raises(LabError, match=r"`invoke up --topology small` .* is changing"):
        commands.down(None)
    assert machine.calls == []


@pytest.mark.parametrize(
    "act",
    [
        lambda: commands.up("nowhere", None, True, False),
        lambda: commands.up("small", "docker", True, False),
    ],
)
def test_wrong_words_are_refused_before_anything_is_touched(
    machine: Recorder, tmp_path: Path, act: Callable[[], object]
) -> None:
    with pytest.raises(LabError, match=r"There is no topology|names no supplier"):
        act()
    assert machine.calls == []
    assert list(tmp_path.iterdir()) == []


def test_a_kubeconfig_that_nothing_can_be_added_to_is_refused_before_anything_is_touched(
    machine: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("contexts: {")
    with pytest.raises(LabError, match=r"The kubeconfig .*config cannot be read: .* Mend it"):
        commands.up("small", None, True, True)
    assert machine.calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


class Chooses:
    """Chooses a supplier, and counts how often it is asked, for which existing lab's."""

    def __init__(self) -> None:
        self.asked: list[SupplierName | None] = []

    def __call__(self, _: object, existing: SupplierName | None, *__: object) -> Choice:
        self.asked.append(existing)
        return Choice(FakeSupplier(name=existing or "built"), "The images are built here.")


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        (None, None, [None]),
        ("upstream", "upstream", ["upstream"]),
        # docker did not answer at first, so that its lab could not be seen.
        (None, "upstream", [None, "upstream"]),
    ],
)
def test_up_chooses_the_supplier_once(
    machine: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    before: SupplierName | None,
    after: SupplierName | None,
    asked: list[SupplierName | None],
) -> None:
    chooses, suppliers = Chooses(), []

    def examine(*given: Any, host_setup: bool) -> list[Finding]:
        supply = given[3](before)
        return [Finding("images", "ok", supply.reason)]

    def bring_up(lab: Lab, _: object) -> Timings:
        suppliers.append(lab.supplier.name)
        return Timings()

    found = Found("small", plan_of(), after) if after else None
    monkeypatch.setattr(commands, "choose_supplier", chooses)
    monkeypatch.setattr(commands, "examine", examine)
    monkeypatch.setattr(commands, "make_plan", lambda *_: (plan_of(), found))
    monkeypatch.setattr(commands, "prepare_host", lambda *_, **__: None)
    monkeypatch.setattr(commands, "bring_up", bring_up)
    commands.up("small", None, True, False)
    assert chooses.asked == asked
    assert suppliers == [after or "built"]


# --- words after --


@pytest.mark.parametrize(
    ("argv", "remainder", "words"),
    [
        (
            ["invoke", "gcloud", "--", "compute", "networks"],
            "compute networks",
            ["compute", "networks"],
        ),
        # What has a space in it is one word, as it was typed.
        (["inv", "gcloud", "--", "--filter=a AND b"], "--filter=a AND b", ["--filter=a AND b"]),
        (
            ["inv", "kubectl", "--", "exec", "x", "--", "ls"],
            "exec x -- ls",
            ["exec", "x", "--", "ls"],
        ),
        (["inv", "kubectl"], "", []),
        # Called from elsewhere: by its text, as a shell would take it.
        (["pytest"], "get 'a b'", ["get", "a b"]),
        (["pytest", "--", "other"], "get pods", ["get", "pods"]),
    ],
)
def test_words_as_they_were_typed(argv: list[str], remainder: str, words: list[str]) -> None:
    assert commands.words_after(remainder, argv) == words


def test_the_cloud_of_the_environment_and_of_the_lab(
    machine: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(commands, "find_labs", lambda _: labs("vpc-native"))
    endpoint, project = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", "CLOUDSDK_CORE_PROJECT"
    monkeypatch.delenv(endpoint, raising=False)
    with pytest.raises(LabError, match=r"the lab's cloud is not known here\. Run: invoke up"):
        commands.cloud_of(None)
    folder = tmp_path / "state" / "vpc-native"
    folder.mkdir(parents=True)
    (folder / "cloud.json").write_text('{"endpoint": "http://127.0.0.1:7", "project": "p"}')
    assert commands.cloud_of(None).endpoint == "http://127.0.0.1:7"
    monkeypatch.setenv(endpoint, "http://127.0.0.1:9/compute/v1/")
    monkeypatch.setenv(project, "other")
    assert commands.cloud_of("nothing").project == "other"


# --- programs that a command becomes


class BecameError(Exception):
    """Instead of becoming a program: which, and with which words."""


def became(monkeypatch: pytest.MonkeyPatch, lab: Lab, act: Callable[[], NoReturn]) -> list[str]:
    """The words of the program that the command becomes."""

    def execv(program: str, words: Sequence[str]) -> NoReturn:
        assert words[0] == program
        raise BecameError(list(words))

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(commands, "open_lab", lambda _: lab)
    with pytest.raises(BecameError) as caught:
        act()
    words: list[str] = caught.value.args[0]
    return words


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path, Recorder(), two_regions())


@pytest.mark.parametrize(("cluster", "context"), [(None, "kind-us"), ("europe", "kind-europe")])
def test_kubectl_with_the_labs_kubeconfig_and_the_clusters_context(
    monkeypatch: pytest.MonkeyPatch, lab: Lab, cluster: str | None, context: str
) -> None:
    words = ["get", "pods", "-o", "custom-columns=A B"]
    assert became(monkeypatch, lab, lambda: commands.kubectl(None, cluster, words)) == [
        *("/supply/tools/kubectl", "--kubeconfig", str(lab.kubeconfig), "--context", context),
        *words,
    ]


@pytest.mark.parametrize("act", [commands.kubectl, commands.hubble, commands.cilium])
def test_a_cluster_that_is_not_the_labs_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    lab: Lab,
    act: Callable[[str | None, str | None, Sequence[str]], NoReturn],
) -> None:
    monkeypatch.setattr(commands, "open_lab", lambda _: lab)
    with pytest.raises(LabError, match=r"There is no cluster 'x'\. The lab has us, europe"):
        act(None, "x", [])


@pytest.mark.parametrize(("words", "said"), [(["observe"], ["observe"]), ([], ["status"])])
def test_hubble_through_a_port_forward(
    monkeypatch: pytest.MonkeyPatch, lab: Lab, words: list[str], said: list[str]
) -> None:
    assert became(monkeypatch, lab, lambda: commands.hubble(None, None, words)) == [
        *("/supply/tools/hubble", *said, "--port-forward"),
        *(f"--kubeconfig={lab.kubeconfig}", "--kube-context=kind-us"),
    ]


def test_a_program_that_is_gone_from_the_cache_is_named(
    monkeypatch: pytest.MonkeyPatch, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "open_lab", lambda _: lab)
    with pytest.raises(SystemExit), plain_errors():
        commands.kubectl(None, None, ["get", "pods"])
    assert capsys.readouterr().err.startswith("gkelab: /supply/tools/kubectl is not there. Run")


def test_the_cilium_cli_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    installed(monkeypatch, "cilium")
    words = became(monkeypatch, lab, lambda: commands.cilium(None, None, ["status"]))
    where = [f"--kubeconfig={lab.kubeconfig}", "--context=kind-us"]
    assert words == ["/usr/bin/cilium", "status", *where]


def test_where_it_is_not_the_agents_own_and_a_plain_sentence(
    monkeypatch: pytest.MonkeyPatch, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(monkeypatch)
    words = became(monkeypatch, lab, lambda: commands.cilium(None, None, []))
    assert words == kubectl(
        lab,
        *("exec", "--namespace=kube-system", "daemonset/cilium", "--container=cilium-agent"),
        *("--", "cilium-dbg", "status"),
    )
    assert "the cilium CLI is not installed" in capsys.readouterr().err


# --- errors


def test_what_a_person_can_act_on_is_a_sentence_and_a_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, plain_errors():
        raise LabError("It is wrong", "make it right")
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "gkelab: It is wrong. Make it right.\n")


def test_what_the_system_refuses_is_one_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as ended, plain_errors():
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(f"gkelab: This user may not use {tmp_path}. Run it")


def test_what_nobody_can_act_on_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), plain_errors():
        raise ZeroDivisionError


def test_a_command_that_ends_well_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with plain_errors():
        pass
    assert capsys.readouterr() == ("", "")


def test_a_status_that_a_command_gives_is_its_status() -> None:
    with pytest.raises(SystemExit) as ended, plain_errors():
        raise SystemExit(3)
    assert ended.value.code == 3


def test_an_interruption_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    with plain_errors():
        raise KeyboardInterrupt
    assert codes == [130]
    assert "`invoke up` goes on from here" in capsys.readouterr().err


def test_ssh_leads_into_a_machine(machine: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of()
    raw = {
        "Id": "c1",
        "Name": "/small-worker",
        "State": {"Status": "running"},
        "Config": {"Image": "", "Labels": {"gkelab.lab": plan.name, "gkelab.role": "node"}},
        "NetworkSettings": {"Networks": {}},
        "Mounts": [],
    }
    ps = [
        "docker",
        "ps",
        "--all",
        "--no-trunc",
        "--quiet",
        "--filter",
        f"label=gkelab.lab={plan.name}",
    ]
    machine.handle(ps, "c1\n")
    machine.handle(["docker", "container", "inspect", "c1"], json.dumps([raw]))
    became: list[list[str]] = []
    monkeypatch.setattr(commands, "find_lab", lambda _: Found(plan.name, plan, "built"))
    monkeypatch.setattr(commands, "_become", became.append)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    commands.ssh(None, "small-worker", ["ip", "route"])
    assert became == [["/usr/bin/docker", "exec", "--interactive", "c1", "ip", "route"]]

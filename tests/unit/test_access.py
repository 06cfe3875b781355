"""The lab's kubeconfig must lead to the lab's own API servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gkelab.access import has_context, refuse_elsewhere
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.steps.create_cluster import adopt
from gkelab.tools.docker import Container
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab
from tests.unit.tools import Raw, recorded, stopped

NODE = "vpc-native-control-plane"
NAME = "kind-vpc-native"
OURS = "https://127.0.0.1:37439"
PUBLISHED = {"6443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "37439"}]}


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    return make_lab(tmp_path, run)


def config(server: str | None = OURS, *, cluster: str = NAME) -> dict[str, Any]:
    """A kubeconfig as kind writes it; without a server where that is None."""
    return {
        "clusters": [{"name": NAME, "cluster": {"server": server} if server else {}}],
        "contexts": [{"name": NAME, "context": {"cluster": cluster, "user": NAME}}],
        "users": [{"name": NAME, "user": {}}],
        "current-context": NAME,
    }


def write(lab: Lab, text: str) -> None:
    lab.folder.mkdir(parents=True)
    lab.kubeconfig.write_text(text)


def control_plane(bindings: Any = PUBLISHED) -> Raw:
    raw = next(raw for raw in recorded("containers") if raw["Name"] == f"/{NODE}")
    return raw | {"HostConfig": {"PortBindings": bindings}}


def container(lab: Lab, run: Recorder, raw: Raw) -> Container:
    run.handle(["docker", "container", "inspect", NODE], json.dumps([raw]))
    found = lab.docker.container(NODE)
    assert found is not None
    return found


def judge(lab: Lab, run: Recorder, raw: Raw | None = None) -> None:
    refuse_elsewhere(lab, lab.plan.clusters[0], container(lab, run, raw or control_plane()))


@pytest.mark.parametrize("change", [lambda raw: raw, stopped], ids=["running", "stopped"])
def test_the_labs_own_server_is_taken(
    lab: Lab, run: Recorder, change: Callable[[Raw], Raw]
) -> None:
    write(lab, yaml.safe_dump(config()))
    judge(lab, run, change(control_plane()))


@pytest.mark.parametrize(
    ("edited", "server"),
    [
        (config("https://10.1.2.3:6443"), "https://10.1.2.3:6443"),
        (config("https://127.0.0.1:37438"), "https://127.0.0.1:37438"),
        (config("http://127.0.0.1:37439"), "http://127.0.0.1:37439"),
        (config(None), "(none)"),  # kubectl would take localhost:8080
        (config(cluster="production"), "(none)"),
        (
            config(cluster="production")
            | {"clusters": [{"name": "production", "cluster": {"server": "https://prod.example"}}]},
            "https://prod.example",
        ),
    ],
)
def test_any_other_is_refused_by_a_sentence(
    lab: Lab, run: Recorder, edited: dict[str, Any], server: str
) -> None:
    write(lab, yaml.safe_dump(edited))
    with pytest.raises(LabError) as caught:
        judge(lab, run)
    assert str(caught.value) == (
        f"The lab's kubeconfig leads elsewhere: its context {NAME} has the server {server}, "
        f"while {NODE} is {OURS}. Remove the file, and it is made anew: {lab.kubeconfig}."
    )


@pytest.mark.parametrize(
    "text", ["clusters: [", "\x00", "- a\n- b\n", "words", "contexts: text\n", "contexts: [1]\n"]
)
def test_a_file_that_is_no_kubeconfig_is_a_sentence(lab: Lab, run: Recorder, text: str) -> None:
    write(lab, text)
    with pytest.raises(LabError, match=r"kubeconfig .* cannot be read: .*\. Mend it"):
        judge(lab, run)


@pytest.mark.parametrize("text", ["", "contexts: null\n"])
def test_one_that_does_not_know_the_cluster_leads_nowhere(
    lab: Lab, run: Recorder, text: str
) -> None:
    write(lab, text)
    judge(lab, run)
    assert not has_context(lab, lab.plan.clusters[0])


def test_without_a_kubeconfig_there_is_nothing_to_judge(lab: Lab, run: Recorder) -> None:
    judge(lab, run)
    assert not has_context(lab, lab.plan.clusters[0])


def test_every_command_that_opens_the_lab_refuses(lab: Lab, run: Recorder) -> None:
    write(lab, yaml.safe_dump(config("https://10.1.2.3:6443")))
    assert has_context(lab, lab.plan.clusters[0])
    run.handle(["docker", "container", "inspect", NODE], json.dumps([control_plane()]))
    with pytest.raises(LabError, match="leads elsewhere"):
        adopt(lab, lab.plan.clusters[0])
    assert run.argvs == [["docker", "container", "inspect", NODE]]

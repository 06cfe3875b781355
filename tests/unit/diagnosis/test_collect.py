"""A whole bundle: of a lab that is up, half up, and stopped."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

from gkelab.cloud.place import Place, record
from gkelab.cloud.rest import RestCloud
from gkelab.diagnosis.bundle import Collector
from gkelab.diagnosis.collect import Bundle, collect
from gkelab.lab import Lab, manifest
from gkelab.shell import CommandError, Result
from gkelab.timeouts import Timeouts
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab, two_regions
from tests.unit.tools import Raw, recorded, stopped, text

Says = Callable[[list[str]], tuple[int, str]]
TOKEN = "hunter22-in-a-token"
HIDDEN = "aHVudGVyMjI="
DROP = "Nov 22 01:00:01: t-x/client -> t-x/server Policy denied DROPPED (TCP Flags: SYN)\n"


class Machine:
    """A runner that answers every command; `calls` are those that were run."""

    def __init__(self, containers: Sequence[Raw], api: Says) -> None:
        self.containers, self.api = containers, api
        self.calls: list[list[str]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        input: str | IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        check: bool = True,
        log: Path | None = None,
    ) -> Result:
        assert timeout is not None, f"{argv} could last for ever"
        words = list(argv)
        self.calls.append(words)
        code, out = self._answer(words)
        result = Result(tuple(words), code, out if code == 0 else "", out)
        if code and check:
            raise CommandError(result)
        return result

    def _answer(self, words: list[str]) -> tuple[int, str]:
        if words[0] != "docker":
            return self.api(words)
        if words[1] == "ps":
            return 0, "".join(f"{raw['Id']}\n" for raw in self.containers)
        if words[1:3] == ["container", "inspect"]:
            found = [r for r in self.containers if {r["Id"], r["Name"].lstrip("/")} & set(words)]
            return (0 if found else 1), json.dumps(found)
        if words[1:3] == ["network", "ls"]:
            return 0, "n\n"
        if words[1:3] == ["network", "inspect"]:
            return 0, text("networks")
        return 0, f"{' '.join(words[3:])}\n"


def api(words: list[str]) -> tuple[int, str]:
    """An API server and programs in pods."""
    said = " ".join(words)
    if "template" in said or "generate" in said:
        secret = f"kind: Secret\ndata:\n  x: {HIDDEN}\n"
        chart = "metallb" if "metallb" in said else "cilium"
        patched = "".join(
            f"---\nkind: {kind}\nmetadata: {{name: {name}}}\n"
            for kind, _, name in (key.partition("/") for key in manifest(f"{chart}/patches.yaml"))
        )
        return 0, f"kind: ConfigMap\n---\n{secret}---\nkind: CustomResourceDefinition\n{patched}"
    if "api-resources" in said:
        return 0, "pods\nnodes\nservices\nsecrets\ndeployments.apps\n"
    if "get pods" in said and "--output=json" in said:
        metadata = {"namespace": "kube-system", "name": "cilium-a"}
        agent = {"metadata": metadata, "spec": {"nodeName": "worker", "containers": []}}
        return 0, json.dumps({"items": [agent]})
    if "--verdict=DROPPED" in said:
        return 0, DROP
    if "logs cilium-a" in said:
        return 0, f"level=info token={TOKEN}\n"
    return 0, "fine\n"


def silent(words: list[str]) -> tuple[int, str]:
    return 1, "The connection to the server was refused"


def lab_of(folder: Path, machine: Machine, *contexts: str) -> Lab:
    lab = make_lab(folder, Recorder())
    lab = replace(lab, run=machine, timeouts=Timeouts(collect=60, collect_each=9))
    (lab.folder / "logs").mkdir(parents=True)
    (lab.folder / "logs" / "kind-vpc-native.log").write_text("ERROR: failed to create cluster\n")
    (lab.folder / "timings.json").write_text("{}\n")
    config = {
        "contexts": [{"name": name} for name in contexts],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
    }
    lab.kubeconfig.write_text(yaml.safe_dump(config))
    return lab


def files(bundle: Bundle) -> dict[str, str]:
    return {
        path.relative_to(bundle.folder).as_posix(): path.read_text()
        for path in bundle.folder.rglob("*")
        if path.is_file()
    }


def test_a_lab_that_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(recorded("containers"), api)
    lab = lab_of(tmp_path, machine, "kind-vpc-native")
    record(lab.cloud_file, Place("http://127.0.0.1:40123", "gkelab"))
    monkeypatch.setattr(RestCloud, "state", lambda _: {"generation": 7})
    extra = Collector("status.txt", lambda: "✓ healthy\n")
    bundle = collect(lab, tmp_path / "report", lambda _: [extra])
    assert bundle.missing == {}
    found = files(bundle)
    assert bundle.files == len(found) > 60
    for path in (
        *("status.txt", "summary.txt", "plan.json", "timings.json", "versions.toml"),
        *("logs/kind-vpc-native.log", "manifests/cilium.vpc-native.yaml", "manifests/istio.yaml"),
        *("docker/containers.json", "containers/vpc-native-worker/sysctls.txt"),
        *("clusters/vpc-native/events.txt", "clusters/vpc-native/objects/apps.yaml"),
        *("clusters/vpc-native/cilium/worker/policy.txt", "clusters/vpc-native/troubles.txt"),
        "clusters/vpc-native/logs/kube-system/cilium-a.log",
    ):
        assert path in found, path
    assert [str(suspect) for suspect in bundle.suspects] == [
        f"clusters/vpc-native/cilium/worker/drops.txt: {DROP.strip()}",
        "logs/kind-vpc-native.log: ERROR: failed to create cluster",
    ]
    assert found["manifests/cilium.vpc-native.yaml"].startswith("kind: ConfigMap\n")
    assert found["manifests/istio.yaml"].startswith("kind: ConfigMap\n")
    assert "203.0.113.0/28" in found["manifests/pools.vpc-native.yaml"]
    assert DROP.strip() in found["summary.txt"]
    assert "what could not be collected:\n  nothing\n" in found["summary.txt"]
    with tarfile.open(bundle.archive) as tar:
        assert f"{bundle.folder.name}/summary.txt" in tar.getnames()


def test_no_secret_is_in_it_and_no_secret_is_asked_for(tmp_path: Path) -> None:
    machine = Machine(recorded("containers"), api)
    lab = lab_of(tmp_path, machine, "kind-vpc-native")
    found = files(collect(lab, tmp_path / "report"))
    assert TOKEN in lab.kubeconfig.read_text(), "the counterfactual: it was there to be found"
    assert "token=(removed)" in found["clusters/vpc-native/logs/kube-system/cilium-a.log"]
    assert not [path for path, said in found.items() if TOKEN in said or HIDDEN in said]
    assert not [path for path in found if "kubeconfig" in path]
    asked = [words for words in machine.calls if {"get", "describe"} & set(words)]
    assert asked
    assert not [words for words in asked if any(w.startswith("secret") for w in words)]


def test_a_lab_that_is_stopped(tmp_path: Path) -> None:
    machine = Machine([stopped(raw) for raw in recorded("containers")], silent)
    bundle = collect(lab_of(tmp_path, machine, "kind-vpc-native"), tmp_path)
    assert bundle.missing["clusters/vpc-native"] == (
        "vpc-native-control-plane is exited, so Kubernetes was not asked in cluster vpc-native."
    )
    found = files(bundle)
    assert "containers/vpc-native-worker/docker.log" in found
    assert found["clusters/vpc-native.error"] == bundle.missing["clusters/vpc-native"] + "\n"
    assert "is exited, so nothing was asked" in bundle.suspects[0].line
    assert bundle.missing["clusters/vpc-native"] in found["summary.txt"]
    assert not [words for words in machine.calls if "get" in words]


def test_an_api_server_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    machine = Machine(recorded("containers"), silent)
    bundle = collect(lab_of(tmp_path, machine, "kind-vpc-native"), tmp_path)
    assert "connection to the server was refused" in bundle.missing["clusters/vpc-native"]
    assert len([words for words in machine.calls if "get" in words]) == 1
    assert "containers/vpc-native-control-plane/control-plane.log" in files(bundle)


def test_a_cluster_that_kind_has_not_finished(tmp_path: Path) -> None:
    class Half(Machine):
        def _answer(self, words: list[str]) -> tuple[int, str]:
            return (1, "") if "/etc/gkelab/kind-finished" in words else super()._answer(words)

    machine = Half(recorded("containers"), silent)
    bundle = collect(lab_of(tmp_path, machine), tmp_path)
    assert bundle.missing["clusters/vpc-native"].startswith("kind has not finished cluster")
    assert "containers/vpc-native-worker/containers.txt" in files(bundle)


def test_a_kubeconfig_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    bindings = {"6443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "37439"}]}
    published = [raw | {"HostConfig": {"PortBindings": bindings}} for raw in recorded("containers")]
    machine = Machine(published, api)
    bundle = collect(lab_of(tmp_path, machine, "kind-vpc-native"), tmp_path)
    assert "leads elsewhere" in bundle.missing["clusters/vpc-native"]
    assert not [words for words in machine.calls if "get" in words]


@pytest.mark.parametrize("raws", [[], recorded("containers")[:1]])
def test_a_lab_of_which_little_is_there(tmp_path: Path, raws: list[Raw]) -> None:
    bundle = collect(lab_of(tmp_path, Machine(raws, silent)), tmp_path)
    assert "vpc-native-control-plane is not there" in bundle.missing["clusters/vpc-native"]
    assert {"plan.json", "docker/containers.json"} <= set(files(bundle))


def test_of_several_clusters_one_that_is_away_does_not_hide_the_other(tmp_path: Path) -> None:
    def node(name: str) -> Raw:
        raw: dict[str, Any] = recorded("containers")[1]
        return raw | {"Name": f"/{name}", "Id": name}

    machine = Machine([node("us-control-plane")], api)
    lab = lab_of(tmp_path, machine, "kind-us", "kind-europe")
    lab = replace(lab, plan=two_regions())
    lab.folder.mkdir()
    lab.kubeconfig.write_text(yaml.safe_dump({"contexts": [{"name": "kind-us"}]}))
    bundle = collect(lab, tmp_path)
    assert "clusters/us/events.txt" in files(bundle)
    assert "europe-control-plane is not there" in bundle.missing["clusters/europe"]


def test_an_answer_that_is_not_of_its_form_ends_nothing(tmp_path: Path) -> None:
    machine = Machine(recorded("containers"), lambda _: (0, "nonsense\n"))
    bundle = collect(lab_of(tmp_path, machine, "kind-vpc-native"), tmp_path)
    folder = "clusters/vpc-native"
    assert {f"{folder}/logs", f"{folder}/cilium", "manifests/istio.yaml"} <= set(bundle.missing)
    assert files(bundle)[f"{folder}/pods.txt"] == "nonsense\n"


def test_without_time_it_says_what_is_missing(tmp_path: Path) -> None:
    machine = Machine(recorded("containers"), api)
    lab = lab_of(tmp_path, machine, "kind-vpc-native")
    lab = replace(lab, timeouts=Timeouts(collect=0, collect_each=9))
    bundle = collect(lab, tmp_path)
    assert "was not asked: the time for collecting was over" in bundle.missing["containers"]
    assert bundle.archive.exists()
    assert machine.calls == []

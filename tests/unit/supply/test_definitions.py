"""Definitions of Kubernetes kinds, which both suppliers take from a pinned Go module."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.supply.built import Built
from gkelab.supply.pins import load_pins
from gkelab.supply.upstream import Upstream
from tests.support.recorder import Recorder
from tests.unit.supply import FixedCache, error, path_of, program, some_pins, task, touch

TASK = "definitions:kinds"


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def go(tmp_path: Path, run: Recorder, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = program(path_of(monkeypatch, tmp_path / "bin"), "go")
    run.handle([found, "env", "GOVERSION"], "go1.26.1\n")
    return found


@pytest.fixture(params=["built", "upstream"])
def supplier(request: pytest.FixtureRequest, tmp_path: Path, run: Recorder) -> Built | Upstream:
    cache = FixedCache(tmp_path / "cache")
    made: Built | Upstream = (
        Built(some_pins(), cache, run)
        if request.param == "built"
        else Upstream(some_pins(), cache, run)
    )
    return made


def module(go: Path, run: Recorder, source: Path, sum_: str = "h1:k") -> list[str]:
    argv = [str(go), "mod", "download", "-json", "example.com/kinds@v2"]
    run.handle(argv, json.dumps({"Dir": str(source), "Sum": sum_}))
    return argv


def test_a_folder_of_the_module_is_one_file_in_the_cache(
    supplier: Built | Upstream, run: Recorder, go: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    touch(source / "crds" / "b.yaml", "kind: B")
    touch(source / "crds" / "a.yaml", "kind: A\n---\nkind: AA\n")
    touch(source / "crds" / "README.md", "no YAML")
    touch(source / "other.yaml", "kind: Other")
    download = module(go, run, source)
    assert not supplier.definitions("kinds").exists()
    assert task(supplier, TASK).run() == "v2"
    text = supplier.definitions("kinds").read_text()
    kinds = [item["kind"] for item in yaml.safe_load_all(text) if item]
    assert kinds == ["A", "AA", "B"]
    assert task(supplier, TASK).run() == CACHED
    assert run.argvs == [[str(go), "env", "GOVERSION"], download]  # asked for once
    (entry,) = supplier.cache.entries()
    assert (entry.kind, entry.source) == ("definitions", "Go module example.com/kinds")


def test_what_is_cached_needs_no_go(supplier: Built | Upstream, run: Recorder) -> None:
    touch(supplier.definitions("kinds"), "kind: A")
    touch(supplier.definitions("kinds").parent / "entry.json")
    assert task(supplier, TASK).run() == CACHED
    assert run.calls == []


def test_a_module_that_is_another(
    supplier: Built | Upstream, run: Recorder, go: Path, tmp_path: Path
) -> None:
    module(go, run, tmp_path, "h1:evil")
    with pytest.raises(LabError, match=r"is not what versions\.toml pins: h1:evil, not h1:k"):
        task(supplier, TASK).run()
    assert not supplier.cache.entries()


def test_a_module_without_the_folder(
    supplier: Built | Upstream, run: Recorder, go: Path, tmp_path: Path
) -> None:
    module(go, run, tmp_path)
    with pytest.raises(LabError) as raised:
        task(supplier, TASK).run()
    assert error(raised) == (
        "The Go module example.com/kinds@v2 has no YAML in crds."
        " Check definitions.kinds in versions.toml."
    )
    assert not supplier.definitions("kinds").exists()


def test_both_suppliers_share_the_file(tmp_path: Path, run: Recorder) -> None:
    cache = FixedCache(tmp_path)
    built, upstream = Built(some_pins(), cache, run), Upstream(some_pins(), cache, run)
    assert built.definitions("kinds") == upstream.definitions("kinds")


def test_the_gateway_api_is_the_one_that_istios_module_requires() -> None:
    pin = load_pins().definitions["gateway-api"]
    folder = Path(__file__).parents[3] / "builds" / load_pins().modules["istio"].build
    assert f"\t{pin.path} {pin.version}" in (folder / "go.mod").read_text()
    assert f"{pin.path} {pin.version} {pin.sum}" in (folder / "go.sum").read_text()


def test_ciliums_kinds_are_those_of_the_cilium_that_is_built() -> None:
    pins = load_pins()
    kinds, module = pins.definitions["cilium"], pins.modules["cilium"]
    assert (kinds.path, kinds.version, kinds.sum) == (module.path, module.version, module.sum)

"""`images.prune`: what it takes, what it leaves, and what it says of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from gkelab import images
from gkelab.progress import Lines
from gkelab.supply.cache import Cache
from gkelab.supply.choose import make_supplier
from gkelab.supply.pins import SupplierName
from tests.support.recorder import Recorder
from tests.unit.supply import path_of, some_pins, touch
from tests.unit.tools import lists_containers, lists_labs

NOTHING_LEFT = "removed Go's module and build caches, 0.0 GB: only building uses them"
SOME_LEFT = (
    "kept Go's module and build caches, 0.0 GB: not everything is built yet (invoke images.build)"
)
SCRATCH = ["--filter", "label=gkelab.scratch"]
Prune = Callable[..., list[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    run = Recorder()
    monkeypatch.setattr(images, "run", run)
    lists_containers(run, ["gkelab.lab"], [])
    lists_labs(run, [])
    run.handle(["docker", "image", "ls", "--quiet", "--no-trunc", *SCRATCH], "")
    return run


@pytest.fixture
def cache(tmp_path: Path, run: Recorder, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The cache of a machine with no program on PATH, and with Go's caches in it."""
    path_of(monkeypatch, tmp_path / "bin")
    monkeypatch.setenv("GKELAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GKELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "docker_answers", lambda _: True)
    monkeypatch.setattr(images, "load_pins", some_pins)
    cache = Cache(tmp_path / "cache")
    touch(cache.root / "go" / "mod" / "example.com" / "net@v1" / "go.mod", "module net")
    touch(cache.root / "go" / "build" / "00" / "x-a", "object")
    return cache


def fill(cache: Cache, name: SupplierName) -> None:
    """Put all that a supplier gives into the cache."""
    supplier = make_supplier(name, some_pins(), cache, Recorder())
    wanted = [
        supplier.archive(image)
        for image, pin in supplier.pins.images.items()
        if name == "built" or not pin.in_node
    ]
    wanted += [supplier.tool(tool) for tool in supplier.pins.tools]
    wanted += [supplier.chart(chart) for chart in supplier.pins.charts]
    for file in wanted:
        put(cache, file.parent)
        touch(file, "whole")


def put(cache: Cache, folder: Path) -> None:
    kind, full = folder.relative_to(cache.root).parts
    name, _, key = full.rpartition("-")
    cache.make(kind, name, key, "a test", lambda work: None)


@pytest.fixture
def prune(monkeypatch: pytest.MonkeyPatch) -> Prune:
    """`images.prune`, and the lines that it says."""

    def prune(everything: bool = False) -> list[str]:
        out = io.StringIO()
        monkeypatch.setattr(images, "Lines", lambda: Lines(out))
        images.prune(everything)
        return out.getvalue().splitlines()

    return prune


@pytest.mark.parametrize("name", ["built", "upstream"])
def test_once_all_is_there_gos_caches_go_too(
    cache: Cache, prune: Prune, name: SupplierName
) -> None:
    fill(cache, name)
    before = cache.entries()
    assert prune() == ["removed 0 cached things, 0.0 GB", NOTHING_LEFT]
    assert not (cache.root / "go").exists()
    assert cache.entries() == before
    assert prune() == ["removed 0 cached things, 0.0 GB"]


@pytest.mark.parametrize("gone", ["images/net", "programs/helm", "charts/net"])
def test_while_something_is_to_be_built_they_stay(cache: Cache, prune: Prune, gone: str) -> None:
    fill(cache, "built")
    (entry,) = (entry for entry in cache.entries() if f"{entry.kind}/{entry.name}" == gone)
    cache.remove(entry)
    assert prune() == ["removed 0 cached things, 0.0 GB", SOME_LEFT]
    assert (cache.root / "go" / "mod").exists()
    assert (cache.root / "go" / "build").exists()


def test_what_is_not_current_goes_and_is_no_reason_to_keep_them(cache: Cache, prune: Prune) -> None:
    fill(cache, "built")
    put(cache, cache.path("images", "net", "0123456789ab"))
    assert prune() == ["removed 1 cached things, 0.0 GB", NOTHING_LEFT]


def test_with_all_everything_goes(cache: Cache, prune: Prune) -> None:
    put(cache, cache.path("images", "net", "0123456789ab"))
    assert prune(True) == ["removed 1 cached things, 0.0 GB", NOTHING_LEFT]
    assert cache.entries() == []
    assert not (cache.root / "go").exists()


def test_the_list_tells_of_them(
    cache: Cache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cache, "go_size", lambda _: 15e9)
    images.show("built", False)
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith(f"0.0 GB in {cache.root}, and 15.0 GB of Go's module and build caches")

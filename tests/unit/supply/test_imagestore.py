"""Image stores: the command lines that fill one, and that a failure leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.shell import CommandError
from gkelab.supply.built import Built
from gkelab.supply.imagestore import LINK, POPULATE, UNIT_TEXT, ImageStores, images_in
from gkelab.supply.upstream import Upstream
from gkelab.tools.docker import Docker
from tests.support.recorder import Recorder
from tests.unit.supply import FixedCache, docker_has, some_pins, write_archive
from tests.unit.tools import FOREIGN_CONTAINER, PS, lists_containers

NODE = "kindest/node:v1"
CTR = ["ctr", "--address=/run/store.sock", "--namespace=k8s.io"]


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def stores(tmp_path: Path, run: Recorder) -> ImageStores:
    cache = FixedCache(tmp_path)
    return ImageStores(Built(some_pins(), cache, run), cache, Docker(run), run)


def expected(stores: ImageStores, run: Recorder, *, imported: int = 0) -> list[list[str]]:
    """Expect, and return, what filling a worker's store with one image runs; `imported` is the
    import's exit code."""
    docker_has(run, NODE, None)
    docker_has(run, NODE, write_archive(stores.supplier.archive("node")))
    work = stores.cache.root / "tmp" / "worker"
    archive = stores.supplier.archive("net")
    node = stores.supplier.archive("node")
    start = ["docker", "run", "--detach", "--privileged", "--network=none"]
    start += ["--label=gkelab.fills=worker", f"--volume={work}:/store"]
    start += [f"--volume={archive}:/archives/net.tar:ro", "--entrypoint=sleep", NODE, "infinity"]
    inside = ["docker", "exec", "c1"]
    containerd = ["containerd", "--root=/store/root", "--state=/run/store"]
    argvs = [
        ["docker", "image", "inspect", NODE],
        ["docker", "load", "--quiet", "--input", str(node)],
        ["docker", "image", "inspect", NODE],
        [*PS, "--filter", "label=gkelab.fills=worker"],
        start,
        [*inside, "mkdir", "-p", "/var/lib/containerd"],
        [*inside, "cp", "-a", "/var/lib/containerd", "/store/root"],
        ["docker", "exec", "--detach", "c1", *containerd, "--address=/run/store.sock"],
        [*inside, *CTR, "version"],
        [*inside, *CTR, "images", "import", "--discard-unpacked-layers", "/archives/net.tar"],
        [*inside, "pkill", "--exact", "containerd"],
        [*inside, "pgrep", "--exact", "containerd"],
        ["docker", "exec", "--interactive", "c1", "sh", "-s"],
        ["docker", "rm", "--force", "--volumes", "c1"],
    ]
    for argv in argvs:
        if argv[:3] != ["docker", "image", "inspect"]:
            code = 1 if "pgrep" in argv else imported if "import" in argv else 0
            run.handle(argv, "c1\n" if argv is start else "", code=code, stderr="ctr: no")
    return argvs


def test_a_store_is_filled(stores: ImageStores, run: Recorder) -> None:
    argvs = expected(stores, run)
    assert not stores.filled("worker", ["net"])
    folder = stores.fill("worker", ["net"])
    assert run.argvs == argvs
    assert run.calls[-2].input == LINK
    assert folder == stores.path("worker", ["net"])
    assert stores.filled("worker", ["net"])
    assert (folder / "store.conf").read_text() == UNIT_TEXT
    assert (folder / "populate").read_text() == POPULATE
    assert (folder / "populate").stat().st_mode & 0o111
    assert images_in(folder) == {"net": stores.supplier.archive("net").parent.name}
    assert stores.fill("worker", ["net"]) == folder
    assert run.argvs == argvs


def test_what_a_killed_fill_left_running_goes_first(stores: ImageStores, run: Recorder) -> None:
    left = FOREIGN_CONTAINER | {"Config": {"Image": NODE, "Labels": {"gkelab.fills": "worker"}}}
    lists_containers(run, ["gkelab.fills=worker"], [left])
    remove = ["docker", "rm", "--force", "--volumes", left["Id"]]
    run.handle(remove)
    argvs = expected(stores, run)
    stores.fill("worker", ["net"])
    start = next(argv for argv in argvs if argv[:2] == ["docker", "run"])
    assert run.argvs.index(remove) < run.argvs.index(start)


def test_an_image_that_cannot_be_imported(stores: ImageStores, run: Recorder) -> None:
    expected(stores, run, imported=1)
    with pytest.raises(CommandError, match="ctr: no"):
        stores.fill("worker", ["net"])
    assert run.argvs[-1] == ["docker", "rm", "--force", "--volumes", "c1"]
    assert not stores.filled("worker", ["net"])
    assert not list((stores.cache.root / "tmp").iterdir())


def test_the_images_of_a_role(stores: ImageStores, tmp_path: Path) -> None:
    assert stores.wanted("worker") == ["pause", "net", "workload"]
    assert stores.wanted("control-plane") == []
    # kindest/node brings the pause image.
    upstream = Upstream(some_pins(), stores.cache, stores.run)
    pulled = ImageStores(upstream, stores.cache, stores.docker, stores.run)
    assert pulled.wanted("worker") == ["net", "workload"]
    assert pulled.path("worker", ["net"]) != stores.path("worker", ["net"])


def test_a_store_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert images_in(tmp_path / "gone") == {}


def test_a_store_of_before_they_told_it_has_images_without_an_origin(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("pause\nnet\n")
    assert images_in(tmp_path) == {"pause": "", "net": ""}


def test_a_node_image_that_was_built_anew_is_loaded_over_the_old_one(
    stores: ImageStores, run: Recorder
) -> None:
    archive = stores.supplier.archive("node")
    old, new = "sha256:" + "0" * 64, write_archive(archive)
    inspect = docker_has(run, NODE, old)
    docker_has(run, NODE, new)
    load = ["docker", "load", "--quiet", "--input", str(archive)]
    run.handle(load)
    assert stores.node_image() == NODE
    assert run.argvs == [inspect, load, inspect]
    assert stores.node_image() == NODE
    assert run.argvs[3:] == [inspect]

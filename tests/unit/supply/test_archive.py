"""Image archives: their ids, and when docker is given one."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.supply.archive import give_docker, image_ids, origin
from gkelab.supply.built import Built
from gkelab.supply.cache import Cache
from gkelab.supply.choose import make_supplier
from gkelab.supply.pins import SupplierName
from gkelab.tools.docker import Docker
from tests.support.recorder import Recorder
from tests.unit.supply import DIGEST, docker_has, error, some_pins, write_archive

NODE = "kindest/node:v1"
OLD = "sha256:" + "0" * 64
CONFIG = "sha256:" + hashlib.sha256(b"one").hexdigest()


def test_an_archives_id_is_that_of_its_configuration(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    assert write_archive(archive) == CONFIG
    assert image_ids(archive) == {CONFIG}
    write_archive(archive, "two")
    assert image_ids(archive) != {CONFIG}


def test_or_of_its_manifest_where_it_has_one(tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "image.tar", oci=True)
    assert image_ids(tmp_path / "image.tar") == {manifest, CONFIG}
    assert manifest != CONFIG


def test_layers_are_not_read(tmp_path: Path) -> None:
    """16 GiB of them, in a file that has only a hole there."""
    archive = tmp_path / "image.tar"
    write_archive(archive)
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        raw, size = manifest.read(), 1 << 34
    member = tarfile.TarInfo("layer.tar")
    member.size = size
    with archive.open("wb") as out:
        out.write(member.tobuf(tarfile.GNU_FORMAT))
        out.seek(size, 1)
        table = tarfile.TarInfo("manifest.json")
        table.size = len(raw)
        out.write(table.tobuf() + raw.ljust(1024, b"\0") + b"\0" * 1024)
    assert image_ids(archive) == {CONFIG}


@pytest.mark.parametrize("content", [b"", b"half", b"\0" * 4096])
def test_what_is_no_archive_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "net-0123" / "image.tar"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(LabError) as raised:
        image_ids(archive)
    assert error(raised).startswith(f"The image archive {archive} is broken: ")
    assert error(raised).endswith(f"Remove its folder {archive.parent}, and it is made anew.")


def test_an_archive_that_is_cut_off_is_a_sentence(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    write_archive(archive)
    archive.write_bytes(archive.read_bytes()[:700])
    with pytest.raises(LabError, match="is broken"):
        image_ids(archive)


def test_its_origin_is_its_entry(tmp_path: Path) -> None:
    built = Built(some_pins(), Cache(tmp_path), Recorder())
    assert origin(built.archive("net")) == f"net-{built.images.key('net')}"


# --- to docker


@pytest.mark.parametrize("name", ["built", "upstream"])
@pytest.mark.parametrize(
    ("had", "digests", "loads"),
    [
        (None, (), True),
        (CONFIG, (), False),
        (OLD, (), True),
        (OLD, ("sha256:" + "cd" * 32,), True),
        (OLD, (DIGEST,), "built"),  # the pinned one: what is pulled, and not what is built
    ],
)
def test_docker_gets_what_it_has_not(
    tmp_path: Path,
    name: SupplierName,
    had: str | None,
    digests: tuple[str, ...],
    loads: bool | str,
) -> None:
    run = Recorder()
    supplier = make_supplier(name, some_pins(), Cache(tmp_path), run)
    write_archive(supplier.archive("node"))
    inspect = docker_has(run, NODE, had, *digests)
    docker_has(run, NODE, CONFIG)
    load = ["docker", "load", "--quiet", "--input", str(supplier.archive("node"))]
    run.handle(load)
    ids = give_docker(Docker(run), supplier, "node")
    loaded = loads is True or loads == name
    assert run.argvs == ([inspect, load, inspect] if loaded else [inspect])
    assert ids == ({CONFIG} if loaded or had == CONFIG else {CONFIG, OLD})


def test_the_id_that_docker_gives_is_taken_though_the_archive_tells_another(
    tmp_path: Path,
) -> None:
    run = Recorder()
    supplier = Built(some_pins(), Cache(tmp_path), run)
    write_archive(supplier.archive("node"))
    docker_has(run, NODE, None)
    docker_has(run, NODE, OLD)
    run.handle(["docker", "load", "--quiet", "--input", supplier.archive("node")])
    assert give_docker(Docker(run), supplier, "node") == {CONFIG, OLD}

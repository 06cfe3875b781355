"""Python packages of an image: a part of the lock, fetched by pip for the image's Python."""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from gkelab.errors import LabError
from gkelab.shell import CommandError
from gkelab.supply.pins import ROOT, load_pins
from gkelab.supply.python import LOCK, PythonPackages, locked
from tests.support.recorder import Recorder
from tests.unit.supply import FixedCache, touch

TEXT = """\
one==1.2 ; sys_platform != 'win32' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
two-three==4 \\
    --hash=sha256:cc
"""


def packages(folder: Path, *names: str) -> PythonPackages:
    touch(folder / "requirements.lock", TEXT)
    return PythonPackages("3.13", names, folder / "requirements.lock")


def test_a_lock_is_taken_apart_and_together_again() -> None:
    assert set(locked(TEXT)) == {"one", "two-three"}
    assert locked(TEXT)["two-three"] == "two-three==4 \\\n    --hash=sha256:cc\n"
    assert "".join(locked(LOCK.read_text()).values()) == LOCK.read_text()


def test_only_what_is_named_counts(tmp_path: Path) -> None:
    one = packages(tmp_path, "one")
    assert one.requirements.startswith("one==1.2 ; sys_platform")
    assert "two-three" not in one.requirements
    key = one.key
    (tmp_path / "requirements.lock").write_text(TEXT.replace("two-three==4", "two-three==5"))
    assert one.key == key
    (tmp_path / "requirements.lock").write_text(TEXT.replace("sha256:bb", "sha256:dd"))
    assert one.key != key
    with pytest.raises(LabError, match=r"requirements\.lock does not pin other"):
        _ = PythonPackages("3.13", ["other"], tmp_path / "requirements.lock").key


def fetching(cache: FixedCache) -> list[str]:
    """The command that fetches packages."""
    work, machine = cache.root / "tmp" / "packages", platform.machine()
    return [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
        *("--require-hashes", "--only-binary=:all:", "--implementation=cp"),
        *("--python-version=3.13", f"--platform=manylinux2014_{machine}"),
        *(f"--platform=manylinux_2_17_{machine}", f"--platform=manylinux_2_28_{machine}"),
        *(f"--target={work / 'python'}", f"--requirement={work / 'requirements.txt'}"),
    ]


def test_this_machines_pip_fetches_them_once_for_the_images_python(tmp_path: Path) -> None:
    run, cache = Recorder(), FixedCache(tmp_path / "cache")
    wanted = packages(tmp_path, "one", "two-three")
    place = cache.root / "tmp" / "packages" / "python"
    run.handle(fetching(cache), does=lambda: touch(place / "one.py"))
    folder = wanted.fetch(cache, run)
    assert (folder / "one.py").exists()
    assert (folder.parent / "requirements.txt").read_text() == TEXT
    assert wanted.fetch(cache, run) == folder
    assert run.argvs == [fetching(cache)]


def test_what_pip_refuses_leaves_nothing(tmp_path: Path) -> None:
    run, cache = Recorder(), FixedCache(tmp_path / "cache")
    run.handle(fetching(cache), code=1, stderr="THESE PACKAGES DO NOT MATCH THE HASHES")
    with pytest.raises(CommandError, match="DO NOT MATCH"):
        packages(tmp_path, "one").fetch(cache, run)
    assert cache.leftovers() == []


def name_of(text: str) -> str:
    return re.sub(r"[-_.]+", "-", Requirement(text).name).lower()


def closure(requirements: list[str], python: str) -> set[str]:
    """All that these need, by what is installed here says of itself."""
    found: set[tuple[str, str]] = set()
    todo = [(text, "") for text in requirements]
    while todo:
        text, extra = todo.pop()
        wanted = Requirement(text)
        about = {"extra": extra, "python_version": python, "python_full_version": f"{python}.0"}
        if wanted.marker and not wanted.marker.evaluate(about):
            continue
        for one in sorted(wanted.extras) or [""]:
            if (name_of(text), one) not in found:
                found.add((name_of(text), one))
                todo += [(each, one) for each in metadata.requires(name_of(text)) or []]
    return {name for name, _ in found}


def test_the_cloud_has_all_that_its_group_of_pyproject_comes_to() -> None:
    """The counterfactual: without one of them the lists differ."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    pins = load_pins()
    named = set(pins.images["cloud"].python)
    assert named == closure(groups["cloud"], pins.debian.python)
    assert named - {"uvicorn"} != closure(groups["cloud"], pins.debian.python)


def test_every_pinned_package_is_in_the_lock() -> None:
    for pin in load_pins().images.values():
        assert set(pin.python) <= set(locked(LOCK.read_text()))

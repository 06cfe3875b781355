"""What of gkelab goes into an image: enough to run there, and counted by its content."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gkelab.shell import run
from gkelab.supply import imagebuild
from gkelab.supply.cache import Cache
from gkelab.supply.imagebuild import ImageBuilder
from gkelab.supply.pins import load_pins
from tests.unit.supply import some_pins

ROUTER = load_pins().images["router"]


def test_the_routers_agent_runs_from_what_its_image_has(tmp_path: Path) -> None:
    """Without this environment's packages: the image has Python's library alone."""
    imagebuild._package(ROUTER, tmp_path)
    code = f"import sys, runpy; sys.path.insert(0, {str(tmp_path / 'package')!r}); "
    code += (
        "sys.argv[1:] = ['--help']; runpy.run_module('gkelab.cloud.router', run_name='__main__')"
    )
    argv = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "--internet-range" in done.stdout


def test_another_package_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagebuild, "PACKAGE", tmp_path)

    def key(*package: str) -> str:
        pins = some_pins()
        pin = pins.images["workload"].model_copy(update={"package": package})
        changed = pins.model_copy(update={"images": {**pins.images, "workload": pin}})
        return ImageBuilder(changed, Cache(tmp_path), run, "built", "gkelab/base:x").key("workload")

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "c.py").write_text("1\n")
    without, before = key(), key("a")
    (tmp_path / "a" / "c.py").write_text("2\n")
    assert len({without, before, key("a")}) == 3

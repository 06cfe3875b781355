"""Where things are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.paths import Paths, default_paths

VARIABLES = ("GKELAB_CACHE", "GKELAB_STATE", "XDG_CACHE_HOME", "XDG_STATE_HOME")


@pytest.mark.parametrize(
    ("environment", "cache", "state"),
    [
        ({}, "/home/me/.cache/gkelab", "/home/me/.local/state/gkelab"),
        (
            {"XDG_CACHE_HOME": "/x/cache", "XDG_STATE_HOME": "/x/state"},
            "/x/cache/gkelab",
            "/x/state/gkelab",
        ),
        (
            {"GKELAB_CACHE": "/big/disk", "XDG_CACHE_HOME": "/x/cache", "XDG_STATE_HOME": ""},
            "/big/disk",
            "/home/me/.local/state/gkelab",
        ),
        ({"GKELAB_STATE": "/other"}, "/home/me/.cache/gkelab", "/other"),
    ],
)
def test_the_labs_own_variables_then_xdgs_then_home(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], cache: str, state: str
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_paths() == Paths(Path(cache), Path(state))


def test_a_lab_has_a_folder_of_its_own() -> None:
    assert Paths(Path("/c"), Path("/s")).lab("small") == Path("/s/small")

"""Where the lab keeps what outlives a command: the build cache and its own state."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """`cache`: what can be made again (builds, images, tools). `state`: kubeconfigs, timings."""

    cache: Path
    state: Path

    def lab(self, name: str) -> Path:
        """The folder of one lab's state."""
        return self.state / name


def default_paths() -> Paths:
    """GKELAB_CACHE and GKELAB_STATE, else the XDG base directories."""
    home = Path.home()
    cache = os.environ.get("GKELAB_CACHE")
    state = os.environ.get("GKELAB_STATE")
    xdg_cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    xdg_state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return Paths(
        cache=Path(cache) if cache else xdg_cache / "gkelab",
        state=Path(state) if state else xdg_state / "gkelab",
    )

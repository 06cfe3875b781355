"""Kubeconfigs as data: the lab's own, and its entries in the person's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gkelab.errors import LabError
from gkelab.files import write_whole

PARTS = ("clusters", "contexts", "users")


def read(path: Path) -> dict[str, Any]:
    """A kubeconfig; an empty one where there is none. Raises LabError for what is none."""
    try:
        loaded = yaml.safe_load(path.read_text()) if path.exists() else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as bad:
        raise _unreadable(path, " ".join(str(bad).split())) from bad
    config = {} if loaded is None else loaded
    if not isinstance(config, dict):
        raise _unreadable(path, "it holds no mapping")
    for part in PARTS:
        items = config.get(part) or []
        if not isinstance(items, list) or not all(
            isinstance(item, dict) and "name" in item for item in items
        ):
            raise _unreadable(path, f"its {part} are no list of things with names")
    return config


def merge_kubeconfig(own: Path, merged: Path) -> list[str]:
    """Add the lab's entries to the person's own kubeconfig; returns the contexts added."""
    mine = read(own)
    theirs = read(merged)
    for part in PARTS:
        names = {item["name"] for item in mine[part]}
        kept = [item for item in theirs.get(part) or [] if item["name"] not in names]
        theirs[part] = kept + mine[part]
    theirs.setdefault("apiVersion", "v1")
    theirs.setdefault("kind", "Config")
    theirs.setdefault("preferences", {})
    theirs["current-context"] = mine["current-context"]
    _write(merged, theirs)
    return [item["name"] for item in mine["contexts"]]


def remove_from_kubeconfig(merged: Path, contexts: Sequence[str]) -> None:
    """Take the lab's entries (kind gives all three parts the context's name) out of a
    kubeconfig, if they are in it."""
    theirs = read(merged)
    if not any(item["name"] in contexts for part in PARTS for item in theirs.get(part) or []):
        return
    for part in PARTS:
        theirs[part] = [item for item in theirs.get(part) or [] if item["name"] not in contexts]
    if theirs.get("current-context") in contexts:
        theirs["current-context"] = ""
    _write(merged, theirs)


def discard_broken(own: Path) -> None:
    """Remove the lab's own kubeconfig if it cannot be read: kind writes it anew, for the cluster
    has all that is in it, and adds to none that is broken."""
    try:
        read(own)
    except LabError:
        own.unlink()


def _write(path: Path, config: dict[str, Any]) -> None:
    write_whole(path, yaml.safe_dump(config, sort_keys=False), mode=0o600)


def _unreadable(path: Path, why: str) -> LabError:
    return LabError(f"The kubeconfig {path} cannot be read: {why}", "mend it, or move it away")

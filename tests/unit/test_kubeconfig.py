"""The person's own kubeconfig: the lab's entries come and go, all others stay as they are."""

from __future__ import annotations

import copy
import errno
from pathlib import Path
from typing import Any

import pytest
import yaml

from gkelab.errors import LabError
from gkelab.kubeconfig import discard_broken, merge_kubeconfig, remove_from_kubeconfig

Config = dict[str, Any]
PARTS = ("clusters", "contexts", "users")


def entries(name: str, server: str) -> Config:
    return {
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"token": "secret"}}],
    }


LAB: Config = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "kind-one",
    **entries("kind-one", "https://127.0.0.1:43303"),
}
PROD: Config = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "prod",
    "preferences": {"colors": True},
    "extensions": [{"name": "mine"}],
    **entries("prod", "https://prod.example"),
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write(tmp_path / "lab" / "kubeconfig", LAB)


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    return tmp_path / ".kube" / "config"


def write(path: Path, config: Config) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return path


def read(path: Path) -> Config:
    loaded: Config = yaml.safe_load(path.read_text())
    return loaded


def test_entries_are_added_behind_the_persons_own(own: Path, merged: Path) -> None:
    write(merged, PROD)
    assert merge_kubeconfig(own, merged) == ["kind-one"]
    after = read(merged)
    for part in PARTS:
        assert after[part] == PROD[part] + LAB[part]
    assert after["current-context"] == "kind-one"
    assert after["preferences"] == {"colors": True}
    assert after["extensions"] == [{"name": "mine"}]
    assert read(own) == LAB


@pytest.mark.parametrize("text", [None, "", "apiVersion: v1\nkind: Config\nclusters: null\n"])
def test_a_kubeconfig_that_is_missing_or_empty_is_made(
    own: Path, merged: Path, text: str | None
) -> None:
    if text is not None:
        merged.parent.mkdir(parents=True)
        merged.write_text(text)
    merge_kubeconfig(own, merged)
    assert read(merged) == LAB | {"preferences": {}}


def test_a_second_merge_replaces_the_first(own: Path, merged: Path) -> None:
    write(merged, PROD)
    merge_kubeconfig(own, merged)
    newer = copy.deepcopy(LAB) | entries("kind-one", "https://127.0.0.1:50000")
    write(own, newer)
    merge_kubeconfig(own, merged)
    assert read(merged)["clusters"] == PROD["clusters"] + newer["clusters"]
    assert len(read(merged)["users"]) == 2


def test_nobody_else_can_read_what_is_written(own: Path, merged: Path) -> None:
    merge_kubeconfig(own, merged)
    assert merged.stat().st_mode & 0o077 == 0
    assert [path.name for path in merged.parent.iterdir()] == ["config"]


def test_removal_undoes_a_merge(own: Path, merged: Path) -> None:
    write(merged, PROD)
    merge_kubeconfig(own, merged)
    remove_from_kubeconfig(merged, ["kind-one"])
    assert read(merged) == PROD | {"current-context": ""}


def test_the_persons_current_context_stays(own: Path, merged: Path) -> None:
    write(merged, PROD)
    merge_kubeconfig(own, merged)
    write(merged, read(merged) | {"current-context": "prod"})
    remove_from_kubeconfig(merged, ["kind-one"])
    assert read(merged) == PROD


def test_only_the_named_contexts_go(own: Path, merged: Path) -> None:
    write(merged, PROD)
    merge_kubeconfig(own, merged)
    merge_kubeconfig(write(own, LAB | entries("kind-one-more", "https://x")), merged)
    remove_from_kubeconfig(merged, ["kind-one"])
    assert [item["name"] for item in read(merged)["users"]] == ["prod", "kind-one-more"]


def test_what_has_nothing_of_the_lab_is_not_even_written(merged: Path) -> None:
    merged.parent.mkdir(parents=True)
    text = "# by hand\ncontexts:\n    - {name: prod, context: {cluster: prod}}\n"
    merged.write_text(text)
    before = merged.stat()
    remove_from_kubeconfig(merged, ["kind-one"])
    assert merged.read_text() == text
    assert merged.stat().st_ino == before.st_ino


def test_without_a_kubeconfig_none_is_made(merged: Path) -> None:
    remove_from_kubeconfig(merged, ["kind-one"])
    assert not merged.exists()


BROKEN = {
    "contexts: {": "while parsing a flow node",
    "just words": "it holds no mapping",
    "- a list": "it holds no mapping",
    "users: {name: x}": "its users are no list of things with names",
    "contexts: [prod]": "its contexts are no list of things with names",
    "clusters: [{cluster: x}]": "its clusters are no list of things with names",
}


@pytest.mark.parametrize("text", BROKEN)
def test_one_that_is_broken_is_named_and_left_as_it_is(own: Path, merged: Path, text: str) -> None:
    merged.parent.mkdir(parents=True)
    merged.write_text(text)
    for act in (
        lambda: merge_kubeconfig(own, merged),
        lambda: remove_from_kubeconfig(merged, ["kind-one"]),
    ):
        with pytest.raises(LabError) as caught:
            act()
        assert caught.value.message.startswith(f"The kubeconfig {merged} cannot be read: ")
        assert BROKEN[text] in caught.value.message
        assert caught.value.remedy == "mend it, or move it away"
    assert merged.read_text() == text


def test_one_that_is_no_text_or_no_file_is_named(own: Path, merged: Path) -> None:
    merged.parent.mkdir(parents=True)
    merged.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabError, match="cannot be read: 'utf-8' codec"):
        merge_kubeconfig(own, merged)
    merged.unlink()
    merged.mkdir()
    with pytest.raises(LabError, match=r"cannot be read: .*Is a directory"):
        merge_kubeconfig(own, merged)


def test_a_full_disk_leaves_it_as_it_was(
    own: Path, merged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(merged, PROD)
    before = merged.read_text()

    def full(path: Path, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError) as caught:
        merge_kubeconfig(own, merged)
    assert caught.value.filename == str(merged)
    assert merged.read_text() == before
    assert [path.name for path in merged.parent.iterdir()] == ["config"]


def test_a_linked_one_stays_a_link(own: Path, merged: Path, tmp_path: Path) -> None:
    real = write(tmp_path / "dotfiles" / "config", PROD)
    merged.parent.mkdir(parents=True)
    merged.symlink_to(real)
    merge_kubeconfig(own, merged)
    assert merged.is_symlink()
    assert len(read(real)["contexts"]) == 2


def test_the_labs_own_is_discarded_if_it_is_broken(own: Path) -> None:
    """kind adds to what is there, and gives up on what it cannot read."""
    discard_broken(own)
    assert read(own) == LAB
    own.write_text("contexts: {")
    discard_broken(own)
    assert not own.exists()
    discard_broken(own)


def test_an_entry_left_alone_by_an_interruption_goes_too(merged: Path) -> None:
    write(merged, PROD | {"users": [*PROD["users"], *LAB["users"]]})
    remove_from_kubeconfig(merged, ["kind-one"])
    assert read(merged) == PROD

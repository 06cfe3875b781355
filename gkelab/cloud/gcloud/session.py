"""What a command works with: the cloud, the places that are meant, what is told beside the
answer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gkelab.cloud.client import Body, Cloud
from gkelab.errors import LabError

LINK = "https://www.googleapis.com/compute/v1/projects"


@dataclass(frozen=True)
class Group:
    """A kind of resource as gcloud has it: its words, where it is, what its list shows, the
    public projects whose own are listed beside the project's, and the fields by which its list
    has flags."""

    words: str
    collection: str
    sorts: tuple[str, ...]
    table: str
    public: tuple[str, ...] = ()
    by: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        """One of them, for a sentence."""
        return self.words.split()[-1].rstrip("s")


@dataclass(frozen=True)
class Answer:
    """What a command shows: resources, and the format unless --format says another. `listed`
    are those that the flags for lists have chosen already."""

    resources: Any = ()
    format: str = "none"
    listed: bool = False


@dataclass(frozen=True)
class Session:
    """A command's surroundings: the cloud, the region and zone that are usual, whether it waits
    for what it begins, and the lines to tell (on standard error)."""

    cloud: Cloud
    region: str = ""
    zone: str = ""
    asynchronous: bool = False
    told: list[str] = field(default_factory=list)

    def tell(self, line: str) -> None:
        """Say something beside the answer."""
        self.told.append(line)

    def link(self, collection: str, scope: str, name: str) -> str:
        """A resource's self link."""
        parts = (LINK, self.cloud.project, scope, collection, name)
        return "/".join(part for part in parts if part)

    def new_scope(self, group: Group, args: argparse.Namespace, name: str) -> str:
        """Where a new resource is to be. LabError when no place is said."""
        return self._said(group, args) or self._usual(group, args) or _underspecified(group, name)

    def scope(self, group: Group, args: argparse.Namespace, name: str) -> str:
        """Where a resource is: as said, as usual, or where there is one of that name."""
        said = self._said(group, args)
        if said:
            return said
        usual = self._usual(group, args)
        if usual and self.cloud.find(group.collection, usual, name):
            return usual
        found = [
            scope_of(body)
            for body in self.cloud.list_all(group.collection, f'name = "{name}"')
            if scope_of(body).partition("/")[0] in group.sorts
        ]
        if len(found) > 1:
            return _underspecified(group, name)
        return found[0] if found else usual or _underspecified(group, name)

    def _said(self, group: Group, args: argparse.Namespace) -> str:
        if group.sorts in (("global",), ("",)):
            return group.sorts[0]
        for sort in group.sorts:
            word = sort.removesuffix("s")
            value = getattr(args, "global_" if sort == "global" else word, None)
            if value:
                return "global" if sort == "global" else f"{sort}/{value.rpartition('/')[2]}"
        return ""

    def _usual(self, group: Group, args: argparse.Namespace) -> str:
        if "regions" in group.sorts and self.region:
            return f"regions/{self.region}"
        return f"zones/{self.zone}" if "zones" in group.sorts and self.zone else ""

    def current(self, group: Group, args: argparse.Namespace) -> tuple[str, Body]:
        """The scope and the state of the resource that the arguments name."""
        scope = self.scope(group, args, args.name)
        if (group.sorts, scope) == (("",), ""):
            return scope, self.cloud.get(group.collection, "", args.name)
        return scope, self.cloud.get(group.collection, scope, args.name)


def scope_of(body: Body) -> str:
    """A resource's scope, by its self link."""
    parts: Sequence[str] = str(body["selfLink"]).partition("/projects/")[2].split("/")
    return parts[1] if parts[1] == "global" else "/".join(parts[1:3]) if len(parts) > 3 else ""


def _underspecified(group: Group, name: str) -> str:
    words = " or ".join(
        f"--{sort.removesuffix('s')}" for sort in group.sorts if sort not in ("global", "")
    )
    also = " or --global" if "global" in group.sorts else ""
    raise LabError(f"Underspecified resource [{name}]. Specify the [{words}{also}] flag")

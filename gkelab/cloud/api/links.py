"""Where resources are: names within scopes, and the links by which Compute tells of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

BASE = "https://www.googleapis.com/compute/v1/"
GLOBAL = "global"
PROJECTS = "projects"
# Compute's own, as its errors spell it.
NAME = r"(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"

_HOST = re.compile(r"https?://[^/]+(?:/compute)?/(?:v1|beta|alpha)/")
_PATH = re.compile(
    r"(?:projects/(?P<project>[^/]+)/)?"
    r"(?:(?P<scope>global|regions/[^/]+|zones/[^/]+)/)?"
    r"(?P<collection>[a-zA-Z]+)/(?P<name>[^/]+)"
)


@dataclass(frozen=True, order=True)
class Ref:
    """A resource's place. `scope` is global, regions/REGION, zones/ZONE, or empty for regions
    and zones themselves, and for the project."""

    collection: str
    scope: str
    name: str

    def path(self, project: str) -> str:
        """The path from projects/ on."""
        if self.collection == PROJECTS:
            return f"{PROJECTS}/{self.name}"
        return "/".join(
            part for part in ("projects", project, self.scope, self.collection, self.name) if part
        )

    def link(self, project: str) -> str:
        """The whole link, as a resource's selfLink."""
        return BASE + self.path(project)

    @classmethod
    def parse(cls, text: str) -> tuple[str | None, Self] | None:
        """The project that a link names (None in a partial one) and the place; None if the text
        is no link: a bare name is none."""
        found = _PATH.fullmatch(_HOST.sub("", text, count=1))
        if found is None:
            return None
        scope, collection = found["scope"] or "", found["collection"]
        if bool(scope) == (collection in ("regions", "zones")):
            return None
        return found["project"], cls(collection, scope, found["name"])


def region_of(zone: str) -> str:
    """The region that a zone is in."""
    return zone.rpartition("-")[0]


def scope_link(scope: str, project: str) -> str:
    """The link of a region or a zone, by its scope."""
    return f"{BASE}projects/{project}/{scope}"


def last(link: str) -> str:
    """The name at the end of a link."""
    return link.rpartition("/")[2]


def relative(link: str) -> str:
    """A self link from projects/ on."""
    return link.removeprefix(BASE)

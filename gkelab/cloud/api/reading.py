"""What requests read: resources by name, lists of a scope or of all, the state as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from gkelab.cloud.api import errors, operations
from gkelab.cloud.api.fields import Body, check
from gkelab.cloud.api.kinds import KINDS, STORED, Kind, images, places, projects
from gkelab.cloud.api.kinds.base import Query
from gkelab.cloud.api.links import BASE, GLOBAL, Ref
from gkelab.cloud.api.listing import Item, Paging, aggregated, listed, page
from gkelab.cloud.api.store import Store

PATH_NAME = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?|[1-9][0-9]{0,19}"


class Reader:
    """The cloud of one project, to be read. Every method answers a body, or raises
    ComputeError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.project = store.project
        about = projects.body(self.project, store.created)
        self.number = str(about["id"])
        self._fixed = {
            **places.fixed(self.project, store.created),
            projects.KIND.collection: {projects.place(self.project): about},
        }
        self._created = str(about["creationTimestamp"])

    @property
    def generation(self) -> int:
        """A number that every write makes higher, and a new database too."""
        return self._store.generation

    def state(self) -> Body:
        """Everything, as of one generation: for what makes it real."""
        resources = {
            kind.collection: [body for _, body in sorted(self._items(kind), key=lambda i: i[0])]
            for kind in STORED
        }
        return {"project": self.project, "generation": self.generation, "resources": resources}

    def get(self, kind: Kind, ref: Ref) -> Body:
        """The resource."""
        return kind.show(self._store, self._found(kind, ref)[1])

    def list_of(self, kind: Kind, scope: str, query: Query) -> Body:
        """The resources of a scope."""
        path = "/".join(p for p in ("projects", self.project, scope, kind.collection) if p)
        items, token = page(self._items(kind, scope), Paging.of(query), kind.message.names)
        return listed(kind.noun, path, items, token)

    def aggregated(self, kind: Kind, query: Query) -> Body:
        """The resources of all scopes, scope by scope."""
        path = f"projects/{self.project}/aggregated/{kind.collection}"
        found = page(self._items(kind), Paging.of(query), kind.message.names)
        return aggregated(kind.noun, kind.collection, path, _scopes(kind.scopes), found)

    def ask(self, name: str, kind: Kind, ref: Ref, raw: Any, query: Query) -> Body:
        """Answer a question about a resource."""
        question = kind.questions[name]
        ref, body = self._found(kind, ref)
        said = check({} if raw is None else raw, question.message, "resource")
        return question.run(self._store, ref, body, said, query)

    def usable(self, query: Query) -> Body:
        """subnetworks.listUsable: the subnets of all regions, in a shape of their own."""
        kind = KINDS["subnetworks"]
        items, token = page(self._items(kind), Paging.of(query), kind.message.names)
        same = ("network", "ipCidrRange", "secondaryIpRanges", "purpose", "stackType")
        bodies = [
            {"subnetwork": body["selfLink"], **{key: body[key] for key in same if key in body}}
            for _, body in items
        ]
        path = f"projects/{self.project}/aggregated/subnetworks/listUsable"
        return {
            "kind": "compute#usableSubnetworksAggregatedList",
            "id": path,
            **({"items": bodies} if bodies else {}),
            **({"nextPageToken": token} if token else {}),
            "selfLink": BASE + path,
        }

    def images(self, project: str, query: Query) -> Body:
        """images.list of that project, which need not be the cloud's own."""
        kind = images.KIND
        items, token = page(self._images(project), Paging.of(query), kind.message.names)
        path = f"projects/{project}/{GLOBAL}/{kind.collection}"
        return listed(kind.noun, path, items, token)

    def image(self, project: str, name: str) -> Body:
        """images.get, by name or number."""
        return self._image(project, name, lambda image: name in (image["name"], image["id"]))

    def newest(self, project: str, family: str) -> Body:
        """images.getFromFamily."""
        return self._image(project, f"family/{family}", lambda image: image["family"] == family)

    def _image(self, project: str, name: str, meant: Callable[[Body], bool]) -> Body:
        for _, image in self._images(project):
            if meant(image):
                return image
        raise errors.not_found(Ref(images.KIND.collection, GLOBAL, name).path(project))

    def _images(self, project: str) -> Iterable[Item]:
        return images.items(project, self._created)

    def operation(self, scope: str, name: str) -> Body:
        """An operation; also by its number."""
        ref = Ref("operations", scope, name)
        body = self._store.operation(ref)
        if body is None and name.isdecimal():
            bodies = (body for _, body in self._store.operations(scope) if body["id"] == name)
            body = next(bodies, None)
        if body is None:
            raise errors.not_found(ref.path(self.project))
        return body

    def operations(self, scope: str | None, query: Query) -> Body:
        """The operations of a scope, or of all."""
        found = page(self._store.operations(scope), Paging.of(query), operations.NAMES)
        if scope is not None:
            path = f"projects/{self.project}/{scope}/operations"
            return listed(operations.NOUN, path, *found)
        path = f"projects/{self.project}/aggregated/operations"
        every = _scopes((GLOBAL, "regions", "zones"))
        return aggregated(operations.NOUN, "operations", path, every, found)

    def _items(self, kind: Kind, scope: str | None = None) -> list[Item]:
        return [
            (ref, kind.show(self._store, body))
            for ref, body in self._all(kind, scope)
            if scope in (None, ref.scope)
        ]

    def _all(self, kind: Kind, scope: str | None) -> Iterable[Item]:
        """At least those of a scope (None: of all), as they are stored."""
        if kind.catalog:
            return kind.catalog.items(self.project, scope)
        fixed = self._fixed.get(kind.collection)
        return fixed.items() if fixed is not None else self._store.all(kind.collection)

    def _named(self, kind: Kind, ref: Ref) -> Body | None:
        if kind.catalog:
            return kind.catalog.find(self.project, ref)
        # What is there from the start may have been changed since, as the project may.
        return self._store.get(ref) or self._fixed.get(kind.collection, {}).get(ref)

    def _found(self, kind: Kind, ref: Ref) -> tuple[Ref, Body]:
        """The resource of that name, or of that number, as it is stored."""
        if not re.fullmatch(PATH_NAME, ref.name):
            raise errors.ComputeError(
                400,
                "invalidParameter",
                f"Invalid value '{ref.name}'. Values must match the following regular expression: "
                f"'{PATH_NAME}'",
            )
        body = self._named(kind, ref)
        if body is None and ref.name.isdecimal():
            for other, found in self._all(kind, ref.scope):
                if other.scope == ref.scope and found["id"] == ref.name:
                    return other, found
        if body is None:
            raise errors.not_found(ref.path(self.project))
        return ref, body


def _scopes(sorts: tuple[str, ...]) -> list[str]:
    """Every scope of these sorts."""
    found = [GLOBAL] if GLOBAL in sorts else []
    if "regions" in sorts:
        found += [f"regions/{region}" for region in places.REGIONS]
    if "zones" in sorts:
        found += [f"zones/{zone}" for zone in places.ZONES]
    return found

"""What a kind of resource is, as data and a few pure functions; the service does the rest."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body, Message
from gkelab.cloud.api.links import GLOBAL, NAME, Ref, relative, scope_link
from gkelab.cloud.api.store import View, Write

# Query parameters of a request.
Query = Mapping[str, str]


def _nothing(write: Write, ref: Ref, old: Body | None, new: Body | None) -> None:
    pass


def _same(view: View, body: Body) -> Body:
    return body


@dataclass(frozen=True)
class Action:
    """A method of its own name (setTags, expandIpCidrRange). `run` answers the resource's new
    body from the write, its place, its current body, the checked request and the query."""

    run: Callable[[Write, Ref, Body, Body, Query], Body]
    message: Message = field(default_factory=lambda: Message({}))
    method: str = "POST"


@dataclass(frozen=True)
class Question:
    """A method that answers something else of a resource, and changes nothing. `run` answers from
    the view, the resource's place, its body, the checked request and the query."""

    run: Callable[[View, Ref, Body, Body, Query], Body]
    message: Message = field(default_factory=lambda: Message({}))
    method: str = "GET"


@dataclass(frozen=True)
class Made:
    """What came of a batch: the resources, and how many were asked for."""

    bodies: tuple[Body, ...]
    asked: int


@dataclass(frozen=True)
class Batch:
    """A method of a collection that makes many resources of it at once. `run` makes them from
    the write, the scope and the checked request."""

    name: str
    run: Callable[[Write, str, Body], Made]
    message: Message


@dataclass(frozen=True)
class Catalog:
    """What is there though nobody made it: nothing of it is stored. `items` answers, for a
    project, those of a scope (None: of all), `find` the one of a place."""

    items: Callable[[str, str | None], Iterator[tuple[Ref, Body]]]
    find: Callable[[str, Ref], Body | None]


@dataclass(frozen=True)
class Kind:
    """A kind of resource.

    `scopes` are the sorts of places it is in: global, regions, zones, "" for places themselves.
    `create` answers the fields of a new resource from what a client said of it, `change` those
    of one that is patched or updated (from the old and from the wanted); both refuse what cannot
    be. `follow` does what a change brings with it elsewhere (routes of a subnet), `remove`
    refuses to delete, `show` adds what is found when it is read. `links` are the paths of the
    fields that name other resources: what is named there is in use. `patches` are the fields
    that patch may change; without it there is no patch. Of a kind with a `catalog` there is what
    that says, and nothing else.
    """

    collection: str
    noun: str
    scopes: tuple[str, ...]
    message: Message
    create: Callable[[Write, Ref, Body], Body] | None = None
    change: Callable[[Write, Ref, Body, Body], Body] | None = None
    follow: Callable[[Write, Ref, Body | None, Body | None], None] = _nothing
    remove: Callable[[Write, Ref, Body], None] | None = None
    show: Callable[[View, Body], Body] = _same
    links: tuple[str, ...] = ()
    patches: frozenset[str] = frozenset()
    updates: bool = False
    fingerprint: bool = False
    actions: Mapping[str, Action] = field(default_factory=dict)
    questions: Mapping[str, Question] = field(default_factory=dict)
    catalog: Catalog | None = None

    @property
    def kind(self) -> str:
        """As in a resource's `kind`."""
        return f"compute#{self.noun}"


def now() -> str:
    """This moment, as Compute writes it (RFC 3339, milliseconds)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_id() -> str:
    """A number for a resource: 64 bits, written as text."""
    return str((1 << 62) | secrets.randbits(62))


def fingerprint(*parts: object) -> str:
    """Eight bytes of what is so, in the form of Compute's fingerprints."""
    text = json.dumps(parts, sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def check_name(value: str, field: str, pattern: str = NAME) -> str:
    """A name that a client gave. ComputeError unless it is one."""
    if not re.fullmatch(pattern, value):
        raise errors.invalid(field, value, f"Must be a match of regex '{pattern}'")
    return value


def compose(kind: Kind, ref: Ref, project: str, own: Body, old: Body | None = None) -> Body:
    """A resource: its own fields among those that all have."""
    told = old or {"id": new_id(), "creationTimestamp": now()}
    body: Body = {
        "kind": kind.kind,
        "id": told["id"],
        "creationTimestamp": told["creationTimestamp"],
        "name": ref.name,
        **{key: value for key, value in own.items() if key != "name"},
        "selfLink": ref.link(project),
    }
    if ref.scope not in (GLOBAL, ""):
        body[ref.scope.partition("/")[0][:-1]] = scope_link(ref.scope, project)
    if kind.fingerprint:
        body.pop("fingerprint", None)
        body["fingerprint"] = fingerprint(body)
    return body


def add(write: Write, kind: Kind, ref: Ref, wanted: Body) -> Body:
    """Make a resource with what comes with it. ComputeError when it cannot be."""
    if write.get(ref) is not None:
        raise errors.already_exists(ref.path(write.project))
    assert kind.create
    body = compose(kind, ref, write.project, kind.create(write, ref, wanted))
    write.put(ref, body)
    kind.follow(write, ref, None, body)
    return body


def values(body: object, path: str) -> Iterator[object]:
    """What stands at a dotted path, whatever lists are on the way."""
    if isinstance(body, list):
        for item in body:
            yield from values(item, path)
    elif not path:
        yield body
    elif isinstance(body, dict):
        head, _, rest = path.partition(".")
        if head in body:
            yield from values(body[head], rest)


def linked(
    view: View,
    field: str,
    value: str,
    collection: str,
    *,
    missing: Literal["notFound", "invalid"] = "notFound",
) -> tuple[Ref, Body]:
    """The resource that a client's link names. ComputeError for what is no link to such a
    resource of this project; for one that is not there the error that `missing` says, as
    Compute differs in it."""
    parsed = Ref.parse(value)
    if parsed is None or parsed[1].collection != collection:
        raise errors.invalid(field, value, "The URL is malformed.")
    project, ref = parsed
    if project not in (None, view.project):
        raise errors.invalid(
            field, value, "Cross-project references for this resource type are not allowed."
        )
    body = view.get(ref)
    if body is None:
        if missing == "notFound":
            raise errors.not_found(ref.path(view.project))
        noun = collection.removesuffix("s")
        raise errors.invalid(field, value, f"The referenced {noun} resource cannot be found.")
    return ref, body


def refuse_fingerprint(given: object, current: object, what: str) -> None:
    """Raise conditionNotMet unless the client has seen the current state."""
    if given != current:
        raise errors.condition_not_met(
            f"Supplied fingerprint does not match current {what} fingerprint."
        )


def refuse_in_use(noun: str, ref: Ref, project: str, users: Iterator[Body]) -> None:
    """Raise for the first resource that uses this one."""
    for user in users:
        raise errors.in_use(noun, ref.path(project), relative(str(user["selfLink"])))

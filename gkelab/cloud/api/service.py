"""What requests write, whatever the kind: checked whole, then made so whole, or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gkelab.cloud.api import errors, operations
from gkelab.cloud.api.fields import Body, check
from gkelab.cloud.api.kinds.base import (
    Batch,
    Kind,
    Query,
    add,
    check_name,
    compose,
    refuse_fingerprint,
)
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.reading import Reader
from gkelab.cloud.api.store import Write


@dataclass(frozen=True)
class Call:
    """What a client sends: the body as it came (None if there is none), and the query."""

    raw: Any
    query: Query


@dataclass(frozen=True)
class _Job:
    """A write on its way: its operation's type, what it changes, the request's id ("" if none)."""

    verb: str
    write: Write
    request: str


class _Repeated(Exception):
    """The request was answered before, with this operation."""

    def __init__(self, operation: Body) -> None:
        super().__init__(operation["name"])
        self.operation = operation


class Service(Reader):
    """The cloud of one project. Writes answer the operation that tells of them."""

    def insert(self, kind: Kind, scope: str, call: Call) -> Body:
        """Make a resource."""
        try:
            job = self._begin("insert", call)
        except _Repeated as before:
            return before.operation
        if not kind.create:
            raise errors.not_served(f"{kind.collection}.insert")
        if call.raw is None:
            raise errors.required("resource")
        wanted = check(call.raw, kind.message, "resource")
        if "name" not in wanted:
            raise errors.required("resource.name")
        ref = Ref(kind.collection, scope, check_name(wanted["name"], "resource.name"))
        return self._commit(job, ref, add(job.write, kind, ref, wanted))

    def ensure(self, kind: Kind, scope: str, raw: Body) -> None:
        """Make a resource unless there is one of that name."""
        ref = Ref(kind.collection, scope, str(raw.get("name", "")))
        if self._store.get(ref) is None:
            self.insert(kind, scope, Call(raw, {}))

    def change(self, verb: str, kind: Kind, ref: Ref, call: Call) -> Body:
        """Patch a resource (verb patch: what is said is changed), or update it (all is said)."""
        try:
            job = self._begin(verb, call)
        except _Repeated as before:
            return before.operation
        if not (kind.change and (kind.patches if verb == "patch" else kind.updates)):
            raise errors.not_served(f"{kind.collection}.{verb}")
        if call.raw is None:
            raise errors.required("resource")
        ref, old = self._found(kind, ref)
        said = check(call.raw, kind.message, "resource")
        if said.get("name", ref.name) != ref.name:
            raise errors.invalid("resource.name", said["name"], "The name cannot be changed.")
        if kind.fingerprint:
            refuse_fingerprint(said.get("fingerprint"), old["fingerprint"], kind.noun)
        wanted = _patched(kind, old, said, call.raw) if verb == "patch" else said
        return self._put(job, kind, ref, old, kind.change(job.write, ref, old, wanted))

    def delete(self, kind: Kind, ref: Ref, call: Call) -> Body:
        """Delete a resource that nothing needs."""
        try:
            job = self._begin("delete", call)
        except _Repeated as before:
            return before.operation
        if not kind.remove:
            raise errors.not_served(f"{kind.collection}.delete")
        ref, old = self._found(kind, ref)
        kind.remove(job.write, ref, old)
        job.write.delete(ref)
        kind.follow(job.write, ref, old, None)
        return self._commit(job, ref, old)

    def act(self, name: str, kind: Kind, ref: Ref, call: Call) -> Body:
        """Do to a resource what a method of its own says."""
        try:
            job = self._begin(name, call)
        except _Repeated as before:
            return before.operation
        action = kind.actions[name]
        ref, old = self._found(kind, ref)
        said = check({} if call.raw is None else call.raw, action.message, "resource")
        own = action.run(job.write, ref, old, said, call.query)
        return self._put(job, kind, ref, old, own)

    def batch(self, batch: Batch, collection: str, scope: str, call: Call) -> Body:
        """Make many resources at once; the operation of them all."""
        try:
            job = self._begin(batch.name, call)
        except _Repeated as before:
            return before.operation
        wanted = check({} if call.raw is None else call.raw, batch.message, "resource")
        made = batch.run(job.write, scope, wanted)
        told = operations.of_many(batch.name, scope, self.project, made, job.request)
        self._store.commit(job.write, told, job.request)
        return told[0][1]

    def forget(self, scope: str, name: str) -> None:
        """Delete an operation; what it did stays."""
        body = self.operation(scope, name)
        self._store.forget(Ref("operations", scope, body["name"]))

    def _put(self, job: _Job, kind: Kind, ref: Ref, old: Body, own: Body) -> Body:
        # What was renamed has another place.
        ref = replace(ref, name=own.get("name", ref.name))
        new = compose(kind, ref, self.project, own, old)
        job.write.put(ref, new)
        kind.follow(job.write, ref, old, new)
        return self._commit(job, ref, new)

    def _commit(self, job: _Job, ref: Ref, body: Body) -> Body:
        operation = operations.done(job.verb, ref, body["id"], self.project, job.request)
        self._store.commit(job.write, [operation], job.request)
        return operation[1]

    def _begin(self, verb: str, call: Call) -> _Job:
        """A write for a call. Raises _Repeated when its id was answered before, whatever it says
        now: Compute looks at nothing else (the reference's `requestId`, and Google's samples,
        test_request_id)."""
        text = call.query.get("requestId", "")
        if not text:
            return _Job(verb, Write(self._store), "")
        try:
            number = uuid.UUID(text)
        except ValueError:
            number = uuid.UUID(int=0)
        if not number.int or len(text) != len(str(number)):
            raise errors.invalid("requestId", text, "Must be a valid UUID, and not zero.")
        before = self._store.repeated(str(number))
        if before is not None:
            raise _Repeated(before)
        return _Job(verb, Write(self._store), str(number))


def _patched(kind: Kind, old: Body, said: Body, raw: Mapping[str, Any]) -> Body:
    """The resource as a patch wants it: objects are merged, lists replaced, nulls removed."""
    kept = {key: value for key, value in old.items() if key in kind.message.fields}
    merged = dict(kept)
    for field, value in said.items():
        if field in kind.patches:
            both = isinstance(value, dict) and isinstance(kept.get(field), dict)
            merged[field] = {**kept[field], **value} if both else value
        elif field not in ("fingerprint", "name") and not _same(value, kept.get(field)):
            raise errors.invalid(
                f"resource.{field}", value, "Updating this field is not supported."
            )
    gone = {key for key in kind.patches if key in raw and raw[key] is None}
    return {key: value for key, value in merged.items() if key not in gone}


def _same(wanted: object, current: object) -> bool:
    """Whether a value is the current one; links may be shorter than a self link."""
    if isinstance(wanted, str) and isinstance(current, str):
        return wanted == current or current.endswith(f"/{wanted}")
    return wanted == current

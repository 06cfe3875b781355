"""The HTTP face: from paths and verbs to the service, from errors to Compute's answers.

One thread does everything, so each request sees a state that no other is in the middle of
changing. Nothing takes long: state is in memory, a write is one SQLite transaction.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gkelab.cloud.api import errors, masks, parameters
from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.kinds import BATCHES, KINDS, Kind, images, places, projects
from gkelab.cloud.api.kinds.base import Query
from gkelab.cloud.api.links import GLOBAL, Ref
from gkelab.cloud.api.service import Call, Service

ROOT = "/compute/v1/projects/"
LARGEST_BODY = 1 << 20
# How long a realizer's question waits for news, in seconds, and may ask to wait.
WAIT, LONGEST_WAIT = 30.0, 300.0
_LOG = logging.getLogger("gkelab.cloud")


class App:
    """The application over a service. `news` wakes those who wait for the next generation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._news = asyncio.Event()
        verbs = ["GET", "POST", "PATCH", "PUT", "DELETE"]
        routes = [
            Route("/lab/state", self._state),
            Route("/lab/healthz", self._healthz),
            Route("/{path:path}", self._compute, methods=verbs),
        ]
        self.asgi = Starlette(routes=routes)

    async def _healthz(self, request: Request) -> Response:
        return _json({"project": self._service.project, "generation": self._service.generation})

    async def _state(self, request: Request) -> Response:
        """The whole state as soon as its generation is not `since`; 204 if that takes too long."""
        query = request.query_params
        try:
            since = int(query.get("since", "-1"))
            wait = float(query.get("wait", WAIT))
        except ValueError:
            return _error(errors.bad_request("since and wait must be numbers."))
        if not 0 <= wait <= LONGEST_WAIT:
            return _error(errors.bad_request(f"wait must be from 0 to {LONGEST_WAIT} seconds."))
        try:
            async with asyncio.timeout(wait):
                while self._service.generation == since:
                    await self._news.wait()
        except TimeoutError:
            return Response(status_code=204)
        return _json(self._service.state())

    async def _compute(self, request: Request) -> Response:
        before = self._service.generation
        try:
            call = Call(await _read(request), request.query_params)
            said = request.query_params.get("fields")
            mask = masks.parse(said) if said is not None else {}
            answer = masks.apply(self._answer(request.method, request.url.path, call), mask)
        except errors.ComputeError as error:
            return _error(error)
        except RecursionError:
            return _error(errors.bad_request("The request is too deeply nested."))
        except sqlite3.Error:
            _LOG.exception("the database refuses")
            return _error(
                errors.ComputeError(503, "backendError", "The local cloud's database is not well.")
            )
        finally:
            if self._service.generation != before:
                self._news.set()
                self._news = asyncio.Event()
        return _json(answer)

    def _answer(self, method: str, path: str, call: Call) -> Body:
        """The body to answer."""
        project, *parts = path.removeprefix(ROOT).split("/")
        if not path.startswith(ROOT) or "" in parts:
            raise errors.ComputeError(404, "notFound", f"There is nothing at {path}.")
        parameters.refuse_unknown(call.query)
        if project == self._service.number:
            project = self._service.project
        if parts[:2] == [GLOBAL, "images"] and project in (self._service.project, *images.FAMILIES):
            return self._images(method, project, parts[2:], call.query)
        if project != self._service.project:
            raise errors.not_found(f"projects/{project}")
        about = projects.place(project)
        if not parts:
            return _only_get(method, "projects", lambda: self._service.get(projects.KIND, about))
        if parts[0] in projects.KIND.actions and len(parts) == 1:
            return self._method(method, parts[0], projects.KIND, about, call)
        if len(parts) < 3 and parts[0] in ("regions", "zones"):
            return self._place(method, parts, call.query)
        if parts[0] == "aggregated" and len(parts) > 1:
            return self._aggregated(method, "/".join(parts[1:]), call.query)
        return self._scoped(method, *_scope(parts), call)

    def _scoped(self, method: str, scope: str, rest: Sequence[str], call: Call) -> Body:
        if rest[0] == "operations":
            return self._operations(method, scope, rest[1:], call.query)
        kind = KINDS.get(rest[0])
        if kind is None or not scope or scope.partition("/")[0] not in kind.scopes:
            raise errors.not_served(rest[0])
        if len(rest) == 1:
            return self._collection(method, kind, scope, call)
        batch = BATCHES.get((rest[0], rest[1]))
        if batch and (method, len(rest)) == ("POST", 2):
            return self._service.batch(batch, rest[0], scope, call)
        ref = Ref(kind.collection, scope, rest[1])
        if len(rest) == 2:
            return self._resource(method, kind, ref, call)
        return self._method(method, "/".join(rest[2:]), kind, ref, call)

    def _images(self, method: str, project: str, rest: Sequence[str], query: Query) -> Body:
        """Those of Google's public projects, and of the lab's own, which has none."""
        if not rest:
            return _only_get(method, "images", lambda: self._service.images(project, query))
        if len(rest) == 1:
            return _only_get(method, "images", lambda: self._service.image(project, rest[0]))
        if len(rest) == 2 and rest[0] == "family":
            return _only_get(method, "images", lambda: self._service.newest(project, rest[1]))
        raise errors.not_served(f"images.{'/'.join(rest[1:])}")

    def _place(self, method: str, parts: Sequence[str], query: Query) -> Body:
        kind = KINDS[parts[0]]
        if len(parts) == 1:
            return _only_get(method, parts[0], lambda: self._service.list_of(kind, "", query))
        ref = Ref(parts[0], "", parts[1])
        return _only_get(method, parts[0], lambda: self._service.get(kind, ref))

    def _aggregated(self, method: str, what: str, query: Query) -> Body:
        if what == "operations":
            return _only_get(method, what, lambda: self._service.operations(None, query))
        if what == "subnetworks/listUsable":
            return _only_get(method, what, lambda: self._service.usable(query))
        kind = KINDS.get(what)
        if kind is None or kind.scopes in ((GLOBAL,), ("",)):
            raise errors.not_served(f"{what}.aggregatedList")
        return _only_get(method, what, lambda: self._service.aggregated(kind, query))

    def _operations(self, method: str, scope: str, rest: Sequence[str], query: Query) -> Body:
        if not rest and method == "GET":
            return self._service.operations(scope, query)
        if len(rest) == 1 and method == "DELETE":
            self._service.forget(scope, rest[0])
            # Compute answers with nothing at all, which its Python client cannot read.
            return {}
        if rest and (method, *rest[1:]) in (("GET",), ("POST", "wait")):
            # What is told of here is done; there is nothing to wait for.
            return self._service.operation(scope, rest[0])
        raise errors.not_served(f"{method} of operations")

    def _collection(self, method: str, kind: Kind, scope: str, call: Call) -> Body:
        if method == "POST":
            return self._service.insert(kind, scope, call)
        listing = partial(self._service.list_of, kind, scope, call.query)
        return _only_get(method, kind.collection, listing)

    def _resource(self, method: str, kind: Kind, ref: Ref, call: Call) -> Body:
        if method == "DELETE":
            return self._service.delete(kind, ref, call)
        if method in ("PATCH", "PUT"):
            verb = "patch" if method == "PATCH" else "update"
            return self._service.change(verb, kind, ref, call)
        return _only_get(method, kind.collection, partial(self._service.get, kind, ref))

    def _method(self, method: str, name: str, kind: Kind, ref: Ref, call: Call) -> Body:
        action = kind.actions.get(name)
        if action and method == action.method:
            return self._service.act(name, kind, ref, call)
        question = kind.questions.get(name)
        if question and method == question.method:
            return self._service.ask(name, kind, ref, call.raw, call.query)
        raise errors.not_served(f"{kind.collection}.{name}")


def _only_get(method: str, what: str, answer: Callable[[], Body]) -> Body:
    if method != "GET":
        raise errors.not_served(f"{method} of {what}")
    return answer()


def _scope(parts: Sequence[str]) -> tuple[str, Sequence[str]]:
    """A path's scope, and what is left of it. ComputeError for a place that is not."""
    if parts[0] == GLOBAL and len(parts) > 1:
        return GLOBAL, parts[1:]
    known = {"regions": places.REGIONS, "zones": places.ZONES}
    if parts[0] not in known or len(parts) < 3:
        return "", parts
    if parts[1] not in known[parts[0]]:
        word = parts[0][:-1]
        raise errors.invalid(word, parts[1], f"Unknown {word}.")
    return f"{parts[0]}/{parts[1]}", parts[2:]


async def _read(request: Request) -> Any:
    """The body as JSON; None if there is none."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise errors.ComputeError(413, "uploadTooLarge", "The request is too large.")
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise errors.ComputeError(400, "parseError", "Parse Error") from None


def _json(body: Any, code: int = HTTPStatus.OK) -> Response:
    return Response(
        json.dumps(body, separators=(",", ":")),
        status_code=code,
        media_type="application/json; charset=UTF-8",
    )


def _error(error: errors.ComputeError) -> Response:
    return _json(error.body(), error.code)

"""The cloud's API asked with Python's library alone.

Google's client takes a second of a core to load, which `up` has no need of: of what it offers,
this is what writing a topology takes.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gkelab.cloud.asking import Body, CloudError, resource, singular
from gkelab.errors import LabError

TIMEOUT = 30.0
# Methods that are a verb of HTTP on the resource, or on the collection.
_VERBS = {"insert": "POST", "patch": "PATCH", "update": "PUT", "delete": "DELETE"}
# Of those with a name of their own, which all come behind the resource.
_PATCHES = ("update_network_interface",)


@dataclass(frozen=True)
class RestCloud:
    """The cloud at an endpoint (http://HOST:PORT), as `asking.Asking` says."""

    endpoint: str
    project: str

    def get(self, collection: str, scope: str, name: str) -> Body:
        """A resource."""
        return self._ask("GET", f"{scope}/{collection}/{name}")

    def find(self, collection: str, scope: str, name: str) -> Body | None:
        """A resource; None if there is none."""
        try:
            return self.get(collection, scope, name)
        except CloudError as error:
            if error.code == 404:
                return None
            raise

    def list_of(self, collection: str, scope: str) -> list[Body]:
        """All resources of a scope, page by page."""
        found: list[Body] = []
        token = ""
        while True:
            page = self._ask(
                "GET", f"{scope}/{collection}", {"pageToken": token} if token else None
            )
            found += page.get("items", [])
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def insert(self, collection: str, scope: str, body: Body) -> Body:
        """Make a resource; the operation."""
        return self.write("insert", collection, scope, {resource(collection): body})

    def patch(self, collection: str, scope: str, name: str, body: Body) -> Body:
        """Change what the body says; the operation."""
        said = {singular(collection): name, resource(collection): body}
        return self.write("patch", collection, scope, said)

    def write(self, method: str, collection: str, scope: str, said: Mapping[str, Any]) -> Body:
        """A method that answers an operation, which is done when this returns."""
        rest = dict(said)
        name = rest.pop(singular(collection), "")
        bodies = [key for key in rest if key.endswith("Resource")]
        body = rest.pop(bodies[0]) if bodies else None
        path = f"{scope}/{collection}/{name}".rstrip("/")
        verb = _VERBS.get(method)
        if verb is None:
            first, *words = method.split("_")
            path += f"/{first}{''.join(word.title() for word in words)}"
            verb = "PATCH" if method in _PATCHES else "POST"
        operation = self._ask(verb, path, rest, body)
        while operation["status"] != "DONE":
            operation = self._ask("POST", f"{scope}/operations/{operation['name']}/wait")
        if "error" in operation:
            first_error = operation["error"]["errors"][0]
            code = operation.get("httpErrorStatusCode", 400)
            raise CloudError(code, first_error["code"], first_error["message"])
        return operation

    def state(self) -> Body:
        """The whole state, with its generation, as realizers get it."""
        return self._read("GET", f"{self.endpoint}/lab/state")

    def generation(self) -> int:
        """The number of the state that is now."""
        return int(self._health()["generation"])

    def serves(self) -> str:
        """The project that is served there."""
        return str(self._health()["project"])

    def _health(self) -> Body:
        health = self._read("GET", f"{self.endpoint}/lab/healthz")
        if not {"generation", "project"} <= set(health):
            raise LabError(f"what answers at {self.endpoint} is no cloud", "run: invoke up")
        return health

    def _ask(
        self, verb: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Body:
        words = f"?{urllib.parse.urlencode(query)}" if query else ""
        url = f"{self.endpoint}/compute/v1/projects/{self.project}/{path}{words}"
        return self._read(verb, url, body)

    def _read(self, verb: str, url: str, body: Any = None) -> Body:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        request.method = verb
        # The lab is on this machine, whatever proxy leads to the internet.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as refused:
            raise _refusal(refused) from None
        except (OSError, ValueError, http.client.HTTPException) as bad:
            raise LabError(
                f"the cloud at {self.endpoint} does not answer ({type(bad).__name__})",
                "look at it with `invoke status`",
            ) from None


def _refusal(refused: urllib.error.HTTPError) -> CloudError:
    try:
        error = json.load(refused)["error"]
        return CloudError(error["code"], error["errors"][0]["reason"], error["message"])
    except (ValueError, LookupError, TypeError):
        return CloudError(refused.code, "unknown", f"the cloud answers {refused.code}")

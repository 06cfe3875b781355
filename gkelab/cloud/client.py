"""Google's own Python client for Compute, at the lab's endpoint, with plain JSON at the boundary.

An endpoint and anonymous credentials are all that `google-cloud-compute` needs. What its requests
are called follows from the method and the resource, so there is one way to call any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1
from google.protobuf import json_format

from gkelab.cloud.asking import Body, CloudError, resource, singular
from gkelab.errors import LabError

__all__ = ["Body", "Cloud", "CloudError"]
TIMEOUT = 30.0

# What the client calls a collection in a sort of scope: of one, of many.
NOUNS = {
    ("networks", "global"): ("Network", "Networks"),
    ("subnetworks", "regions"): ("Subnetwork", "Subnetworks"),
    ("firewalls", "global"): ("Firewall", "Firewalls"),
    ("routes", "global"): ("Route", "Routes"),
    ("instances", "zones"): ("Instance", "Instances"),
    ("addresses", "regions"): ("Address", "Addresses"),
    ("addresses", "global"): ("GlobalAddress", "GlobalAddresses"),
    ("operations", "global"): ("GlobalOperation", "GlobalOperations"),
    ("operations", "regions"): ("RegionOperation", "RegionOperations"),
    ("operations", "zones"): ("ZoneOperation", "ZoneOperations"),
    ("regions", ""): ("Region", "Regions"),
    ("zones", ""): ("Zone", "Zones"),
    ("projects", ""): ("Project", "Projects"),
    ("machineTypes", "zones"): ("MachineType", "MachineTypes"),
    ("images", "global"): ("Image", "Images"),
}
# Methods that answer page by page, and whose requests are of many.
_PAGED = ("List", "AggregatedList", "ListUsable")
# Whose aggregatedList tells of all scopes.
_AGGREGATING = {"addresses": "regions", "operations": "global"}


@dataclass(frozen=True)
class Cloud:
    """The cloud at an endpoint (http://HOST:PORT). Methods take and answer Compute's JSON; they
    raise CloudError when it refuses, LabError when it cannot be reached."""

    endpoint: str
    project: str
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, name: str) -> Any:
        """One of the library's clients, by the name of its class."""
        if name not in self._clients:
            made = getattr(compute_v1, name)(
                credentials=AnonymousCredentials(),
                client_options=ClientOptions(api_endpoint=self.endpoint),
            )
            # The lab is on this machine, whatever proxy leads to the internet.
            made.transport._session.trust_env = False
            self._clients[name] = made
        return self._clients[name]

    def get(self, collection: str, scope: str, name: str) -> Body:
        """A resource."""
        return self.call("get", collection, scope, {singular(collection): name})

    def find(self, collection: str, scope: str, name: str) -> Body | None:
        """A resource; None if there is none."""
        try:
            return self.get(collection, scope, name)
        except CloudError as error:
            if error.code == 404:
                return None
            raise

    def list_of(self, collection: str, scope: str, filter: str = "") -> list[Body]:
        """All resources of a scope, or those that a filter means."""
        said = {"filter": filter} if filter else {}
        return [_plain(item) for item in self._call("list", collection, scope, said)]

    def list_all(self, collection: str, filter: str = "") -> list[Body]:
        """All resources of a collection, whatever their scope."""
        sorts = [sort for name, sort in NOUNS if name == collection]
        if sorts in ([""], ["global"]):
            return self.list_of(collection, sorts[0], filter)
        sort = _AGGREGATING.get(collection, sorts[0])
        said = {"filter": filter} if filter else {}
        pages = self._call("aggregated_list", collection, sort, said)
        field = "machine_types" if collection == "machineTypes" else collection
        return [_plain(item) for _, scoped in pages for item in getattr(scoped, field)]

    def usable_subnets(self) -> list[Body]:
        """subnetworks.listUsable: the subnets of all regions, in a shape of their own."""
        return [_plain(item) for item in self._call("list_usable", "subnetworks", "regions", {})]

    def insert(self, collection: str, scope: str, body: Body) -> Body:
        """Make a resource; the operation."""
        return self.write("insert", collection, scope, {resource(collection): body})

    def patch(self, collection: str, scope: str, name: str, body: Body) -> Body:
        """Change what the body says; the operation."""
        said = {singular(collection): name, resource(collection): body}
        return self.write("patch", collection, scope, said)

    def delete(self, collection: str, scope: str, name: str) -> Body:
        """Delete a resource; the operation."""
        return self.write("delete", collection, scope, {singular(collection): name})

    def write(self, method: str, collection: str, scope: str, said: Mapping[str, Any]) -> Body:
        """A method that answers an operation, which is done when this returns."""
        operation = self.call(f"{method}_unary", collection, scope, said)
        while operation["status"] != "DONE":
            # The library's own waiting asks Google instead of the endpoint.
            name = {"operation": operation["name"]}
            operation = self.call("wait", "operations", scope, name)
        if "error" in operation:
            first = operation["error"]["errors"][0]
            code = operation.get("httpErrorStatusCode", 400)
            raise CloudError(code, first["code"], first["message"])
        return operation

    def call(self, method: str, collection: str, scope: str, said: Mapping[str, Any]) -> Body:
        """Any method, by the library's name for it; `said` are the request's fields as JSON."""
        return _plain(self._call(method, collection, scope, said))

    def _call(self, method: str, collection: str, scope: str, said: Mapping[str, Any]) -> Any:
        sort, _, place = scope.partition("/")
        one, many = NOUNS[collection, sort]
        verb = "".join(word.title() for word in method.removesuffix("_unary").split("_"))
        noun = many if verb in _PAGED else one
        request = getattr(compute_v1, f"{verb}{noun}Request")()
        fields = {**said, "project": self.project}
        if place and verb != "AggregatedList":
            fields[sort[:-1]] = place
        try:
            json_format.ParseDict(fields, type(request).pb(request))
            answer = getattr(self.client(f"{many}Client"), method)(request, timeout=TIMEOUT)
            # Pages are fetched as they are read.
            return list(answer) if verb in _PAGED else answer
        except json_format.ParseError as error:
            raise CloudError(400, "invalid", str(error)) from None
        except GoogleAPICallError as error:
            raise _refusal(error) from None
        except requests.RequestException as error:
            raise LabError(
                f"the cloud at {self.endpoint} does not answer ({type(error).__name__})",
                "look at it with `invoke status`",
            ) from None


def _plain(message: Any) -> Body:
    pb = type(message).pb(message)
    return dict(json_format.MessageToDict(pb))


def _refusal(error: GoogleAPICallError) -> CloudError:
    reasons: Iterable[Mapping[str, str]] = error.errors or ()
    reason = next((str(one["reason"]) for one in reasons if "reason" in one), "unknown")
    # The library puts the request's method and URL in front of what was answered.
    message = str(error.message).partition(": ")[2] or str(error.message)
    return CloudError(int(error.code or 500), reason, message)

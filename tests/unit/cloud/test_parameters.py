"""What a query may say: all that Google's client has for the collections that there are."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from google.cloud.compute_v1 import types

from tests.unit.cloud.servers import PROJECT, REGION, ZONE, Http

# The client's names for what the cloud has.
SERVICES = (
    *("addresses", "firewalls", "global_addresses", "global_operations", "images", "instances"),
    *("machine_types", "networks", "projects", "region_operations", "regions", "routes"),
    *("subnetworks", "zone_operations", "zones"),
)
PLACES = {"project": PROJECT, "region": REGION, "zone": ZONE}


@dataclass(frozen=True)
class Method:
    """A method of Google's client: how it asks, and what of its request goes into the query."""

    name: str
    verb: str
    uri: str
    body: str
    query: frozenset[str]

    @property
    def path(self) -> str:
        """From the project on, of what is not there."""
        path = re.sub(r"{(\w+)}", lambda found: PLACES.get(found[1], "gone"), self.uri)
        return path.removeprefix(f"/compute/v1/projects/{PROJECT}").lstrip("/")


def methods() -> Iterator[Method]:
    """All of the collections, as the client's transport over HTTP has them."""
    for service in SERVICES:
        place = f"google.cloud.compute_v1.services.{service}.transports"
        whole = importlib.import_module(f"{place}.rest")
        (transport,) = (
            found
            for name, found in vars(whole).items()
            if name.endswith("RestTransport") and not name.startswith("_Base")
        )
        for name, found in vars(transport).items():
            if not (inspect.isclass(found) and hasattr(found, "_get_http_options")):
                continue
            (how,) = found._get_http_options()
            asked = inspect.signature(found.__call__).parameters["request"].annotation
            request = getattr(types, asked.rpartition(".")[2]) if isinstance(asked, str) else asked
            apart = {*re.findall(r"{(\w+)}", how["uri"]), how.get("body")}
            fields = request.pb(request()).DESCRIPTOR.fields
            query = frozenset(field.json_name for field in fields if field.name not in apart)
            yield Method(f"{service}{name}", how["method"], how["uri"], how.get("body", ""), query)


METHODS = tuple(methods())


def test_there_are_methods() -> None:
    """Those that the lab is used with are among what is asked below."""
    by_name = {method.name: method for method in METHODS}
    assert len(by_name) > 100
    assert by_name["instances_Stop"].query >= {"discardLocalSsd", "noGracefulShutdown"}
    assert by_name["instances_GetSerialPortOutput"].query == {"port", "start"}
    assert by_name["subnetworks_Patch"].query == {"drainTimeoutSeconds", "requestId"}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_no_parameter_of_the_client_is_unknown(http: Http, method: Method) -> None:
    body: object = {} if method.body else None
    for name in sorted(method.query):
        answer = http.send(method.verb.upper(), method.path, body, **{name: "1"})
        assert "Unknown name" not in answer.text, name

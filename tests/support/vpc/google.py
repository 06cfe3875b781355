"""Google's own Compute client as a person sets it up: its classes, an endpoint, no credentials.

What tests write in the cloud they write through it, and through nothing of the lab's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1
from google.protobuf import json_format

Body = dict[str, Any]
DONE = 30.0  # seconds for an operation


@dataclass(frozen=True)
class Google:
    """The library's clients by their collections: `google.region_operations` is a
    RegionOperationsClient."""

    endpoint: str
    project: str
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __getattr__(self, name: str) -> Any:
        """A client."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._clients:
            words = "".join(word.title() for word in name.split("_"))
            made = getattr(compute_v1, f"{words}Client")(
                credentials=AnonymousCredentials(),
                client_options=ClientOptions(api_endpoint=self.endpoint),
            )
            # The lab is on this machine, whatever proxy leads to the internet.
            made.transport._session.trust_env = False
            self._clients[name] = made
        return self._clients[name]


def message(kind: str, body: Body) -> Any:
    """A message of the library's (Firewall, Instance) from Compute's JSON. Raises ParseError of
    json_format for a field that it does not know."""
    return getattr(compute_v1, kind).from_json(json.dumps(body))


def body(message: Any) -> Body:
    """Compute's JSON of a message of the library's."""
    return dict(json_format.MessageToDict(type(message).pb(message)))


def done(operation: Any) -> Any:
    """Wait for a write as the library's samples do; the operation. Raises what it failed with."""
    operation.result(timeout=DONE)
    return operation


@dataclass(frozen=True)
class Refusal:
    """How the cloud refused: HTTP's code, Compute's reason, a sentence."""

    code: int
    reason: str
    message: str


def refused(call: Callable[[], object]) -> Refusal:
    """How a call is refused. Raises AssertionError when it is not."""
    try:
        call()
    except GoogleAPICallError as error:
        return refusal(error)
    raise AssertionError("the cloud did what it should have refused")


def refusal(error: GoogleAPICallError) -> Refusal:
    """What the library tells of an answer that is an error."""
    reasons = [str(one["reason"]) for one in (error.errors or ()) if "reason" in one]
    return Refusal(int(error.code or 0), (reasons or [""])[0], str(error.message))

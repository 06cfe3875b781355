"""Errors as Compute answers them: an HTTP code, a reason that programs read, a sentence."""

from __future__ import annotations

import json
from typing import Any


class ComputeError(Exception):
    """An answer that is an error. `reason` is Compute's word for it: notFound, invalid, ..."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code, self.reason, self.message = code, reason, message
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """The JSON that goes with the code."""
        one = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [one]}}


def invalid(field: str, value: object, why: str = "") -> ComputeError:
    """A field's value is wrong. `field` is its path, as resource.allowed[0].ports[1]."""
    shown = value if isinstance(value, str) else json.dumps(value, separators=(", ", ": "))
    return ComputeError(
        400, "invalid", f"Invalid value for field '{field}': '{shown}'. {why}".rstrip()
    )


def required(field: str) -> ComputeError:
    """A field is missing."""
    return ComputeError(400, "required", f"Required field '{field}' not specified")


def not_found(path: str) -> ComputeError:
    """There is no such resource; `path` starts with projects/."""
    return ComputeError(404, "notFound", f"The resource '{path}' was not found")


def already_exists(path: str) -> ComputeError:
    """The name is taken."""
    return ComputeError(409, "alreadyExists", f"The resource '{path}' already exists")


def in_use(noun: str, path: str, user: str) -> ComputeError:
    """Another resource needs this one. `noun` is its kind, `user` the other's path."""
    return ComputeError(
        400,
        "resourceInUseByAnotherResource",
        f"The {noun} resource '{path}' is already being used by '{user}'",
    )


def address_in_use(address: object) -> ComputeError:
    """An address or an alias range is taken."""
    return ComputeError(
        409,
        "IP_IN_USE_BY_ANOTHER_RESOURCE",
        f"IP '{address}' is already being used by another resource.",
    )


def addresses_exhausted(where: str, network: object) -> ComputeError:
    """A range has no room for one more."""
    return ComputeError(
        400,
        "IP_SPACE_EXHAUSTED",
        f"IP space of '{where}' is exhausted: no free addresses in the IP range '{network}'.",
    )


def condition_not_met(what: str) -> ComputeError:
    """Somebody else wrote in between: the fingerprint is not the current one."""
    return ComputeError(412, "conditionNotMet", what)


def bad_request(message: str) -> ComputeError:
    """The request makes no sense as a whole."""
    return ComputeError(400, "badRequest", message)


def invalid_usage(message: str) -> ComputeError:
    """The resource is not one that this can be done to."""
    return ComputeError(400, "invalidResourceUsage", f"Invalid resource usage: '{message}'.")


def not_served(method: str) -> ComputeError:
    """A method that Compute has and the lab has not."""
    return ComputeError(501, "notImplemented", f"The local cloud does not serve {method}.")

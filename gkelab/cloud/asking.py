"""What asks the cloud, whichever client it is: what it offers, and how it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gkelab.errors import LabError

Body = dict[str, Any]


class CloudError(LabError):
    """The cloud refused. `code` is HTTP's, `reason` Compute's word (notFound, invalid, ...)."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(message)


class Asking(Protocol):
    """A client: Compute's JSON in and out. Methods raise CloudError when the cloud refuses,
    LabError when it cannot be reached."""

    def get(self, collection: str, scope: str, name: str) -> Body:
        """A resource."""
        ...

    def find(self, collection: str, scope: str, name: str) -> Body | None:
        """A resource; None if there is none."""
        ...

    def insert(self, collection: str, scope: str, body: Body) -> Body:
        """Make a resource; the operation."""
        ...

    def patch(self, collection: str, scope: str, name: str, body: Body) -> Body:
        """Change what the body says; the operation."""
        ...

    def write(self, method: str, collection: str, scope: str, said: Mapping[str, Any]) -> Body:
        """A method that answers an operation, which is done when this returns, by Google's
        library's name for it; `said` are the request's fields."""
        ...


def singular(collection: str) -> str:
    """What one of a collection is called in requests."""
    return "address" if collection == "addresses" else collection.removesuffix("s")


def resource(collection: str) -> str:
    """What a request calls the body of one of a collection."""
    return f"{singular(collection)}Resource"

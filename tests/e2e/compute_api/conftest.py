"""What the API's tests stand on: Google's own client, and things of the test file's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gkelab.lab import Lab
from tests.support.vpc.google import Google
from tests.support.vpc.made import Made, making


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Made]:
    """What this test file makes in the cloud."""
    with making(lab, request.path) as things:
        yield things


@pytest.fixture(scope="module")
def google(made: Made) -> Google:
    """Google's own client at the lab's endpoint."""
    return made.google

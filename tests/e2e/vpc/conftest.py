"""What the VPC's tests stand on: Google's client, the router, machines of the test file's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gkelab.lab import Lab
from tests.support.probes import ContainerPlace
from tests.support.vpc.made import Made, internet_of, making, router_of
from tests.support.vpc.router import Router


@pytest.fixture(scope="session")
def router(lab: Lab) -> Router:
    """The lab's VPC router."""
    return router_of(lab)


@pytest.fixture(scope="session")
def internet(lab: Lab) -> ContainerPlace:
    """The client on the internet."""
    if lab.plan.internet is None:
        pytest.skip("this topology declares no internet")
    return internet_of(lab)


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Made]:
    """What this test file makes in the cloud."""
    with making(lab, request.path) as things:
        yield things

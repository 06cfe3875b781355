"""A server for the whole run, and for every test a cloud that has nothing yet."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator

import pytest

from gkelab.cloud.client import Cloud
from gkelab.cloud.gcloud.main import Defaults, run
from tests.unit.cloud import servers
from tests.unit.cloud.gclouds import Gcloud, Said
from tests.unit.cloud.servers import Google, Http, Running


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        with servers.running() as running:
            yield running


@pytest.fixture(scope="session")
def clients(server: Running) -> Google:
    return Google(server.endpoint)


@pytest.fixture(scope="session")
def session(server: Running) -> Http:
    return Http(server.endpoint)


@pytest.fixture
def google(server: Running, clients: Google) -> Google:
    server.fresh()
    return clients


@pytest.fixture
def http(server: Running, session: Http) -> Http:
    server.fresh()
    return session


@pytest.fixture
def cloud(server: Running) -> Cloud:
    server.fresh()
    return Cloud(server.endpoint, servers.PROJECT)


@pytest.fixture
def gcloud(cloud: Cloud) -> Gcloud:
    def call(line: str, region: str = "", zone: str = "") -> Said:
        out, err = io.StringIO(), io.StringIO()
        code = run(shlex.split(line), cloud, Defaults(region, zone), out, err)
        return Said(code, out.getvalue(), err.getvalue())

    return call

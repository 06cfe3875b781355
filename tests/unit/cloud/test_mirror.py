"""The state held here: news, no news, and a cloud that is away."""

from __future__ import annotations

import threading

import pytest

from gkelab.cloud.client import Cloud
from gkelab.cloud.mirror import Mirror, follow
from gkelab.errors import LabError
from tests.unit.cloud import servers
from tests.unit.cloud.made import NETWORK


def test_news_come_once(server: servers.Running, cloud: Cloud) -> None:
    mirror = Mirror(server.endpoint + "/")
    assert mirror.state is None
    assert mirror.refresh()
    assert not mirror.refresh()
    first = mirror.state
    cloud.insert("networks", "global", NETWORK)
    assert mirror.state is first
    assert mirror.refresh()
    assert mirror.state is not None and first is not None
    assert (mirror.state.project, mirror.state.generation) == (
        servers.PROJECT,
        first.generation + 1,
    )
    assert [n["name"] for n in mirror.state.all("networks")] == ["net"]
    assert mirror.state.all("nothing") == []


def test_what_is_held_stays_while_the_cloud_is_away(server: servers.Running) -> None:
    mirror = Mirror(server.endpoint)
    mirror.refresh()
    held, mirror.endpoint = mirror.state, f"http://127.0.0.1:{servers.free_port()}"
    with pytest.raises(LabError, match=r"does not answer \(ConnectionError\)"):
        mirror.refresh()
    assert mirror.state is held
    assert mirror.problem == f"the cloud at {mirror.endpoint} does not answer (ConnectionError)"
    mirror.endpoint = server.endpoint
    mirror.refresh()
    assert mirror.problem == ""


def test_another_servers_answer_is_no_state(server: servers.Running) -> None:
    mirror = Mirror(f"{server.endpoint}/compute")
    with pytest.raises(LabError, match=r"HTTPError"):
        mirror.refresh()


def test_following(server: servers.Running, cloud: Cloud) -> None:
    news, stop = threading.Event(), threading.Event()
    mirror = Mirror(server.endpoint)
    follow(mirror, news.set, stop, wait=0.5)
    assert news.wait(5)
    news.clear()
    cloud.insert("networks", "global", NETWORK)
    assert news.wait(5)
    assert mirror.state and mirror.state.all("networks")
    stop.set()

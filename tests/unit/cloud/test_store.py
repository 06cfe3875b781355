"""The store: what is committed outlives the process, and nothing else does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import threading
import uuid
from pathlib import Path

import pytest
import requests

from gkelab.cloud.api import store as stores
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.store import Settings, Store, Write
from gkelab.errors import LabError
from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, SETTINGS, Http, process

# The module, but it is killed when SQLite is about to run a statement that starts so, after as
# many as are let through; or, for "answer", between the commit and the answer.
KILLED = """
import os, signal, sys
from gkelab.cloud.api import __main__ as server, store
statement, passing = "{statement}", {passing}
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
def trace(sql):
    global passing
    if sql.startswith(statement):
        passing -= 1
        if passing < 0:
            kill()
class Traced(store.Store):
    def __init__(self, *words):
        super().__init__(*words)
        self._database.set_trace_callback(trace)
    def commit(self, *words):
        super().commit(*words)
        if statement == "answer":
            kill()
server.Store = Traced
raise SystemExit(server.main(sys.argv[1:]))
"""


def write(store: Store, name: str) -> None:
    change = Write(store)
    change.put(Ref("networks", "global", name), {"name": name})
    operation = Ref("operations", "global", f"operation-{name}")
    store.commit(change, [(operation, {"id": "1", "name": operation.name})], "")


def test_state_outlives_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "db", SETTINGS)
    start = store.generation
    write(store, "a")
    write(store, "b")
    gone = Write(store)
    gone.delete(Ref("networks", "global", "a"))
    store.commit(gone, [(Ref("operations", "global", "o"), {"id": "2"})], "")
    store.close()
    again = Store(tmp_path / "db", SETTINGS)
    assert again.generation == start + 3
    assert [ref.name for ref, _ in again.all("networks")] == ["b"]
    assert [ref.name for ref, _ in again.operations()] == ["operation-a", "operation-b", "o"]
    assert again.created == store_created(tmp_path / "db", again)


def store_created(file: Path, store: Store) -> int:
    store.close()
    with sqlite3.connect(file) as database:
        value = database.execute("SELECT value FROM meta WHERE key = 'created'").fetchone()[0]
    database.close()
    return int(value)


def test_a_new_database_is_news_to_everybody(tmp_path: Path) -> None:
    first = Store(tmp_path / "a", SETTINGS)
    for name in "abc":
        write(first, name)
    second = Store(tmp_path / "b", SETTINGS)
    assert second.generation != first.generation


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    file = tmp_path / "db"
    store = Store(file, SETTINGS)
    with pytest.raises(LabError, match="another cloud"):
        Store(file, SETTINGS)
    store.close()
    with pytest.raises(LabError, match=f"holds project {PROJECT}, not other"):
        Store(file, Settings("other"))
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LabError, match="version 99"):
        Store(file, SETTINGS)
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(LabError, match="cannot be used"):
        Store(tmp_path / "text", SETTINGS)


def test_a_commit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "db", SETTINGS)
    write(store, "a")
    before = store.generation
    with pytest.raises(sqlite3.IntegrityError):
        write(store, "a")  # its operation's name is taken
    half = Write(store)
    half.put(Ref("networks", "global", "b"), {"name": "b"})
    with pytest.raises(sqlite3.IntegrityError):
        store.commit(half, [(Ref("operations", "global", "operation-a"), {})], "")
    assert store.generation == before
    assert store.get(Ref("networks", "global", "b")) is None
    write(store, "c")
    store.close()
    again = Store(tmp_path / "db", SETTINGS)
    assert sorted(ref.name for ref, _ in again.all("networks")) == ["a", "c"]


def test_old_operations_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "OPERATIONS_KEPT", 3)
    store = Store(tmp_path / "db", SETTINGS)
    for name in "abcde":
        write(store, name)
    assert [ref.name[-1] for ref, _ in store.operations()] == ["c", "d", "e"]
    assert len(list(store.all("networks"))) == 5


def test_a_write_reads_what_it_wrote(tmp_path: Path) -> None:
    store = Store(tmp_path / "db", SETTINGS)
    write(store, "a")
    a, b = (Ref("networks", "global", name) for name in "ab")
    change = Write(store)
    change.put(b, {"name": "b"})
    change.delete(a)
    assert [ref for ref, _ in change.all("networks")] == [b]
    assert (change.get(a), change.get(b)) == (None, {"name": "b"})
    assert [ref for ref, _ in store.all("networks")] == [a]


AUTO = {"name": "wide", "autoCreateSubnetworks": True}


def known(http: Http) -> tuple[int, int, int]:
    """How many networks, subnets and routes there are: one auto mode network has many."""
    resources = http.state().json()["resources"]
    return (
        len(resources["networks"]),
        len(resources["subnetworks"]),
        len(resources["routes"]),
    )


@pytest.mark.parametrize(
    ("statement", "passing", "made_so"),
    [
        ("REPLACE INTO resources", 0, (0, 0, 0)),
        ("REPLACE INTO resources", 40, (0, 0, 0)),
        ("INSERT INTO operations", 0, (0, 0, 0)),
        ("COMMIT", 0, (0, 0, 0)),
        ("answer", 0, (1, 42, 43)),
    ],
)
def test_killed_in_the_middle_of_a_write(
    tmp_path: Path, statement: str, passing: int, made_so: tuple[int, int, int]
) -> None:
    """Killed before its commit, a write of some ninety resources has left none; killed after it,
    all, with its operation. Asked again, it was done once."""
    once = {"requestId": str(uuid.uuid4())}
    program = KILLED.format(statement=statement, passing=passing)
    with process(tmp_path / "db", code=[program]) as (started, endpoint):
        with pytest.raises(requests.ConnectionError):
            Http(endpoint).send("POST", "global/networks", AUTO, **once)
        assert started.wait(30) == -signal.SIGKILL
    with process(tmp_path / "db") as (_, endpoint):
        http = Http(endpoint)
        assert known(http) == made_so
        told = http("GET", "global/operations").get("items", [])
        assert len(told) == made_so[0]
        again = http("POST", "global/networks", AUTO, **once)
        assert again in (told or [again])
        assert http("POST", "global/networks", AUTO, **once) == again
        assert known(http) == (1, 42, 43)


def test_killed_at_any_moment_under_many_writes(tmp_path: Path) -> None:
    """What was answered is there, with its operation; of what was not, all or nothing is."""
    database, answered, asked = tmp_path / "db", set(), set()
    with process(database) as (started, endpoint):
        http = Http(endpoint)
        made.make(http, "networks")
        fast = threading.Timer(0.4, lambda: os.kill(started.pid, signal.SIGKILL))
        fast.start()
        with contextlib.suppress(requests.RequestException):
            for index in range(100_000):
                name = f"s{index}"
                block = f"10.{index // 256}.{index % 256}.0/24"
                body = {"name": name, "network": "global/networks/net", "ipCidrRange": block}
                asked.add(name)
                assert http.send("POST", "regions/us-central1/subnetworks", body).status_code == 200
                answered.add(name)
        started.wait(30)
    with process(database) as (_, endpoint):
        http = Http(endpoint)
        resources = http.state().json()["resources"]
        subnets = {body["name"]: body for body in resources["subnetworks"]}
        assert answered
        assert answered <= set(subnets) <= asked
        ranges = {body["ipCidrRange"] for body in subnets.values()}
        assert {r["destRange"] for r in resources["routes"]} == {*ranges, "0.0.0.0/0"}
        targets = set()
        query: dict[str, str] = {}
        while query.get("pageToken", "first"):
            page = http("GET", "regions/us-central1/operations", **query)
            targets |= {item["targetLink"] for item in page["items"]}
            query = {"pageToken": page.get("nextPageToken", "")}
        assert targets == {body["selfLink"] for body in subnets.values()}


def test_a_server_starts_again_from_its_file(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    items = [
        {"collection": "networks", "scope": "global", "body": made.NETWORK},
        {"collection": "subnetworks", "scope": "regions/us-central1", "body": made.SUBNET},
    ]
    seed.write_text(json.dumps(items))
    states = []
    for _ in range(2):
        with process(tmp_path / "db", f"--seed={seed}") as (started, endpoint):
            states.append(Http(endpoint).state().json())
            started.terminate()
            assert started.wait(20) == 0
    assert states[0] == states[1]
    assert [body["name"] for body in states[0]["resources"]["subnetworks"]] == ["us"]


@pytest.mark.parametrize(
    ("seed", "says"),
    [
        ("[", "is no seed"),
        ('[{"collection": "moons", "scope": "global", "body": {}}]', "is no seed"),
        ('[{"collection": "networks", "scope": "global", "body": {"name": "N"}}]', "resource.name"),
    ],
)
def test_a_wrong_seed_is_said(tmp_path: Path, seed: str, says: str) -> None:
    (tmp_path / "seed").write_text(seed)
    with process(tmp_path / "db", f"--seed={tmp_path / 'seed'}") as (started, _):
        assert started.wait(20) == 1
        assert says in started.stderr.read()


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with process(tmp_path / "a") as (_, endpoint):
        taken = endpoint.removeprefix("http://")
        with process(tmp_path / "b", f"--listen={taken}") as (started, _):
            assert started.wait(20) == 1
            assert f"cannot listen at {taken}" in started.stderr.read()

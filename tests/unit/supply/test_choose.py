"""Which supplier is chosen, and what a person is told of it."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path
from urllib.error import URLError

import pytest

from gkelab.errors import LabError
from gkelab.supply.cache import Cache
from gkelab.supply.choose import (
    Choice,
    answers,
    choose_supplier,
    make_supplier,
    registries,
    registry_of,
    trial_opener,
    unreachable,
)
from gkelab.supply.pins import Pins, SupplierName, load_pins
from tests.support.recorder import Recorder
from tests.unit.supply import Page, Web, error, some_pins


def choose(
    tmp_path: Path,
    forced: SupplierName | None = None,
    existing: SupplierName | None = None,
    *,
    silent: tuple[str, ...] | None = None,
    pins: Pins | None = None,
) -> Choice:
    """Choose where these registries are silent; without any, nobody may be asked."""

    def trial(registry: str) -> bool:
        assert silent is not None
        return registry not in silent

    cache = Cache(tmp_path)
    return choose_supplier(forced, existing, pins or load_pins(), cache, Recorder(), trial=trial)


@pytest.mark.parametrize("name", ["upstream", "built"])
def test_the_one_asked_for(tmp_path: Path, name: SupplierName) -> None:
    for existing in (None, name):
        chosen = choose(tmp_path, name, existing)
        assert chosen.supplier.name == name
        assert chosen.reason.endswith(f": --images={name} asks for it.")


def test_the_existing_lab_wins_over_trying(tmp_path: Path) -> None:
    assert choose(tmp_path, None, "built").supplier.name == "built"
    chosen = choose(tmp_path, None, "upstream")
    assert chosen.supplier.name == "upstream"
    assert chosen.reason == "The images are pulled: the lab that exists has its images so."


def test_another_one_than_the_existing_lab_has(tmp_path: Path) -> None:
    with pytest.raises(LabError) as raised:
        choose(tmp_path, "upstream", "built")
    assert error(raised) == (
        "The existing lab's images are built, and --images=upstream asks for others."
        " Run `invoke down` first, or leave --images out."
    )


def test_upstream_where_every_registry_answers(tmp_path: Path) -> None:
    chosen = choose(tmp_path, silent=())
    assert chosen.supplier.name == "upstream"
    assert chosen.reason == "The images are pulled: docker.io and quay.io answer."


@pytest.mark.parametrize(
    ("silent", "why"),
    [
        (("quay.io",), "quay.io does not answer"),
        (("docker.io", "quay.io"), "docker.io and quay.io do not answer"),
    ],
)
def test_built_where_one_does_not(tmp_path: Path, silent: tuple[str, ...], why: str) -> None:
    chosen = choose(tmp_path, silent=silent)
    assert chosen.supplier.name == "built"
    assert chosen.reason == f"The images are built here: {why}."


@pytest.mark.parametrize("name", ["built", "upstream"])
def test_a_cache_that_has_all_needs_no_trial(tmp_path: Path, name: SupplierName) -> None:
    pins = load_pins()
    cache = Cache(tmp_path)
    supplier = make_supplier(name, pins, cache, Recorder())
    for image, pin in pins.images.items():
        if name == "built" or not pin.in_node:
            kind, folder = supplier.archive(image).relative_to(cache.root).parts[:2]
            key = folder.removeprefix(f"{image}-")
            cache.make(kind, image, key, "a test", lambda work: None)
    chosen = choose(tmp_path)
    assert chosen.supplier.name == name
    assert chosen.reason.endswith(": all of them are in the cache.")
    # What has the lab's own source changes with it, and needs no registry.
    for image in ("cloud", "router"):
        cache.remove(next(entry for entry in cache.entries() if entry.name == image))
    assert choose(tmp_path).supplier.name == name
    # One image less, and the registries are asked.
    cache.remove(next(entry for entry in cache.entries() if entry.name == "workload"))
    assert choose(tmp_path, silent=()).supplier.name == "upstream"


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("kindest/node:v1", "docker.io"),
        ("debian:trixie-slim", "docker.io"),
        ("docker.io/istio/pilot:1", "docker.io"),
        ("quay.io/cilium/cilium:v1", "quay.io"),
        ("localhost/x:1", "localhost"),
        ("localhost:5000/x:1", "localhost:5000"),
    ],
)
def test_registry_of(reference: str, registry: str) -> None:
    assert registry_of(reference) == registry


def test_only_what_is_pulled_counts() -> None:
    assert registries(some_pins()) == ("docker.io",)


def test_registries_are_tried_at_once_and_not_waited_for() -> None:
    hung = threading.Event()

    def trial(registry: str) -> bool:
        return registry == "good" or hung.wait(30)

    began = time.monotonic()
    assert unreachable(["bad", "good", "worse"], trial, timeout=2) == ["bad", "worse"]
    assert time.monotonic() - began < 25
    hung.set()


QUAY = "https://quay.io/v2/"


@pytest.mark.parametrize("code", [200, 401, 403, 404, 429, 503])
def test_any_answer_counts(code: int) -> None:
    assert answers("quay.io", trial_opener(Web({QUAY: Page(code=code)})))


def test_a_redirection_is_an_answer() -> None:
    web = Web({QUAY: Page(code=307, headers={"Location": "https://elsewhere.example/"})})
    assert answers("quay.io", trial_opener(web))
    assert web.asked == [QUAY]


def test_docker_hub_is_asked_where_its_api_is() -> None:
    web = Web({"https://registry-1.docker.io/v2/": Page(code=401)})
    assert answers("docker.io", trial_opener(web))


@pytest.mark.parametrize(
    "fault",
    [
        URLError("[Errno -3] Temporary failure in name resolution"),
        ConnectionRefusedError(),
        TimeoutError(),
        OSError("Tunnel connection failed: 403 Forbidden"),
        http.client.RemoteDisconnected(""),
    ],
)
def test_silence_is_none(fault: Exception) -> None:
    assert not answers("quay.io", trial_opener(Web({QUAY: Page(fails=fault)})))

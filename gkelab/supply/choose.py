"""Which supplier a lab gets: the one asked for, the one it has, or what can be reached."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

from gkelab.errors import LabError
from gkelab.shell import Runner
from gkelab.supply.built import Built
from gkelab.supply.cache import Cache
from gkelab.supply.pins import Pins, SupplierName
from gkelab.supply.supplier import Supplier
from gkelab.supply.upstream import Upstream
from gkelab.timeouts import TIMEOUTS

DOCKER_HUB = "docker.io"
HOSTS = {DOCKER_HUB: "registry-1.docker.io"}  # where a registry's API is, if not at its name

DOES = {"upstream": "The images are pulled", "built": "The images are built here"}


@dataclass(frozen=True)
class Choice:
    """The supplier, and one sentence that tells a person why it is this one."""

    supplier: Supplier
    reason: str


def choose_supplier(
    forced: SupplierName | None,
    existing: SupplierName | None,
    pins: Pins,
    cache: Cache,
    run: Runner,
    *,
    trial: Callable[[str], bool] | None = None,
) -> Choice:
    """The supplier asked for, else the existing lab's, else one whose images are all in the cache
    (a machine that went offline needs no network then), else upstream if every registry answers.

    `trial` says whether a registry answers. Raises LabError when another supplier is asked for
    than the existing lab has.
    """

    def choice(name: SupplierName, why: str) -> Choice:
        return Choice(make_supplier(name, pins, cache, run), f"{DOES[name]}: {why}.")

    if forced and existing and forced != existing:
        raise LabError(
            f"The existing lab's images are {existing}, and --images={forced} asks for others",
            "run `invoke down` first, or leave --images out",
        )
    if forced:
        return choice(forced, f"--images={forced} asks for it")
    if existing:
        return choice(existing, "the lab that exists has its images so")
    names: tuple[SupplierName, ...] = ("upstream", "built")
    for name in names:
        supplier = make_supplier(name, pins, cache, run)
        # What holds the lab's own source is built here whoever supplies, and with every change.
        if all(supplier.cached(image) for image, pin in pins.images.items() if not pin.package):
            return choice(name, "all of them are in the cache")
    wanted = registries(pins)
    silent = unreachable(wanted, trial or answers)
    if silent:
        return choice("built", f"{_list(silent)} {_verb(silent, 'does', 'do')} not answer")
    return choice("upstream", f"{_list(wanted)} {_verb(wanted, 'answers', 'answer')}")


def make_supplier(name: SupplierName, pins: Pins, cache: Cache, run: Runner) -> Supplier:
    """The supplier of that name."""
    return Upstream(pins, cache, run) if name == "upstream" else Built(pins, cache, run)


def registry_of(reference: str) -> str:
    """The registry of an image reference; Docker Hub's where it names none."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else DOCKER_HUB


def registries(pins: Pins) -> tuple[str, ...]:
    """The registries that upstream pulls from, each once."""
    references = [
        pin.ref("upstream") for pin in pins.images.values() if not (pin.own or pin.in_node)
    ]
    return tuple(dict.fromkeys(map(registry_of, [*references, pins.debian.image])))


def unreachable(
    wanted: Sequence[str],
    trial: Callable[[str], bool],
    *,
    timeout: float = TIMEOUTS.registry_answers,
) -> list[str]:
    """Those of the registries that the trial says no to, or has not answered for in time.

    All are tried at once. A look-up of a name has no time limit of its own, so the threads are
    not waited for past `timeout` (seconds), and do not keep the process from ending.
    """
    reached: set[str] = set()

    def attempt(registry: str) -> None:
        if trial(registry):
            reached.add(registry)

    threads = [threading.Thread(target=attempt, args=[name], daemon=True) for name in wanted]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    in_time = set(reached)
    return [registry for registry in wanted if registry not in in_time]


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None  # a redirection is an answer already


def answers(registry: str, opener: urllib.request.OpenerDirector | None = None) -> bool:
    """Whether anything answers HTTP at the registry's API, a refusal (401) included."""
    url = f"https://{HOSTS.get(registry, registry)}/v2/"
    request = urllib.request.Request(url, headers={"User-Agent": "gkelab"})
    try:
        with (opener or trial_opener()).open(request, timeout=TIMEOUTS.registry_answers):
            return True
    except HTTPError:
        return True
    except (OSError, http.client.HTTPException):
        return False


def trial_opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """urllib, with the machine's own proxy settings, that takes a redirection for an answer."""
    return urllib.request.build_opener(_Stay, *handlers)


def _list(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several

"""The cloud's whole state, held here and kept up to date: for what makes it real."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

from gkelab.errors import LabError

Body = dict[str, Any]
PATH = "/lab/state"
# How long a question for news waits at the cloud, in seconds, and how much longer for the answer.
WAIT, GRACE = 30.0, 10.0
# Between questions to a cloud that does not answer.
AGAIN = 1.0
_LOG = logging.getLogger("gkelab.cloud.mirror")


@dataclass(frozen=True)
class State:
    """The state as of one generation; resources by collection, in Compute's JSON."""

    project: str
    generation: int
    resources: dict[str, list[Body]]

    def all(self, collection: str) -> list[Body]:
        """The resources of a collection, whatever their scope."""
        return self.resources.get(collection, [])


class Mirror:
    """The state of the cloud at an endpoint. `state` is None until the cloud has answered once;
    it stays as it was while the cloud is away, and `problem` says why."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.state: State | None = None
        self.problem = ""
        self._session = requests.Session()
        # The lab is on this machine, whatever proxy leads to the internet.
        self._session.trust_env = False

    def refresh(self, wait: float = 0.0) -> bool:
        """Ask for a state newer than the one held, waiting up to `wait` seconds for one; whether
        there is. Raises LabError when the cloud does not answer."""
        since = -1 if self.state is None else self.state.generation
        try:
            answer = self._session.get(
                f"{self.endpoint}{PATH}",
                params={"since": str(since), "wait": str(wait)},
                timeout=wait + GRACE,
            )
            if answer.status_code == HTTPStatus.NO_CONTENT:
                self.problem = ""
                return False
            answer.raise_for_status()
            told = answer.json()
            self.state = State(told["project"], int(told["generation"]), told["resources"])
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            self.problem = f"the cloud at {self.endpoint} does not answer ({type(error).__name__})"
            raise LabError(self.problem, "look at it with `invoke status`") from None
        self.problem = ""
        return True


def follow(
    mirror: Mirror, news: Callable[[], object], stop: threading.Event, *, wait: float = WAIT
) -> threading.Thread:
    """Keep a mirror up to date in a thread, and call `news` whenever the state is another or the
    cloud came or went, until told to stop. The mirror belongs to that thread from here on; who
    else asks the cloud has a mirror of its own."""

    def run() -> None:
        while not stop.is_set():
            before = mirror.problem
            try:
                changed = mirror.refresh(wait)
            except LabError as error:
                if mirror.problem != before:
                    _LOG.warning("%s", error.message)
                    news()
                stop.wait(AGAIN)
                continue
            if changed or before:
                news()

    thread = threading.Thread(target=run, name="follow", daemon=True)
    thread.start()
    return thread

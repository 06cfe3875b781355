"""Follows the cloud's state: asks for what is newer than what is known, and waits for it there."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

PATH = "/lab/state"
# Seconds: how long the cloud may take to have news; more until it counts as away; then how long
# until it is asked again.
WAIT, GRACE, PAUSE = 30.0, 10.0, 0.5


@dataclass(frozen=True)
class News:
    """A new state, or (`away`) why there is none to be had."""

    state: Any = None
    away: str = ""


@dataclass
class Follower:
    """Puts news into a queue, from a thread of its own, until it is told to stop. Whoever took
    news says so (`turn.release()`) before there are others: what is asked for then is the newest
    state, however many there were in between."""

    cloud: str
    news: SimpleQueue[News]
    since: int = -1
    stop: threading.Event = field(default_factory=threading.Event)
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))

    def __post_init__(self) -> None:
        # The cloud is a neighbour, whatever proxy leads elsewhere.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="follower", daemon=True).start()

    def _run(self) -> None:
        while not self.stop.is_set():
            self.turn.acquire()
            try:
                state = self.ask()
            except (OSError, ValueError, http.client.HTTPException) as bad:
                self.news.put(News(away=str(bad) or type(bad).__name__))
                self.stop.wait(PAUSE)
                continue
            if state is None:
                # It is there, and has nothing new.
                self.news.put(News())
            else:
                self.since = _generation(state)
                self.news.put(News(state=state))

    def ask(self) -> Any:
        """The next state that is not the known one; None if there is none in time. OSError,
        ValueError or HTTPException when the cloud cannot be asked."""
        url = f"{self.cloud.rstrip('/')}{PATH}?since={self.since}&wait={WAIT:g}"
        with self._opener.open(url, timeout=WAIT + GRACE) as answer:
            return json.loads(answer.read()) if answer.status == 200 else None


def _generation(state: Any) -> int:
    """ValueError for what is no state."""
    if not isinstance(state, dict) or not isinstance(state.get("generation"), int):
        raise ValueError("what the cloud answers is no state")
    return int(state["generation"])

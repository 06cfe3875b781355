"""docker's news of a lab's containers, as they happen."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

from gkelab.tools.docker import LABEL

# What changes which containers run.
EVENTS = ("start", "die", "destroy", "pause", "unpause")
AGAIN = 1.0


def argv(lab: str) -> list[str]:
    """The command that tells of each, a line each."""
    words = ["docker", "events", "--filter=type=container", f"--filter=label={LABEL}={lab}"]
    return [*words, *(f"--filter=event={event}" for event in EVENTS), "--format={{.Status}}"]


def follow(lab: str, news: Callable[[], object], stop: threading.Event) -> threading.Thread:
    """Call `news` for each, in a thread, until told to stop; also whenever docker came back, as
    nobody told what happened meanwhile."""

    def run() -> None:
        while not stop.is_set():
            try:
                with subprocess.Popen(argv(lab), stdout=subprocess.PIPE) as told:
                    assert told.stdout
                    news()
                    for _ in told.stdout:
                        news()
            except OSError:
                pass  # docker is missing: what is done with it says so
            stop.wait(AGAIN)

    thread = threading.Thread(target=run, name="events", daemon=True)
    thread.start()
    return thread

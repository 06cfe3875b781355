"""An `up` that dies in one of its steps: `python -m tests.support.killed_up STEP AFTER TOPOLOGY`.

It is the real `up` with another eye on its progress: AFTER seconds into the step, or when the step
ends before that, the whole process group gets SIGKILL, as when a machine's session goes away.
Nothing can be cleaned up, and no step can be missed for being short.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from unittest.mock import patch

from gkelab import commands
from gkelab.graph import Task
from gkelab.progress import Lines

# Every step of `up` that changes something, in an order in which a lab can get to each, with the
# seconds after which it is in its midst. Killed one after the other on one lab, each `up` shows
# that the one before it is resumed, since it gets further; a step of a cluster has no cluster's
# name here.
STEPS = (
    ("networks", 0.1),
    ("host-routes", 0.02),
    ("cloud", 0.3),
    ("topology", 0.02),
    ("router", 0.3),
    ("nodes", 0.02),  # there are none
    ("cluster", 1.0),  # nodes are being made
    ("cluster", 8.0),  # kubeadm is at work in them
    ("nodes", 0.3),  # those of the one before are being removed
    ("api", 5.0),
    ("machines", 0.2),
    ("client", 0.3),
    # kind still waits for nodes while these are done, and is killed with them.
    ("cilium-kinds", 0.3),
    ("cilium", 0.3),
    ("controllers", 0.2),
    ("remains", 0.02),  # there are none
    ("gateway-api", 0.3),
    ("gke-kinds", 0.1),
    ("names", 0.1),
    ("istio", 0.7),
    ("metallb", 0.5),
    ("pools", 0.3),
    ("workloads", 0.1),
    ("gateway", 1.0),
    ("mesh", 0.1),
    ("ready", 0.3),
    ("vpc", 0.1),
)


class Killing(Lines):
    """Progress that calls `kill` in the midst of a step, or at its end."""

    def __init__(self, step: str, after: float, kill: Callable[[], None]) -> None:
        super().__init__()
        self.step, self.after, self.kill = step, after, kill

    def started(self, task: Task) -> None:
        super().started(task)
        if task.name.partition(":")[0] == self.step:
            threading.Timer(self.after, self.kill).start()

    def finished(self, task: Task, seconds: float, note: str, remaining: Sequence[str]) -> None:
        if task.name.partition(":")[0] == self.step:
            self.kill()
        super().finished(task, seconds, note, remaining)


def kill_group() -> None:
    """SIGKILL to this process and all that it started."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def argv(step: str, after: float, topology: str) -> list[str]:
    """The command line; to be run in a session of its own."""
    return [sys.executable, "-m", "tests.support.killed_up", step, str(after), topology]


def main(words: Sequence[str]) -> None:
    """Run `up` and die."""
    step, after, topology = words
    if os.getpgrp() != os.getpid():
        raise SystemExit("this kills its process group: run it in a session of its own")
    eye = partial(Killing, step, float(after), kill_group)
    with patch.object(commands, "Lines", eye), commands.plain_errors():
        commands.up(topology, None, True, False)


if __name__ == "__main__":
    main(sys.argv[1:])

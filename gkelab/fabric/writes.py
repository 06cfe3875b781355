"""How soon a write through the API is in the packets' way: a rule is switched on and off under
datagrams that never stop."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gkelab.errors import LabError
from gkelab.fabric.figures import Fates, Write, answer, fates
from gkelab.fabric.made import ALLOWED, DENIED, TOGGLE, TOGGLED
from gkelab.fabric.stage import Stage, server_pod
from gkelab.wait import until

EVERY = 0.002  # seconds between datagrams
# Seconds from a write's return to the next write, at least and up to how many more: a router that
# looks every so often would else be met at the same moment each time.
GAP, SPREAD = 1.2, 0.3
GOLDEN = 0.618033988749895  # its multiples' fractions are spread evenly
STARTS, ENDS = 60.0, 60.0


def measure_writes(stage: Stage, count: int) -> Fates:
    """Switch the rule `count` times, and tell the packets' fates. The rules must be there."""
    ports = [str(port) for port in (TOGGLED, DENIED, ALLOWED)]
    receiving = [*server_pod(stage), "fabric", "receive", "--ports", *ports]
    sending = [*stage.pods.where, "fabric", "send", stage.pods.host]
    sending += [f"--every={EVERY}", "--ports", *ports]
    with talking(receiving) as receiver:
        receiver.await_line("receiving")
        with talking(sending) as sender:
            pause(2.0)  # until it sends for sure
            writes = [_write(stage, index) for index in range(count)]
            times = sender.end()["times"]
        received = receiver.end()["received"]
    return fates(writes, times, *(received[port] for port in ports))


def _write(stage: Stage, index: int) -> Write:
    """Deny what was admitted, admit what was denied, and let some time pass."""
    admits = index % 2 == 1
    began = time.monotonic()
    stage.cloud.patch("firewalls", "global", TOGGLE, {"disabled": admits})
    returned = time.monotonic()
    pause(GAP + SPREAD * (index * GOLDEN % 1))
    return Write(began, returned, admits)


def pause(seconds: float) -> None:
    """Let so many seconds pass."""
    due = time.monotonic() + seconds
    until(
        time.monotonic,
        lambda now: now >= due,
        what="time passes",
        timeout=seconds + 60,
        interval=0.02,
    )


@dataclass(frozen=True)
class Talker:
    """A probe that goes on until its standard input ends, and then answers."""

    process: subprocess.Popen[bytes]
    folder: Path

    def said(self) -> str:
        """All that it has printed."""
        return (self.folder / "stdout").read_text(errors="replace")

    def await_line(self, line: str) -> None:
        """Wait until it has printed a line. LabError when it ends instead."""
        until(
            self.said,
            lambda said: line in said.splitlines(),
            what=f"the probe says {line}",
            timeout=STARTS,
            interval=0.05,
            failed=lambda _: self._last_words() if self.process.poll() is not None else "",
            describe=lambda _: self._last_words(),
        )

    def end(self) -> dict[str, Any]:
        """End it; its answer. LabError when it has none."""
        if self.process.poll() is not None:
            raise LabError(f"The probe broke off: {self._last_words()}")
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(ENDS)
        except subprocess.TimeoutExpired:
            raise LabError(f"The probe does not end: {self._last_words()}") from None
        if self.process.returncode:
            raise LabError(f"The probe broke off: {self._last_words()}")
        return answer(self.said())

    def _last_words(self) -> str:
        told = (self.folder / "stderr").read_text(errors="replace").splitlines()
        return "; ".join(told[-3:]) or "it said nothing"


@contextmanager
def talking(argv: Sequence[str]) -> Iterator[Talker]:
    """A probe while the block runs; it ends with its standard input, so also when this process
    is killed."""
    with TemporaryDirectory(prefix="gkelab-bench-") as name:
        folder = Path(name)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            # A group of its own: Ctrl-C is for who measures.
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True
            )
        try:
            yield Talker(process, folder)
        finally:
            assert process.stdin
            process.stdin.close()
            try:
                process.wait(ENDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

"""Packet capture where a node, a container or a pod is: tcpdump there, decoded packets here."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from gkelab.wait import Clock, until
from tests.support.packets import CaptureError, Packet, decode_pcap
from tests.support.places import Place
from tests.support.running import Kept, running
from tests.support.timeouts import TIMEOUTS

__all__ = ["CaptureError", "Packet", "capture"]

# Signals to `docker exec` or `kubectl exec` do not reach what they started, so it says its number
# first, and another exec signals it. `timeout` ends a capture whose test run was killed.
_START = 'echo "pid $$" >&2; exec "$@"'
_SIGNAL = 'kill -"$1" "$2"'
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")
# What tcpdump says of its packets, when it is asked by SIGUSR1 and when it ends.
_COUNTS = re.compile(r"(\d+) packets? captured\W+(\d+) packets? received by filter")
# Enough for a VXLAN or GENEVE packet's inner TCP header, with some payload.
_SNAP = 256


class Child(Protocol):
    """A running command whose output can be read while it runs."""

    def stdout(self) -> bytes:
        """All that it has written so far."""
        ...

    def stderr(self) -> str:
        """All that it has written so far."""
        ...

    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        ...

    def kill(self) -> None:
        """End it (on this machine) and wait for its end."""
        ...


Start = Callable[[Sequence[str], Path], Child]


@dataclass(frozen=True)
class _Process:
    """A Child that writes into files: no pipe to fill up, no thread to read it."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def stdout(self) -> bytes:
        return self.out.read_bytes()

    def stderr(self) -> str:
        return self.err.read_text(encoding="utf-8", errors="replace")

    def code(self) -> int | None:
        return self.process.poll()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def start_process(argv: Sequence[str], folder: Path) -> Child:
    """Start a command that writes into files of `folder`. Raises FileNotFoundError."""
    out, err = folder / "stdout", folder / "stderr"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=to_out, stderr=to_err
        )
    return _Process(process, out, err)


@contextmanager
def capture(
    place: Place,
    *,
    interface: str = "eth0",
    filter: str = "",
    until_seen: Callable[[list[Packet]], bool] | None = None,
    start: Start = start_process,
    clock: Clock | None = None,
) -> Iterator[list[Packet]]:
    """Capture while the block runs; the list is filled when it ends, in the order seen.

    `filter` is in tcpdump's language. At the end the capture goes on until `until_seen` holds for
    the packets so far, without it until no more come and tcpdump has written all that it was
    given; either takes at most 3 s, and what was seen by then is what counts. Raises WaitError
    when tcpdump does not start or stop, with its words; CaptureError when packets were dropped,
    since then nothing can be said of those not seen. An error of the block itself is never
    replaced by one of these. Inside a run of tests the capture is kept, also when the block
    fails, to be saved if the test does.
    """
    packets: list[Packet] = []
    with TemporaryDirectory(prefix="gkelab-capture-") as folder:
        child = start(place.command(_tcpdump(interface, filter)), Path(folder))
        try:
            _await_start(child, place, clock)
            yield packets
            _settle(child, place, until_seen, clock)
            _signal(child, place, "INT")
            _await_end(child, place, clock)
            packets += decode_pcap(child.stdout())
        finally:
            if child.code() is None:
                _signal(child, place, "INT")
                child.kill()
            _keep(Kept(place.name, interface, filter, child.stdout()))


def _keep(kept: Kept) -> None:
    now = running()
    if now is not None:
        now.captures.append(kept)


def _tcpdump(interface: str, filter: str) -> list[str]:
    # --immediate-mode, or the kernel keeps packets back for a second and loses them at the end.
    # -Z root: Debian's tcpdump would become another user, for which a container may lack rights.
    options = ["-Z", "root", "-n", "-U", "--immediate-mode", "-s", str(_SNAP), "-w", "-"]
    command = ["tcpdump", "-i", interface, *options, *([filter] if filter else [])]
    limit = ["timeout", "--signal=INT", f"{TIMEOUTS.capture_limit:g}"]
    return [*limit, "sh", "-c", _START, "sh", *command]


def _await_start(child: Child, place: Place, clock: Clock | None) -> None:
    def ended(text: str) -> str:
        return "" if child.code() is None else f"it ended: {_one_line(text)}"

    until(
        child.stderr,
        lambda text: "listening on" in text,
        failed=ended,
        what=f"tcpdump's start on {place.name}",
        timeout=TIMEOUTS.capture_ready,
        interval=0.02,
        describe=_one_line,
        clock=clock,
    )


def _settle(
    child: Child,
    place: Place,
    until_seen: Callable[[list[Packet]], bool] | None,
    clock: Clock | None,
) -> None:
    sizes: list[int] = []
    ticking = clock or Clock()

    def enough() -> bool:
        data = child.stdout()
        if until_seen is not None:
            return len(data) >= 24 and until_seen(decode_pcap(data))
        sizes.append(len(data))
        return len(sizes) > 2 and len(set(sizes[-3:])) == 1 and _caught_up(child, place, ticking)

    end = ticking.now() + TIMEOUTS.capture_settle
    until(
        enough,
        lambda done: done or ticking.now() >= end,
        what="the capture's last packets",
        timeout=2 * TIMEOUTS.capture_settle,
        interval=0.05,
        clock=clock,
    )


def _caught_up(child: Child, place: Place, clock: Clock) -> bool:
    """Whether tcpdump has written what the kernel gave it: on a busy machine it may not have run
    since."""
    asked = len(_COUNTS.findall(child.stderr()))
    _signal(child, place, "USR1")
    end = clock.now() + TIMEOUTS.capture_settle
    told = until(
        lambda: _COUNTS.findall(child.stderr())[asked:],
        lambda counts: bool(counts) or child.code() is not None or clock.now() >= end,
        what=f"tcpdump's counts on {place.name}",
        timeout=2 * TIMEOUTS.capture_settle,
        interval=0.02,
        clock=clock,
    )
    return bool(told) and told[-1][0] == told[-1][1]


def _signal(child: Child, place: Place, signal: str) -> None:
    numbers = [line.split()[1] for line in child.stderr().splitlines() if line.startswith("pid ")]
    if numbers:
        argv = ["sh", "-c", _SIGNAL, "sh", signal, numbers[0]]
        place.exec(argv, timeout=TIMEOUTS.capture_stop)


def _await_end(child: Child, place: Place, clock: Clock | None) -> None:
    until(
        child.code,
        lambda code: code is not None,
        what=f"tcpdump's end on {place.name}",
        timeout=TIMEOUTS.capture_stop,
        interval=0.02,
        describe=lambda _: _one_line(child.stderr()),
        clock=clock,
    )
    dropped = _DROPPED.findall(child.stderr())
    if dropped and dropped[-1] != "0":
        raise CaptureError(
            f"the capture on {place.name} is not whole: {dropped[-1]} packets dropped by kernel"
        )


def _one_line(text: str) -> str:
    return "; ".join(text.split("\n")).strip("; ")

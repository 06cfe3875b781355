"""Captures: with a child that is played, and with real processes and a stand-in for tcpdump."""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from gkelab.shell import Result, run
from gkelab.wait import Clock, WaitError
from tests.support.capture import CaptureError, Packet, capture, start_process
from tests.support.places import HostPlace
from tests.support.timeouts import TIMEOUTS
from tests.unit.support.test_packets import ether, ipv4, pcap, tcp

FRAME = ether(0x0800, ipv4(6, tcp()))
READY = "pid 77\ntcpdump: listening on eth0, link-type EN10MB (Ethernet)\n"
COUNTS = "{} packets captured{sep}{} packets received by filter{sep}{} packets dropped by kernel\n"


class Time:
    """A clock that jumps, and things that happen on the way."""

    def __init__(self) -> None:
        self.at = 0.0
        self.events: list[tuple[float, str, bytes]] = []

    def clock(self) -> Clock:
        return Clock(lambda: self.at, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class Played:
    """A tcpdump that is played: place, child and starter in one."""

    name = "node-1"

    def __init__(self, stderr: str = READY, *, dropped: int = 0, deaf: bool = False) -> None:
        self.time = Time()
        self.said = stderr
        self.ended: int | None = None
        self.killed = False
        self.started: list[str] = []
        self.execs: list[Sequence[str]] = []
        self.dropped, self.deaf = dropped, deaf
        self.frames: list[tuple[float, bytes]] = []
        self.behind = 0

    def __call__(self, argv: Sequence[str], folder: Path) -> "Played":
        assert folder.is_dir()
        self.started = list(argv)
        return self

    def command(self, argv: Sequence[str], *, stdin: bool = False) -> list[str]:
        return ["there", *argv]

    def exec(
        self, argv: Sequence[str], *, input: str | None = None, timeout: float | None = None
    ) -> Result:
        self.execs.append(argv)
        told = partial(COUNTS.format, 3 - self.behind, 3, self.dropped)
        if "USR1" in argv:
            self.said += f"tcpdump: {told(sep=', ')}"
            self.behind = max(0, self.behind - 1)
        elif not self.deaf:
            self.ended = 0
            self.said += told(sep="\n")
        return Result(tuple(argv), 0, "", "")

    def stdout(self) -> bytes:
        return pcap([frame for when, frame in self.frames if when <= self.time.at])

    def stderr(self) -> str:
        return self.said

    def code(self) -> int | None:
        return self.ended

    def kill(self) -> None:
        self.killed = True
        self.ended = -9


def test_command_and_stop() -> None:
    tool = Played()
    with capture(tool, interface="eth1", filter="tcp port 80", start=tool, clock=tool.time.clock()):
        assert tool.execs == []
    assert tool.started[:6] == ["there", "timeout", "--signal=INT", "600", "sh", "-c"]
    assert tool.started[7:] == [
        *["sh", "tcpdump", "-i", "eth1", "-Z", "root", "-n", "-U", "--immediate-mode"],
        *["-s", "256", "-w", "-", "tcp port 80"],
    ]
    kill = ["sh", "-c", 'kill -"$1" "$2"', "sh"]
    assert tool.execs == [[*kill, "USR1", "77"], [*kill, "INT", "77"]]
    assert not tool.killed


def test_packets_are_there_at_the_end() -> None:
    tool = Played()
    with capture(tool, start=tool, clock=tool.time.clock()) as packets:
        assert packets == []
        tool.frames += [(0.0, FRAME), (0.0, FRAME)]
    assert [packet.destination for packet in packets] == ["10.4.1.3", "10.4.1.3"]
    quiet = Played()
    with capture(quiet, start=quiet, clock=quiet.time.clock()) as packets:
        pass
    assert packets == []


def test_packets_on_their_way_are_waited_for() -> None:
    def both(packets: list[Packet]) -> bool:
        return len(packets) == 2

    late = [(0.0, FRAME), (0.5, FRAME)]
    tool = Played()
    with capture(tool, until_seen=both, start=tool, clock=tool.time.clock()) as packets:
        tool.frames += late
    assert len(packets) == 2
    # Without the predicate it ends as soon as nothing more comes.
    tool = Played()
    with capture(tool, start=tool, clock=tool.time.clock()) as packets:
        tool.frames += late
    assert len(packets) == 1
    # One that never comes true ends the wait, not the test: the packets are for the test to judge.
    tool = Played()
    with capture(tool, until_seen=both, start=tool, clock=tool.time.clock()) as packets:
        tool.frames.append((0.0, FRAME))
    assert len(packets) == 1
    assert TIMEOUTS.capture_settle <= tool.time.at < 2 * TIMEOUTS.capture_settle


def test_what_tcpdump_has_not_written_yet_is_waited_for() -> None:
    tool = Played()
    with capture(tool, start=tool, clock=tool.time.clock()):
        tool.behind = 2
    signals = [argv[-2] for argv in tool.execs]
    assert signals == ["USR1", "USR1", "USR1", "INT"]


def test_a_capture_with_drops_says_nothing() -> None:
    tool = Played(dropped=2)
    with (
        pytest.raises(CaptureError, match="node-1 is not whole: 2 packets dropped by kernel"),
        capture(tool, start=tool, clock=tool.time.clock()),
    ):
        pass


def test_one_that_does_not_start() -> None:
    tool = Played("pid 77\ntcpdump: eth9: No such device exists\n")
    tool.ended = 1
    with (
        pytest.raises(WaitError, match=r"tcpdump's start on node-1 .*No such device"),
        capture(tool, start=tool, clock=tool.time.clock()),
    ):
        pytest.fail("the block ran")
    tool = Played("pid 77\n")
    with (
        pytest.raises(WaitError, match="did not come true within 20 s: pid 77"),
        capture(tool, start=tool, clock=tool.time.clock()),
    ):
        pytest.fail("the block ran")
    assert tool.killed


def test_one_that_does_not_stop_is_killed() -> None:
    tool = Played(deaf=True)
    with (
        pytest.raises(WaitError, match="tcpdump's end on node-1"),
        capture(tool, start=tool, clock=tool.time.clock()),
    ):
        pass
    assert tool.killed


def test_the_blocks_own_error_counts() -> None:
    tool = Played(dropped=2)
    with (
        pytest.raises(AssertionError, match="mine"),
        capture(tool, start=tool, clock=tool.time.clock()),
    ):
        raise AssertionError("mine")
    assert [argv[-2] for argv in tool.execs] == ["INT"]


STAND_IN = """\
#!{python}
import signal, sys, time
COUNTS = "1 packet captured, 1 packet received by filter, 0 packets dropped by kernel\\n"
def count(*_):
    sys.stderr.write("tcpdump: " + COUNTS)
    sys.stderr.flush()
def stop(*_):
    sys.stderr.write(COUNTS)
    sys.exit(0)
signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGUSR1, count)
sys.stdout.buffer.write(bytes.fromhex("{data}"))
sys.stdout.buffer.flush()
sys.stderr.write("tcpdump: listening on " + sys.argv[2] + "\\n")
sys.stderr.flush()
open("{pid}", "w").write("started")
while True:
    signal.pause()
"""


def test_real_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "tcpdump"
    note = tmp_path / "note"
    text = STAND_IN.format(python=sys.executable, data=pcap([FRAME]).hex(), pid=note)
    tool.write_text(text)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    before = time.monotonic()
    with capture(HostPlace(run), interface="lo") as packets:
        assert packets == []
    assert [packet.flags for packet in packets] == ["SA"]
    assert time.monotonic() - before < 10
    tool.write_text("#!/bin/sh\necho no such device >&2; exit 1\n")
    with (
        pytest.raises(WaitError, match="no such device"),
        capture(HostPlace(run), interface="lo"),
    ):
        pytest.fail("the block ran")


def test_a_process_is_killed_and_read(tmp_path: Path) -> None:
    code = "import sys,signal;sys.stderr.write('hi');sys.stderr.flush();signal.pause()"
    child = start_process([sys.executable, "-c", code], tmp_path)
    assert child.code() is None
    child.kill()
    assert child.code() == -9
    assert child.stdout() == b""

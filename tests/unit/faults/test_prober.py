"""The prober itself, run on this machine, against servers of the workload and ones that fail."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gkelab.errors import LabError
from gkelab.faults import prober
from gkelab.faults.flow import Flow, Traffic, flowing, program
from gkelab.faults.record import Record
from gkelab.wait import until
from tests.unit.support.servers import HERE, Ports, port, running

MOST = 20.0  # seconds; a machine may be busy
FAST = Traffic(HERE, 0, stream=0.01, requests=0.05, timeout=MOST)


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with running() as found:
        yield found


def until_seen(flow: Flow, enough: Callable[[Record], bool]) -> Record:
    """Let it flow until enough was seen, and end it."""
    until(flow.record, enough, what="enough traffic", timeout=MOST, interval=0.02)
    return flow.stop()


def answered(record: Record) -> int:
    return sum(message.answered is not None for message in record.messages)


def unanswered(record: Record) -> list[int]:
    """Messages without an answer; those due before a busy machine had the connection are none."""
    numbers = [each.number for each in record.messages if each.answered is None]
    first = min(each.number for each in record.messages if each.answered is not None)
    return [number for number in numbers if number > first]


def test_lines_are_answered(ports: Ports) -> None:
    with flowing([], replace(FAST, port=ports.tcp)) as flow:
        record = until_seen(flow, lambda r: answered(r) >= 30 and len(r.requests) >= 5)
    assert [message.number for message in record.messages] == list(range(len(record.messages)))
    assert unanswered(record) == [], "the last ones were not waited for"
    assert {request.why for request in record.requests} == {""}
    assert record.resets == ()
    sent = [message.sent for message in record.messages]
    assert sent == sorted(sent)
    assert record.ended is not None
    assert record.ended >= sent[-1]


def test_http_is_answered_on_one_connection_and_on_many(ports: Ports) -> None:
    traffic = replace(FAST, port=ports.http, protocol="http", http_host="a", query="&body=1000")
    with flowing([], traffic) as flow:
        record = until_seen(flow, lambda r: answered(r) >= 30 and len(r.requests) >= 5)
    assert unanswered(record) == []
    assert {request.why for request in record.requests} == {""}


def test_a_status_that_is_an_error_is_no_answer(ports: Ports) -> None:
    """The workload would tell the number even then; a gateway would not."""
    with bad_gateway() as number:
        traffic = Traffic(HERE, number, "http", requests=0.05, stream=0, timeout=MOST)
        with flowing([], traffic) as flow:
            record = until_seen(flow, lambda r: len(r.requests) >= 3)
    assert {request.why for request in record.requests} == {"HTTP 503"}
    assert record.messages == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [("closed", "REFUSED"), ("reset", "RESET"), ("eof", "RESET"), ("silent", "TIMEOUT")],
)
def test_what_fails_has_a_name(ports: Ports, name: str, why: str) -> None:
    timeout = 0.3 if why == "TIMEOUT" else MOST
    traffic = Traffic(HERE, getattr(ports, name), stream=0, requests=0.1, timeout=timeout)
    with flowing([], traffic) as flow:
        record = until_seen(flow, lambda r: len(r.requests) >= 3)
    assert {request.why for request in record.requests} == {why}


def test_a_name_that_does_not_resolve() -> None:
    traffic = Traffic("nobody.invalid.", 80, stream=0, requests=0.1, timeout=1)
    with flowing([], traffic) as flow:
        record = until_seen(flow, lambda r: len(r.requests) >= 1)
    assert {request.why for request in record.requests} <= {"DNS_ERROR", "TIMEOUT"}


def test_a_broken_connection_is_made_again() -> None:
    """Every tenth message is answered with a reset: that one is lost, and what was sent behind
    it; the next ones have a new connection."""
    with resetting(after=10) as number:
        traffic = Traffic(HERE, number, stream=0.01, requests=0)
        with flowing([], traffic) as flow:
            record = until_seen(flow, lambda r: len(r.resets) >= 3)
    assert len(record.resets) >= 3
    assert {reset.why for reset in record.resets} == {"RESET"}
    lost = [message for message in record.messages if message.answered is None]
    assert len(record.resets) <= len(lost) < len(record.messages) / 2
    assert answered(record) >= 27
    assert sorted(m.number for m in record.messages) == list(range(len(record.messages)))


def test_without_a_connection_messages_are_lost_in_time(ports: Ports) -> None:
    with flowing([], Traffic(HERE, ports.closed, stream=0.01, requests=0)) as flow:
        record = until_seen(flow, lambda r: len(r.messages) >= 50)
    assert answered(record) == 0
    sent = [message.sent for message in record.messages]
    assert sent[-1] - sent[0] >= 0.25, "they came faster than their rate"


def test_what_is_not_acknowledged_is_lost_at_the_end() -> None:
    with (
        swallowing() as (number, got),
        flowing([], Traffic(HERE, number, stream=0.05, requests=0)) as flow,
    ):
        until(lambda: len(got), lambda count: count >= 5, what="five messages", timeout=MOST)
        # On a loaded machine connecting takes so long that the first ones are lost by that.
        known = flow.record().messages
        record = flow.stop()
    assert len(record.messages) >= len(known) + 5, "of those that were sent nothing is known before"
    assert answered(record) == 0
    assert record.resets == ()


def test_it_ends_by_itself_at_its_limit(ports: Ports) -> None:
    with flowing([], Traffic(HERE, ports.tcp, limit=0.5, requests=0)) as flow:
        until(flow.process.poll, lambda code: code == 0, what="its end", timeout=MOST)
        with pytest.raises(LabError, match="The prober ended with 0"):
            flow.steady()
        assert flow.stop().ended


def test_it_ends_with_who_started_it(ports: Ports) -> None:
    """Leaving the block is enough."""
    with flowing([], replace(FAST, port=ports.tcp)) as flow:
        assert flow.process.poll() is None
    assert flow.process.returncode == 0


def test_a_prober_that_cannot_run_is_said_at_once() -> None:
    with flowing(["sh", "-c", "echo no such pod >&2; exit 3"], Traffic(HERE, 1)) as flow:
        until(flow.process.poll, lambda code: code == 3, what="its end", timeout=MOST)
        with pytest.raises(LabError, match=r"ended with 3: no such pod"):
            flow.await_steady("anything")
        with pytest.raises(LabError, match=r"broke off: no such pod"):
            flow.stop()


def test_steady_traffic_is_seen_to_be(ports: Ports) -> None:
    with flowing([], Traffic(HERE, ports.tcp, timeout=1)) as flow:
        assert not flow.steady()
        flow.await_steady("lines")
        assert flow.steady()


def test_the_program_is_a_word_of_a_command_line() -> None:
    assert len(program()) < 65536  # a single word may have 128 KiB


# --- its parts


def test_answers_are_found_wherever_the_stream_is_cut() -> None:
    text = b"".join(b'{"pod": "a", "received": "n=%d"}\n' % n for n in range(20))
    for cut in range(len(text)):
        first, rest = prober.answered(text[:cut])
        second, _ = prober.answered(rest + text[cut:])
        assert first + second == list(range(20))


def test_an_answer_is_of_its_own_number() -> None:
    assert prober.answered(b'"query": "n=12&delay=1"')[0] == [12]
    assert prober.answered(b'"received": 12, "query": "m=1"')[0] == []
    assert prober.answered(b'"query": "n=1')[0] == [], "it may be the 1 of 12"


def test_missed_beats_are_not_made_up_for() -> None:
    stop = threading.Event()
    late: list[float] = []
    for due in prober.beats(0.01, stop):
        late.append(due)
        if len(late) == 3:
            threading.Event().wait(0.2)
        if len(late) == 6:
            stop.set()
    assert late[3] - late[2] >= 0.2
    assert late[4] - late[3] >= 0.009, "missed ones were made up for"


# --- servers that fail


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server whose connections are handled each in a thread; its port."""
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        listener.listen(16)

        def accept() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(taken,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield port(listener)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def resetting(after: int) -> Iterator[int]:
    """Answers lines, and resets the connection in place of the `after`th answer."""

    def handle(taken: socket.socket) -> None:
        with taken, taken.makefile("rb") as lines:
            for count, line in enumerate(lines, 1):
                if count == after:
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                taken.sendall(b'{"received": "%s"}\n' % line.strip())

    with serving(handle) as number:
        yield number


@contextmanager
def swallowing() -> Iterator[tuple[int, list[bytes]]]:
    """Takes lines, and answers none; its port, and what it has got."""
    got: list[bytes] = []

    def handle(taken: socket.socket) -> None:
        with taken, taken.makefile("rb") as lines:
            for line in lines:
                got.append(line)

    with serving(handle) as number:
        yield number, got


@contextmanager
def bad_gateway() -> Iterator[int]:
    """Answers every request as a gateway does that has nobody behind it."""

    def handle(taken: socket.socket) -> None:
        with taken:
            taken.recv(65536)
            taken.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")

    with serving(handle) as number:
        yield number

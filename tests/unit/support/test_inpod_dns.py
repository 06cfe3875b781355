"""The in-pod script's DNS: against a server of ours, byte by byte."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from gkelab.shell import Result
from tests.support.inpod import probe as inpod
from tests.support.outcomes import Outcome
from tests.support.probes import dns
from tests.unit.support.servers import HERE, port


class Here:
    """Runs the script's probes in this process, which is faster than an exec each."""

    name = "here"

    def exec(
        self, argv: Sequence[str], *, input: str | None = None, timeout: float | None = None
    ) -> Result:
        verdicts = [inpod.attempt(probe) for probe in json.loads(argv[2])]
        return Result(tuple(argv), 0, inpod.MARK + json.dumps(verdicts), "")

    def command(self, argv: Sequence[str], *, stdin: bool = False) -> list[str]:
        return list(argv)


PLACE = Here()
POINTER = b"\xc0\x0c"  # to the question's name


def reply(query: bytes, records: list[tuple[int, bytes]], flags: int = 0x8180) -> bytes:
    answers = b"".join(
        POINTER + struct.pack("!HHIH", kind, 1, 30, len(data)) + data for kind, data in records
    )
    head = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
    return head + query[12:] + answers


@contextmanager
def server(
    records: list[tuple[int, bytes]], flags: int = 0x8180, *, skew: int = 0, tcp: bool = False
) -> Iterator[tuple[int, list[bytes]]]:
    """Answers one question; yields the port and what was asked."""
    asked: list[bytes] = []

    def answer(query: bytes) -> bytes:
        asked.append(query)
        text = reply(query, records, flags)
        return bytes([text[0] ^ skew]) + text[1:]

    def by_udp() -> None:
        query, peer = sock.recvfrom(512)
        sock.sendto(answer(query), peer)

    def by_tcp() -> None:
        taken, _ = sock.accept()
        with taken:
            text = answer(taken.recv(514)[2:])
            taken.sendall(struct.pack("!H", len(text)) + text)

    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((HERE, 0))
        sock.settimeout(5)
        if tcp:
            sock.listen()
        thread = threading.Thread(target=by_tcp if tcp else by_udp)
        thread.start()
        yield port(sock), asked
        thread.join()


def name(text: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


@pytest.mark.parametrize(
    ("kind", "number", "data", "record"),
    [
        ("A", 1, bytes([10, 0, 0, 7]), "10.0.0.7"),
        ("AAAA", 28, socket.inet_pton(socket.AF_INET6, "fd00::7"), "fd00::7"),
        ("CNAME", 5, name("web.test"), "web.test"),
        ("NS", 2, b"\2ns" + POINTER, "ns.a.test"),
        ("SRV", 33, struct.pack("!HHH", 0, 100, 80) + name("web.test"), "0 100 80 web.test"),
        ("TXT", 16, b"\3abc\2de", "abcde"),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_records(kind: str, number: int, data: bytes, record: str, tcp: bool) -> None:
    with server([(number, data)], tcp=tcp) as (where, asked):
        answer = dns(PLACE, "a.test", kind, HERE, port=where, tcp=tcp)
    assert answer.outcome is Outcome.OK, answer
    assert answer.records == (record,)
    assert (answer.body or {})["answers"][0]["ttl"] == 30
    assert asked[0][2:] == struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + name("a.test") + bytes(
        [0, number, 0, 1]
    )


def test_a_chain_has_all_its_records() -> None:
    with server([(5, name("b.test")), (1, bytes([10, 0, 0, 7]))]) as (where, _):
        answer = dns(PLACE, "a.test", server=HERE, port=where)
    assert answer.records == ("b.test", "10.0.0.7")


@pytest.mark.parametrize(
    ("flags", "rcode"), [(0x8183, "NXDOMAIN"), (0x8182, "SERVFAIL"), (0x8180, "NOERROR")]
)
def test_no_record_is_an_error_with_its_code(flags: int, rcode: str) -> None:
    with server([], flags) as (where, _):
        answer = dns(PLACE, "a.test", server=HERE, port=where)
    assert answer.outcome is Outcome.DNS_ERROR
    assert (answer.body or {})["rcode"] == rcode
    assert rcode in answer.detail


def test_an_answer_of_another_type_is_none() -> None:
    with server([(5, name("b.test"))]) as (where, _):
        assert dns(PLACE, "a.test", server=HERE, port=where).outcome is Outcome.DNS_ERROR


def test_truncation_is_told() -> None:
    for flags, told in ((0x8380, True), (0x8180, False)):
        with server([(1, bytes(4))], flags) as (where, _):
            answer = dns(PLACE, "a.test", server=HERE, port=where)
        assert (answer.body or {})["truncated"] is told


def test_an_answer_to_another_question_breaks_the_probe() -> None:
    with server([(1, bytes(4))], skew=1) as (where, _):
        assert dns(PLACE, "a.test", server=HERE, port=where).outcome is Outcome.PROBE_BROKEN


def test_ptr_takes_an_address() -> None:
    with server([(12, name("web.test"))]) as (where, asked):
        assert dns(PLACE, "10.0.0.7", "PTR", HERE, port=where).records == ("web.test",)
    assert name("7.0.0.10.in-addr.arpa") in asked[0]


def test_a_name_that_points_to_itself_ends() -> None:
    with pytest.raises(ValueError, match="without an end"):
        inpod.name_at(b"\0" * 12 + POINTER, 12)

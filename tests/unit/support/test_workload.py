"""The workload image's program by real probes: what it does at a request's wish, WebSockets,
HTTP/2, gRPC and TLS."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gkelab.shell import run
from tests.support.outcomes import Outcome, report
from tests.support.probes import HostPlace, Probe, http, http_many, probe_many, tcp, websocket
from tests.unit.support.servers import HERE, Ports, port, running, workload

PLACE = HostPlace(run)
H2 = ["--http2-prior-knowledge"]
ASK = "/gkelab.Workload/Ask"
curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
h2 = pytest.mark.skipif(importlib.util.find_spec("h2") is None, reason="no h2 in this Python")


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with running() as found:
        yield found


# --- wishes


@curl
def test_the_first_requests_of_a_key_fail(ports: Ports) -> None:
    url = f"http://{HERE}:{ports.http}/?fail=2&key=first"
    answers = http_many(PLACE, url, 4)
    assert [answer.status for answer in answers] == [503, 503, 200, 200]
    assert [(answer.body or {})["attempt"] for answer in answers] == [1, 2, 3, 4]
    (other,) = http_many(PLACE, f"http://{HERE}:{ports.http}/?fail=1&key=second&status=500", 1)
    assert (other.status, (other.body or {})["attempt"]) == (500, 1)
    (counted,) = http_many(PLACE, f"http://{HERE}:{ports.http}/?key=first", 1)
    assert (counted.status, (counted.body or {})["attempt"]) == (200, 5)


@curl
def test_a_request_is_counted_when_it_comes(ports: Ports) -> None:
    url = f"http://{HERE}:{ports.http}/?key=slow"
    late = http(PLACE, f"{url}&delay=1", timeout=0.3)
    assert late.outcome is Outcome.TIMEOUT
    assert (http(PLACE, url).body or {})["attempt"] == 2


@curl
def test_without_a_key_nothing_is_counted(ports: Ports) -> None:
    answer = http(PLACE, f"http://{HERE}:{ports.http}/?status=404")
    assert answer.status == 404
    assert "attempt" not in (answer.body or {"attempt": None})


# --- WebSockets


def test_a_websocket_answers_a_text_with_the_report(ports: Ports) -> None:
    asked = {"Host": "web.test", "X-A": "1"}
    answer = websocket(PLACE, HERE, ports.http, "/chat", "hello", headers=asked)
    assert (answer.outcome, answer.status) == (Outcome.OK, 101)
    assert (answer.who, answer.saw, answer.local) == (socket.gethostname(), HERE, HERE)
    said = answer.body or {}
    assert (said["protocol"], said["received"]) == ("websocket", "hello")
    assert (said["path"], said["host"], said["headers"]["x-a"]) == ("/chat", "web.test", "1")


@pytest.mark.parametrize(
    ("where", "outcome"),
    [
        ("closed", Outcome.REFUSED),
        ("reset", Outcome.RESET),
        ("eof", Outcome.RESET),
        ("silent", Outcome.TIMEOUT),
    ],
)
def test_where_there_is_no_websocket(ports: Ports, where: str, outcome: Outcome) -> None:
    assert websocket(PLACE, HERE, getattr(ports, where), timeout=0.3).outcome is outcome


def one_answer(text: str) -> tuple[int, threading.Thread]:
    """A port where one connection gets this answer, whatever it asks."""
    listening = socket.create_server((HERE, 0))

    def answer() -> None:
        taken, _ = listening.accept()
        with listening, taken:
            taken.recv(65536)
            taken.sendall(text.encode())

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return port(listening), thread


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Outcome.HTTP_ERROR),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", Outcome.HTTP_ERROR),
        # An answer that anybody could give, who never read the key.
        ("HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: x\r\n\r\n", Outcome.PROBE_BROKEN),
        ("HTTP/1.1 101 OK\r\n\r\n", Outcome.PROBE_BROKEN),
        ("SSH-2.0 x\r\n\r\n", Outcome.PROBE_BROKEN),
    ],
)
def test_an_answer_that_is_no_upgrade(text: str, outcome: Outcome) -> None:
    number, thread = one_answer(text)
    assert websocket(PLACE, HERE, number).outcome is outcome
    thread.join()


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_of_all_sizes(size: int) -> None:
    workload()
    import websocket as frames  # type: ignore[import-not-found]  # the image's, beside workload.py

    payload = bytes(i % 251 for i in range(size))
    sent = frames.frame(frames.BINARY, payload)
    assert list(frames.frames(io.BytesIO(sent))) == [(frames.BINARY, payload)]
    head = sent[: len(sent) - size]
    mask = b"\1\2\3\4"
    masked = bytes([head[0], head[1] | 0x80]) + head[2:] + mask
    masked += bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    assert list(frames.frames(io.BytesIO(masked * 2))) == [(frames.BINARY, payload)] * 2


# --- HTTP/2


@curl
@h2
def test_http2(ports: Ports) -> None:
    url = f"http://{HERE}:{ports.h2}/a?status=201"
    answer = http(PLACE, url, method="PUT", data="12345", host="web.test", extra=H2)
    assert (answer.outcome, answer.status, answer.http_version) == (Outcome.OK, 201, "2")
    assert (answer.who, answer.saw) == (socket.gethostname(), HERE)
    said = answer.body or {}
    assert (said["protocol"], said["method"], said["path"]) == ("HTTP/2", "PUT", "/a")
    assert (said["host"], said["received"]) == ("web.test", 5)
    assert answer.trailers == {}
    head = http(PLACE, url, method="HEAD", extra=H2)
    assert (head.outcome, head.status, head.body) == (Outcome.OK, 201, None)


@curl
@h2
def test_more_than_the_peers_window_takes(ports: Ports) -> None:
    for size in (70_000, 20_000_000):  # HTTP/2's first window is 65,535; curl's 10 MB
        answer = http(PLACE, f"http://{HERE}:{ports.h2}/?body={size}", extra=H2, timeout=20)
        assert len((answer.body or {})["body"]) == size


@curl
@h2
def test_http1_is_not_answered_where_http2_is(ports: Ports) -> None:
    answer = http(PLACE, f"http://{HERE}:{ports.h2}/")
    assert answer.outcome is Outcome.PROBE_BROKEN
    assert "HTTP/0.9" in answer.detail  # to curl, what speaks no HTTP/1.1
    assert http(PLACE, f"http://{HERE}:{ports.http}/").http_version == "1.1"


# --- gRPC


def grpc(message: str) -> str:
    return struct.pack("!BI", 0, len(message)).decode() + message


@curl
@h2
def test_a_unary_call(ports: Ports) -> None:
    heads = {"Content-Type": "application/grpc+json", "TE": "trailers"}
    url = f"http://{HERE}:{ports.h2}{ASK}"
    answer = http(PLACE, url, method="POST", headers=heads, stdin=grpc('{"a": 1}'), extra=H2)
    assert (answer.outcome, answer.status) == (Outcome.OK, 200)
    assert answer.headers["content-type"] == ("application/grpc+json",)
    assert answer.trailers == {"grpc-status": ("0",)}
    said = report(answer.text[answer.text.index("{") :]) or {}
    assert (said["protocol"], said["received"]) == ("gRPC", 8)
    unknown = http(PLACE, url + "Nothing", method="POST", headers=heads, stdin=grpc("{}"), extra=H2)
    assert unknown.headers["grpc-status"] == ("12",)
    assert unknown.trailers == {}


def test_a_body_and_a_certificate_do_not_fit() -> None:
    with pytest.raises(ValueError, match="not for both"):
        http(PLACE, "https://x/", stdin="\0", cacert="-----BEGIN CERTIFICATE-----")


@h2
@pytest.mark.parametrize("body", [b"", b"\0\0\0\0", b"\0\0\0\0\2a", b"\1\0\0\0\0", b"\0\0\0\0\0a"])
def test_what_is_no_message(body: bytes) -> None:
    workload()
    import http2  # type: ignore[import-not-found]  # the image's, beside workload.py

    with pytest.raises(ValueError, match="no uncompressed gRPC message"):
        http2.message(body)
    assert http2.message(b"\0\0\0\0\0") == b""


# --- TLS


@curl
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_tls_that_ends_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = workload()
    monkeypatch.setattr(module, "CERTIFICATE", str(tmp_path / "crt"))
    monkeypatch.setattr(module, "KEY", str(tmp_path / "key"))
    context = module.make_context("web.test")
    server = module.HttpsServer((HERE, 0), module.Http, context)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        number = port(server.socket)
        silent = socket.create_connection((HERE, number))  # it must not keep the others waiting
        names = [f"{name}.test:{number}:{HERE}" for name in ("web", "other")]
        pem = (tmp_path / "crt").read_text()
        answer = http(PLACE, f"https://web.test:{number}/", resolve=names, cacert=pem)
        assert answer.outcome is Outcome.OK
        said = answer.body or {}
        assert (said["tls"], said["sni"]) == ("TLSv1.3", "web.test")
        other = http(PLACE, f"https://other.test:{number}/", resolve=names, cacert=pem)
        assert other.outcome is Outcome.TLS_ERROR
        plain = http(PLACE, f"http://{HERE}:{number}/")
        assert plain.outcome is Outcome.RESET
        silent.close()
    finally:
        server.shutdown()
        server.server_close()


# --- what was there before


def test_lines_and_http_know_no_tls(ports: Ports) -> None:
    web, line = probe_many(PLACE, [Probe("http", HERE, ports.http), Probe("tcp", HERE, ports.tcp)])
    assert ((web.body or {})["tls"], (web.body or {})["sni"]) == ("", "")
    assert json.loads(line.text)["protocol"] == "TCP"
    assert tcp(PLACE, HERE, ports.tcp).saw == HERE

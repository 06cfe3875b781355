"""Real probes against real servers on loopback, and what becomes of an exec that breaks."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from gkelab.shell import Result, run
from tests.support.inpod import probe as inpod
from tests.support.outcomes import Outcome
from tests.support.probes import HostPlace, Probe, dns, http, http_many, probe_many, tcp, udp
from tests.unit.support.servers import HERE, Ports, port, running

SHORT = 0.3
LONG = 30.0  # for what comes soon, on whatever machine
PLACE = HostPlace(run)
# TCP to a multicast address has no route by definition, on every Linux.
NOWHERE = "224.0.0.1"
curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")


class Broken:
    """A place where every exec ends like this."""

    name = "x/a"

    def __init__(self, code: int, stdout: str = "", stderr: str = "") -> None:
        self.result = Result((), code, stdout, stderr)
        self.seen: list[tuple[Sequence[str], float | None]] = []

    def exec(
        self, argv: Sequence[str], *, input: str | None = None, timeout: float | None = None
    ) -> Result:
        self.seen.append((argv, timeout))
        return self.result

    def command(self, argv: Sequence[str], *, stdin: bool = False) -> list[str]:
        return list(argv)


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with running() as found:
        yield found


def test_every_outcome_in_one_exec(ports: Ports) -> None:
    wanted = [
        (Probe("http", HERE, ports.http), Outcome.OK),
        (Probe("http", HERE, ports.http, "/?status=503"), Outcome.HTTP_ERROR),
        (Probe("http", HERE, ports.http, "/?delay=1", timeout=SHORT), Outcome.TIMEOUT),
        (Probe("http", HERE, ports.closed), Outcome.REFUSED),
        (Probe("http", HERE, ports.reset), Outcome.RESET),
        (Probe("http", HERE, ports.eof), Outcome.RESET),
        (Probe("http", HERE, ports.silent, timeout=SHORT), Outcome.TIMEOUT),
        (Probe("http", NOWHERE, 80), Outcome.UNREACHABLE),
        (Probe("tcp", HERE, ports.tcp), Outcome.OK),
        (Probe("tcp", HERE, ports.closed), Outcome.REFUSED),
        (Probe("tcp", HERE, ports.reset), Outcome.RESET),
        (Probe("tcp", HERE, ports.eof), Outcome.RESET),
        (Probe("tcp", HERE, ports.silent, timeout=SHORT), Outcome.TIMEOUT),
        (Probe("tcp", HERE, ports.silent, payload=None), Outcome.OK),
        (Probe("tcp", HERE, ports.closed, payload=None), Outcome.REFUSED),
        (Probe("tcp", NOWHERE, 80), Outcome.UNREACHABLE),
        (Probe("udp", HERE, ports.udp), Outcome.OK),
        (Probe("udp", HERE, ports.closed_udp), Outcome.REFUSED),
        (Probe("udp", HERE, ports.silent_udp, timeout=SHORT), Outcome.TIMEOUT),
        (Probe("tcp", HERE, -1), Outcome.PROBE_BROKEN),
        (Probe("http", HERE, ports.tcp), Outcome.PROBE_BROKEN),  # it speaks no HTTP
        (Probe("dns", name="localhost", type="HOST"), Outcome.OK),
        (Probe("dns", port=ports.closed_udp, name="a", server=HERE), Outcome.REFUSED),
        (
            Probe("dns", port=ports.silent_udp, name="a", server=HERE, timeout=SHORT),
            Outcome.TIMEOUT,
        ),
        (Probe("dns", port=ports.closed, name="a", server=HERE, tcp=True), Outcome.REFUSED),
        (Probe("dns", name="a", type="NOPE", server=HERE), Outcome.PROBE_BROKEN),
    ]
    seen = probe_many(PLACE, [probe for probe, _ in wanted])
    got = [(probe, answer.outcome) for (probe, _), answer in zip(wanted, seen, strict=True)]
    assert got == wanted


def test_who_answered_and_what_it_saw(ports: Ports) -> None:
    probes = [
        Probe("http", HERE, ports.http, "/a?b=c", headers={"Host": "example.test", "X-A": "1"}),
        Probe("tcp", HERE, ports.tcp, payload="hello"),
        Probe("udp", HERE, ports.udp, payload="hello"),
    ]
    answers = probe_many(PLACE, probes)
    for answer in answers:
        assert (answer.who, answer.saw, answer.local) == (socket.gethostname(), HERE, HERE)
        assert answer.detail == ""
    web, line, datagram = (answer.body or {} for answer in answers)
    assert (web["path"], web["host"], web["headers"]["x-a"]) == ("/a", "example.test", "1")
    assert answers[0].status == 200
    assert answers[0].headers["content-type"] == ("application/json",)
    assert (line["protocol"], line["received"]) == ("TCP", "hello")
    assert (datagram["protocol"], datagram["received"]) == ("UDP", "hello")


def test_single_probes(ports: Ports) -> None:
    assert tcp(PLACE, HERE, ports.tcp).saw == HERE
    assert tcp(PLACE, "localhost", ports.tcp).outcome is Outcome.OK
    assert tcp(PLACE, HERE, ports.closed).outcome is Outcome.REFUSED
    assert udp(PLACE, HERE, ports.udp).saw == HERE
    assert udp(PLACE, HERE, ports.closed_udp).outcome is Outcome.REFUSED


@contextmanager
def together(count: int) -> Iterator[int]:
    """A port where nobody gets an answer before so many have asked: each then gets its own line,
    who came last first. It closes when they do not come."""
    listening = socket.create_server((HERE, 0), backlog=count)
    listening.settimeout(LONG)

    def answer() -> None:
        asked = []
        with listening, ExitStack() as stack, suppress(TimeoutError):
            for _ in range(count):
                taken = stack.enter_context(listening.accept()[0])
                asked.append((taken, taken.recv(65536)))
            for taken, line in reversed(asked):
                taken.sendall(line)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield port(listening)
    thread.join()


def test_many_probes_run_side_by_side_and_keep_their_order(ports: Ports) -> None:
    late = [Probe("tcp", HERE, ports.silent, timeout=SHORT)] * 2
    with together(20) as number:
        asking = [Probe("tcp", HERE, number, payload=str(n), timeout=LONG) for n in range(20)]
        answers = probe_many(PLACE, [*late, *asking, *late])
    assert [answer.text.strip() for answer in answers[2:-2]] == [str(n) for n in range(20)]
    given_up = [*answers[:2], *answers[-2:]]
    assert [answer.outcome for answer in given_up] == [Outcome.TIMEOUT] * 4
    assert all(SHORT <= answer.seconds < LONG for answer in given_up)
    assert probe_many(PLACE, []) == []


def test_more_probes_than_fit_in_one_exec_take_two() -> None:
    place = Broken(1)
    assert len(probe_many(place, [Probe("tcp", HERE, 1)] * 257)) == 257
    assert [len(json.loads(argv[2])) for argv, _ in place.seen] == [256, 1]
    # 256 probes in waves of 32, and the grace.
    assert place.seen[0][1] == 8 * 3 + 20


@pytest.mark.parametrize(
    ("code", "stdout", "stderr"),
    [
        (1, "", "error: unable to upgrade connection: container not found"),
        (7, "", "command terminated with exit code 7"),
        (28, "", "command terminated with exit code 28"),
        (126, "", "OCI runtime exec failed"),
        (127, "", "python3: not found"),
        (0, "", ""),
        (0, inpod.MARK + "[", ""),
        (0, inpod.MARK + "[]", ""),
        (0, "@gkelab-curl@{", "@gkelab-curl@"),
    ],
)
def test_an_exec_without_a_verdict_is_a_broken_probe(code: int, stdout: str, stderr: str) -> None:
    place = Broken(code, stdout, stderr)
    for answer in (tcp(place, HERE, 1), http(place, "http://x/"), *http_many(place, "http://x", 2)):
        assert answer.outcome is Outcome.PROBE_BROKEN
        assert f"no verdict from x/a, exec ended with {code}" in answer.detail


def test_a_script_that_fails_has_no_verdict(ports: Ports) -> None:
    # "kind" is checked by types alone here: what the script does not know breaks all its probes
    # of that kind, not the others.
    strange = Probe("sctp", HERE, ports.tcp)  # type: ignore[arg-type]
    answers = probe_many(PLACE, [strange, Probe("tcp", HERE, ports.tcp)])
    assert [answer.outcome for answer in answers] == [Outcome.PROBE_BROKEN, Outcome.OK]


@curl
def test_http_outcomes(ports: Ports) -> None:
    def outcome(port: int, path: str = "/", host: str = HERE, timeout: float = SHORT) -> Outcome:
        return http(PLACE, f"http://{host}:{port}{path}", timeout=timeout).outcome

    assert outcome(ports.http, timeout=20) is Outcome.OK
    assert outcome(ports.http, "/?status=404", timeout=20) is Outcome.HTTP_ERROR
    assert outcome(ports.http, "/?delay=1") is Outcome.TIMEOUT
    assert outcome(ports.closed) is Outcome.REFUSED
    assert outcome(80, host=NOWHERE) is Outcome.UNREACHABLE
    assert outcome(ports.reset) is Outcome.RESET
    assert outcome(ports.eof) is Outcome.RESET
    assert outcome(ports.silent) is Outcome.TIMEOUT
    plain = http(PLACE, f"https://{HERE}:{ports.http}/", insecure=True, timeout=20)
    assert plain.outcome is Outcome.TLS_ERROR
    assert http(PLACE, "http://x/", extra=["--nope"]).outcome is Outcome.PROBE_BROKEN


@curl
def test_http_answer(ports: Ports) -> None:
    answer = http(
        PLACE,
        f"http://name.test:{ports.http}/a?status=201",
        method="PUT",
        headers={"X-A": "1"},
        host="other.test",
        data="12345",
        resolve=[f"name.test:{ports.http}:{HERE}"],
    )
    assert (answer.outcome, answer.status, answer.local) == (Outcome.OK, 201, HERE)
    assert (answer.who, answer.saw) == (socket.gethostname(), HERE)
    body = answer.body or {}
    assert (body["method"], body["host"], body["received"]) == ("PUT", "other.test", 5)
    assert body["headers"]["x-a"] == "1"
    assert answer.headers["content-type"] == ("application/json",)
    assert answer.seconds > 0
    late = http(PLACE, f"http://{HERE}:{ports.http}/?delay=1", timeout=SHORT)
    assert "timed out" in late.detail
    head = http(PLACE, f"http://{HERE}:{ports.http}/", method="HEAD")
    assert (head.outcome, head.body) == (Outcome.OK, None)


@curl
def test_many_requests_each_have_their_own_answer(ports: Ports) -> None:
    url = f"http://{HERE}:{ports.http}/"
    fresh = http_many(PLACE, url, 5)
    assert [answer.outcome for answer in fresh] == [Outcome.OK] * 5
    assert len({(answer.body or {})["source_port"] for answer in fresh}) == 5
    kept = http_many(PLACE, url, 5, fresh=False)
    assert len({(answer.body or {})["source_port"] for answer in kept}) == 1
    refused = http_many(PLACE, f"http://{HERE}:{ports.closed}/", 3)
    assert [answer.outcome for answer in refused] == [Outcome.REFUSED] * 3


@curl
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_tls_with_a_ca_of_ones_own(tmp_path: Path) -> None:
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=web.test", "-addext", "subjectAltName=DNS:web.test"]
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", str(key), "-out", str(pem), *subject])  # fmt: skip
    code = (
        "import ssl,sys,http.server as h\n"
        "s=h.ThreadingHTTPServer(('127.0.0.1',0),h.SimpleHTTPRequestHandler)\n"
        "c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER);c.load_cert_chain(*sys.argv[1:])\n"
        "s.socket=c.wrap_socket(s.socket,server_side=True)\n"
        "print(s.server_port,flush=True);s.serve_forever()\n"
    )
    argv = [sys.executable, "-c", code, str(pem), str(key)]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as server:
        try:
            assert server.stdout
            port = int(server.stdout.readline())
            names = [f"{name}.test:{port}:{HERE}" for name in ("web", "other")]
            good = f"https://web.test:{port}/"

            def outcome(url: str, cacert: str) -> Outcome:
                return http(PLACE, url, resolve=names, cacert=cacert).outcome

            assert outcome(good, str(pem)) is Outcome.OK
            assert outcome(good, pem.read_text()) is Outcome.OK
            assert outcome(good, "") is Outcome.TLS_ERROR
            assert outcome(f"https://other.test:{port}/", str(pem)) is Outcome.TLS_ERROR
            assert outcome(good, str(tmp_path / "none.pem")) is Outcome.PROBE_BROKEN
        finally:
            server.terminate()


def test_dns_of_the_c_library() -> None:
    assert HERE in dns(PLACE, "localhost", "HOST").records

"""The agent as a process in a namespace of its own: it follows a cloud, and does without one."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gkelab.cloud.router.agent import Agent
from gkelab.cloud.router.follow import PATH
from gkelab.cloud.router.kernel import Kernel
from gkelab.cloud.router.nfqueue import Queues
from gkelab.cloud.router.settings import Latency, Settings
from gkelab.wait import until
from tests.unit.cloud.router import states
from tests.unit.cloud.router.states import NODES, firewall
from tests.unit.cloud.router.wires import Wires, missing, packet, payload, there, wires

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")
ROOT = Path(__file__).parents[4]
VM, POD = IPv4Address("10.132.0.2"), IPv4Address("10.4.0.5")
NEAR = IPv4Address("10.128.0.3")
MAC, NEAR_MAC = "42:01:0a:84:00:02", "42:01:0a:80:00:03"
PORT = 8080


@dataclass
class Cloud:
    """A cloud that tells states, on loopback of the router's namespace."""

    state: Any
    asked: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, state: Any) -> None:
        with self.news:
            self.state = state
            self.news.notify_all()

    def answer(self, query: dict[str, list[str]]) -> bytes | None:
        with self.news:
            known = int(query["since"][0])
            self.news.wait_for(lambda: self.state["generation"] != known, timeout=1)
            return None if self.state["generation"] == known else json.dumps(self.state).encode()


@contextmanager
def serving(made: Wires, cloud: Cloud) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            cloud.asked.append(parts.path)
            body = cloud.answer(parse_qs(parts.query))
            with contextlib.suppress(ConnectionError):  # the agent was stopped
                self.send_response(204 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def server_bind(self) -> None:
            self.socket.close()
            self.socket = there(made.space, _listening)
            self.server_name, self.server_port = "localhost", PORT

    with Server(("127.0.0.1", PORT), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _listening() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", PORT))
    return sock


@dataclass(frozen=True)
class Router:
    made: Wires
    folder: Path

    @contextmanager
    def running(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        argv = [sys.executable, "-m", "gkelab.cloud.router", f"--cloud=http://127.0.0.1:{PORT}"]
        argv += [f"--{name}={self.folder / name}" for name in ("state", "status", "firewall-log")]
        argv += ["--project=p", f"--internet-range={states.INTERNET}", *more]
        with (self.folder / "log").open("a") as log:
            started = subprocess.Popen(
                ["ip", "netns", "exec", self.made.space, *argv],
                cwd=ROOT,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        try:
            yield started
        finally:
            started.kill()
            started.wait()

    def status(self) -> dict[str, Any]:
        file = self.folder / "status"
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def wait(self, ready: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        return until(self.status, ready, what=what, timeout=60, interval=0.02)

    def applied(self, generation: int) -> dict[str, Any]:
        return self.wait(lambda s: s.get("generation") == generation, f"{generation} is applied")

    def passes(self, number: int) -> bool:
        body = payload(VM, POD, 6, number, 80)
        self.made.send("eu0", MAC, packet(VM, POD, 6, body))
        return any(frame.payload == body for frame in self.made.arrived())


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    with wires() as made:
        yield Router(made, tmp_path)


OPEN = states.state(NODES, [firewall("web", "tcp:80", logConfig={"enable": True})], generation=5)
SHUT = states.state(NODES, [], generation=6)


def test_the_agent_follows_the_cloud(router: Router) -> None:
    cloud = Cloud(OPEN)
    with serving(router.made, cloud), router.running() as process:
        status = router.applied(5)
        assert status["problems"] == []
        assert status["interfaces"] == {"internet": "net0", "us": "us0", "eu": "eu0", "far": "far0"}
        assert set(cloud.asked) == {PATH}
        assert router.passes(4000)
        cloud.tell(SHUT)
        router.applied(6)
        assert not router.passes(4001)
        counted = router.wait(
            lambda s: s["counters"]["implied_deny"]["packets"] == 1, "the drop is counted"
        )
        assert counted["counters"]["spoofed"].keys() == {"n1", "n2", "vm"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    (line,) = (router.folder / "firewall-log").read_text().splitlines()
    assert json.loads(line)["rule_details"]["reference"] == "network:net/firewall:web"
    # What was applied outlives the agent.
    assert not router.passes(4002)


def test_without_a_cloud_what_was_known_last_is_made_so(router: Router) -> None:
    with serving(router.made, Cloud(OPEN)), router.running():
        router.applied(5)
        router.wait(lambda s: (router.folder / "state").exists(), "the state is kept")
    (router.folder / "status").unlink()
    router.made.run(["nft", "flush", "ruleset"])
    with router.running():
        status = router.applied(5)
        assert status["cloud"].startswith("away: ")
        assert router.passes(4000)
        cloud = Cloud(SHUT)
        with serving(router.made, cloud):
            router.applied(6)
            assert not router.passes(4001)


def test_a_router_that_knows_nothing_lets_nothing_through(router: Router) -> None:
    router.made.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    with router.running():
        router.wait(lambda s: str(s.get("cloud", "")).startswith("away"), "the cloud is away")
        assert router.status()["generation"] == -1
        assert router.made.run(["sysctl", "-n", "net.ipv4.ip_forward"]).stdout == "0\n"
        assert not router.passes(4000)


TAMPERING = {
    "nft flush chain ip gkelab forward": "chain forward has 0 rules",
    "nft delete table ip gkelab": "the table is gone",
    "nft add element ip gkelab public { 10.0.0.0/8 }": "set public lacks 0 elements and has 1",
    "ip route del 10.4.0.0/26": "route replace 10.4.0.0/26",
    "ip route add default via 172.30.0.9": "route del default via 172.30.0.9",
    "ip rule add priority 5 lookup 77": "rule del priority 5 lookup 77",
    "ip rule del priority 32767": "rule add priority 32767 lookup default",
    "ip neigh replace 10.128.0.2 lladdr 02:00:00:00:00:09 dev us0 nud permanent": "neigh replace",
}


def test_what_is_tampered_with_is_repaired_and_told(router: Router) -> None:
    with serving(router.made, Cloud(OPEN)), router.running():
        router.applied(5)
        for number, (command, told) in enumerate(TAMPERING.items(), start=1):
            router.made.run(command.split())
            status = router.wait(
                lambda s, number=number: len(s["repairs"]) == number,  # type: ignore[misc]
                f"a repair after {command}",
            )
            assert told in status["repairs"][-1]["wrong"]
            assert router.passes(4000 + number)
        assert "10.4.0.0/26 via 10.128.0.2" in router.made.run(["ip", "route"]).stdout
    assert (router.folder / "log").read_text().count("are repaired") == len(TAMPERING)


def test_a_state_of_another_project_is_refused(router: Router) -> None:
    with serving(router.made, Cloud({**OPEN, "project": "q"})), router.running():
        router.wait(lambda s: s.get("cloud") == "there", "the cloud is there")
        assert router.status()["generation"] == -1
        until(
            (router.folder / "log").read_text,
            lambda text: "the state is of project q, not p" in text,
            what="it is told",
            timeout=10,
        )


def test_interfaces_that_come_later_are_found(router: Router) -> None:
    router.made.run(["ip", "addr", "del", "10.132.0.1/20", "dev", "eu0"])
    with serving(router.made, Cloud(OPEN)), router.running():
        status = router.applied(5)
        assert status["problems"] == []
        assert status["left_out"] == [
            "subnetworks eu has no interface with 10.132.0.1 here: nothing reaches it"
        ]
        router.made.run(["ip", "addr", "add", "10.132.0.1/20", "dev", "eu0"])
        router.wait(lambda s: s["left_out"] == [], "the interface is found")
        assert router.passes(4000)


def test_a_packet_to_another_region_waits(router: Router) -> None:
    """By netem or by a queue: one that stays in its region overtakes one that was sent before
    it, and without the declared time does not."""
    far = "--latency=us-central1:europe-west1=1000"
    for number, declared, overtakes in ((5000, [far], True), (6000, [], False)):
        with serving(router.made, Cloud(OPEN)), router.running(*declared):
            assert router.applied(5)["left_out"] == []
            first = payload(VM, POD, 6, number, 80)
            second = payload(NEAR, POD, 6, number, 80)
            router.made.send("eu0", MAC, packet(VM, POD, 6, first))
            router.made.send("us0", NEAR_MAC, packet(NEAR, POD, 6, second))
            arrived = [frame.payload for frame in router.made.arrived(quiet=2.0)]
        assert arrived == ([second, first] if overtakes else [first, second])


def test_latency_that_cannot_be_is_told(router: Router) -> None:
    """Some kernels have no netem, and an agent elsewhere serves no queues."""
    settings = Settings(
        "p", states.INTERNET, latencies=(Latency(("us-central1", "europe-west1"), 60),)
    )
    agent = Agent(Kernel(router.made.run), settings, lambda line: None)
    agent.apply(OPEN)
    shown = router.made.run(["tc", "qdisc", "show", "dev", "us0"]).stdout
    told = [problem for problem in agent.left_out if "latency between regions" in problem]
    assert ("delay 30ms" in shown) is (told == [])


class Unserved(Queues):
    """Queues that nobody waits in, of which some end."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: list[int] = []
        self.asked: list[dict[int, float]] = []

    def ended(self) -> list[int]:
        return self.gone

    def serve(self, delays: Mapping[int, float], most: int) -> None:
        self.asked.append(dict(delays))
        self.gone = []


def test_a_queue_that_ends_is_served_again_and_told(router: Router) -> None:
    settings = Settings(
        "p", states.INTERNET, latencies=(Latency(("us-central1", "europe-west1"), 60),)
    )
    queues = Unserved()
    agent = Agent(Kernel(router.made.run), settings, lambda line: None, queues)
    agent.apply(OPEN)
    agent.check()
    assert agent.repairs == []
    if not queues.asked:
        pytest.skip("this kernel has netem, by which packets wait")
    assert queues.asked == [{0: 0.03}]
    queues.gone = [0]
    agent.check()
    assert queues.asked == [{0: 0.03}] * 2
    (repair,) = agent.repairs
    assert (repair["what"], repair["wrong"]) == ("latency", "queue 0 was not served")
    agent.check()
    assert len(queues.asked) == 2

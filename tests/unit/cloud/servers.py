"""The cloud's server for tests: in this process over a real loopback socket, or in its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import requests
import uvicorn
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1

from gkelab.cloud.api.app import App
from gkelab.cloud.api.service import Service
from gkelab.cloud.api.store import Settings, Store
from gkelab.wait import until

ROOT = Path(__file__).parents[3]
PROJECT = "test-project"
EXTERNAL = IPv4Network("203.0.113.0/28")
FRONTEND = IPv4Network("198.51.100.0/28")
SETTINGS = Settings(PROJECT, (EXTERNAL,), (FRONTEND,))
REGION, ZONE = "us-central1", "us-central1-a"


class Switch:
    """An application that is another one, which tests replace: a server starts once."""

    def __init__(self) -> None:
        self.app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Running:
    """A server on loopback; `fresh` gives it a cloud that has nothing yet."""

    endpoint: str
    switch: Switch
    loop: asyncio.AbstractEventLoop

    def fresh(self) -> None:
        async def make() -> None:
            # Here, as a database belongs to the thread that opened it.
            self.switch.app = App(Service(Store(Path(":memory:"), SETTINGS))).asgi

        asyncio.run_coroutine_threadsafe(make(), self.loop).result(10)


@contextmanager
def running() -> Iterator[Running]:
    """A server in a thread of this process."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    loop, switch = asyncio.new_event_loop(), Switch()
    config = uvicorn.Config(switch, lifespan="off", ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)

    def serve() -> None:
        # Signals are the main thread's.
        loop.run_until_complete(server.serve([sock]))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{sock.getsockname()[1]}", switch, loop)
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()


@dataclass(frozen=True)
class Google:
    """Google's own client, unmodified, given an endpoint and anonymous credentials."""

    endpoint: str
    clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """A client by its collection: `google.global_addresses` is a GlobalAddressesClient."""
        if name not in self.clients:
            words = "".join(word.title() for word in name.split("_"))
            self.clients[name] = getattr(compute_v1, f"{words}Client")(
                credentials=AnonymousCredentials(),
                client_options={"api_endpoint": self.endpoint},
            )
        return self.clients[name]


@dataclass(frozen=True)
class Http:
    """Plain HTTP to the project, as any program could speak it."""

    endpoint: str
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of an answer; `code` has its status. `path` is from the project on."""
        return self.send(method, path, body, **query).json()

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        url = f"{self.endpoint}/compute/v1/projects/{PROJECT}{'/' if path else ''}{path}"
        return self.session.request(method, url, json=body, params=query, timeout=30)

    def state(self, **query: Any) -> requests.Response:
        return self.session.get(f"{self.endpoint}/lab/state", params=query, timeout=30)


@contextmanager
def process(database: Path, *words: str, code: Sequence[str] = ()) -> Iterator[Any]:
    """The server in a process of its own: what it was started with, and its endpoint. `code` is
    Python to run instead of the module, with the same words."""
    port = free_port()
    program = ["-c", *code] if code else ["-m", "gkelab.cloud.api"]
    argv = [sys.executable, *program, f"--database={database}", f"--project={PROJECT}"]
    started = subprocess.Popen(
        [*argv, f"--listen=127.0.0.1:{port}", f"--external-range={EXTERNAL}", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(
            lambda: started.poll() is not None or answers(port),
            bool,
            what="the server answers",
            timeout=60,
            interval=0.05,
        )
        yield started, f"http://127.0.0.1:{port}"
    finally:
        started.kill()
        started.communicate()


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False

"""Servers on loopback for the tests of the probes: the workload's own, and ones that misbehave."""

import importlib.util
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import TCPServer, ThreadingUDPServer
from types import ModuleType

HERE = "127.0.0.1"


def workload() -> ModuleType:
    """The workload image's program as a module."""
    path = Path(__file__).parents[3] / "images" / "workload" / "workload.py"
    if str(path.parent) not in sys.path:  # the program's other files lie beside it
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location("workload", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Ports:
    """`h2` speaks HTTP/2 alone, where the library for it is there. `reset` answers a connection
    with RST once something came, `eof` closes after reading, `silent` lets connections wait for
    ever (TCP) or takes datagrams without a word (UDP); `closed` is nobody's."""

    http: int
    h2: int
    tcp: int
    udp: int
    reset: int
    eof: int
    silent: int
    silent_udp: int
    closed: int
    closed_udp: int


@contextmanager
def running() -> Iterator[Ports]:
    """All of them, on free ports."""
    module = workload()
    with ExitStack() as stack:

        def serve(server: TCPServer) -> int:
            # A client that gave up waiting is what some tests are about.
            server.handle_error = lambda *_: None  # type: ignore[method-assign]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return port(server.socket)

        def bound(kind: socket.SocketKind) -> socket.socket:
            sock = stack.enter_context(socket.socket(socket.AF_INET, kind))
            sock.bind((HERE, 0))
            return sock

        def listening() -> socket.socket:
            sock = bound(socket.SOCK_STREAM)
            sock.listen(16)
            return sock

        def closing(reset: bool) -> socket.socket:
            sock = listening()
            thread = threading.Thread(target=_close_each, args=(sock, reset), daemon=True)
            thread.start()
            stack.callback(thread.join)
            # Closing alone would leave the thread in accept().
            stack.callback(sock.shutdown, socket.SHUT_RDWR)
            return sock

        yield Ports(
            http=serve(module.HttpServer((HERE, 0), module.Http)),
            h2=serve(module.TcpServer((HERE, 0), module.Http2)),
            tcp=serve(module.TcpServer((HERE, 0), module.Tcp)),
            udp=serve(ThreadingUDPServer((HERE, 0), module.Udp)),
            reset=port(closing(reset=True)),
            eof=port(closing(reset=False)),
            silent=port(listening()),
            silent_udp=port(bound(socket.SOCK_DGRAM)),
            # Bound but not listening: refuses, and nobody else can take the number meanwhile.
            closed=port(bound(socket.SOCK_STREAM)),
            closed_udp=_free_udp(),
        )


def port(sock: socket.socket) -> int:
    """The port that a socket is bound to."""
    number: int = sock.getsockname()[1]
    return number


def _free_udp() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))
        return port(sock)


def _close_each(sock: socket.socket, reset: bool) -> None:
    while True:
        try:
            taken, _ = sock.accept()
        except OSError:
            return
        with taken:
            taken.recv(65536)
            if reset:  # closing with this sends RST at once
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

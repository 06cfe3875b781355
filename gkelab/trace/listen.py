"""Listening in network namespaces from this process: a packet socket in each, on all of its
interfaces, which hears from the moment that it is there, and needs nothing of any image.

Reads only; a namespace is entered by a thread of its own, which ends right after.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gkelab.errors import LabError
from gkelab.trace.packets import ICMP, Frame, decode
from gkelab.wait import until

T = TypeVar("T")
CLONE_NEWNET = 0x40000000  # linux/sched.h
ETH_P_ALL = 3
SIOCGIFADDR = 0x8915
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35  # asm-generic/socket.h
SOL_PACKET, PACKET_STATISTICS = 263, 6
BUFFER, LENGTH = 8 << 20, 512
STAMPED = 5.0  # seconds; it takes milliseconds
# Whose frames have Ethernet's header: ARPHRD_ETHER and ARPHRD_LOOPBACK.
ETHERNET = (1, 772)


@dataclass(frozen=True)
class Heard:
    """A packet at a place. `time` is in nanoseconds, of one clock everywhere; `out`: it left by
    the interface."""

    time: int
    place: str
    interface: str
    out: bool
    frame: Frame


def namespace_of(pid: int) -> Path:
    """The network namespace of a process."""
    return Path(f"/proc/{pid}/ns/net")


def inside(namespace: Path, do: Callable[[], T]) -> T:
    """What `do` gives in a network namespace. LabError where that cannot be entered."""

    def there() -> T:
        libc = ctypes.CDLL(None, use_errno=True)
        with namespace.open("rb") as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(namespace))
        return do()

    # The thread never serves anybody else: it stays in the namespace until it ends.
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            return pool.submit(there).result()
        except PermissionError:
            remedy = "run it as root"
            raise LabError("this user may not look into the lab's networks", remedy) from None
        except FileNotFoundError:
            raise LabError(f"the network namespace {namespace} is gone", "try again") from None


def pod_namespaces(pid: int, wanted: Iterable[str]) -> dict[str, Path]:
    """The namespaces of a node's pods by their addresses, of those that are wanted and there; the
    node is a process of it. The container runtime keeps them in /run/netns, as seen on the node."""
    missing, found = set(wanted), dict[str, Path]()
    folder = Path(f"/proc/{pid}/root/run/netns")
    try:
        listed = sorted(folder.iterdir()) if missing else []
    except PermissionError:
        remedy = "run it as root"
        raise LabError("this user may not look into the lab's networks", remedy) from None
    except FileNotFoundError:
        listed = []
    for path in listed:
        if not missing:
            break
        try:
            address = inside(path, _own_address)
        except (LabError, OSError):
            continue  # a pod that goes away
        if address in missing:
            missing.remove(address)
            found[address] = path
    return found


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, SIOCGIFADDR, struct.pack("16s24x", b"eth0"))
    return socket.inet_ntoa(answer[20:24])


@dataclass
class Ears:
    """Open sockets by place."""

    sockets: dict[str, socket.socket]

    def heard(self) -> list[Heard]:
        """All that came so far, in time's order. LabError where a place heard more than it could
        keep, as nothing can be said of what it did not."""
        found = [one for place, sock in self.sockets.items() for one in _drained(place, sock)]
        for place, sock in self.sockets.items():
            lost = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
            if lost:
                raise LabError(f"{lost} packets were missed at {place}, so no trace", "try again")
        return in_order(found)


def in_order(found: Iterable[Heard]) -> list[Heard]:
    """In time's order. A packet that is led from a node straight into a pod (bpf_redirect_peer)
    keeps its time stamp: of two with the same, that with the higher TTL came first."""
    return sorted(found, key=lambda one: (one.time, -one.frame.ttl))


@contextmanager
def listening(where: Mapping[str, Path], protocol: int) -> Iterator[Ears]:
    """Listen at these places, by their namespaces, for a protocol (of TCP only what begins or
    refuses connections) and for ICMP, which tells of errors. Nobody hears what comes after."""
    with ExitStack() as stack:
        sockets = {}
        for place, namespace in where.items():
            sock = inside(namespace, lambda: _socket(protocol))
            sockets[place] = stack.enter_context(sock)
        await_stamps()
        yield Ears(sockets)


def await_stamps() -> None:
    """Wait until packets are timed as they pass. A moment after the first socket asked for it they
    are not yet, and have the time when they are read, in whatever order that is. A datagram to
    this process itself tells, read a while after it was sent. WaitError if it never is so."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.settimeout(1)
        sock.bind(("127.0.0.1", 0))
        sent = _send_self(sock)

        def late() -> int:
            nonlocal sent
            _, ancillary, _, _ = sock.recvmsg(16, socket.CMSG_SPACE(16))
            after = _time(ancillary) - sent
            sent = _send_self(sock)
            return after

        until(
            late,
            lambda after: after <= 0,
            what="the kernel times packets as they pass",
            timeout=STAMPED,
            interval=0.005,
            in_a_row=2,
        )


def _send_self(sock: socket.socket) -> int:
    """When it was sent: it is in the socket then, so what is timed later was timed on reading."""
    sock.sendto(b"x", sock.getsockname())
    return time.time_ns()


def _socket(protocol: int) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    try:
        code = ctypes.create_string_buffer(program(protocol))
        words = struct.pack("HL", len(code.raw) // 8, ctypes.addressof(code))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, words)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def program(protocol: int) -> bytes:
    """The filter, as classic BPF: IPv4 that is ICMP, or the protocol; of TCP with SYN or RST."""
    accept, drop = (0x06, 0, 0, LENGTH), (0x06, 0, 0, 0)
    # (code, jump if true, jump if false, operand); jumps count from the next instruction.
    head = [(0x28, 0, 0, 12), (0x15, 0, 0, 0x0800), (0x30, 0, 0, 23), (0x15, 0, 0, ICMP)]
    tail = [(0x15, 0, 0, protocol)]
    if protocol == 6:
        tail += [(0xB1, 0, 0, 14), (0x50, 0, 0, 27), (0x45, 0, 0, 0x06)]
    code = [*head, *tail, accept, drop]
    yes, no = len(code) - 2, len(code) - 1

    def to(at: int, true: int, false: int) -> None:
        code[at] = (code[at][0], true - at - 1, false - at - 1, code[at][3])

    to(1, 2, no)
    to(3, yes, 4)
    to(4, yes if len(tail) == 1 else 5, no)
    if len(tail) > 1:
        to(7, yes, no)
    return b"".join(struct.pack("HBBI", *one) for one in code)


def _drained(place: str, sock: socket.socket) -> Iterator[Heard]:
    while True:
        try:
            data, ancillary, _, where = sock.recvmsg(LENGTH, socket.CMSG_SPACE(16))
        except BlockingIOError:
            return
        interface, _, kind, hardware = where[:4]
        foreign = kind == socket.PACKET_OTHERHOST or hardware not in ETHERNET
        frame = None if foreign else decode(data)
        if frame is not None:
            yield Heard(_time(ancillary), place, interface, kind == socket.PACKET_OUTGOING, frame)


def _time(ancillary: Iterable[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, rest = struct.unpack("ll", data[:16])
            return int(seconds) * 1_000_000_000 + int(rest)
    return 0

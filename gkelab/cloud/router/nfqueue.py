"""Packets that wait in the kernel's queues (iptables' NFQUEUE) for a time: latency where the
kernel has no netem. What is told of a packet is its number alone; the packet stays in the kernel.

The messages are those of linux/netfilter/nfnetlink_queue.h.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping

from gkelab.cloud.router.netlink import attribute, message, messages, opened

PACKET, CONFIG, VERDICTS = 3 << 8, 3 << 8 | 2, 3 << 8 | 3
CFG_CMD, CFG_PARAMS, CFG_MAXLEN, CFG_MASK, CFG_FLAGS = 1, 2, 3, 4, 5
BIND, COPY_META = 1, 1
PACKET_HEADER, VERDICT_HEADER = 1, 2
ACCEPT = 1
# A full queue lets packets by, late ones being better than lost ones; a packet that the kernel
# would cut to frames only later stays whole.
FAIL_OPEN, GSO = 1, 4
BUFFER = 16 << 20
IDLE = 0.5  # seconds between looks at whether to end


class Queues:
    """The queues that packets wait in, each served by a thread."""

    def __init__(self) -> None:
        self._served: dict[int, tuple[float, threading.Event, threading.Thread]] = {}

    def ended(self) -> list[int]:
        """The queues whose thread came to an end untold, as by an error of the kernel's: packets
        go by these without waiting."""
        return [n for n, (_, _, thread) in self._served.items() if not thread.is_alive()]

    def serve(self, delays: Mapping[int, float], most: int) -> None:
        """From now on packets wait so many seconds in these queues, at most so many packets in
        each, and in no other. OSError where the kernel has no queues or another program has
        them; what was served then is not any more."""
        for number, (seconds, end, thread) in list(self._served.items()):
            if delays.get(number) != seconds or not thread.is_alive():
                end.set()
                thread.join()
                del self._served[number]
        for number, seconds in delays.items():
            if number not in self._served:
                sock = _bound(number, most)
                end = threading.Event()
                words = (sock, number, seconds, end)
                thread = threading.Thread(target=_serve, args=words, daemon=True)
                thread.start()
                self._served[number] = (seconds, end, thread)


def _bound(number: int, most: int) -> socket.socket:
    flags = struct.pack(">I", FAIL_OPEN | GSO)
    told = (
        attribute(CFG_CMD, struct.pack(">BBH", BIND, 0, socket.AF_INET)),
        attribute(CFG_MAXLEN, struct.pack(">I", most)),
        attribute(CFG_MASK, flags) + attribute(CFG_FLAGS, flags),
        attribute(CFG_PARAMS, struct.pack(">IB", 0, COPY_META)),
    )
    return opened(CONFIG, number, told, BUFFER)


def _serve(sock: socket.socket, number: int, seconds: float, end: threading.Event) -> None:
    """Let each packet go when it has waited. All wait as long, so they go in their order, and one
    verdict is for all up to a packet's number. When the socket is closed the kernel drops what
    still waits, as a link that is taken away does."""
    waiting: deque[tuple[float, int]] = deque()
    with sock:
        sock.setblocking(False)
        while not end.is_set():
            now = time.monotonic()
            last = None
            while waiting and waiting[0][0] <= now:
                _, last = waiting.popleft()
            if last is not None:
                header = attribute(VERDICT_HEADER, struct.pack(">II", ACCEPT, last))
                sock.send(message(VERDICTS, number, header))
            left = min(IDLE, waiting[0][0] - time.monotonic()) if waiting else IDLE
            if select.select([sock], [], [], max(0.0, left))[0]:
                due = time.monotonic() + seconds
                waiting.extend((due, packet) for packet in _numbers(sock))


def _numbers(sock: socket.socket) -> list[int]:
    """Of the packets that the socket tells of now."""
    try:
        data = sock.recv(1 << 18)
    except OSError:  # more than the socket holds: those went by, or go with the next verdict
        return []
    return [
        int(struct.unpack_from(">I", found[PACKET_HEADER])[0])
        for found in messages(data, PACKET)
        if PACKET_HEADER in found
    ]

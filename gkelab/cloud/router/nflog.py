"""What the kernel logs (nftables' `log group`), read from its netlink socket.

The messages are those of linux/netfilter/nfnetlink_log.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gkelab.cloud.router.netlink import attribute, messages, opened

PACKET, CONFIG = 4 << 8, 4 << 8 | 1
BIND, COPY_PACKET = 1, 2
CFG_CMD, CFG_MODE, CFG_TIMEOUT, CFG_QTHRESH = 1, 2, 4, 5
HARDWARE, PAYLOAD, PREFIX = 8, 9, 10
# Bytes of a packet: the longest IPv4 header, and ports.
COPIED = 64
BUFFER = 4 << 20


@dataclass(frozen=True)
class Logged:
    """A packet that a rule logged: the rule's prefix, who sent the frame (a MAC address, "" where
    there is none), and the packet's first bytes."""

    prefix: str
    mac: str
    payload: bytes


def listen(group: int) -> socket.socket:
    """A socket that gets what is logged to a group. OSError where another program has it."""
    told = (
        attribute(CFG_CMD, struct.pack("B", BIND)),
        attribute(CFG_MODE, struct.pack(">IBB", COPIED, COPY_PACKET, 0)),
        # One message a packet, at once: the log is read while it is written.
        attribute(CFG_TIMEOUT, struct.pack(">I", 1)) + attribute(CFG_QTHRESH, b"\0\0\0\1"),
    )
    return opened(CONFIG, group, told, BUFFER)


def packets(data: bytes) -> Iterator[Logged]:
    """The packets of what the socket received."""
    for found in messages(data, PACKET):
        prefix = found.get(PREFIX, b"").rstrip(b"\0").decode(errors="replace")
        yield Logged(prefix, _mac(found.get(HARDWARE, b"")), found.get(PAYLOAD, b""))


def _mac(data: bytes) -> str:
    if len(data) < 10:
        return ""
    (length,) = struct.unpack_from(">H", data)
    return ":".join(f"{byte:02x}" for byte in data[4 : 4 + length])

"""What the kernel logs (nftables' `log group`), read from its netlink socket.

The messages are those of linux/netfilter/nfnetlink_log.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_NETFILTER = 12
ULOG, PACKET, CONFIG = 4, 0, 1
BIND, COPY_PACKET = 1, 2
CFG_CMD, CFG_MODE, CFG_TIMEOUT, CFG_QTHRESH = 1, 2, 4, 5
HARDWARE, PAYLOAD, PREFIX = 8, 9, 10
# Bytes of a packet: the longest IPv4 header, and ports.
COPIED = 64
BUFFER = 4 << 20
_HEADER = struct.Struct("=IHHII")
_GENERAL = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True)
class Logged:
    """A packet that a rule logged: the rule's prefix, who sent the frame (a MAC address, "" where
    there is none), and the packet's first bytes."""

    prefix: str
    mac: str
    payload: bytes


def listen(group: int) -> socket.socket:
    """A socket that gets what is logged to a group. OSError where another program has it."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    made.bind((0, 0))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    for attributes in (
        _attribute(CFG_CMD, struct.pack("B", BIND)),
        _attribute(CFG_MODE, struct.pack(">IBB", COPIED, COPY_PACKET, 0)),
        # One message a packet, at once: the log is read while it is written.
        _attribute(CFG_TIMEOUT, struct.pack(">I", 1)) + _attribute(CFG_QTHRESH, b"\0\0\0\1"),
    ):
        made.send(_message(group, attributes))
        code = _answer(made.recv(4096))
        if code:
            made.close()
            raise OSError(-code, f"the kernel's log group {group} cannot be had")
    return made


def _message(group: int, attributes: bytes) -> bytes:
    kind = ULOG << 8 | CONFIG
    body = _GENERAL.pack(socket.AF_INET, 0, group) + attributes
    # NLM_F_REQUEST and NLM_F_ACK.
    return _HEADER.pack(_HEADER.size + len(body), kind, 5, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def _answer(data: bytes) -> int:
    _, kind, *_ = _HEADER.unpack_from(data)
    return int(struct.unpack_from("=i", data, _HEADER.size)[0]) if kind == 2 else 0


def packets(data: bytes) -> Iterator[Logged]:
    """The packets of what the socket received."""
    while len(data) >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(data)
        if size < _HEADER.size:
            return
        if kind == ULOG << 8 | PACKET:
            found = dict(_attributes(data[_HEADER.size + _GENERAL.size : size]))
            prefix = found.get(PREFIX, b"").rstrip(b"\0").decode(errors="replace")
            yield Logged(prefix, _mac(found.get(HARDWARE, b"")), found.get(PAYLOAD, b""))
        data = data[-(-size // 4) * 4 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if size < _ATTRIBUTE.size:
            return
        yield kind & 0x7FFF, data[_ATTRIBUTE.size : size]
        data = data[-(-size // 4) * 4 :]


def _mac(data: bytes) -> str:
    if len(data) < 10:
        return ""
    (length,) = struct.unpack_from(">H", data)
    return ":".join(f"{byte:02x}" for byte in data[4 : 4 + length])

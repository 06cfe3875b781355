"""Messages of the kernel's netfilter netlink sockets: nflog's and nfqueue's are made of these.

Their shape is that of linux/netfilter/nfnetlink.h: a netlink header, a general one with the number
of the group or queue, and attributes.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence

NETLINK_NETFILTER = 12
ERROR = 2
REQUEST, ACKNOWLEDGE = 1, 4
_HEADER = struct.Struct("=IHHII")
_GENERAL = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")


def opened(kind: int, number: int, configurations: Sequence[bytes], buffer: int) -> socket.socket:
    """A socket that is told so much of this group or queue by messages of that kind, each with
    these attributes. OSError where the kernel refuses, as when another program has it."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    made.bind((0, 0))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    for attributes in configurations:
        made.send(message(kind, number, attributes, REQUEST | ACKNOWLEDGE))
        while (code := _answer(made.recv(1 << 16))) is None:
            pass  # what it is to tell of may come before its answer
        if code:
            made.close()
            raise OSError(-code, f"the kernel's group or queue {number} cannot be had")
    return made


def message(kind: int, number: int, attributes: bytes, flags: int = REQUEST) -> bytes:
    """A message about a group or queue."""
    body = _GENERAL.pack(socket.AF_INET, 0, number) + attributes
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute of a message."""
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def messages(data: bytes, wanted: int) -> Iterator[dict[int, bytes]]:
    """The attributes of each message of that kind in what a socket received."""
    while len(data) >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(data)
        if size < _HEADER.size:
            return
        if kind == wanted:
            yield dict(_attributes(data[_HEADER.size + _GENERAL.size : size]))
        data = data[-(-size // 4) * 4 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if size < _ATTRIBUTE.size:
            return
        yield kind & 0x7FFF, data[_ATTRIBUTE.size : size]
        data = data[-(-size // 4) * 4 :]


def _answer(data: bytes) -> int | None:
    _, kind, *_ = _HEADER.unpack_from(data)
    return int(struct.unpack_from("=i", data, _HEADER.size)[0]) if kind == ERROR else None

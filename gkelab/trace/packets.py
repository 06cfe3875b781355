"""Frames decoded as far as a trace asks: Ethernet, IPv4, and what TCP, UDP and ICMP say.

Formats: RFC 791, 792, 768, 9293. What is cut off or of another kind is None.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

ICMP, TCP, UDP = 1, 6, 17
NUMBERS = {"icmp": ICMP, "tcp": TCP, "udp": UDP}
FIN, SYN, RST, ACK = 1, 2, 4, 16
ECHO_REPLY, UNREACHABLE, ECHO, EXPIRED = 0, 3, 8, 11
_HEAD = 14  # of Ethernet


@dataclass(frozen=True)
class Frame:
    """An IPv4 packet in its frame. Ports are 0 for ICMP, `sequence` and `acknowledged` TCP's;
    `kind` is ICMP's type, `quoted` what an ICMP error is about."""

    source_mac: str
    source: str
    destination: str
    ttl: int
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    flags: int = 0
    sequence: int = 0
    acknowledged: int = 0
    kind: int = -1
    payload: bytes = b""
    quoted: Frame | None = None

    @property
    def ends(self) -> tuple[int, str, int, str, int]:
        """What a connection is known by."""
        return self.protocol, self.source, self.source_port, self.destination, self.destination_port

    @property
    def reverse(self) -> tuple[int, str, int, str, int]:
        """The same of what comes back."""
        return self.protocol, self.destination, self.destination_port, self.source, self.source_port


def decode(data: bytes) -> Frame | None:
    """A frame; None if it is no whole IPv4 packet's beginning."""
    if data[12:14] != b"\x08\x00":
        return None
    return _ip(data[_HEAD:], data[6:12].hex(":"))


def _ip(data: bytes, mac: str) -> Frame | None:
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    total, _, fragment, ttl, protocol = struct.unpack_from("!HHHBB", data, 2)
    if fragment & 0x1FFF:
        return None
    source, destination = (".".join(map(str, data[at : at + 4])) for at in (12, 16))
    body = data[(data[0] & 15) * 4 : total or len(data)]
    bare = Frame(mac, source, destination, ttl, protocol)
    if len(body) < 8:
        return bare
    if protocol == ICMP:
        return _icmp(bare, body)
    if protocol in (TCP, UDP):
        return _ports(bare, body)
    return bare


def _icmp(bare: Frame, body: bytes) -> Frame:
    error = body[0] in (UNREACHABLE, EXPIRED)
    quoted = _ip(body[8:], "") if error else None
    return replace(bare, kind=body[0], payload=body[8:], quoted=quoted)


def _ports(bare: Frame, body: bytes) -> Frame:
    first, second, sequence = struct.unpack_from("!HHI", body)
    if bare.protocol == UDP:
        return replace(bare, source_port=first, destination_port=second, payload=body[8:])
    flags = acknowledged = 0
    if len(body) >= 14:
        acknowledged, flags = struct.unpack_from("!I", body, 8)[0], body[13]
    return replace(
        bare,
        source_port=first,
        destination_port=second,
        sequence=sequence,
        acknowledged=acknowledged,
        flags=flags,
    )

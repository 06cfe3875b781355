"""From the bytes of a pcap file to packets: Ethernet, ARP, IP, ICMP, TCP, UDP and what is wrapped.

Small and without dependencies, since the fields that tests ask for are few. The formats are those
of pcap-savefile(5), https://www.tcpdump.org/linktypes.html and RFC 826, 791, 8200, 792, 9293, 768,
7348, 8926.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

from gkelab.errors import LabError

Protocol = Literal["ARP", "ICMP", "TCP", "UDP", "other"]

VXLAN_PORTS = (4789, 8472)  # IANA's, and the older one that Linux and Cilium use
GENEVE_PORT = 6081

# Link types by number: bytes before the packet, and where the EtherType is.
_ETHERNET, _RAW, _SLL, _SLL2 = 1, 101, 113, 276
_ARP, _IPV4, _IPV6, _TEB = 0x0806, 0x0800, 0x86DD, 0x6558
_VLANS = (0x8100, 0x88A8)
_IN_IP = {4: "IPIP", 41: "IPIP"}
_ICMP_PROTOCOLS = (1, 58)
_TCP_FLAGS = "FSRPAUEC"  # from the lowest bit on


class CaptureError(LabError):
    """A capture that cannot be read or that is not whole."""


@dataclass(frozen=True)
class Packet:
    """One captured packet.

    `time` is in seconds since the epoch. `length` is that of the IP packet (of the frame for ARP
    and other), as it was on the wire. `flags` are TCP's by letter, in the order FSRPAUEC ("SA").
    For ARP, `source` and `destination` are sender's and target's address and `flags` is "request"
    or "reply". ICMP's type and code are -1 elsewhere, ports and ttl 0 where there are none.
    `vlan` is the outer 802.1Q tag, 0 for none. `encapsulation` is VXLAN, GENEVE, IPIP or "", and
    `inner` what it wraps, if so much was captured. `payload` is what follows TCP's, UDP's or
    ICMP's header, as far as it was captured.
    """

    time: float = 0
    source_mac: str = ""
    destination_mac: str = ""
    protocol: Protocol = "other"
    source: str = ""
    destination: str = ""
    source_port: int = 0
    destination_port: int = 0
    ttl: int = 0
    length: int = 0
    flags: str = ""
    icmp_type: int = -1
    icmp_code: int = -1
    dont_fragment: bool = False
    fragment: bool = False
    vlan: int = 0
    encapsulation: str = ""
    inner: Packet | None = None
    payload: bytes = b""


def decode_pcap(data: bytes) -> list[Packet]:
    """The packets of a pcap file, as tcpdump writes it; a last record that is cut off is left out.
    Raises CaptureError for what is no pcap file or has a link type that is not known here."""
    orders = {b"\xd4\xc3\xb2\xa1": ("<", 1e6), b"\xa1\xb2\xc3\xd4": (">", 1e6)}
    orders |= {b"\x4d\x3c\xb2\xa1": ("<", 1e9), b"\xa1\xb2\x3c\x4d": (">", 1e9)}
    if len(data) < 24 or data[:4] not in orders:
        raise CaptureError(f"this is no pcap file: {data[:24]!r}")
    order, unit = orders[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF
    packets = []
    at = 24
    while at + 16 <= len(data):
        seconds, part, kept, length = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if at + kept > len(data):
            break
        packet = decode_frame(data[at : at + kept], link, length)
        packets.append(replace(packet, time=seconds + part / unit))
        at += kept
    return packets


def decode_frame(frame: bytes, link: int = _ETHERNET, length: int = 0) -> Packet:
    """One frame, of which `length` bytes were on the wire. What was cut off stays at its default.
    Raises CaptureError for a link type that is not known here."""
    found = Packet(length=length or len(frame))
    try:
        if link == _ETHERNET:
            return _ethernet(frame, found)
        if link == _RAW:
            return _network(frame, _IPV6 if frame[0] >> 4 == 6 else _IPV4, found)
        if link == _SLL:
            return _network(frame[16:], struct.unpack_from("!H", frame, 14)[0], found)
        if link == _SLL2:
            return _network(frame[20:], struct.unpack_from("!H", frame, 0)[0], found)
    except (struct.error, IndexError, ValueError):
        return found
    raise CaptureError(f"link type {link} is not known here", "capture on an Ethernet interface")


def _ethernet(frame: bytes, found: Packet) -> Packet:
    kind = struct.unpack_from("!H", frame, 12)[0]
    at, vlan = 14, 0
    while kind in _VLANS:
        tag, kind = struct.unpack_from("!HH", frame, at)
        vlan = vlan or tag & 0x0FFF
        at += 4
    macs = replace(found, destination_mac=_mac(frame[:6]), source_mac=_mac(frame[6:12]), vlan=vlan)
    return _network(frame[at:], kind, macs)


def _network(data: bytes, kind: int, found: Packet) -> Packet:
    if kind == _ARP:
        operation = {1: "request", 2: "reply"}.get(struct.unpack_from("!H", data, 6)[0], "")
        sender, target = str(ip_address(data[14:18])), str(ip_address(data[24:28]))
        return replace(found, protocol="ARP", source=sender, destination=target, flags=operation)
    if kind == _IPV4:
        return _ipv4(data, found)
    return _ipv6(data, found) if kind == _IPV6 else found


def _ipv4(data: bytes, found: Packet) -> Packet:
    total, _, fragment, ttl, number = struct.unpack_from("!HHHBB", data, 2)
    head = (data[0] & 15) * 4
    found = replace(
        found,
        source=str(ip_address(data[12:16])),
        destination=str(ip_address(data[16:20])),
        ttl=ttl,
        # 0 where the network card splits a packet larger than the field (segmentation offload).
        length=total or found.length,
        dont_fragment=bool(fragment & 0x4000),
        fragment=bool(fragment & 0x3FFF),
    )
    # The frame may be padded; a later fragment has no header of the transport's.
    body = data[head:total] if total else data[head:]
    return found if fragment & 0x1FFF else _transport(body, number, found)


def _ipv6(data: bytes, found: Packet) -> Packet:
    size, number, ttl = struct.unpack_from("!HBB", data, 4)
    source, destination = str(ip_address(data[8:24])), str(ip_address(data[24:40]))
    found = replace(found, source=source, destination=destination, ttl=ttl, length=size + 40)
    return _transport(data[40:], number, found)


def _transport(data: bytes, number: int, found: Packet) -> Packet:
    if number in _IN_IP:
        version = _IPV6 if number == 41 else _IPV4
        return replace(
            found, encapsulation=_IN_IP[number], inner=_inner(data, version, found.length - 20)
        )
    if number in _ICMP_PROTOCOLS:
        named = replace(found, protocol="ICMP")
        if len(data) < 2:
            return named
        return replace(named, icmp_type=data[0], icmp_code=data[1], payload=data[8:])
    if number in {6, 17}:
        return _ports(data, number, found)
    return found


def _ports(data: bytes, number: int, found: Packet) -> Packet:
    named = replace(found, protocol="TCP" if number == 6 else "UDP")
    if len(data) < 4:
        return named
    source, destination = struct.unpack_from("!HH", data)
    named = replace(named, source_port=source, destination_port=destination)
    if number == 6:
        if len(data) < 14:
            return named
        bits = data[13]
        flags = "".join(letter for i, letter in enumerate(_TCP_FLAGS) if bits >> i & 1)
        return replace(named, flags=flags, payload=data[(data[12] >> 4) * 4 :])
    named = replace(named, payload=data[8:])
    # VXLAN's and GENEVE's source port is a hash of the flow: the destination alone tells.
    if destination in VXLAN_PORTS:
        return replace(named, encapsulation="VXLAN", inner=_inner(data[16:], _TEB, 0))
    if destination == GENEVE_PORT:
        if len(data) < 12:
            return replace(named, encapsulation="GENEVE")
        kind, start = struct.unpack_from("!H", data, 10)[0], 16 + (data[8] & 0x3F) * 4
        return replace(named, encapsulation="GENEVE", inner=_inner(data[start:], kind, 0))
    return named


def _inner(data: bytes, kind: int, length: int) -> Packet | None:
    if not data:
        return None
    found = Packet(length=length if length > 0 else len(data))
    try:
        return _ethernet(data, found) if kind == _TEB else _network(data, kind, found)
    except (struct.error, IndexError, ValueError):
        return found


def _mac(raw: bytes) -> str:
    return raw.hex(":")

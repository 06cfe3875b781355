"""The decoder, on bytes made here field by field."""

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.support.packets import CaptureError, Packet, decode_frame, decode_pcap

MACS = bytes.fromhex("0242ac110002") + bytes.fromhex("0242ac110003")  # destination, source


def ether(kind: int, body: bytes, tags: bytes = b"") -> bytes:
    return MACS + tags + struct.pack("!H", kind) + body


def ipv4(
    protocol: int,
    body: bytes,
    *,
    ends: tuple[str, str] = ("10.4.0.2", "10.4.1.3"),
    fragment: int = 0x4000,
    options: bytes = b"",
) -> bytes:
    size = 20 + len(options)
    first = 0x40 | size // 4
    head = struct.pack("!BBHHHBBH", first, 0, size + len(body), 7, fragment, 63, protocol, 0)
    return head + b"".join(IPv4Address(end).packed for end in ends) + options + body


def tcp(flags: int = 0x12, body: bytes = b"", options: bytes = b"") -> bytes:
    size = (20 + len(options)) // 4
    head = struct.pack("!HHIIBBHHH", 40000, 8080, 1, 2, size << 4, flags, 100, 0, 0)
    return head + options + body


def udp(body: bytes = b"", destination: int = 53) -> bytes:
    return struct.pack("!HHHH", 40000, destination, 8 + len(body), 0) + body


def pcap(frames: list[bytes], link: int = 1, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 256, link)
    records = [
        struct.pack(order + "IIII", 1700000000 + i, 500000, len(frame), len(frame)) + frame
        for i, frame in enumerate(frames)
    ]
    return head + b"".join(records)


SYN_ACK = Packet(
    source_mac="02:42:ac:11:00:03",
    destination_mac="02:42:ac:11:00:02",
    protocol="TCP",
    source="10.4.0.2",
    destination="10.4.1.3",
    source_port=40000,
    destination_port=8080,
    ttl=63,
    length=40,
    flags="SA",
    dont_fragment=True,
)


def test_tcp() -> None:
    assert decode_frame(ether(0x0800, ipv4(6, tcp()))) == SYN_ACK


def test_options_payload_and_padding() -> None:
    frame = ether(0x0800, ipv4(6, tcp(0x18, b"hello", b"\1" * 12), options=b"\1" * 4))
    found = decode_frame(frame + b"\0" * 6)
    assert (found.flags, found.payload, found.length) == ("PA", b"hello", 20 + 4 + 32 + 5)


@pytest.mark.parametrize(
    ("bits", "letters"),
    [
        (0, ""),
        (1, "F"),
        (2, "S"),
        (4, "R"),
        (0x14, "RA"),
        (0x10, "A"),
        (0xC2, "SEC"),
        (0x29, "FPU"),
    ],
)
def test_tcp_flags(bits: int, letters: str) -> None:
    assert decode_frame(ether(0x0800, ipv4(6, tcp(bits)))).flags == letters


def test_udp() -> None:
    found = decode_frame(ether(0x0800, ipv4(17, udp(b"query"), fragment=0)))
    assert (found.protocol, found.destination_port, found.payload) == ("UDP", 53, b"query")
    assert (found.dont_fragment, found.fragment, found.encapsulation) == (False, False, "")


def test_icmp() -> None:
    # "Fragmentation needed": the packet that did not fit comes back in the payload.
    lost = ipv4(6, tcp())
    found = decode_frame(ether(0x0800, ipv4(1, bytes([3, 4, 0, 0, 0, 0, 5, 120]) + lost)))
    assert (found.protocol, found.icmp_type, found.icmp_code) == ("ICMP", 3, 4)
    assert found.payload == lost
    assert decode_frame(ether(0x0800, ipv4(17, udp()))).icmp_type == -1


def test_fragments() -> None:
    first = decode_frame(ether(0x0800, ipv4(17, udp(b"x"), fragment=0x2000)))
    assert (first.fragment, first.source_port) == (True, 40000)
    later = decode_frame(ether(0x0800, ipv4(17, b"anything", fragment=0x00B9)))
    assert (later.fragment, later.source_port, later.protocol) == (True, 0, "other")


@pytest.mark.parametrize(("operation", "word"), [(1, "request"), (2, "reply"), (9, "")])
def test_arp(operation: int, word: str) -> None:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    body += MACS[6:] + IPv4Address("10.0.0.1").packed + b"\0" * 6 + IPv4Address("10.0.0.2").packed
    found = decode_frame(ether(0x0806, body))
    assert (found.protocol, found.flags) == ("ARP", word)
    assert (found.source, found.destination) == ("10.0.0.1", "10.0.0.2")
    assert found.source_mac == "02:42:ac:11:00:03"


def test_ipv6() -> None:
    head = struct.pack("!IHBB", 6 << 28, 20, 6, 64)
    ends = IPv6Address("fd00::1").packed + IPv6Address("fd00::2").packed
    found = decode_frame(ether(0x86DD, head + ends + tcp(2)))
    assert (found.source, found.destination, found.ttl) == ("fd00::1", "fd00::2", 64)
    assert (found.protocol, found.flags, found.length) == ("TCP", "S", 60)


def test_vlan() -> None:
    tags = struct.pack("!HH", 0x8100, 0x2000 | 42)
    assert decode_frame(ether(0x0800, ipv4(6, tcp()), tags)) == replace(SYN_ACK, vlan=42)
    outer = struct.pack("!HH", 0x88A8, 7)
    assert decode_frame(ether(0x0800, ipv4(6, tcp()), outer + tags)).vlan == 7
    assert SYN_ACK.vlan == 0


def nodes(protocol: int, body: bytes) -> bytes:
    return ether(0x0800, ipv4(protocol, body, ends=("10.128.0.2", "10.128.0.3")))


@pytest.mark.parametrize("port", [4789, 8472])
def test_vxlan(port: int) -> None:
    header = struct.pack("!II", 0x08000000, 5 << 8)
    found = decode_frame(nodes(17, udp(header + ether(0x0800, ipv4(6, tcp())), port)))
    assert (found.encapsulation, found.source) == ("VXLAN", "10.128.0.2")
    assert found.inner == SYN_ACK
    # The same bytes to another port are a payload like any other.
    other = decode_frame(nodes(17, udp(header + ether(0x0800, ipv4(6, tcp())), 4790)))
    assert (other.encapsulation, other.inner) == ("", None)


@pytest.mark.parametrize("options", [b"", b"\0" * 8])
def test_geneve(options: bytes) -> None:
    header = struct.pack("!BBHI", len(options) // 4, 0, 0x6558, 5 << 8) + options
    found = decode_frame(nodes(17, udp(header + ether(0x0800, ipv4(6, tcp())), 6081)))
    assert (found.encapsulation, found.inner) == ("GENEVE", SYN_ACK)
    bare = struct.pack("!BBHI", len(options) // 4, 0, 0x0800, 5 << 8) + options
    found = decode_frame(nodes(17, udp(bare + ipv4(6, tcp()), 6081)))
    assert found.inner == replace(SYN_ACK, source_mac="", destination_mac="")


def test_ipip() -> None:
    found = decode_frame(nodes(4, ipv4(6, tcp())))
    assert (found.encapsulation, found.protocol) == ("IPIP", "other")
    assert found.inner == replace(SYN_ACK, source_mac="", destination_mac="")


def test_every_cut_is_survived() -> None:
    header = struct.pack("!II", 0x08000000, 5 << 8)
    whole = nodes(17, udp(header + ether(0x0800, ipv4(6, tcp(body=b"hello"))), 8472))
    for size in range(len(whole)):
        found = decode_frame(whole[:size], length=len(whole))
        assert found.source in {"", "10.128.0.2"}
    assert decode_frame(whole[:34]).source == "10.128.0.2"
    assert decode_frame(whole[:33]).source == ""
    assert decode_frame(whole[:36]).protocol == "UDP"


def test_what_is_not_known_is_other() -> None:
    found = decode_frame(ether(0x88CC, b"lldp"))
    assert (found.protocol, found.source, found.length) == ("other", "", 18)
    assert decode_frame(ether(0x0800, ipv4(132, b"sctp"))).protocol == "other"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 0.5), (0xA1B23C4D, 0.0005)])
def test_pcap(order: str, magic: int, fraction: float) -> None:
    frame = ether(0x0800, ipv4(6, tcp()))
    found = decode_pcap(pcap([frame, frame], order=order, magic=magic))
    assert found == [
        replace(SYN_ACK, time=1700000000 + fraction),
        replace(SYN_ACK, time=1700000001 + fraction),
    ]
    assert decode_pcap(pcap([], order=order, magic=magic)) == []


def test_a_record_cut_off_is_left_out() -> None:
    frame = ether(0x0800, ipv4(6, tcp()))
    whole = pcap([frame, frame])
    for cut in (1, len(frame), len(frame) + 1, len(frame) + 16):
        assert len(decode_pcap(whole[:-cut])) == 1
    assert len(decode_pcap(whole)) == 2


def test_length_is_the_wires() -> None:
    arp = ether(0x0806, b"")
    assert decode_frame(arp, length=60).length == 60
    # With segmentation offload a packet may be larger than IP's own field can say.
    large = bytearray(ether(0x0800, ipv4(6, tcp(body=b"x" * 10))))
    large[16:18] = b"\0\0"
    assert decode_frame(bytes(large), length=70000).length == 70000


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (101, b""),
        (113, struct.pack("!HHH8sH", 0, 1, 6, b"", 0x0800)),
        (276, struct.pack("!HHIHBB8s", 0x0800, 0, 2, 1, 0, 6, b"")),
    ],
)
def test_link_types(link: int, head: bytes) -> None:
    found = decode_pcap(pcap([head + ipv4(6, tcp())], link))
    assert found == [replace(SYN_ACK, source_mac="", destination_mac="", time=1700000000.5)]


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(CaptureError, match="no pcap file"):
        decode_pcap(b"tcpdump: eth0: No such device exists")
    with pytest.raises(CaptureError, match="no pcap file"):
        decode_pcap(b"")
    with pytest.raises(CaptureError, match="link type 147 is not known here"):
        decode_pcap(pcap([b"x"], 147))

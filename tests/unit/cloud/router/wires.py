"""A router in a network namespace, and wires to it: real packets through the real kernel.

The far end of each of the router's interfaces is a packet socket of this process, which stands
for every machine of that subnet: it sends whole frames with any address, and sees who is sent
what by the frame's destination.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from gkelab.cloud.router.fabric import Nic
from gkelab.shell import Result, run

CLONE_NEWNET = 0x40000000
ALL_FRAMES = 0x0003
CLIENT = IPv4Address("198.18.0.2")
CLIENT_MAC = "02:00:00:00:00:02"
STRANGER_MAC = "02:00:00:00:00:03"
# The router's addresses, as docker gives them.
ADDRESSES = {
    "us0": "10.128.0.1/20",
    "eu0": "10.132.0.1/20",
    "far0": "10.200.0.1/20",
    "net0": "198.18.0.1/24",
    "man0": "172.30.0.2/24",
}


def missing() -> str:
    """Why there can be no wires here; "" when there can."""
    if os.geteuid():
        return "network namespaces need root"
    lacking = [name for name in ("ip", "nft") if not shutil.which(name)]
    if lacking:
        return f"this host lacks {' and '.join(lacking)}"
    made = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], check=False)
    return "this host makes no network namespaces with nftables" if made.returncode else ""


@dataclass(frozen=True)
class Arrived:
    """A frame that came out of the router."""

    wire: str
    mac: str
    source: IPv4Address
    destination: IPv4Address
    ttl: int
    protocol: int
    payload: bytes


@dataclass
class Wires:
    """The router's namespace, and the sockets on its wires by the router's interface."""

    space: str
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    macs: dict[str, str] = field(default_factory=dict)

    def run(self, argv: Sequence[str], **more: object) -> Result:
        """A command in the router's namespace: a Runner for its kernel."""
        return run(["ip", "netns", "exec", self.space, *argv], **more)  # type: ignore[arg-type]

    def send(self, wire: str, mac: str, packet: bytes) -> None:
        frame = _mac(self.macs[wire]) + _mac(mac) + b"\x08\x00" + packet
        self.sockets[wire].send(frame)

    def arrived(self, quiet: float = 0.05) -> list[Arrived]:
        """What came out, until nothing did for so many seconds."""
        found = []
        with selectors.DefaultSelector() as selector:
            for name, sock in self.sockets.items():
                selector.register(sock, selectors.EVENT_READ, name)
            while ready := selector.select(quiet):
                for key, _ in ready:
                    assert isinstance(key.fileobj, socket.socket)
                    frame, where = key.fileobj.recvfrom(65535)
                    if where[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00":
                        found.append(_parsed(key.data, frame))
        return found


def _parsed(wire: str, frame: bytes) -> Arrived:
    packet = frame[14:]
    length = (packet[0] & 15) * 4
    total = struct.unpack_from(">H", packet, 2)[0]
    return Arrived(
        wire,
        ":".join(f"{byte:02x}" for byte in frame[:6]),
        IPv4Address(packet[12:16]),
        IPv4Address(packet[16:20]),
        packet[8],
        packet[9],
        packet[length:total],
    )


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def packet(source: IPv4Address, destination: IPv4Address, protocol: int, payload: bytes) -> bytes:
    """An IPv4 packet, its checksum right."""
    head = struct.pack(
        ">BBHHHBBH4s4s",
        *(0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, source.packed, destination.packed),
    )
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def payload(
    source: IPv4Address, destination: IPv4Address, protocol: int, number: int, port: int
) -> bytes:
    """What starts a connection: a datagram, a SYN, an echo request, or just bytes; `number` makes
    it a connection of its own (a source port, an echo's identifier)."""
    pseudo = source.packed + destination.packed
    if protocol == 17:
        body = struct.pack(">HHHH", number, port, 8, 0)
        check = checksum(pseudo + struct.pack(">HH", 17, 8) + body)
        return body[:6] + struct.pack(">H", check or 0xFFFF)
    if protocol == 6:
        body = struct.pack(">HHIIBBHHH", number, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
        check = checksum(pseudo + struct.pack(">HH", 6, 20) + body)
        return body[:16] + struct.pack(">H", check) + body[18:]
    if protocol == 1:
        body = struct.pack(">BBHHH", 8, 0, 0, number, 1)
        return body[:2] + struct.pack(">H", checksum(body)) + body[4:]
    return struct.pack(">HHI", number, port, 0)


@contextmanager
def wires() -> Iterator[Wires]:
    """A router's namespace with its interfaces, gone afterwards."""
    space = f"gkr{os.getpid()}"  # other files' tests may run beside this one, in other processes
    other = f"{space}w"
    for name in (space, other):
        run(["ip", "netns", "add", name])
    made = Wires(space)
    try:
        for device, address in ADDRESSES.items():
            pair = ["type", "veth", "peer", "name", device, "netns", space]
            run(["ip", "-n", other, "link", "add", f"w{device}", *pair])
            run(["ip", "-n", other, "link", "set", f"w{device}", "up"])
            run(["ip", "-n", space, "link", "set", device, "up"])
            run(["ip", "-n", space, "addr", "add", address, "dev", device])
            made.macs[device] = made.run(["cat", f"/sys/class/net/{device}/address"]).stdout.strip()
            made.sockets[device] = _socket(other, f"w{device}")
        run(["ip", "-n", space, "link", "set", "lo", "up"])
        yield made
    finally:
        for sock in made.sockets.values():
            sock.close()
        for name in (space, other):
            run(["ip", "netns", "delete", name], check=False)


def neighbours(made: Wires, others: Mapping[IPv4Address, tuple[str, str]]) -> None:
    """Have the router know addresses that no cloud tells of: (device, MAC) by address."""
    for address, (device, mac) in others.items():
        words = ["replace", str(address), "lladdr", mac, "dev", device, "nud", "permanent"]
        run(["ip", "-n", made.space, "neigh", *words])


def _socket(space: str, device: str) -> socket.socket:
    def made() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((device, 0))
        return sock

    return there(space, made)


def there(space: str, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket of another namespace: a thread goes there to make it, and is gone afterwards."""
    found: list[socket.socket] = []

    def open_there() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{space}").open() as place:
            if libc.setns(place.fileno(), CLONE_NEWNET) == 0:
                found.append(make())

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()
    assert found, f"no socket in {space}"
    return found[0]


def wire_of(nic: Nic) -> str:
    """The router's interface that leads to an interface of an instance."""
    return f"{nic.subnet.rpartition('/')[2]}0"

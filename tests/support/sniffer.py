"""Watches an interface of the host itself, from this process: what leaves by the uplink."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.packets import Packet, decode_frame

ETH_P_ALL = 3  # linux/if_ether.h
LINK_ETHERNET = 1  # LINKTYPE_ETHERNET of pcap
# linux/if_packet.h. A bridge hears what its ports send each other only when it is promiscuous.
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1


@contextmanager
def sniff(interface: str) -> Iterator[list[Packet]]:
    """Every packet that crosses the interface inside the block; filled when the block ends.

    Needs CAP_NET_RAW (root). Raises OSError when there is no such interface.
    """
    packets: list[Packet] = []
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.bind((interface, 0))
    member = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
    raw.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
    raw.settimeout(0.1)
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            try:
                frame = raw.recv(65535)
            except TimeoutError:
                continue
            packets.append(decode_frame(frame, LINK_ETHERNET, len(frame)))

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        yield packets
    finally:
        stop.set()
        thread.join()
        raw.close()

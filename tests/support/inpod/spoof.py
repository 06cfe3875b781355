"""Sends datagrams with whatever source address: what a machine may send is for others to decide.

Run in its place with the words of one datagram as JSON; needs CAP_NET_RAW and Python alone.
"""

import json
import socket
import struct
import sys

MARK = "@gkelab-spoof@"
UDP = 17


def packet(source: str, destination: str, port: int, payload: str) -> bytes:
    """An IPv4 packet with a UDP datagram from port 40000, whose checksum is left out (RFC 768);
    the kernel fills in IPv4's own (raw(7))."""
    data = payload.encode()
    size = 8 + len(data)
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0, 64, UDP, 0) + ends
    return head + struct.pack("!HHHH", 40000, port, size, 0) + data


def main() -> None:
    """Send the datagrams that the first argument tells of."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for one in json.loads(sys.argv[1]):
            data = packet(one["source"], one["destination"], one["port"], one["payload"])
            raw.sendto(data, (one["destination"], 0))
            sent += 1
    sys.stdout.write(f"{MARK}{sent}\n")


if __name__ == "__main__":
    main()

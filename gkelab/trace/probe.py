"""The one probe: a connection's beginning, a datagram, or an echo request.

TCP and UDP are bash's own words, as every image of the lab has bash: in a container by `docker
exec`, in a pod's network from its node, so that whatever the pod's image lacks, the packet is the
pod's. An echo request is sent by this process, in the namespace itself.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gkelab.shell import Result
from gkelab.trace.packets import ECHO, ECHO_REPLY, ICMP
from gkelab.trace.resolve import End

Outcome = Literal["answered", "refused", "unreachable", "timeout", "broken"]

# Seconds: how long an answer may take. TCP sends again after one, which is the same probe.
PATIENCE = 2
# Run as `bash -c SCRIPT probe PROTOCOL ADDRESS PORT TOKEN`.
SCRIPT = f"""export LC_ALL=C
exec 3<>"/dev/$1/$2/$3" || exit 1
if [ "$1" = tcp ]; then echo answered; exit; fi
printf %s "$4" >&3
IFS= read -r -t {PATIENCE} -n 1 -u 3 _
case $? in 0) echo answered ;; 1) exit 1 ;; *) echo timeout ;; esac
"""
# The kernel's words.
_REASONS: dict[str, Outcome] = {
    "Connection refused": "refused",
    "Connection reset by peer": "refused",
    "Connection timed out": "timeout",
    "No route to host": "unreachable",
    "Network is unreachable": "unreachable",
    "Operation not permitted": "unreachable",
    "Permission denied": "unreachable",
    "Invalid argument": "unreachable",
}


@dataclass(frozen=True)
class Said:
    """How the probe ended, as its sender knows it, and why in the kernel's words."""

    outcome: Outcome
    detail: str = ""


def new_token() -> str:
    """What tells a probe's payload from any other."""
    return f"gkelab-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Wanted:
    """The probe: its protocol's name, where it is sent to, and the token in its payload."""

    protocol: str
    address: str
    port: int
    token: str


def command(sender: End, space: str, wanted: Wanted) -> list[str]:
    """What is run in the sender's machine; `space` is the name of a pod's network namespace on
    its node, of no meaning where the sender has none of its own."""
    protocol = wanted.protocol
    enter = ["nsenter", f"--net=/run/netns/{space}"] if sender.pod else []
    limit = ["timeout", str(PATIENCE if protocol == "tcp" else PATIENCE + 1)]
    return [*enter, *limit, "bash", "-c", SCRIPT, *_words(wanted)]


def _words(wanted: Wanted) -> list[str]:
    return ["probe", wanted.protocol, wanted.address, str(wanted.port), wanted.token]


def verdict(done: Result) -> Said:
    """How a command ended. What is none of the endings of a probe is a broken one."""
    word = done.stdout.strip()
    if done.code == 0 and word in ("answered", "timeout"):
        return Said(word)  # type: ignore[arg-type]
    if done.code == 124:
        return Said("timeout")
    for line in done.stderr.splitlines():
        for reason, outcome in _REASONS.items():
            if reason in line:
                return Said(outcome, reason)
    lines: Sequence[str] = done.stderr.strip().splitlines() or [f"it ended with {done.code}"]
    return Said("broken", lines[-1])


def echo(address: str, token: str) -> Said:
    """An echo request from the namespace that this thread is in."""
    body = token.encode()
    head = struct.pack("!BBHHH", ECHO, 0, 0, os.getpid() & 0xFFFF, 1)
    packet = head[:2] + struct.pack("!H", _checksum(head + body)) + head[4:] + body
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, ICMP) as sock:
        try:
            sock.sendto(packet, (address, 0))
            return _await_echo(sock, body)
        except OSError as bad:
            reason = os.strerror(bad.errno or 0)
            return Said(_REASONS.get(reason, "broken"), reason)


def _await_echo(sock: socket.socket, body: bytes) -> Said:
    end = time.monotonic() + PATIENCE
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            answer, _ = sock.recvfrom(2048)
        except TimeoutError:
            break
        rest = answer[(answer[0] & 15) * 4 :]
        if rest[:1] == bytes([ECHO_REPLY]) and rest[8:] == body:
            return Said("answered")
    return Said("timeout")


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

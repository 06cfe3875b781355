"""Makes many probes at once and prints one verdict each: `python3 - LIST <probe.py`; or stays and
answers a LIST a line with a line: `python3 -c "$(cat probe.py)" stay`.

LIST is a JSON list of probes: kind (http, websocket, tcp, udp, dns), host, port and timeout
(seconds), and by kind: payload (websocket: the text; tcp, udp: the line to send; null for tcp is
to connect alone), method (http), path and headers (http, websocket), name, type, server and tcp
(dns; type HOST asks the C library, so search list and hosts file count; other types go to the
server as they are). What is printed is MARK and a JSON list of verdicts in the same order:
outcome, status, text, detail, headers, local, seconds.
The standard library alone, since it runs in whatever python3 an image has, and one file, since it
travels on stdin.
"""

from __future__ import annotations

import base64
import concurrent.futures
import errno
import hashlib
import http.client
import ipaddress
import json
import os
import secrets
import socket
import struct
import sys
import threading
import time
from typing import Any

MARK = "@gkelab-probe@"
STAY = "stay"
AT_ONCE = 32
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
IP_RECVERR = 11  # from <linux/in.h>; Python names it only from 3.14 on
UNREACHABLE = {
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENETDOWN,
    errno.EPERM,  # a cgroup's BPF program said no
    errno.EACCES,  # a prohibit route
}
WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
UNRESOLVED = {socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_AGAIN, socket.EAI_FAIL}

Verdict = dict[str, Any]
Probe = dict[str, Any]


class Deadline:
    """A moment that all steps of a probe share."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then. Raises TimeoutError after it."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def resolve(host: str, port: int, kind: socket.SocketKind, deadline: Deadline) -> list[Any]:
    """getaddrinfo, which has no time-out of its own: in a thread that is left behind when late."""
    found: list[Any] = []

    def look() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=kind))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not found:
        raise TimeoutError(f"{host} did not resolve in time")
    if isinstance(found[0], OSError):
        raise found[0]
    return list(found[0])


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection to the first of the host's addresses that takes one."""
    last: OSError | None = None
    for family, kind, _, _, address in resolve(host, port, socket.SOCK_STREAM, deadline):
        sock = socket.socket(family, kind)
        try:
            sock.settimeout(deadline.left())
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise last or OSError(f"{host} has no address")


def datagram(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A UDP socket that hears of ICMP errors."""
    family, kind, _, _, address = resolve(host, port, socket.SOCK_DGRAM, deadline)[0]
    sock = socket.socket(family, kind)
    if family == socket.AF_INET:
        # Without it the kernel keeps "host unreachable" to itself.
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    sock.connect(address)
    sock.settimeout(deadline.left())
    return sock


def tcp(probe: Probe, deadline: Deadline) -> Verdict:
    """Send a line, take a line."""
    with connect(probe["host"], probe["port"], deadline) as sock:
        local = sock.getsockname()[0]
        if probe.get("payload") is None:
            return {"outcome": "OK", "local": local}
        sock.sendall(probe["payload"].encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            sock.settimeout(deadline.left())
            more = sock.recv(65536)
            if not more:
                raise ConnectionResetError("closed before a whole line came")
            data += more
    return {"outcome": "OK", "text": data.decode(errors="replace"), "local": local}


def udp(probe: Probe, deadline: Deadline) -> Verdict:
    """Send one datagram, once; take one."""
    with datagram(probe["host"], probe["port"], deadline) as sock:
        sock.send((probe.get("payload") or "").encode() + b"\n")
        data = sock.recv(65536)
        local = sock.getsockname()[0]
    return {"outcome": "OK", "text": data.decode(errors="replace"), "local": local}


def http_get(probe: Probe, deadline: Deadline) -> Verdict:
    """One request on a connection of its own."""
    sock = connect(probe["host"], probe["port"], deadline)
    link = http.client.HTTPConnection(probe["host"], probe["port"])
    link.sock = sock
    try:
        sock.settimeout(deadline.left())
        local = sock.getsockname()[0]
        headers = {"Connection": "close", **probe.get("headers", {})}
        link.request(probe.get("method", "GET"), probe.get("path", "/"), headers=headers)
        response = link.getresponse()
        text = response.read().decode(errors="replace")
    finally:
        link.close()
    heads: dict[str, list[str]] = {}
    for name, value in response.getheaders():
        heads.setdefault(name.lower(), []).append(value)
    bad = response.status >= 400
    return {
        "outcome": "HTTP_ERROR" if bad else "OK",
        "detail": f"HTTP {response.status}" if bad else "",
        "status": response.status,
        "text": text,
        "headers": heads,
        "local": local,
    }


def websocket(probe: Probe, deadline: Deadline) -> Verdict:
    """Shake hands, say a text, take one, say good-bye and hear it. OK means all of that."""
    with connect(probe["host"], probe["port"], deadline) as sock:
        local = sock.getsockname()[0]
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        status, headers = handshake(sock, probe, key, deadline)
        if status != 101:
            detail = f"HTTP {status}, no WebSocket"
            return {"outcome": "HTTP_ERROR", "status": status, "detail": detail, "local": local}
        proof = base64.b64encode(hashlib.sha1((key + WEBSOCKET).encode()).digest()).decode()
        if headers.get("sec-websocket-accept") != [proof]:
            raise ValueError("whoever answered did not read the handshake's key")
        sock.sendall(masked(1, (probe.get("payload") or "").encode()))
        text = said(sock, 1, deadline)
        sock.sendall(masked(8, struct.pack("!H", 1000)))
        said(sock, 8, deadline)
    verdict = {"outcome": "OK", "status": status, "text": text.decode(errors="replace")}
    return {**verdict, "headers": headers, "local": local}


def handshake(
    sock: socket.socket, probe: Probe, key: str, deadline: Deadline
) -> tuple[int, dict[str, list[str]]]:
    """Ask for a WebSocket; the answer's status and headers. Reads no byte beyond them."""
    fields = {
        "Host": probe["host"],
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        **probe.get("headers", {}),
    }
    lines = [f"GET {probe.get('path', '/')} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    sock.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += exactly(sock, 1, deadline)
    first, *rest = data.decode(errors="replace").rstrip("\r\n").split("\r\n")
    heads: dict[str, list[str]] = {}
    for line in rest:
        name, _, value = line.partition(":")
        heads.setdefault(name.lower(), []).append(value.strip())
    return int(first.split()[1]), heads


def masked(opcode: int, payload: bytes) -> bytes:
    """A whole message as a client must send it; of less than 126 bytes."""
    if len(payload) > 125:
        raise ValueError("a payload of 126 bytes and more is not for this small client")
    mask = secrets.token_bytes(4)
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + body


def said(sock: socket.socket, opcode: int, deadline: Deadline) -> bytes:
    """The payload of the next frame, which shall be of this kind."""
    first, size = exactly(sock, 2, deadline)
    if size > 125:
        form = "!H" if size == 126 else "!Q"
        (size,) = struct.unpack(form, exactly(sock, struct.calcsize(form), deadline))
    payload = exactly(sock, size, deadline)
    if first != 0x80 | opcode:
        raise ValueError(f"frame {first:#x} in place of {0x80 | opcode:#x}")
    return payload


def dns(probe: Probe, deadline: Deadline) -> Verdict:
    """Ask the C library (HOST) or a server. OK means at least one record of the type."""
    if probe["type"] == "HOST":
        found = resolve(probe["name"], 0, socket.SOCK_STREAM, deadline)
        addresses = dict.fromkeys(entry[4][0] for entry in found)
        answers = [{"name": probe["name"], "type": "HOST", "data": text} for text in addresses]
        return {"outcome": "OK", "text": json.dumps({"rcode": "NOERROR", "answers": answers})}
    server = probe.get("server") or nameserver()
    port = probe.get("port") or 53
    number = secrets.randbits(16)
    query = encode(number, probe["name"], TYPES[probe["type"]])
    if probe.get("tcp"):
        with connect(server, port, deadline) as sock:
            sock.sendall(struct.pack("!H", len(query)) + query)
            local = sock.getsockname()[0]
            message = exactly(sock, struct.unpack("!H", exactly(sock, 2, deadline))[0], deadline)
    else:
        with datagram(server, port, deadline) as sock:
            sock.send(query)
            message = sock.recv(65536)
            local = sock.getsockname()[0]
    reply = decode(message)
    if reply.pop("id") != number:
        raise ValueError("the DNS answer is to another question")
    reply["server"] = server
    good = reply["rcode"] == "NOERROR" and any(
        answer["type"] == probe["type"] for answer in reply["answers"]
    )
    why = "" if good else f"{reply['rcode']}, {len(reply['answers'])} records"
    kind = "OK" if good else "DNS_ERROR"
    return {"outcome": kind, "text": json.dumps(reply), "detail": why, "local": local}


def nameserver() -> str:
    """The first server of resolv.conf."""
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return words[1]
    raise ValueError("no nameserver in /etc/resolv.conf")


def exactly(sock: socket.socket, size: int, deadline: Deadline) -> bytes:
    """That many bytes from a connection."""
    data = b""
    while len(data) < size:
        sock.settimeout(deadline.left())
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionResetError("closed before a whole message came")
        data += more
    return data


def encode(number: int, name: str, kind: int) -> bytes:
    """A DNS query with recursion desired."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    head = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0)
    return head + question + struct.pack("!HH", kind, 1)


def decode(message: bytes) -> dict[str, Any]:
    """A DNS answer: id, rcode, truncated, answers (name, type, ttl, data)."""
    number, flags, questions, count = struct.unpack_from("!HHHH", message)
    at = 12
    for _ in range(questions):
        at = name_at(message, at)[1] + 4
    kinds = {value: key for key, value in TYPES.items()}
    answers = []
    for _ in range(count):
        name, at = name_at(message, at)
        kind, _, ttl, size = struct.unpack_from("!HHIH", message, at)
        at += 10
        word = kinds.get(kind, str(kind))
        data = record(message, at, size, word)
        answers.append({"name": name, "type": word, "ttl": ttl, "data": data})
        at += size
    rcode = RCODES.get(flags & 15, str(flags & 15))
    truncated = bool(flags & 0x0200)
    return {"id": number, "rcode": rcode, "truncated": truncated, "answers": answers}


def record(message: bytes, at: int, size: int, kind: str) -> str:
    """A record's data as text."""
    raw = message[at : at + size]
    if kind in {"A", "AAAA"}:
        return str(ipaddress.ip_address(raw))
    if kind in {"NS", "CNAME", "PTR"}:
        return name_at(message, at)[0]
    if kind == "SRV":
        priority, weight, port = struct.unpack_from("!HHH", message, at)
        return f"{priority} {weight} {port} {name_at(message, at + 6)[0]}"
    if kind == "TXT":
        parts = []
        while raw:
            parts.append(raw[1 : 1 + raw[0]].decode(errors="replace"))
            raw = raw[1 + raw[0] :]
        return "".join(parts)
    return raw.hex()


def name_at(message: bytes, at: int) -> tuple[str, int]:
    """The name there, and where the next field begins."""
    labels: list[str] = []
    after = 0
    for _ in range(128):  # a pointer that leads to itself ends here
        size = message[at]
        if size >= 0xC0:
            after = after or at + 2
            at = struct.unpack_from("!H", message, at)[0] & 0x3FFF
        elif size == 0:
            return ".".join(labels), after or at + 1
        else:
            labels.append(message[at + 1 : at + 1 + size].decode(errors="replace"))
            at += 1 + size
    raise ValueError("a DNS name without an end")


def outcome_of(error: Exception) -> str:
    """The outcome's name for what was raised."""
    if isinstance(error, socket.gaierror):
        # The others are about the question itself, such as a port that is none.
        return "DNS_ERROR" if error.errno in UNRESOLVED else "PROBE_BROKEN"
    by_type = [
        (TimeoutError, "TIMEOUT"),
        (ConnectionRefusedError, "REFUSED"),
        (ConnectionError, "RESET"),
        (http.client.IncompleteRead, "RESET"),
    ]
    for kind, name in by_type:
        if isinstance(error, kind):
            return name
    if isinstance(error, OSError) and error.errno in UNREACHABLE:
        return "UNREACHABLE"
    return "PROBE_BROKEN"


KINDS = {"http": http_get, "websocket": websocket, "tcp": tcp, "udp": udp, "dns": dns}


def attempt(probe: Probe) -> Verdict:
    """One probe's verdict, whatever happens on the way."""
    start = time.monotonic()
    try:
        verdict = KINDS[probe["kind"]](probe, Deadline(probe["timeout"]))
    except (OSError, http.client.HTTPException, LookupError, ValueError, struct.error) as error:
        detail = f"{type(error).__name__}: {error}"
        verdict = {"outcome": outcome_of(error), "detail": detail}
    return {**verdict, "seconds": round(time.monotonic() - start, 4)}


def answer(pool: concurrent.futures.Executor, probes: str) -> None:
    """Make the probes of a list and print their verdicts."""
    verdicts = list(pool.map(attempt, json.loads(probes)))
    sys.stdout.write(MARK + json.dumps(verdicts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Make the probes of the first argument, or of each line of standard input."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for probes in sys.stdin if sys.argv[1] == STAY else [sys.argv[1]]:
            answer(pool, probes)
    os._exit(0)  # a resolver's thread may hang on; the verdicts are out


if __name__ == "__main__":
    main()

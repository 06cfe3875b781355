"""`conntrack -L` and `ss -Htn`: text in columns, since neither prints JSON."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.parse.errors import parsing

_PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "gre", "unknown")


@dataclass(frozen=True)
class Flow:
    """A connection that the kernel tracks. `reply_...` is what the answer is expected to carry:
    where it is not the reverse of the first, addresses are translated. `state` is TCP's, else "".
    `seconds` until it is forgotten; ports are 0 where the protocol has none."""

    protocol: str
    seconds: int
    state: str
    source: str
    destination: str
    source_port: int
    destination_port: int
    reply_source: str
    reply_destination: str
    reply_source_port: int
    reply_destination_port: int
    assured: bool
    replied: bool

    @property
    def translated(self) -> bool:
        """Whether NAT changes an address or a port."""
        there = (self.source, self.source_port, self.destination, self.destination_port)
        back = (
            self.reply_destination,
            self.reply_destination_port,
            self.reply_source,
            self.reply_source_port,
        )
        return there != back


@dataclass(frozen=True)
class Socket:
    """A TCP socket. `state` is as ss says: ESTAB, LISTEN, TIME-WAIT, ... A port of 0 is any."""

    state: str
    local: str
    local_port: int
    peer: str
    peer_port: int


def conntrack(text: str) -> list[Flow]:
    """From `conntrack -L`, also `-o extended`. Raises ParseError."""
    with parsing("conntrack", text):
        lines = [line.split() for line in text.splitlines() if line.strip()]
        return [_flow(words) for words in lines if words[0] != "conntrack"]  # its own summary


def _flow(words: list[str]) -> Flow:
    start = next((i for i, word in enumerate(words[:4]) if word in _PROTOCOLS), -1)
    if start < 0:
        raise ValueError("no protocol")
    values: dict[str, list[str]] = {}
    for word in words:
        key, found, value = word.partition("=")
        if found:
            values.setdefault(key, []).append(value)
    # Both directions have the same keys, the original's first.
    ports = [values.get(key, ["0", "0"]) for key in ("sport", "dport")]
    rest = words[start + 2 :]
    return Flow(
        protocol=words[start].upper(),
        seconds=int(rest[0]) if rest[0].isdigit() else 0,
        state=rest[1] if "=" not in rest[1] and "[" not in rest[1] else "",
        source=values["src"][0],
        destination=values["dst"][0],
        source_port=int(ports[0][0]),
        destination_port=int(ports[1][0]),
        reply_source=values["src"][1],
        reply_destination=values["dst"][1],
        reply_source_port=int(ports[0][1]),
        reply_destination_port=int(ports[1][1]),
        assured="[ASSURED]" in words,
        replied="[UNREPLIED]" not in words,
    )


def sockets(text: str) -> list[Socket]:
    """From `ss -Htn` (add -l for those that listen, -a for all). Raises ParseError."""
    with parsing("ss", text):
        return [_socket(line.split()) for line in text.splitlines() if line.strip()]


def _socket(words: list[str]) -> Socket:
    state, _, _, local, peer = words[:5]
    return Socket(state, *_ends(local), *_ends(peer))


def _ends(text: str) -> tuple[str, int]:
    address, found, port = text.rpartition(":")
    if not found:
        raise ValueError(f"{text!r} is no address with a port")
    # "[::ffff:10.0.0.1]:80", "127.0.0.53%lo:53", "*:8080"
    bare = address.strip("[]").partition("%")[0].removeprefix("::ffff:")
    return bare, 0 if port == "*" else int(port)

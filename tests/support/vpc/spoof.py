"""Packets with a source address that is not the sender's, and who got them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError
from tests.support.capture import capture
from tests.support.inpod import spoof as inpod
from tests.support.packets import Packet
from tests.support.places import Place
from tests.support.timeouts import TIMEOUTS

SCRIPT = Path(inpod.__file__)


class SpoofError(LabError):
    """A packet that could not be sent: nothing can be said of what became of it."""


def send(place: Place, sources: Sequence[str], destination: str, port: int) -> None:
    """Send a datagram from each of these addresses, in this order. Raises SpoofError."""
    said = [
        {"source": source, "destination": destination, "port": port, "payload": f"spoof {source}"}
        for source in sources
    ]
    done = place.exec(
        ["python3", "-", json.dumps(said)],
        input=SCRIPT.read_text(encoding="utf-8"),
        timeout=TIMEOUTS.exec_grace,
    )
    if f"{inpod.MARK}{len(said)}" not in done.stdout:
        words = done.stderr.strip()[-300:]
        raise SpoofError(f"{place.name} did not send as {', '.join(sources)}: {words}")


def arrived(packets: Sequence[Packet], source: str, destination: str) -> list[Packet]:
    """The packets from one address to the other."""
    return [p for p in packets if (p.source, p.destination) == (source, destination)]


@dataclass(frozen=True)
class Sender:
    """Who sends, and its own address; who is to get it, and where that listens."""

    place: Place
    own: str
    receiver: Place
    destination: str
    port: int

    def seen_as(self, source: str, *, count: int = 3) -> list[Packet]:
        """Send as `source`, and what of it came to the receiver. A datagram with the sender's own
        address is sent last: those before it have had their time when it is there. Raises
        SpoofError when even that did not come."""
        words = f"udp dst port {self.port} and dst host {self.destination}"

        def last(packets: Sequence[Packet]) -> list[Packet]:
            return arrived(packets, self.own, self.destination)

        with capture(
            self.receiver, filter=words, until_seen=lambda seen: bool(last(seen))
        ) as packets:
            send(self.place, [source] * count + [self.own], self.destination, self.port)
        if not last(packets):
            raise SpoofError(
                f"{self.place.name} does not reach {self.receiver.name} even as itself, {self.own}"
            )
        return arrived(packets, source, self.destination)

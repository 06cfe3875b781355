"""Packets with a source address that is not the sender's, and who got them."""

from __future__ import annotations

import json
from collections.abc import Sequence
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


def send(place: Place, source: str, destination: str, port: int, *, count: int = 3) -> str:
    """Send that many datagrams with this source; the word that they carry. Raises SpoofError."""
    word = f"spoof {source} {destination}"
    said = {"source": source, "destination": destination, "port": port, "payload": word}
    done = place.exec(
        ["python3", "-", json.dumps([said] * count)],
        input=SCRIPT.read_text(encoding="utf-8"),
        timeout=TIMEOUTS.exec_grace,
    )
    if f"{inpod.MARK}{count}" not in done.stdout:
        raise SpoofError(f"{place.name} did not send as {source}: {done.stderr.strip()[-300:]}")
    return word


def arrived(packets: Sequence[Packet], source: str, destination: str) -> list[Packet]:
    """The packets from one address to the other."""
    return [p for p in packets if (p.source, p.destination) == (source, destination)]


def sent_and_seen(
    sender: Place, source: str, receiver: Place, destination: str, port: int
) -> list[Packet]:
    """Send as that source, and what of it came to the receiver."""
    words = f"udp dst port {port} and dst host {destination}"
    with capture(receiver, filter=words) as packets:
        send(sender, source, destination, port)
    return arrived(packets, source, destination)

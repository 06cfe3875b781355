"""What is saved of a test that failed: its captures, and its namespace before that goes."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gkelab.diagnosis.bundle import fill, within, write
from gkelab.diagnosis.kubernetes import namespace_sources
from tests.support.namespace import Namespace
from tests.support.packets import CaptureError, Packet, decode_pcap
from tests.support.running import Kept
from tests.support.timeouts import TIMEOUTS

EACH = 15.0  # seconds for one question about a namespace


def folder_of(report: Path, kind: str, test: str) -> Path:
    """Where a test's files of that kind ("captures") are, by its node id."""
    short = test.removeprefix("tests/e2e/").partition("@")[0]
    return report / kind / re.sub(r"[^\w.=-]+", "-", short).strip("-")[:150]


def clear(report: Path, test: str) -> None:
    """Remove what an earlier failure of the test left."""
    for kind in ("captures", "failures"):
        shutil.rmtree(folder_of(report, kind, test), ignore_errors=True)


def save_captures(report: Path, test: str, captures: Sequence[Kept]) -> None:
    """Each capture as a pcap file, and as text."""
    folder = folder_of(report, "captures", test)
    for number, kept in enumerate(captures, 1):
        where = re.sub(r"[^\w.-]+", "-", f"{kept.place}-{kept.interface}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}-{where}.pcap").write_bytes(kept.data)
        write(folder, f"{number}-{where}.txt", as_text(kept))


def save_namespace(report: Path, test: str, namespace: Namespace) -> None:
    """Events, pods, objects and logs of a namespace; what cannot be had leaves its error."""
    deadline = time.monotonic() + TIMEOUTS.namespace
    kubectl = namespace.kubectl
    limited = replace(kubectl, run=within(kubectl.run, deadline, EACH))
    folder = folder_of(report, "failures", test)
    fill(folder, namespace_sources(limited, namespace.name, namespace.name), deadline=deadline)


def saved(report: Path, test: str) -> list[tuple[str, str]]:
    """What is there of a test: kind and path below the report's folder."""
    return [
        (kind.removesuffix("s"), path.relative_to(report).as_posix())
        for kind in ("captures", "failures")
        for path in sorted(folder_of(report, kind, test).rglob("*"))
        if path.is_file() and path.stat().st_size
    ]


def as_text(kept: Kept) -> str:
    """A capture's packets, a line each, under what was captured."""
    head = f"{kept.place} {kept.interface} {kept.filter or '(everything)'}"
    try:
        packets = decode_pcap(kept.data)
    except CaptureError as error:
        return f"{head}\n{error}\n"
    lines = [f"{packet.time:.6f} {line(packet)}" for packet in packets]
    return "\n".join([f"{head}: {len(packets)} packets", *lines]) + "\n"


def line(packet: Packet) -> str:
    """A packet in words."""
    ends = [
        f"{address}:{port}" if port else address
        for address, port in (
            (packet.source, packet.source_port),
            (packet.destination, packet.destination_port),
        )
    ]
    words = [f"{ends[0]} > {ends[1]}", packet.protocol, packet.flags]
    words += [f"type {packet.icmp_type} code {packet.icmp_code}"] if packet.icmp_type >= 0 else []
    words += [f"ttl {packet.ttl}"] if packet.ttl else []
    words += [f"length {packet.length}", packet.encapsulation]
    inner = f" [{line(packet.inner)}]" if packet.inner else ""
    return " ".join(word for word in words if word) + inner

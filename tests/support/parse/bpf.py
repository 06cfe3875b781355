"""`bpftool -json net show`, as far as tests ask."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.parse.errors import parsing


@dataclass(frozen=True)
class BpfProgram:
    """A program at a network interface. `hook` is tcx/ingress, clsact/egress, xdp/driver, ..."""

    interface: str
    hook: str
    name: str
    id: int


def bpf_net(text: str) -> list[BpfProgram]:
    """From `bpftool -json net show`. Raises ParseError."""
    with parsing("bpftool net", text):
        # One object, or a list of one, by version.
        value = json.loads(text)
        parts: list[dict[str, Any]] = value if isinstance(value, list) else [value]
        return [
            _program(raw, layer) for part in parts for layer in ("xdp", "tc") for raw in part[layer]
        ]


def _program(raw: dict[str, Any], layer: str) -> BpfProgram:
    return BpfProgram(
        interface=raw["devname"],
        hook=raw["kind"] if layer == "tc" else f"xdp/{raw.get('mode', '')}".rstrip("/"),
        name=raw.get("name", ""),
        # clsact's filters say "id", tcx says "prog_id".
        id=raw["prog_id"] if "prog_id" in raw else raw["id"],
    )

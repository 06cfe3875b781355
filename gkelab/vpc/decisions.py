"""What firewall rules that log have decided: the router's lines, on a screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gkelab.containers import FIREWALL_LOG
from gkelab.tools.docker import Docker

# As many as the router keeps: ten megabytes, and as many before them.
_ALL = f"cat {FIREWALL_LOG}.1 {FIREWALL_LOG} 2>/dev/null; true"
_PROTOCOLS = {6: "tcp", 17: "udp"}


@dataclass(frozen=True)
class Decision:
    """A logged connection. `rule` is the firewall's name, `source` and `destination` an address
    and port with the instance's name where the log has it; `record` is the whole line in Google's
    fields (firewall/docs/vpc-log-format)."""

    time: str
    disposition: str
    direction: str
    priority: int
    rule: str
    protocol: str
    source: str
    destination: str
    record: Mapping[str, Any]


def decisions(docker: Docker, router: str) -> list[Decision]:
    """All that the router's log has, the oldest first. CommandError where it does not answer."""
    return parse(docker.exec(router, ["sh", "-c", _ALL]).stdout)


def parse(text: str) -> list[Decision]:
    """The lines of the log; one that is cut off, as while it is written, is left out."""
    found = []
    for line in text.splitlines():
        try:
            found.append(_decision(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def chosen(found: Sequence[Decision], rule: str | None, last: int) -> list[Decision]:
    """The last so many of them, of one rule if it is named."""
    return [one for one in found if rule is None or one.rule == rule][-last:]


def _decision(record: Mapping[str, Any]) -> Decision:
    connection, details = record["connection"], record["rule_details"]
    inward = details["direction"] == "INGRESS"
    ends = ("remote_instance", "instance") if inward else ("instance", "remote_instance")
    source, destination = (str(record.get(end, {}).get("vm_name", "")) for end in ends)
    number = int(connection["protocol"])
    return Decision(
        time=record["timestamp"],
        disposition=record["disposition"],
        direction=details["direction"],
        priority=int(details["priority"]),
        rule=details["reference"].rpartition("firewall:")[2],
        protocol=_PROTOCOLS.get(number, str(number)),
        source=_end(connection["src_ip"], connection["src_port"], source),
        destination=_end(connection["dest_ip"], connection["dest_port"], destination),
        record=record,
    )


def _end(address: str, port: int, name: str) -> str:
    return f"{address}:{port}" + (f" ({name})" if name else "")


def draw(found: Iterable[Decision], console: Console) -> None:
    """A line for each, the oldest first."""
    table = Table(box=None, pad_edge=False)
    for column in ("time", "", "firewall rule", "direction", "priority", "from", "to", ""):
        table.add_column(column, overflow="fold", no_wrap=column in ("time", "firewall rule"))
    for one in found:
        said = (one.time, one.disposition, one.rule, one.direction.lower(), str(one.priority))
        denied = one.disposition == "DENIED"
        table.add_row(
            *(Text(cell) for cell in (*said, one.source, one.destination, one.protocol)),
            style="red" if denied else "",
        )
    console.print(table if table.row_count else Text("no firewall rule has logged a decision"))

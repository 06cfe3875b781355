"""A trace on the screen."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from gkelab.trace.model import Decided, EndView, Hop, Seen, Trace


def draw(told: Trace, console: Console) -> None:
    """The hops with what was seen at each, then what it came to."""
    for line in lines(told):
        console.print(line, soft_wrap=True)


def lines(told: Trace) -> Iterator[Text]:
    """The same, line by line."""
    where = f" port {told.port}" if told.port else ""
    what = f"{told.protocol} from {_end(told.source)} to {_end(told.destination)}{where}"
    yield Text(what, style="bold")
    for number, hop in enumerate(told.hops, 1):
        yield from _hop(number, hop)
    yield _outcome(told)
    if told.dropped:
        drop = told.dropped
        yield Text(f"ended at {drop.at}: {drop.what}: {drop.why}", style="red")
    for name, more in sorted(told.counters.items()):
        yield Text(f"the router counted {name} +{more}", style="dim")
    for note in told.notes:
        yield Text(f"note: {note}", style="yellow")
    for sentence in told.disagreements:
        yield Text(f"NOT AS DECIDED: {sentence}", style="bold red")


def _end(end: EndView) -> str:
    if end.kind == "address":
        return end.address
    kind = "" if end.kind == end.name else f"{end.kind} "
    return f"{kind}{end.name} ({end.address})"


def _hop(number: int, hop: Hop) -> Iterator[Text]:
    name = hop.name if hop.kind == hop.name else f"{hop.kind} {hop.name}"
    if not hop.seen:
        yield Text(f"{number:3} {name}: not reached", style="dim")
        return
    yield Text(f"{number:3} {name}")
    for seen in hop.seen:
        yield Text(f"      {_seen(seen)}")
    if hop.decided:
        yield Text(f"      {_decided(hop.decided)}", style="cyan")
    for seen in hop.answer:
        yield Text(f"      {_seen(seen)}  answer", style="dim")


def _seen(seen: Seen) -> str:
    point = f"{seen.interface} {seen.direction}"
    source = _place(seen.source, seen.source_port)
    destination = _place(seen.destination, seen.destination_port)
    ends = f"{source} -> {destination}"
    return f"{point:<20} {ends:<44} ttl {seen.ttl:<3} +{seen.microseconds} µs"


def _place(address: str, port: int) -> str:
    return f"{address}:{port}" if port else address


def _decided(decided: Decided) -> str:
    words = [f"decided: {decided.fate}"]
    words += [f"route {decided.route}"] if decided.route else []
    words += [f"egress by {decided.egress_rule}"] if decided.egress_rule else []
    words += [f"ingress by {decided.ingress_rule}"] if decided.ingress_rule else []
    return ", ".join(words)


def _outcome(told: Trace) -> Text:
    by = f" by {told.answered_by}" if told.answered_by else ""
    if told.outcome in ("answered", "refused"):
        style = "green" if told.outcome == "answered" else "yellow"
        return Text(f"{told.outcome}{by}", style=style)
    got = f"; {told.received_by} got it" if told.received_by else ""
    detail = f" ({told.detail})" if told.detail else ""
    return Text(f"{told.outcome}{detail}{got}", style="red")

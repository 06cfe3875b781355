"""Probes: HTTP by curl, WebSockets, TCP, UDP and DNS by a small script, from any Place.

A verdict always comes on standard output, behind a mark. Where the mark is missing the probe is
broken, whatever the exit code: kubectl and docker exit with codes of their own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from tests.support.curl import http, http_many
from tests.support.inpod import probe as inpod
from tests.support.outcomes import Answer, Asked, Outcome, report
from tests.support.places import ContainerPlace, HostPlace, Place, PodPlace, no_verdict
from tests.support.timeouts import TIMEOUTS

__all__ = [
    "ContainerPlace",
    "HostPlace",
    "Place",
    "PodPlace",
    "Probe",
    "dns",
    "http",
    "http_many",
    "probe_many",
    "tcp",
    "udp",
    "websocket",
]

SCRIPT = Path(inpod.__file__)
# A command line's single word may have 128 KiB; a probe takes some 200 bytes of it.
_IN_ONE_EXEC = 256


@dataclass(frozen=True)
class Probe:
    """One probe of `probe_many`.

    `payload` is a text for websocket, a line for tcp and udp (None with tcp: connect alone);
    `method` is http's, `path` and `headers` are http's and websocket's; `name`, `type`, `server`
    (default: the place's own) and `tcp` are dns's. `host` is a name or an address. `timeout` is in
    seconds, for the whole probe.
    """

    kind: Literal["http", "websocket", "tcp", "udp", "dns"]
    host: str = ""
    port: int = 0
    path: str = "/"
    timeout: float = TIMEOUTS.probe
    payload: str | None = "probe"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    name: str = ""
    type: str = "A"
    server: str = ""
    tcp: bool = False


def probe_many(place: Place, probes: Sequence[Probe]) -> list[Answer]:
    """All these probes from one place, many at once, in one exec per 256: an exec costs 0.1 s.
    The answers are in the probes' order."""
    starts = range(0, len(probes), _IN_ONE_EXEC)
    parts = [probes[start : start + _IN_ONE_EXEC] for start in starts]
    return [answer for part in parts for answer in _in_one_exec(place, part)]


def tcp(
    place: Place,
    host: str,
    port: int,
    payload: str | None = "probe",
    *,
    timeout: float = TIMEOUTS.probe,
) -> Answer:
    """A line to a line server and its answer; with payload None a connection alone."""
    wanted = Probe("tcp", host, port, payload=payload, timeout=timeout)
    return probe_many(place, [wanted])[0]


def udp(
    place: Place, host: str, port: int, payload: str = "probe", *, timeout: float = TIMEOUTS.probe
) -> Answer:
    """One datagram, never sent again. No answer is a TIMEOUT; "port unreachable" is REFUSED."""
    wanted = Probe("udp", host, port, payload=payload, timeout=timeout)
    return probe_many(place, [wanted])[0]


def websocket(
    place: Place,
    host: str,
    port: int,
    path: str = "/",
    payload: str = "probe",
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUTS.probe,
) -> Answer:
    """A WebSocket's handshake, a text each way, and its end. An answer that is no upgrade is
    HTTP_ERROR, whatever its status."""
    wanted = Probe(
        "websocket",
        host,
        port,
        path=path,
        payload=payload,
        headers=headers or {},
        timeout=timeout,
    )
    return probe_many(place, [wanted])[0]


def dns(
    place: Place,
    name: str,
    type: str = "A",
    server: str = "",
    *,
    tcp: bool = False,
    port: int = 53,
    timeout: float = TIMEOUTS.probe,
) -> Answer:
    """A DNS question, asked once; `answer.records` are the data of all records in the answer.

    Type HOST asks the C library, with search path and hosts file, as programs do. Types A, AAAA,
    CNAME, NS, PTR (an address is turned into its name), SRV and TXT go to `server` (default: the
    place's first) with the name as it is. OK means at least one record of that type; NXDOMAIN and
    the like are DNS_ERROR with the code in `answer.body["rcode"]`; `body["truncated"]` says that
    the answer must be asked for again by TCP, which this does not do by itself.
    """
    if type == "PTR" and not name.rstrip(".").endswith(".arpa"):
        name = ip_address(name).reverse_pointer
    wanted = Probe("dns", port=port, name=name, type=type, server=server, tcp=tcp, timeout=timeout)
    return probe_many(place, [wanted])[0]


def as_json(probes: Sequence[Probe]) -> str:
    """The probes as the script in the place takes them: one line."""
    return json.dumps([asdict(probe) for probe in probes])


def time_limit(probes: Sequence[Probe]) -> float:
    """Seconds that these probes may take, made many at once."""
    waves = math.ceil(len(probes) / inpod.AT_ONCE)
    longest = max((probe.timeout for probe in probes), default=0)
    return waves * longest + TIMEOUTS.exec_grace


def answers(text: str) -> list[Answer]:
    """The verdicts in what the script printed; none where their mark or their form is missing."""
    _, found, rest = text.rpartition(inpod.MARK)
    try:
        verdicts = json.loads(rest) if found else []
    except ValueError:
        verdicts = []
    return [_verdict(raw) for raw in verdicts]


def asked(answers: Sequence[Answer], place: Place, probes: Sequence[Probe]) -> list[Answer]:
    """The answers with who asked whom, as a failing assertion says it."""
    return [
        replace(answer, asked=Asked(place, _target(probe)))
        for answer, probe in zip(answers, probes, strict=True)
    ]


def _target(probe: Probe) -> str:
    if probe.kind == "dns":
        server = f" at {probe.server}" if probe.server else ""
        return f"the name {probe.name} ({probe.type}){server}"
    path = probe.path if probe.kind == "http" else ""
    return f"{probe.kind}://{probe.host}:{probe.port}{path}"


def _in_one_exec(place: Place, probes: Sequence[Probe]) -> list[Answer]:
    done = place.exec(
        ["python3", "-", as_json(probes)],
        input=SCRIPT.read_text(encoding="utf-8"),
        timeout=time_limit(probes),
    )
    found = answers(done.stdout)
    if len(found) != len(probes):
        found = [no_verdict(place, done)] * len(probes)
    return asked(found, place, probes)


def _verdict(raw: dict[str, Any]) -> Answer:
    text = raw.get("text", "")
    return Answer(
        outcome=Outcome(raw["outcome"]),
        status=raw.get("status", 0),
        body=report(text),
        text=text,
        detail=raw.get("detail", ""),
        headers={name: tuple(values) for name, values in raw.get("headers", {}).items()},
        local=raw.get("local", ""),
        seconds=raw.get("seconds", 0),
    )

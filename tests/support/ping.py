"""ICMP echoes by iputils' ping: does a packet of that size get there as one?"""

from __future__ import annotations

import re

from gkelab.shell import Result
from tests.support.outcomes import Answer, Outcome
from tests.support.places import Place, no_verdict
from tests.support.timeouts import TIMEOUTS

# What an echo's packet has beside its payload: IPv4's header and ICMP's.
HEADERS = 20 + 8

# ping's exit code says only whether an answer came; why none did is in its words. The host's own
# interface or a route it has learned refuses with the first, a router on the way with the second.
_WORDS = (
    (r"message too long|Frag needed and DF set", Outcome.TOO_LONG),
    (r"unreachable|No route to host", Outcome.UNREACHABLE),
    (r"1 packets transmitted, 0 received", Outcome.TIMEOUT),
)


def ping(
    place: Place, address: str, *, payload: int = 56, timeout: float = TIMEOUTS.probe
) -> Answer:
    """One echo that must not be fragmented, with that many bytes of payload.

    TOO_LONG is a packet (payload and HEADERS) beyond the MTU of the path, TIMEOUT one without an
    answer. Who answered is not known: ICMP carries no report.
    """
    argv = ["ping", "-n", "-c", "1", "-W", f"{timeout:g}", "-M", "do", "-s", str(payload), address]
    return echoed(place, place.exec(argv, timeout=timeout + TIMEOUTS.exec_grace))


def echoed(place: Place, done: Result) -> Answer:
    """What ping's words mean; PROBE_BROKEN where they say nothing about the network."""
    if re.search(r"1 packets transmitted, 1 received", done.stdout):
        return Answer(Outcome.OK, text=done.stdout)
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    for words, outcome in _WORDS:
        for line in lines:
            if re.search(words, line, re.IGNORECASE):
                return Answer(outcome, text=done.stdout, detail=line.strip())
    return no_verdict(place, done)

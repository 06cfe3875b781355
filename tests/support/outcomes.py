"""What a probe saw, by name: a deny that is a time-out is not one that is an error, and a broken
probe is neither."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a place's own module needs this one
    from tests.support.places import Place


class Outcome(Enum):
    """How a probe ended. Only PROBE_BROKEN says nothing about the network."""

    OK = "OK"
    TIMEOUT = "TIMEOUT"
    REFUSED = "REFUSED"
    RESET = "RESET"
    HTTP_ERROR = "HTTP_ERROR"
    UNREACHABLE = "UNREACHABLE"
    DNS_ERROR = "DNS_ERROR"
    TLS_ERROR = "TLS_ERROR"
    TOO_LONG = "TOO_LONG"  # for the path, and not to be fragmented
    PROBE_BROKEN = "PROBE_BROKEN"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Asked:
    """Where a probe was made from, and to what, in a sentence's words."""

    place: Place
    to: str


@dataclass(frozen=True)
class Answer:
    """What one probe saw.

    `status` is HTTP's, 0 where there is none. `text` is the body as it came, `body` the same as a
    JSON object if it is one (the workload's report). `headers` are the response's, `trailers` the
    fields behind its body, names in lower case; `http_version` is what it came in ("1.1", "2").
    `local` is the probe's own address as the prober's kernel knew it ("" if unknown), `seconds`
    what the probe took, `detail` the error in the tool's words. `asked` is what the probe was,
    where it is known; it is no part of what was seen. As text it is a sentence's end.
    """

    outcome: Outcome
    status: int = 0
    body: Mapping[str, Any] | None = field(default=None, hash=False)
    text: str = ""
    detail: str = ""
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    local: str = ""
    seconds: float = 0
    trailers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    http_version: str = ""
    asked: Asked | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        if self.outcome is Outcome.PROBE_BROKEN:
            return f"the probe itself broke{detail}"
        words = f"saw {self.outcome}"
        words += f" with status {self.status}" if self.status else ""
        if self.outcome in {Outcome.OK, Outcome.HTTP_ERROR}:
            words += f" from {self.who or 'one that does not say who it is'}"
            words += f" that sees source {self.saw}" if self.saw else ""
        return words + detail

    @property
    def who(self) -> str | None:
        """The pod (or host) that answered; None where the answer is no report."""
        return self._said("pod")

    @property
    def saw(self) -> str | None:
        """The source address that the answering server saw; None where it did not say."""
        return self._said("source")

    @property
    def records(self) -> tuple[str, ...]:
        """A DNS answer's data, in the order it came: addresses, names, "0 100 80 name" for SRV."""
        return tuple(record["data"] for record in (self.body or {}).get("answers", ()))

    def _said(self, key: str) -> str | None:
        value = (self.body or {}).get(key)
        return value if isinstance(value, str) and value else None


def broken(detail: str) -> Answer:
    """The answer of a probe that could not be made."""
    return Answer(Outcome.PROBE_BROKEN, detail=detail)


def report(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is, None if it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


# curl's exit codes that mean one thing (`man curl`, EXIT CODES). 58 and 77 are left out: they are
# about the prober's own certificate files, so the probe is broken.
_CODES = {
    6: Outcome.DNS_ERROR,
    18: Outcome.RESET,  # the peer closed before the body's end
    22: Outcome.HTTP_ERROR,
    28: Outcome.TIMEOUT,
    51: Outcome.TLS_ERROR,
    52: Outcome.RESET,  # closed without a byte: what a proxy or a policy does after the handshake
    60: Outcome.TLS_ERROR,
    92: Outcome.RESET,  # an HTTP/2 stream
}

# Why a connection could not be made, in the kernel's words. curl's own message ("Couldn't connect
# to server") is the same for all of them; its --verbose output has these.
_REASONS = {
    "Connection refused": Outcome.REFUSED,
    "No route to host": Outcome.UNREACHABLE,
    "Network is unreachable": Outcome.UNREACHABLE,
    "Host is unreachable": Outcome.UNREACHABLE,
    "Network unreachable": Outcome.UNREACHABLE,
    "Operation not permitted": Outcome.UNREACHABLE,  # a cgroup's BPF program said no
    "Permission denied": Outcome.UNREACHABLE,  # a prohibit route
    "Connection reset by peer": Outcome.RESET,
    "Connection timed out": Outcome.TIMEOUT,
}

_TLS_WORDS = ("alert", "certificate", "wrong version", "handshake failure", "protocol", "cipher")
_CLOSED_WORDS = ("reset by peer", "ssl_error_syscall", "unexpected eof", "connection closed")


def classify_curl(exit_code: int, http_code: int, stdout: str, stderr: str) -> Answer:
    """The answer that curl's end means. `stdout` is the body alone; `stderr` is curl's --verbose
    output, which alone tells a refused connection from an unreachable host."""
    outcome, line = _curl_outcome(exit_code, http_code, stderr)
    detail = line or _last_error(stderr)
    if outcome is Outcome.HTTP_ERROR:
        detail = f"HTTP {http_code}"
    elif outcome is Outcome.OK:
        detail = ""
    elif outcome is Outcome.PROBE_BROKEN:
        detail = f"curl exited with {exit_code}" + (f": {detail}" if detail else "")
    return Answer(outcome, http_code, report(stdout), stdout, detail)


def _curl_outcome(code: int, status: int, stderr: str) -> tuple[Outcome, str]:
    if code == 0 and status >= 400:
        return Outcome.HTTP_ERROR, ""
    if code == 0:
        return (Outcome.OK if status else Outcome.PROBE_BROKEN), ""
    if code == 7:
        return _why_not_connected(stderr)
    if code in {35, 55, 56}:  # in the handshake, sending, receiving
        return _cut_off(stderr), ""
    return _CODES.get(code, Outcome.PROBE_BROKEN), ""


def _why_not_connected(stderr: str) -> tuple[Outcome, str]:
    # The last one counts: a name with several addresses is tried one after the other.
    for line in reversed(stderr.splitlines()):
        for words, outcome in _REASONS.items():
            if words in line:
                return outcome, line.removeprefix("*").strip()
    return Outcome.PROBE_BROKEN, "not connected, and no reason given (is --verbose set?)"


def _cut_off(stderr: str) -> Outcome:
    """Reset, unless the error's text says more. With TLS 1.3 a missing client certificate is told
    only in answer to the first byte sent, so an alert comes while receiving too."""
    errors = "\n".join(line.lower() for line in stderr.splitlines() if line.startswith("curl:"))
    text = errors or stderr.lower()
    if any(words in text for words in _CLOSED_WORDS):
        return Outcome.RESET
    if "timed out" in text:
        return Outcome.TIMEOUT
    return Outcome.TLS_ERROR if any(words in text for words in _TLS_WORDS) else Outcome.RESET


def _last_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("curl:")]
    return (said or lines or [""])[-1]

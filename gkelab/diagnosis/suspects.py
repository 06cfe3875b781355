"""The first suspicious lines of a bundle: most telling first, each of its kind once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

LIMIT = 10
EACH = 3  # of one rule, before the next rule has its say
WIDEST = 200


@dataclass(frozen=True)
class Suspect:
    """A suspicious line, where it stands, and how often its like does."""

    path: str
    line: str
    count: int

    def __str__(self) -> str:
        times = f" (×{self.count})" if self.count > 1 else ""
        return f"{self.path}: {self.line}{times}"


@dataclass(frozen=True)
class Rule:
    """Lines that match, of files whose path in the bundle does."""

    files: Sequence[str]
    pattern: re.Pattern[str]


_LOGS = ("clusters/*/logs/*", "containers/*.log")
# The most telling first.
RULES = (
    Rule(_LOGS, re.compile(r"(?:^|\s)(?:panic: |fatal error: )|SIGSEGV")),
    Rule(("clusters/*/troubles.txt",), re.compile(r"\S")),
    Rule(("clusters/*/nodes.txt",), re.compile(r"\bNotReady\b")),
    Rule(("status.txt",), re.compile(r"✗")),
    Rule(("containers/*/state.txt",), re.compile(r"\S")),
    Rule(("clusters/*/events.txt",), re.compile(r"\sWarning\s")),
    Rule(("clusters/*/cilium/*/drops.txt",), re.compile(r"\bDROPPED\b")),
    Rule(
        (*_LOGS, "logs/*"),
        re.compile(
            r"\blevel=(?:error|fatal|panic)\b|\"level\":\"(?:error|fatal|panic)\""
            r"|(?:^|\s)[EF]\d{4} \d\d:|\s(?:error|fatal)\t|\[(?:error|critical)\]|^ERROR:"
        ),
    ),
)

# What differs between lines that say the same: times, addresses, counts, ends of pods' names.
_TIMES = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d[.\d]*"
    r"|\b\d+(?:\.\d+)?(?:ms|[smhd])(?:\d+[smh])?\b"
)
_NUMBERS = re.compile(r"-[0-9a-f]{6,10}-[a-z0-9]{5}\b|\b[0-9a-f]{8,}\b|\d+")


def suspects(folder: Path) -> list[Suspect]:
    """At most ten lines of the bundle in this folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = [(path.relative_to(folder).as_posix(), path) for path in files]
    found = [_matches(rule, named) for rule in RULES]
    first = [suspect for each in found for suspect in each[:EACH]]
    rest = [suspect for each in found for suspect in each[EACH:]]
    chosen = (first + rest)[:LIMIT]
    return [suspect for each in found for suspect in each if suspect in chosen]


def _matches(rule: Rule, files: Sequence[tuple[str, Path]]) -> list[Suspect]:
    """The rule's lines, those that come most often first."""
    seen: dict[str, Suspect] = {}
    for path, file in files:
        if any(fnmatchcase(path, pattern) for pattern in rule.files):
            for line in _lines(file):
                if rule.pattern.search(line):
                    key = _NUMBERS.sub("#", _TIMES.sub("", line.strip()))
                    known = seen.get(key)
                    count = known.count + 1 if known else 1
                    seen[key] = Suspect(
                        known.path if known else path, known.line if known else _short(line), count
                    )
    return sorted(seen.values(), key=lambda suspect: -suspect.count)


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as handle:
        yield from handle


def _short(line: str) -> str:
    text = " ".join(line.split())
    return text if len(text) <= WIDEST else f"{text[:WIDEST]}…"

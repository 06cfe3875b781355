"""Takes secrets out of text: whatever a bundle writes goes through here, wherever it is from.

It rather takes too much than too little; what it took is marked. No pattern looks back and forth
over long words, as a bundle has megabytes of them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

MARK = "(removed)"

# How the names end whose value is a secret: DB_PASSWORD, clientSecret, tcp_fastopen_key.
_NAME = (
    r"(?:token|passw(?:or)?d|passphrase|secret|secret[_-]?key|secret[_-]?access[_-]?key"
    r"|private[_-]?key|api[_-]?key|access[_-]?key|client[_-]key[_-]data|certificate[_-]key"
    r"|encryption[_-]?key|fastopen_key|session_ticket_keys?|credentials?|authorization)"
)
_KEY = rf"{_NAME}\\*[\"']?[ \t]*[:=][ \t]*+"
_QUOTED = r"\\+\"(?:(?!\\+\").)+\\+\"|\"(?:\\.|[^\"\\])+\"|'[^']+'"
# What a name may have that is no secret: nothing, a truth, what is marked already.
_OPEN = r"(?!(?:true|false|null|none|~)[ \t,}\]]*$|\\*[\"']?\(removed\)|\\*[\"']{2}|[{\[|>])"

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:(?!-----).)*-----END [A-Z0-9 ]*PRIVATE KEY-----",
    re.DOTALL,
)
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*")
_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY-----")
_BODY = re.compile(r"[A-Za-z0-9+/=]{16,}$")
_ENCODED_PEM = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/]+=*")

# YAML's block scalars: the name's line, and all that is indented more.
_BLOCK = re.compile(
    rf"(?im)^([ \t]*)((?:- )?[\"']?[\w./-]{{0,80}}{_NAME}[\"']?:[ \t]*)[|>][-+0-9]*[ \t]*\n"
    r"(?:(?:\1[ \t]+.*)?(?:\n|$))+"
)
# Whole words that are secrets wherever they stand.
_WORDS = (
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]*\.[\w-]+"),  # a JSON Web Token, its payload perhaps left out
    re.compile(r"\bZXlK[A-Za-z0-9+/_-]{24,}=*"),  # base64 of one, as in a Secret's data
    re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"),  # kubeadm's bootstrap token
    re.compile(r"(?i)(?<=bearer )[\w.~+/-]{8,}=*|(?<=basic )[\w.~+/-]{8,}=*"),
    re.compile(r"(?<=://)[^/\s:@\"']+:[^/\s@\"']+(?=@)"),  # user and password of a URL
)
_VALUES = (
    # An environment variable as Kubernetes has it: a name, then a value.
    re.compile(
        rf"(?im)(?P<key>name\\*[\"']?:[ \t]*\\*[\"']?[\w.-]{{0,80}}{_NAME}\\*[\"']?,?\s*"
        rf"\\*[\"']?value\\*[\"']?:[ \t]*+){_OPEN}(?P<value>{_QUOTED}|[^\n\"\\]+)"
    ),
    re.compile(rf"(?im)(?P<key>{_KEY}){_OPEN}(?P<value>{_QUOTED})"),
    # A line of YAML, of `kubectl describe`, of `sysctl`: all that follows, blanks too.
    re.compile(rf"(?im)(?P<key>^[ \t]*(?:- )?[\"']?[\w./-]{{0,80}}{_KEY}){_OPEN}(?P<value>\S.*)$"),
    re.compile(rf"(?im)(?P<key>{_KEY}){_OPEN}(?P<value>[^\s,}}\"'\\]+)"),
    re.compile(rf"(?i)(?P<key>--[\w-]{{0,40}}{_NAME}[ \t]+)(?P<value>[^\s-]\S*)"),
)
_QUOTE = re.compile(r"\\*[\"']")


def scrub(text: str) -> str:
    """The text without private keys, tokens, passwords and keys that sign."""
    text = _ENCODED_PEM.sub(_encoded, _without_halves(_PEM.sub(MARK, text)))
    text = _BLOCK.sub(rf"\1\2{MARK}\n", text)
    for pattern in _WORDS:
        text = pattern.sub(MARK, text)
    for pattern in _VALUES:
        text = pattern.sub(_without_value, text)
    return text


def scrub_junit(text: str) -> str:
    """A JUnit report with its texts, messages and properties scrubbed, each by itself: a secret at
    a line's end is no markup behind it. Names stay, as tests are known by them. Raises
    ElementTree.ParseError."""
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.text = element.text and scrub(element.text)
        for key in {"message", "value"}.intersection(element.keys()):
            element.set(key, scrub(element.get(key, "")))
    return ElementTree.tostring(root, encoding="unicode")


def without_env_values(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What docker says of a container, its environment's names alone."""
    config = dict(raw.get("Config") or {})
    config["Env"] = [f"{pair.partition('=')[0]}={MARK}" for pair in config.get("Env") or []]
    return {**raw, "Config": config}


def _without_value(match: re.Match[str]) -> str:
    opening = _QUOTE.match(match["value"])
    quote = opening.group(0) if opening else ""
    return f"{match['key']}{quote}{MARK}{quote}"


def _encoded(match: re.Match[str]) -> str:
    """base64 of PEM stays when it is no private key's: a certificate is public."""
    text = match.group(0).rstrip("=")
    said = base64.b64decode(text[: len(text) // 4 * 4])
    return MARK if b"PRIVATE" in said else match.group(0)


def _without_halves(text: str) -> str:
    """Private keys of which a log's limit left one end: also behind each line's time."""
    if "PRIVATE KEY-----" not in text:
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _BEGIN.search(line):
            lines[number] = _BEGIN.sub(MARK, line)
            _blank(lines, range(number + 1, len(lines)))
        elif _END.search(line):
            lines[number] = _END.sub(MARK, line)
            _blank(lines, range(number - 1, -1, -1))
    return "\n".join(lines)


def _blank(lines: list[str], numbers: range) -> None:
    for number in numbers:
        if not _BODY.search(lines[number].rstrip()):
            return
        lines[number] = _BODY.sub(MARK, lines[number].rstrip())

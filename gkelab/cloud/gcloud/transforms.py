"""What keys make of their values, as `gcloud topic projections` has it: basename(), size(), ...

A transform takes the value, then what stands in its parentheses, by place or by name
(`list(separator=;)`), as text. It raises ValueError, IndexError or KeyError for words that it
can do nothing with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol
from zoneinfo import ZoneInfo

# What takes keys, behind so many other words.
TAKES_KEYS = {"firstof": 0, "extract": 0, "format": 1}
# Has the transform behind it done to each item of a list; it makes nothing of a value itself.
MAP = "map"
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class Reading(Protocol):
    """A key, as far as transforms need one."""

    def of(self, resource: Any) -> Any:
        """Its value in a resource; None for none."""
        ...


def _basename(value: Any, undefined: str = "") -> Any:
    if isinstance(value, list):
        return [_basename(item, undefined) for item in value]
    return str(value or "").rpartition("/")[2] or undefined


def _segment(value: Any, index: str = "-1", undefined: str = "") -> str:
    parts, at = str(value or "").split("/"), int(index)
    return parts[at] if -len(parts) <= at < len(parts) else undefined


def _scope(value: Any, *names: str) -> str:
    """What comes after a link's collection of places, as us-central1-a/instances/vm; else its
    last part."""
    for name in names or ("regions", "zones"):
        _, found, rest = str(value or "").partition(f"/{name}/")
        if found:
            return rest
    return str(value or "").rpartition("/")[2]


def _firstof(value: Any, *keys: Reading) -> Any:
    return next((found for key in keys if (found := key.of(value))), None)


def _extract(value: Any, *keys: Reading) -> list[Any]:
    return [found for key in keys if (found := key.of(value))]


def _format(value: Any, text: str, *keys: Reading) -> str:
    """The values of keys in a text with {0}, {1}; without keys the items of the list, or the
    value."""
    if keys:
        values = ["" if (found := key.of(value)) is None else found for key in keys]
    else:
        values = value if isinstance(value, list) else [value or ""]
    return text.format(*values)


def _listed(value: Any, show: str = "", undefined: str = "", separator: str = ",") -> Any:
    if isinstance(value, Mapping):
        shown = {"keys": "{0}", "values": "{1}"}.get(show, "{0}={1}")
        return separator.join(shown.format(*pair) for pair in sorted(value.items()))
    if isinstance(value, list):
        return separator.join(str(item) for item in value)
    return value or undefined


def _join(value: Any, sep: str = "/", undefined: str = "") -> str:
    items = value if isinstance(value, list | str) else []
    return sep.join(str(item) for item in items) or undefined


def _slice(value: Any, op: str = ":", undefined: str = "") -> Any:
    """A part of a list: START:END:STEP, or one item."""
    numbers = [int(part) if part.strip() else None for part in op.split(":")]
    if len(numbers) == 1 and numbers[0] is not None:
        numbers.append(numbers[0] + 1 or None)
    return list(value[slice(*numbers)] if isinstance(value, list | str) else []) or undefined


def _yesno(value: Any, yes: str | None = None, no: str = "No") -> Any:
    return no if not value else value if yes is None else yes


def _unit(text: str | None) -> tuple[str, float]:
    """A unit's letter and size: of MiB, or of a plain number, which has no letter."""
    letter = (text or "")[:1].upper()
    if letter in _UNITS:
        return letter, _UNITS[letter]
    return "", float(text or 1) or 1.0


def _size(
    value: Any,
    zero: str = "0",
    precision: str = "1",
    units_in: str | None = None,
    units_out: str | None = None,
    *,
    min: str = "0",
) -> str:
    """A number of bytes as people read it, or in the unit that is said."""
    if not value:
        return zero
    small = float(value) < float(min)
    size = float(min if small else value) * _unit(units_in)[1]
    letter, unit = _unit(units_out)
    if letter:
        return f"{size / unit:.{int(precision)}f}"
    name = _SIZES[0]
    for larger in _SIZES[1:]:
        if size < 1024:
            break
        size, name = size / 1024, larger
    number = str(int(size)) if size == int(size) else f"{size:.{int(precision)}f}"
    return f"{'< ' if small else ''}{number} {name}"


def _zone(name: str | None) -> tzinfo | None:
    """A time zone by its name; LOCAL is this machine's."""
    if name is None:
        return None
    return datetime.now().astimezone().tzinfo if name.upper() == "LOCAL" else ZoneInfo(name)


def _date(
    value: Any,
    format: str = "%Y-%m-%dT%H:%M:%S",
    unit: str = "1",
    undefined: str = "",
    *,
    tz: str | None = None,
    tz_default: str | None = None,
) -> str:
    """A time, in RFC 3339 or seconds since 1970, as strftime() writes it."""
    zone = _zone(tz)
    try:
        seconds = float(value) / float(unit)
    except (TypeError, ValueError):
        try:
            when = datetime.fromisoformat(str(value))
        except ValueError:
            return undefined
        when = when if when.tzinfo else when.replace(tzinfo=_zone(tz_default))
    else:
        when = datetime.fromtimestamp(seconds, _zone(tz_default) or UTC)
    return (when.astimezone(zone) if zone else when).strftime(format)


def _firewall_rule(value: Any, undefined: str = "") -> str:
    """tcp:80,tcp:8000-8080: as gcloud writes one of the things that a rule allows."""
    if not isinstance(value, Mapping) or "IPProtocol" not in value:
        return undefined
    protocol, ports = value["IPProtocol"], value.get("ports") or [""]
    return ",".join(f"{protocol}:{port}" if port else protocol for port in ports)


def _quota(value: Any, undefined: str = "") -> str:
    """USAGE/LIMIT of a quota."""
    if not isinstance(value, Mapping) or not {"usage", "limit"} <= value.keys():
        return undefined
    usage, limit = float(value["usage"]), float(value["limit"])
    whole = usage == int(usage) and limit == int(limit)
    return f"{int(usage)}/{int(limit)}" if whole else f"{usage:.2f}/{limit:.2f}"


def _status(value: Any, undefined: str = "") -> str:
    """A resource's status, and in parentheses what is said of its going away."""
    deprecated = value.get("deprecated")
    if deprecated:
        return f"{value.get('status')} ({deprecated.get('state', '')})"
    return value.get("status") or undefined


def _http_status(value: Any, undefined: str = "") -> Any:
    """An operation's HTTP status, once it is done."""
    return value.get("httpErrorStatusCode", 200) if value.get("status") == "DONE" else undefined


def _next_maintenance(value: Any, undefined: str = "") -> str:
    windows = [w for w in value or () if {"beginTime", "endTime"} <= w.keys()]
    if not windows:
        return undefined
    first = min(windows, key=lambda window: str(window["beginTime"]))
    return f"{first['beginTime']}--{first['endTime']}"


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "basename": _basename,
    "count": lambda value: dict(Counter(value or ())),
    "date": _date,
    "extract": _extract,
    "firewall_rule": _firewall_rule,
    "firstof": _firstof,
    "format": _format,
    "join": _join,
    "len": lambda value: len(value or ""),
    "list": _listed,
    "lower": lambda value: str(value or "").lower(),
    MAP: lambda value, depth="1", /: value,
    "next_maintenance": _next_maintenance,
    "notnull": lambda value: [item for item in value or () if item is not None],
    "operation_http_status": _http_status,
    "quota": _quota,
    "scope": _scope,
    "segment": _segment,
    "size": _size,
    "slice": _slice,
    "status": _status,
    "upper": lambda value: str(value or "").upper(),
    "yesno": _yesno,
}

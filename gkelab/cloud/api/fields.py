"""What a client may say in a body: names and types as data, checked before anything else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gkelab.cloud.api.errors import ComputeError, invalid

Body = dict[str, Any]

# What Compute alone writes in resources of every kind: taken from a client, and left aside.
OUTPUT = ("kind", "id", "creationTimestamp", "selfLink")


class Type(Enum):
    """A plain value, by the name that Compute's errors give it."""

    STRING = "TYPE_STRING"
    BOOL = "TYPE_BOOL"
    INT = "TYPE_INT32"
    # Kept as it is: what the lab stores and shows, and nothing in it depends on.
    ANY = "TYPE_MESSAGE"


@dataclass(frozen=True)
class Message:
    """An object: the fields that count, those that are Compute's alone to write (`output`), and
    those that the lab cannot make real (`absent`), which are refused unless they say no."""

    fields: Mapping[str, Spec]
    output: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """Every name that may stand in it."""
        return self.output | self.absent | self.fields.keys()


@dataclass(frozen=True)
class ListOf:
    """A list, all of one kind."""

    item: Spec


@dataclass(frozen=True)
class MapOf:
    """Free keys, values all of one kind: strings, as labels have, unless another is said."""

    item: Spec = Type.STRING


Spec = Type | Message | ListOf | MapOf


def message(
    *,
    strings: str = "",
    bools: str = "",
    ints: str = "",
    lists: str = "",
    anys: str = "",
    output: str = "",
    absent: str = "",
    **others: Spec,
) -> Message:
    """A message from words: the names of its fields by type; `lists` are of strings."""
    fields: dict[str, Spec] = {}
    for names, spec in (
        (strings, Type.STRING),
        (bools, Type.BOOL),
        (ints, Type.INT),
        (lists, ListOf(Type.STRING)),
        (anys, Type.ANY),
    ):
        fields |= dict.fromkeys(names.split(), spec)
    return Message(
        fields | others, frozenset((*OUTPUT, *output.split())), frozenset(absent.split())
    )


def check(value: object, spec: Message, path: str) -> Body:
    """The body without what is null or not a client's to say. ComputeError names the field."""
    checked = _checked(value, spec, path)
    assert isinstance(checked, dict)
    return checked


def _checked(value: object, spec: Spec, path: str) -> object:
    if isinstance(spec, Message):
        return _message(value, spec, path)
    if isinstance(spec, ListOf):
        if not isinstance(value, list):
            raise _mistyped(value, "a list", path)
        return [_checked(item, spec.item, f"{path}[{i}]") for i, item in enumerate(value)]
    if isinstance(spec, MapOf):
        return _map(value, spec.item, path)
    return _plain(value, spec, path)


def _map(value: object, item: Spec, path: str) -> Body:
    if not isinstance(value, dict):
        raise _mistyped(value, "a map", path)
    if item is Type.STRING and not all(isinstance(v, str) for v in value.values()):
        raise _mistyped(value, "a map of strings", path)
    return {key: _checked(one, item, f"{path}['{key}']") for key, one in value.items()}


def _message(value: object, spec: Message, path: str) -> Body:
    if not isinstance(value, dict):
        raise _mistyped(value, Type.ANY.value, path)
    found: Body = {}
    for name, item in value.items():
        where = f"{path}.{name}"
        if name not in spec.names:
            raise ComputeError(
                400,
                "invalid",
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': "
                "Cannot find field.",
            )
        if name in spec.absent and item not in (None, False, "", [], {}):
            raise invalid(where, item, "The local cloud does not make this field real.")
        if name in spec.fields and item is not None:
            found[name] = _checked(item, spec.fields[name], where)
    return found


def _plain(value: object, spec: Type, path: str) -> object:
    if spec is Type.INT and not isinstance(value, bool):
        # 64-bit numbers are strings in Google's JSON.
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            return int(value)
        if isinstance(value, int):
            return value
    types = {Type.STRING: str, Type.BOOL: bool, Type.ANY: object}
    if spec in types and isinstance(value, types[spec]):
        return value
    raise _mistyped(value, spec.value, path)


def _mistyped(value: object, wanted: str, path: str) -> ComputeError:
    shown = json.dumps(value)
    return ComputeError(400, "invalid", f"Invalid value at '{path}' ({wanted}), {shown}")

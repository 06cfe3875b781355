"""The flags of commands as data, and how their values are read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Flag:
    """A flag or, without dashes, a positional argument, as argparse takes it."""

    name: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def add(self, parser: Any) -> None:
        """Give it to a parser."""
        parser.add_argument(self.name, **self.options)


def text(name: str, help: str = "", **options: Any) -> Flag:
    """A flag with a value."""
    return Flag(name, {"help": help, **options})


def number(name: str, help: str = "", **options: Any) -> Flag:
    """A flag with a whole number."""
    return Flag(name, {"help": help, "type": int, **options})


def choice(name: str, *words: str, **options: Any) -> Flag:
    """A flag with one of some words, in any case."""
    return Flag(name, {"choices": words, "type": str.lower, **options})


def switch(name: str, help: str = "") -> Flag:
    """A flag that is there or not, with its negative form (--no-...)."""
    return Flag(name, {"help": help, "action": argparse.BooleanOptionalAction, "default": None})


def once(name: str, help: str = "") -> Flag:
    """A flag that is there or not, without a negative form."""
    return Flag(name, {"help": help, "action": "store_true"})


def listed(name: str, help: str = "", **options: Any) -> Flag:
    """A flag with values that have commas between them; an empty text is none."""
    return Flag(name, {"help": help, "type": split, "metavar": "VALUE,...", **options})


def mapping(name: str, help: str = "", **options: Any) -> Flag:
    """A flag with KEY=VALUE,... as its value; may be repeated."""
    shown = {"metavar": "KEY=VALUE,...", "action": "append", "type": pairs}
    return Flag(name, {"help": help, **shown, **options})


def reading(name: str, read: Callable[[str], Any], help: str = "", **options: Any) -> Flag:
    """A flag whose value is read by a function, which raises ArgumentTypeError."""
    return Flag(name, {"help": help, "type": read, **options})


def split(value: str) -> list[str]:
    """The parts of a value with commas."""
    return [part for part in value.split(",") if part]


def pairs(value: str) -> dict[str, str]:
    """KEY=VALUE,... as a dictionary."""
    found = {}
    for part in split(value):
        key, sign, said = part.partition("=")
        if not (key and sign):
            raise argparse.ArgumentTypeError(f"Bad syntax for dict arg: [{part}].")
        found[key] = said
    return found


def merged(given: Sequence[dict[str, str]] | None) -> dict[str, str]:
    """A repeated mapping flag as one."""
    return {key: value for one in given or () for key, value in one.items()}


def rules(value: str) -> list[dict[str, Any]]:
    """tcp:80,tcp:8000-8080,icmp as Compute's rules: the ports of a protocol together."""
    found: dict[str, list[str]] = {}
    for part in split(value):
        protocol, sign, port = part.partition(":")
        if not protocol or (sign and not port):
            raise argparse.ArgumentTypeError(
                f"Firewall rules must be of the form PROTOCOL[:PORT[-PORT]]; received [{part}]."
            )
        found.setdefault(protocol, []).extend([port] if port else [])
    return [{"IPProtocol": p, **({"ports": ports} if ports else {})} for p, ports in found.items()]


def aliases(value: str) -> list[dict[str, str]]:
    """[RANGE_NAME:]RANGE;... as Compute's alias ranges; an empty text is none."""
    found = []
    for part in (p.strip() for p in value.split(";")):
        name, sign, network = part.rpartition(":")
        if part and (not network or (sign and not name)):
            raise argparse.ArgumentTypeError(
                f"An alias IP range must contain range name and IP range; received [{part}]."
            )
        if part:
            alias = {"ipCidrRange": network}
            found.append({**alias, **({"subnetworkRangeName": name} if name else {})})
    return found


# What --network-interface may say: keys with a value, and one without.
_NIC_KEYS = ("network", "subnet", "private-network-ip", "address", "aliases")
_NO_ADDRESS = "no-address"


def interface(value: str) -> dict[str, Any]:
    """subnet=us,aliases=pods:/24;pods:/28,no-address: an interface as the flags for it have it."""
    found: dict[str, Any] = {key.replace("-", "_"): None for key in (*_NIC_KEYS, _NO_ADDRESS)}
    for part in split(value):
        key, sign, said = part.partition("=")
        if key == _NO_ADDRESS and not sign:
            found["no_address"] = True
        elif key not in _NIC_KEYS or not sign:
            known = ", ".join(f"{name}=" for name in _NIC_KEYS)
            raise argparse.ArgumentTypeError(
                f"valid keys are {known}, {_NO_ADDRESS}; received [{part}]."
            )
        elif said:
            found[key.replace("-", "_")] = aliases(said) if key == "aliases" else said
    return found

"""The flags of commands as data, and how their values are read."""

from __future__ import annotations

import argparse
import re
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


def enum(name: str, *words: str, help: str = "", **options: Any) -> Flag:
    """A flag with one of Compute's own words, in any case, and with dashes for underscores."""
    return Flag(name, {"help": help, "choices": words, "type": enum_word, **options})


def enum_word(value: str) -> str:
    """One of Compute's own words: ipv4-only is IPV4_ONLY."""
    return value.upper().replace("-", "_")


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


TIERS = ("PREMIUM", "STANDARD")
STACKS = ("IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY")
NIC_TYPES = ("GVNIC", "VIRTIO_NET")
# What --network-interface may say: keys with a value, those with one of some words, one without.
_NIC_WORDS = {"network-tier": TIERS, "nic-type": NIC_TYPES, "stack-type": STACKS}
_NIC_KEYS = ("network", "subnet", "private-network-ip", "address", "aliases", *_NIC_WORDS)
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
            found[key.replace("-", "_")] = _nic_value(key, said)
    return found


def _nic_value(key: str, said: str) -> Any:
    if key == "aliases":
        return aliases(said)
    if key not in _NIC_WORDS:
        return said
    word = enum_word(said)
    if word not in _NIC_WORDS[key]:
        known = ", ".join(_NIC_WORDS[key])
        raise argparse.ArgumentTypeError(f"{key} is one of {known}; received [{said}].")
    return word


_GIGABYTES = {"": 1, "GB": 1, "G": 1, "GIB": 1, "TB": 1024, "T": 1024, "TIB": 1024}


def gigabytes(value: str) -> int:
    """A disk's size: 20, 20GB, 1TB."""
    found = re.fullmatch(r"([0-9]+)([A-Za-z]*)", value)
    if found is None or found[2].upper() not in _GIGABYTES or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(
            f"given value must be of the form INTEGER[UNIT] with GB or TB; received [{value}]."
        )
    return int(found[1]) * _GIGABYTES[found[2].upper()]

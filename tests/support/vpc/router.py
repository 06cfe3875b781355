"""The VPC router as tests see it: what its agent tells, its log of decisions, its routes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from gkelab.tools.docker import Docker
from gkelab.wait import until
from tests.support.parse import Interface, Route, addresses, routes
from tests.support.parse.errors import ParseError, parsing
from tests.support.places import ContainerPlace
from tests.support.timeouts import TIMEOUTS


@dataclass(frozen=True)
class Repair:
    """Something that the agent found to be other than the state says, and made right."""

    time: str
    what: str
    wrong: str


@dataclass(frozen=True)
class Status:
    """What the agent tells of itself. `generation` is that of the state which packets meet now;
    `counters` are packets by what dropped them, `spoofed` by the instance that sent them."""

    generation: int
    cloud: str
    problems: tuple[str, ...]
    left_out: tuple[str, ...]
    repairs: tuple[Repair, ...]
    interfaces: Mapping[str, str | None]
    counters: Mapping[str, int]
    spoofed: Mapping[str, int]

    def dropped(self, name: str) -> int:
        """Packets that a counter has seen; of an instance what it spoofed."""
        return self.spoofed.get(name, 0) if name in self.spoofed else self.counters.get(name, 0)


def parse_status(text: str) -> Status:
    """The agent's status file. Raises ParseError."""
    with parsing("the router's status", text):
        told = json.loads(text)
        counters = dict(told["counters"])
        spoofed = counters.pop("spoofed")
        return Status(
            generation=int(told["generation"]),
            cloud=str(told["cloud"]),
            problems=tuple(told["problems"]),
            left_out=tuple(told["left_out"]),
            repairs=tuple(Repair(r["time"], r["what"], r["wrong"]) for r in told["repairs"]),
            interfaces=dict(told["interfaces"]),
            counters={name: int(count["packets"]) for name, count in counters.items()},
            spoofed={name: int(count["packets"]) for name, count in spoofed.items()},
        )


@dataclass(frozen=True)
class Logged:
    """A line of the firewall rules' log (firewall/docs/vpc-log-format); `record` is all of it."""

    rule: str
    disposition: str
    source: str
    destination: str
    port: int
    protocol: int
    record: Mapping[str, Any]


def parse_log(text: str) -> list[Logged]:
    """The log's lines; one that is cut off at the end is left out. Raises ParseError."""
    whole = text[: text.rfind("\n") + 1]
    return [_logged(line) for line in whole.splitlines() if line.strip()]


def _logged(line: str) -> Logged:
    with parsing("the firewall's log", line):
        record = json.loads(line)
        connection = record["connection"]
        return Logged(
            rule=record["rule_details"]["reference"].rpartition("firewall:")[2],
            disposition=record["disposition"],
            source=connection["src_ip"],
            destination=connection["dest_ip"],
            port=int(connection["dest_port"]),
            protocol=int(connection["protocol"]),
            record=record,
        )


def option(words: Sequence[str], name: str) -> str:
    """The value of an option on a command line (--status PATH, --status=PATH). Raises ParseError
    where it is not said."""
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise ParseError(f"no {name} in: {' '.join(words)}")


def ways(found: Sequence[Route], network: IPv4Network) -> list[Route]:
    """The routes that lead somewhere in a range, without those that say it leads nowhere."""
    return [
        route
        for route in found
        if route.type == "unicast"
        and isinstance(route.destination, IPv4Network)
        and route.destination.subnet_of(network)
    ]


@dataclass(frozen=True)
class Router:
    """The router's container. Its methods raise CommandError where it does not answer."""

    docker: Docker
    name: str

    @property
    def place(self) -> ContainerPlace:
        """Where to look and probe from."""
        return ContainerPlace(self.docker, self.name)

    @cached_property
    def words(self) -> list[str]:
        """The agent's command line, which says where its files are."""
        (raw,) = self.docker.inspect([self.name])
        return [raw["Path"], *raw["Args"]]

    def file(self, name: str) -> str:
        """The text of a file that the command line names by this option; "" if there is none."""
        done = self.docker.exec(self.name, ["cat", option(self.words, name)], check=False)
        return done.stdout if done.code == 0 else ""

    def status(self) -> Status:
        """What the agent tells now. Raises ParseError when it has told nothing."""
        return parse_status(self.file("--status"))

    def log(self, rule: str = "") -> list[Logged]:
        """The decisions that were logged, in order; of one rule, or of all."""
        return [one for one in parse_log(self.file("--firewall-log")) if rule in ("", one.rule)]

    def routes(self) -> list[Route]:
        """The main table."""
        return routes(self.docker.exec(self.name, ["ip", "-json", "-4", "route", "show"]).stdout)

    def interface(self, address: IPv4Address | str) -> Interface:
        """The interface that has this address."""
        said = self.docker.exec(self.name, ["ip", "-json", "address", "show"]).stdout
        for found in addresses(said):
            if str(address) in [str(one.ip) for one in found.addresses]:
                return found
        raise LookupError(f"no interface of {self.name} has {address}")

    def until_applied(self, generation: int) -> Status:
        """Wait until packets meet the state of that generation, or a later one."""
        return until(
            self.status,
            lambda status: status.generation >= generation,
            what=f"{self.name} has made the cloud's state {generation} so",
            timeout=TIMEOUTS.datapath,
            interval=0.1,
            describe=lambda status: f"generation {status.generation}, {list(status.problems)}",
            tolerant=True,
        )

    def until_dropped(self, name: str, before: Status) -> int:
        """Wait until a counter (or an instance's) is beyond what it was; by how much. The agent
        looks at them every two seconds."""
        status = until(
            self.status,
            lambda status: status.dropped(name) > before.dropped(name),
            what=f"{self.name} counts drops of {name}",
            timeout=TIMEOUTS.counted,
            interval=0.3,
            tolerant=True,
            describe=lambda status: f"{status.dropped(name)} in {dict(status.counters)}",
        )
        return status.dropped(name) - before.dropped(name)

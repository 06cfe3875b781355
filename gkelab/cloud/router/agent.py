"""Keeps the router as the cloud's state says: applies what differs, checks, repairs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from gkelab.cloud.router import latency
from gkelab.cloud.router.compile import CLOSED, Interfaces, compiled
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.kernel import Kernel, interface_of, sysctls
from gkelab.cloud.router.listing import Listing, differences, mistakes
from gkelab.cloud.router.nfqueue import Queues
from gkelab.cloud.router.reading import read
from gkelab.cloud.router.routes import (
    change_lookups,
    change_neighbours,
    change_routes,
    wanted_lookups,
    wanted_neighbours,
    wanted_routes,
)
from gkelab.cloud.router.ruleset import Ruleset
from gkelab.cloud.router.settings import Settings
from gkelab.errors import LabError
from gkelab.shell import CommandError

REPAIRS_KEPT = 20


@dataclass
class Agent:
    """The router's agent. `say` takes a line for the log; `queues` are the router's, None where
    this process is not in its namespace; methods raise CommandError where the kernel refuses,
    after which the next `check` tries again."""

    kernel: Kernel
    settings: Settings
    say: Callable[[str], None]
    queues: Queues | None = None
    fabric: Fabric = field(default_factory=Fabric)
    interfaces: Interfaces = field(default_factory=lambda: Interfaces({}))
    generation: int = -1
    took: float = 0.0
    repairs: list[dict[str, str]] = field(default_factory=list)
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)
    _state: object = None
    _read: list[str] = field(default_factory=list)
    _rules: Ruleset | None = None
    _listing: Listing = field(default_factory=Listing)
    _devices: tuple[str, ...] = ()
    _connected: dict[str, list[IPv4Network]] = field(default_factory=dict)
    _ways: list[latency.Far] = field(default_factory=list)
    _applied: object = None  # the places that routes and interfaces were last made for
    _unset: list[str] = field(default_factory=list)
    _hindered: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Let nothing through before the state is known. A table that is there already (of an
        agent before this one) stays, and its connections with it."""
        if not self.kernel.table().parts:
            self.kernel.set_sysctls(sysctls((), forward=False))
            self.kernel.load(CLOSED.text())

    def apply(self, state: Any) -> None:
        """Make a state so. LabError for one of another project."""
        begun = time.monotonic()
        project = state.get("project") if isinstance(state, dict) else None
        if self.settings.project and project != self.settings.project:
            raise LabError(f"the state is of project {project}, not {self.settings.project}")
        self._state = state
        self.fabric, self._read = read(state, self.settings)
        self._make_so()
        self.generation = self.fabric.generation
        self.took = time.monotonic() - begun

    def check(self) -> None:
        """See that all is as it was made, and make it so again where it is not."""
        if self._state is None:
            return
        if self._rules is None or self._moved():
            self._applied, self._ways = None, []
            self._make_so()
            self.generation = self.fabric.generation
            return
        found = self.kernel.table()
        self.counters = dict(found.counters)
        wrong = list(differences(self._listing, found))
        if wrong:
            self._repaired("nftables", wrong)
            self._load_whole(self._rules)
        for what, lines in self._routing():
            self._repaired(what, lines)
            self._batch(lines)
        self._wait_again()
        self._forward()

    def _moved(self) -> bool:
        """Whether interfaces came or went."""
        return self._found_interfaces() != (self.interfaces, self._devices)

    def _found_interfaces(self) -> tuple[Interfaces, tuple[str, ...]]:
        addresses = self.kernel.addresses()
        subnets = {s.link: interface_of(s.gateway, addresses) for s in self.fabric.subnets}
        internet = self.fabric.internet
        self._connected = {n: [one.network for one in own] for n, own in addresses.items()}
        found = Interfaces(
            {link: name for link, name in subnets.items() if name},
            interface_of(internet[1], addresses) if internet else None,
        )
        return found, tuple(sorted(addresses))

    def _make_so(self) -> None:
        """What a change of rules alone does not touch is left to the next check."""
        places = (self.fabric.subnets, self.fabric.nics, self.fabric.pools, self.fabric.routes)
        moved = self._applied != places
        self._applied = None
        if moved:
            self.interfaces, self._devices = self._found_interfaces()
        self._load(compiled(self.fabric, self.interfaces))
        if moved:
            for _, lines in self._routing():
                self._batch(lines)
            # Only now may anything pass.
            self._forward()
            self._delay(latency.far(self.fabric, self.interfaces, self.settings.latencies))
        self._applied = places

    @property
    def left_out(self) -> list[str]:
        """What of the state, or of the settings, is not real here, one sentence each."""
        return [*self._read, *self._unattached(), *self._hindered]

    @property
    def problems(self) -> list[str]:
        """What keeps the router from its work, one sentence each."""
        internet = self.fabric.internet
        if internet and not self.interfaces.internet:
            return [*self._unset, f"no interface here has {internet[1]}: no internet"]
        return list(self._unset)

    def _forward(self) -> None:
        self._unset = self.kernel.set_sysctls(sysctls(self._devices, forward=True))

    def _unattached(self) -> list[str]:
        """What the router has no interface for."""
        return [
            f"subnetworks {s.name} has no interface with {s.gateway} here: nothing reaches it"
            for s in self.fabric.subnets
            if s.link not in self.interfaces.subnets
        ]

    def _load(self, wanted: Ruleset) -> None:
        """Change the table by what differs; as a whole where that is not possible."""
        before, old = self._listing, self._rules
        self._rules = None
        if old is None:
            self._load_whole(wanted)
            return
        if old == wanted:
            self._rules = old
            return
        try:
            self.kernel.load(old.change_to(wanted))
        except CommandError as bad:
            self.say(f"a change is not possible by itself, so all is loaded: {bad.message}")
            self._load_whole(wanted)
            return
        found = self.kernel.table()
        wrong = list(mistakes(before, old, wanted, found))
        if wrong:
            self._repaired("nftables", wrong)
            self._load_whole(wanted)
            return
        self._rules, self._listing, self.counters = wanted, found, dict(found.counters)

    def _load_whole(self, wanted: Ruleset) -> None:
        self.kernel.load(wanted.text(self.kernel.table().counters))
        self._rules, self._listing = wanted, self.kernel.table()
        self.counters = dict(self._listing.counters)

    def _routing(self) -> list[tuple[str, list[str]]]:
        """What is to be done to neighbours, routes and look-ups, by which of them."""
        devices = list(self.interfaces.subnets.values())
        near = change_neighbours(
            self.kernel.neighbours(devices), wanted_neighbours(self.fabric, self.interfaces)
        )
        there, foreign = self.kernel.routes()
        wanted = wanted_routes(self.fabric, self.interfaces, self._connected)
        far = change_routes(there, foreign, wanted)
        tables = change_lookups(self.kernel.lookups(), wanted_lookups(self.fabric, self.interfaces))
        found = (("neighbours", near), ("routes", far), ("look-ups", tables))
        return [(what, lines) for what, lines in found if lines]

    def _batch(self, lines: list[str]) -> None:
        said = self.kernel.batch(lines)
        if said:
            self.say(f"ip: {said.splitlines()[0]}")

    def _delay(self, ways: list[latency.Far]) -> None:
        if ways == self._ways:
            return
        self._ways = ways
        self._clear_qdiscs()  # filters are added, so those of before must go
        refused = self.kernel.traffic_control(latency.netem(ways))
        if refused:
            self._clear_qdiscs()
            refused = self._queue(ways, refused)
        self._hindered = (
            [f"latency between regions is not real here: {refused.splitlines()[0]}"]
            if refused
            else []
        )

    def _clear_qdiscs(self) -> None:
        for device in self.interfaces.subnets.values():
            self.kernel.traffic_control([f"qdisc del dev {device} root"])

    def _queue(self, ways: list[latency.Far], refused: str) -> str:
        """Delay by queues what netem did not; "" or why that is not possible either."""
        if self.queues is None:
            return refused
        numbers = latency.queues(ways)
        try:
            self.queues.serve({n: ms / 1000 for ms, n in numbers.items()}, latency.IN_FLIGHT)
        except OSError as bad:
            return f"{refused.splitlines()[0]} (tc), and {bad}"
        return self.kernel.mangle(latency.queued(ways, numbers))

    def _wait_again(self) -> None:
        """Serve the queues that are not served any more."""
        ended = self.queues.ended() if self.queues else []
        if ended:
            self._repaired("latency", [f"queue {number} was not served" for number in ended])
            ways, self._ways = self._ways, []
            self._delay(ways)

    def _repaired(self, what: str, wrong: list[str]) -> None:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        self.say(f"{what} were not as the state says, and are repaired: {shown}")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.repairs = [*self.repairs, {"time": now, "what": what, "wrong": shown}][-REPAIRS_KEPT:]

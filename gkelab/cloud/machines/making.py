"""Subnets that came after `up` made real: a docker network each, on which the router has its
address, and a route of the host's that leads nowhere under each of their ranges."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

from gkelab.cloud.machines.plan import ROUTER, Seen
from gkelab.cloud.machines.subnets import (
    Claim,
    Later,
    declared_claims,
    going,
    later_subnets,
    network_claims,
    peer_claims,
    refusal,
    resolver_claims,
    routed_beyond,
    smaller,
)
from gkelab.cloud.mirror import State
from gkelab.errors import LabError
from gkelab.shell import Runner
from gkelab.tools.docker import Docker, Network
from gkelab.tools.iproute import PROTOCOL, IpRoute, Route

_LOG = logging.getLogger("gkelab.cloud.machines")
PEERS = ("ss", "-Htn4", "state", "established")
RESOLV_CONF = Path("/etc/resolv.conf")


@dataclass
class Made:
    """What is so after `make`: the subnets' ranges that are real and where routes lead beside
    them, docker's networks that are to go once no machine is left on them, whether docker has new
    ones; what is not real, and what could not be done, a sentence each."""

    ranges: set[IPv4Network] = field(default_factory=set)
    routed: set[IPv4Network] = field(default_factory=set)
    going: list[Network] = field(default_factory=list)
    changed: bool = False
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Making:
    """Makes them real. `declared` are the links of the subnets that `up` makes, `ranges` what the
    lab's topology has; `held` are the ranges that the host has routes under, and `routed` those
    that it does without as a route leads there, as far as this process knows."""

    run: Runner
    docker: Docker
    lab: str
    declared: Sequence[str]
    ranges: Sequence[IPv4Network]
    resolv_conf: Path = RESOLV_CONF
    held: set[IPv4Network] = field(default_factory=set)
    routed: set[IPv4Network] = field(default_factory=set)

    def make(self, state: State, networks: Sequence[Network], containers: Sequence[Seen]) -> Made:
        """Make what is missing. `networks` are those of the lab's subnets. Raises CommandError
        when docker or the host does not say what there is."""
        wanted = later_subnets(state, self.lab, self.declared)
        beyond = routed_beyond(state, self.declared, self.ranges)
        made = Made(going=going(networks, wanted, containers))
        if not wanted and not beyond and not self.held:
            self.routed = set()
            return made
        there = {network.name: network for network in networks}
        routes = IpRoute(self.run).routes()
        under = {route.destination for route in routes if _is_own(route)}
        claims: list[Claim] = []
        for one in wanted:
            found = there.get(one.network.name)
            if found in made.going:
                continue  # first it goes
            new = one.ranges if found is None else [n for n in one.secondary if n not in under]
            if new and not claims:
                claims = self._claims(state, wanted, routes, under)
            refused = {n: why for n in new if (why := refusal(n, claims))}
            if refused:
                what = one.link if found is None else f"a range of {one.link}"
                made.left_out.append(f"{what} is not real: {'; '.join(refused.values())}")
            if found is None and (refused or not self._create(one, made)):
                continue
            if found and (said := smaller(one, found)):
                made.left_out.append(said)
            claims += (Claim(n, one.link) for n in new)
            # As large as it is here, in which alone anybody can be.
            primary = found.subnets[0] if found else one.range
            made.ranges |= {primary, *(n for n in one.secondary if n not in refused)}
            self._join(one, containers, made.problems)
        self._route(beyond, routes, made)
        hold = partial(self._hold, made.ranges, under)
        _try(hold, "cannot hold the later subnets' ranges on the host", made.problems)
        return made

    def clear(self, networks: Iterable[Network], containers: Iterable[Seen]) -> list[str]:
        """Remove networks, and the router from them first: docker starts no container again that
        is on a network which is gone. What could not be done, a sentence each."""
        routers = [container for container in containers if container.role == ROUTER]
        problems: list[str] = []
        for network in networks:

            def remove(network: Network = network) -> None:
                for router in routers:
                    if network.name in router.networks:
                        self.docker.disconnect(network.name, router.name)
                self.docker.remove_networks([network.id])

            _LOG.info("remove the network %s", network.name)
            _try(remove, f"cannot remove the network {network.name}", problems)
        return problems

    def _create(self, one: Later, made: Made) -> bool:
        name, subnet = one.network.name, one.link
        _LOG.info("create the network %s (%s): it is %s", name, one.range, subnet)

        def create() -> None:
            one.network.create(self.docker, self.lab, one.labels)

        done = _try(create, f"cannot create the network {name}", made.problems)
        made.changed |= done
        return done

    def _join(self, one: Later, containers: Iterable[Seen], problems: list[str]) -> None:
        for router in containers:
            if router.role == ROUTER and one.network.name not in router.networks:

                def connect(router: Seen = router) -> None:
                    self.docker.connect(one.network.name, str(one.gateway), router.name)

                _LOG.info("connect %s to %s at %s", router.name, one.network.name, one.gateway)
                _try(connect, f"cannot connect {router.name} to {one.network.name}", problems)

    def _route(
        self, beyond: Mapping[IPv4Network, str], routes: Sequence[Route], made: Made
    ) -> None:
        """Have nodes send there what else they would send out of the machine, but not what the
        host itself needs: what it has had no use for once, it is not asked about again."""
        self.routed &= beyond.keys()
        new = sorted(beyond.keys() - self.routed)
        claims = list(self._host_claims(routes, self._bridges())) if new else []
        for destination in new:
            why = refusal(destination, claims)
            if why:
                name = beyond[destination]
                made.left_out.append(f"routes {name} is no way for nodes and their pods: {why}")
            else:
                self.routed.add(destination)
        made.routed = set(self.routed)

    def _hold(self, wanted: set[IPv4Network], under: set[IPv4Network]) -> None:
        """Have the host know no way to these ranges but over docker's bridges: by another they
        would leave the machine. `under` are the ranges with such a route."""
        ip = IpRoute(self.run)
        ip.unreachable(sorted(wanted - under))
        if gone := sorted(self.held - wanted):
            ip.remove_own(gone)
        self.held = wanted

    def _claims(
        self,
        state: State,
        wanted: Sequence[Later],
        routes: Sequence[Route],
        under: set[IPv4Network],
    ) -> list[Claim]:
        """What this host, docker and the lab have already, and what is real of the wanted.
        Docker's networks come first, as their names say most."""
        networks = self.docker.networks()
        bridges = {network.bridge for network in networks}
        names = {network.name for network in networks}
        own = {network for one in wanted for network in one.ranges}
        claims = [*network_claims(networks), *declared_claims(state, self.declared)]
        claims += [Claim(network, "the lab's") for network in self.ranges]
        others = (r.destination for r in routes if _is_own(r) and r.destination not in own)
        claims += [Claim(network, "a lab's") for network in others]
        for one in wanted:
            if one.network.name in names:
                claims += (Claim(n, one.link) for n in one.ranges if n in under)
        return [*claims, *self._host_claims(routes, bridges)]

    def _bridges(self) -> set[str]:
        return {network.bridge for network in self.docker.networks()}

    def _host_claims(self, routes: Sequence[Route], bridges: Collection[str]) -> Iterator[Claim]:
        """What this host needs itself."""
        for route in routes:
            if route.device and route.destination.prefixlen and route.device not in bridges:
                yield Claim(route.destination, f"the host's route via {route.device}")
        told = self.resolv_conf.read_text() if self.resolv_conf.exists() else ""
        yield from resolver_claims(told)
        yield from peer_claims(self.run(PEERS, check=False).stdout)


def _is_own(route: Route) -> bool:
    """Whether it is one under a range of a lab's."""
    return route.kind == "unreachable" and route.protocol == PROTOCOL


def _try(do: Callable[[], object], doing: str, problems: list[str]) -> bool:
    try:
        do()
    except LabError as error:
        _LOG.warning("%s: %s", doing, error.message)
        problems.append(f"{doing}: {error.message}")
        return False
    return True

"""A VPC on one screen."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gkelab.vpc.view import InstanceView, NetworkView, VpcView


def draw(seen: VpcView, console: Console) -> None:
    """Every network with its ranges, instances, routes and rules."""
    for network in seen.networks:
        console.print(
            Text.assemble(
                (f"network {network.name}", "bold"),
                f"  project {seen.project}, {network.mode} mode, MTU {network.mtu}",
            )
        )
        for table in _tables(network):
            if table.row_count:
                console.print(table)
    if not seen.networks:
        console.print(Text(f"project {seen.project} has no network"))


def _tables(network: NetworkView) -> Iterator[Table]:
    yield _ranges(network)
    yield _instances(network)
    routes = _table("route", "destination", "next hop", "priority", "for")
    for route in network.routes:
        tags = ", ".join(f"tag {tag}" for tag in route.tags) or "all instances"
        _row(routes, route.name, route.destination, route.next_hop, str(route.priority), tags)
    yield routes
    yield _rules(network)


def _ranges(network: NetworkView) -> Table:
    table = _table("subnet", "region", "range", "network", "addresses used", "free", "alias ranges")
    for subnet in network.subnets:
        name, region = subnet.name, subnet.region
        for item in subnet.ranges:
            used = f"{item.used} of {item.size}"
            counted = str(item.alias_ranges or "")
            _row(table, name, region, item.name, item.network, used, str(item.free), counted)
            name = region = ""
    return table


def _instances(network: NetworkView) -> Table:
    table = _table("instance", "zone", "address", "alias ranges", "public", "tags", "")
    for one in network.instances:
        aliases = ", ".join(f"{alias.range} {alias.network}" for alias in one.alias_ranges)
        tags = ", ".join(one.tags)
        said = ", ".join(_remarks(one))
        _row(table, one.name, one.zone, one.address, aliases, one.public, tags, said)
    return table


def _remarks(one: InstanceView) -> Iterator[str]:
    if one.interface != "nic0":
        yield one.interface
    if one.can_ip_forward:
        yield "forwards"
    if one.status != "RUNNING":
        yield one.status


def _rules(network: NetworkView) -> Table:
    table = _table("priority", "firewall rule", "direction", "", "what", "from", "to", "")
    for rule in network.rules:
        remarks = [*(["disabled"] if rule.disabled else []), *(["logged"] if rule.logged else [])]
        _row(
            table,
            str(rule.priority),
            rule.name,
            rule.direction.lower(),
            rule.action,
            " ".join(rule.protocols),
            rule.sources,
            rule.destinations,
            ", ".join(remarks),
            style="dim" if rule.disabled or rule.implied else "",
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        # What folds is what may be long; a name is copied as a whole.
        table.add_column(column, overflow="fold", no_wrap=column in ("instance", "firewall rule"))
    return table


def _row(table: Table, *cells: str, style: str = "") -> None:
    # As text: what stands in brackets is no style.
    table.add_row(*(Text(cell) for cell in cells), style=style)

"""The commands that every kind has: list, describe, delete; and how writes are told of."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gkelab.cloud.asking import resource
from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.filters import predicate
from gkelab.cloud.gcloud.flags import Flag, listed, once, text
from gkelab.cloud.gcloud.listing import CHOOSING, chosen
from gkelab.cloud.gcloud.session import Answer, Group, Session, scope_of

Run = Callable[[Session, argparse.Namespace], Answer]

NAME = Flag("name", {"metavar": "NAME"})
NAMES = Flag("names", {"metavar": "NAME", "nargs": "+"})
# For commands that gcloud has it for, and no others.
ASYNC = Flag("--async", {"action": "store_true", "dest": "async_", "help": "do not wait"})
PLACES = {
    "regions": text("--region", "the region"),
    "zones": text("--zone", "the zone"),
    "global": Flag("--global", {"action": "store_true", "dest": "global_", "help": "global"}),
}


@dataclass(frozen=True)
class Command:
    """A command: its words after `compute`, what it does, its flags, and what it has in the
    place of flags that others have."""

    words: str
    help: str
    run: Run
    flags: tuple[Flag, ...] = ()
    fixed: dict[str, Any] = field(default_factory=dict, hash=False)


def places(group: Group) -> tuple[Flag, ...]:
    """The flags that say where a resource is."""
    return tuple(PLACES[sort] for sort in group.sorts if sort and group.sorts != ("global",))


def usual(group: Group, *verbs: str) -> list[Command]:
    """The usual commands of a kind."""
    made = {"list": _list, "describe": _describe, "delete": _delete}
    return [made[verb](group) for verb in verbs]


def _list(group: Group) -> Command:
    flags = [*CHOOSING, once("--uri", "links alone"), text("--regexp", "names that match")]
    flags += [text(f"--{name}", "what is in this one alone") for name in group.by]
    if group.public:
        flags.append(once("--no-standard-images", "the project's own alone"))
    if "regions" in group.sorts or "zones" in group.sorts:
        sorts = [sort for sort in group.sorts if sort in ("regions", "zones")]
        flags += [listed(f"--{sort}", "these places alone") for sort in sorts]
        if "global" in group.sorts:
            flags.append(PLACES["global"])

    def run(session: Session, args: argparse.Namespace) -> Answer:
        found = [shown(body) for body in _found(session, group, args)]
        found = [body for body in found if _in_places(body, group, args)]
        for name in group.by:
            wanted = (getattr(args, name) or "").rpartition("/")[2]
            found = [b for b in found if wanted in ("", str(b.get(name)).rpartition("/")[2])]
        if args.regexp:
            meant = predicate(f'name~"^({args.regexp})$"')
            found = [body for body in found if meant(body)]
        found = chosen(found, args, ["name"])
        return Answer(found, "value(selfLink)" if args.uri else group.table, listed=True)

    return Command(f"{group.words} list", f"list {group.words}", run, tuple(flags))


def _found(session: Session, group: Group, args: argparse.Namespace) -> list[Body]:
    """At least those that are in the places that are said."""
    zones = getattr(args, "zones", None)
    if group.public and not args.no_standard_images:
        projects = dict.fromkeys((session.cloud.project, *group.public))
        clouds = [replace(session.cloud, project=project) for project in projects]
        return [body for cloud in clouds for body in cloud.list_all(group.collection)]
    if group.sorts != ("zones",) or not zones:
        return session.cloud.list_all(group.collection)
    scopes = {f"zones/{zone}" for zone in zones}
    return [b for scope in scopes for b in session.cloud.list_of(group.collection, scope)]


def _in_places(body: Body, group: Group, args: argparse.Namespace) -> bool:
    scope = scope_of(body)
    wanted = [
        f"{sort}/{place}" for sort in group.sorts for place in getattr(args, sort, None) or ()
    ]
    if getattr(args, "global_", False):
        wanted.append("global")
    return not wanted or scope in wanted


def _describe(group: Group) -> Command:
    def run(session: Session, args: argparse.Namespace) -> Answer:
        return Answer(shown(session.current(group, args)[1]), "yaml")

    flags = (NAME, *places(group))
    return Command(f"{group.words} describe", f"show one of {group.words}", run, flags)


def _delete(group: Group) -> Command:
    def run(session: Session, args: argparse.Namespace) -> Answer:
        for name in args.names:
            scope = session.scope(group, args, name)
            session.cloud.delete(group.collection, scope, name)
            session.tell(f"Deleted [{session.link(group.collection, scope, name)}].")
        return Answer()

    flags = (NAMES, *places(group))
    return Command(f"{group.words} delete", f"delete {group.words}", run, flags)


def insert(session: Session, group: Group, scope: str, body: Body) -> Body:
    """Make a resource and say so; as it then is. The operation, unless it is waited for."""
    cloud, collection, name = session.cloud, group.collection, body["name"]
    if session.asynchronous:
        operation = cloud.call("insert_unary", collection, scope, {resource(collection): body})
        _tell_begun(session, f"{group.noun.title()} creation in progress for [{name}]:", operation)
        return operation
    cloud.insert(collection, scope, body)
    session.tell(f"Created [{session.link(collection, scope, name)}].")
    return shown(cloud.get(collection, scope, name))


def update(session: Session, method: str, group: Group, scope: str, said: dict[str, Any]) -> Answer:
    """Call a method that changes a resource, and say so."""
    if session.asynchronous:
        operation = session.cloud.call(f"{method}_unary", group.collection, scope, said)
        _tell_begun(session, f"{method.title()} {group.noun} in progress for", operation)
        return Answer([operation])
    session.cloud.write(method, group.collection, scope, said)
    name = next(iter(said.values()))
    session.tell(f"Updated [{session.link(group.collection, scope, name)}].")
    return Answer()


def _tell_begun(session: Session, what: str, operation: Body) -> None:
    """Tell of an operation that nobody waits for."""
    session.tell(f"{what} [{operation['selfLink']}]")
    hint = "Use [gcloud compute operations describe URI] command to check the status of the"
    session.tell(f"{hint} operation(s).")


def shown(body: Body) -> Body:
    """A resource as gcloud shows it: networks say how their subnets and routes are."""
    if body.get("kind") != "compute#network":
        return body
    mode = "AUTO" if body.get("autoCreateSubnetworks") else "CUSTOM"
    routing = body.get("routingConfig", {}).get("routingMode", "")
    return {**body, "x_gcloud_subnet_mode": mode, "x_gcloud_bgp_routing_mode": routing}


def filled(**fields: Any) -> Body:
    """The fields that were said."""
    return {key: value for key, value in fields.items() if value not in (None, [], {}, "")}


def network_link(name: str) -> str:
    """A network by its name, or by a link."""
    return name if "/" in name else f"global/networks/{name}"

"""gcloud's commands that change or tell of an instance as a whole."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import enum, number, switch, text
from gkelab.cloud.gcloud.instance_body import SCHEDULING, read_file, scheduling
from gkelab.cloud.gcloud.instance_create import INSTANCES
from gkelab.cloud.gcloud.session import Answer, Session
from gkelab.cloud.gcloud.usual import NAME, Command, filled, places, update
from gkelab.errors import LabError


def _set_machine_type(session: Session, args: argparse.Namespace) -> Answer:
    scope = session.scope(INSTANCES, args, args.name)
    link = f"{scope}/machineTypes/{args.machine_type}"
    field = "instancesSetMachineTypeRequestResource"
    said = {"instance": args.name, field: {"machineType": link}}
    return update(session, "set_machine_type", INSTANCES, scope, said)


def _set_scheduling(session: Session, args: argparse.Namespace) -> Answer:
    """By instances.update: the lab's cloud has no setScheduling, and both change the same."""
    wanted = scheduling(args)
    if not wanted:
        raise LabError("At least one property must be modified")
    scope, current = session.current(INSTANCES, args)
    body = {**current, "scheduling": {**current["scheduling"], **wanted}}
    said = {"instance": args.name, "instanceResource": body}
    return update(session, "update", INSTANCES, scope, said)


def _serial_port(session: Session, args: argparse.Namespace) -> Answer:
    scope = session.scope(INSTANCES, args, args.name)
    said = {"instance": args.name, **filled(port=args.port, start=args.start)}
    found = session.cloud.call("get_serial_port_output", INSTANCES.collection, scope, said)
    session.tell(
        f"\nSpecify --start={found.get('next', 0)} in the next get-serial-port-output invocation"
        " to get only the new output starting from here."
    )
    return Answer(found, "value(contents)")


def _export(session: Session, args: argparse.Namespace) -> Answer:
    _, current = session.current(INSTANCES, args)
    if not args.destination:
        return Answer(current, "yaml")
    try:
        Path(args.destination).write_text(yaml.safe_dump(current), "utf-8")
    except OSError as error:
        raise LabError(f"Unable to write file [{args.destination}]: {error.strerror}") from error
    session.tell(f"Exported [{args.name}] to '{args.destination}'.")
    return Answer()


def _update_from_file(session: Session, args: argparse.Namespace) -> Answer:
    body = _imported(args.source)
    scope = session.scope(INSTANCES, args, args.name)
    said = {
        "instance": args.name,
        "instanceResource": body,
        **filled(
            minimalAction=args.minimal_action,
            mostDisruptiveAllowedAction=args.most_disruptive_allowed_action,
        ),
    }
    return update(session, "update", INSTANCES, scope, said)


def _imported(source: str | None) -> Body:
    """An instance from a file, or from standard input. LabError for what is none."""
    given = read_file(source) if source else sys.stdin.read()
    try:
        body = yaml.safe_load(given)
    except yaml.YAMLError as error:
        raise LabError(f"Cannot parse YAML: [{error}]") from error
    if not isinstance(body, dict) or not body.get("fingerprint"):
        name = source or "standard input"
        raise LabError(f'"{name}" is missing the instance\'s base64 fingerprint field')
    return body


_ZONE = places(INSTANCES)
COMMANDS = [
    Command(
        "instances set-machine-type",
        "give a stopped instance another machine type",
        _set_machine_type,
        (NAME, *_ZONE, text("--machine-type", required=True)),
    ),
    Command(
        "instances set-scheduling",
        "change how Compute treats an instance: kept and shown",
        _set_scheduling,
        (NAME, *_ZONE, *SCHEDULING, switch("--preemptible")),
    ),
    Command(
        "instances get-serial-port-output",
        "show what an instance wrote to a serial port, where the cloud knows it",
        _serial_port,
        (NAME, *_ZONE, number("--port", choices=range(1, 5)), number("--start")),
    ),
    Command(
        "instances export",
        "write an instance to a file",
        _export,
        (NAME, *_ZONE, text("--destination", "the file; else standard output")),
    ),
    Command(
        "instances update-from-file",
        "change an instance into what a file says, which export wrote",
        _update_from_file,
        (
            NAME,
            *_ZONE,
            text("--source", "the file; else standard input"),
            # No update restarts an instance in the lab: RESTART may be allowed, not asked for.
            enum("--most-disruptive-allowed-action", "NO_EFFECT", "REFRESH", "RESTART"),
            enum("--minimal-action", "NO_EFFECT", "REFRESH"),
        ),
    ),
]

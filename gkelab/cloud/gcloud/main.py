"""From words to a command: `compute networks list --format=json`."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

from gkelab.cloud.client import Cloud, CloudError
from gkelab.cloud.expressions import ExpressionError
from gkelab.cloud.gcloud import (
    bulk,
    configuration,
    effective_firewalls,
    firewall_rules,
    instance_settings,
    instances,
    others,
    subnets,
    vpc,
)
from gkelab.cloud.gcloud.flags import Flag, listed, once, text
from gkelab.cloud.gcloud.keys import FormatError
from gkelab.cloud.gcloud.listing import flatten
from gkelab.cloud.gcloud.printers import parse_format, show
from gkelab.cloud.gcloud.session import Session
from gkelab.cloud.gcloud.usual import Command
from gkelab.cloud.gcloud.where import PROJECT
from gkelab.errors import LabError

COMMANDS = {
    f"compute {command.words}": command
    for group in (
        *(vpc, subnets, firewall_rules, effective_firewalls),
        *(instances, instance_settings, bulk, others),
    )
    for command in group.COMMANDS
}
# What gcloud has a command for, and the lab another.
ELSEWHERE = {
    "compute ssh": "Here it is `invoke ssh NAME`, or `invoke ssh NAME -- COMMAND`.",
}
# Flags that any command has, and that may stand before it.
EVERYWHERE = (
    text("--project", "the project's id"),
    text("--format", "json, yaml, text, csv(KEYS), value(KEYS), table(KEYS), none"),
    listed("--flatten", "lists whose items are to be resources of their own"),
    text("--configuration", "gcloud's configuration that says project, region and zone"),
    text("--account", "taken, and of no account here: the lab's cloud asks nobody who they are"),
    Flag("--quiet", {"action": "store_true"}),
    text("--verbosity", "taken, and of no account here"),
)


class UsageError(Exception):
    """The words are no command. `where` are those that are."""

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        super().__init__(f"ERROR: (gcloud{'.' if where else ''}{where.replace(' ', '.')}) {what}")


@dataclass(frozen=True)
class Defaults:
    """What is meant when no flag says: gcloud's own environment variables have it."""

    region: str
    zone: str
    project: str = ""
    configurations: Path = Path()

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Defaults:
        """From CLOUDSDK_COMPUTE_REGION, CLOUDSDK_COMPUTE_ZONE, and the like."""
        return cls(
            environment.get("CLOUDSDK_COMPUTE_REGION", ""),
            environment.get("CLOUDSDK_COMPUTE_ZONE", ""),
            environment.get(PROJECT, ""),
            configuration.folder(environment),
        )

    def session(self, cloud: Cloud, args: argparse.Namespace) -> Session:
        """What a command works with. A flag goes before the environment, and that before the
        configuration that --configuration names."""
        named = configuration.Configuration()
        if args.configuration:
            named = configuration.read(self.configurations, args.configuration)
        project = args.project or ("" if self.project else named.project)
        if project:
            cloud = Cloud(cloud.endpoint, project)
        asynchronous = getattr(args, "async_", False)
        return Session(cloud, self.region or named.region, self.zone or named.zone, asynchronous)


def run(words: Sequence[str], cloud: Cloud, defaults: Defaults, out: TextIO, err: TextIO) -> int:
    """Run a command; the status to exit with: 2 for words that are no command, 1 for a refusal."""
    path = ""
    try:
        path, rest = find(words)
        args = parse(path, rest)
        session = defaults.session(cloud, args)
        command, said = COMMANDS[path], parse_format(args.format) if args.format else None
        try:
            answer = command.run(session, args)
        finally:
            err.writelines(f"{line}\n" for line in session.told)
        shown = answer.resources
        if args.flatten and not answer.listed:
            shown = flatten([shown] if isinstance(shown, dict) else shown, args.flatten)
        out.write(show(shown, said or parse_format(answer.format)))
        if answer.listed and not shown:
            err.write("Listed 0 items.\n")
    except UsageError as error:
        err.write(f"{error}\n")
        return 2
    except (FormatError, ExpressionError) as error:
        err.write(f"{UsageError(path, str(error))}\n")
        return 2
    except _Help as help:
        out.write(str(help))
    except CloudError as error:
        what = f"Could not fetch resource:\n - {error.message}"
        err.write(f"{UsageError(path, what)}\n")
        return 1
    except LabError as error:
        err.write(f"{UsageError(path, str(error))}\n")
        return 1
    return 0


def find(words: Sequence[str]) -> tuple[str, list[str]]:
    """The command that words begin with (flags that stand before it are kept), and the rest.
    UsageError names the word that is none."""
    path, kept, left = "", [], list(words)
    while path not in COMMANDS:
        if not left:
            raise UsageError(path, f"Command name argument expected. There are: {_below(path)}.")
        word = left.pop(0)
        if word in ("--help", "-h"):
            raise _Help(_overview(path))
        if word.startswith("-"):
            kept.append(word)
            if "=" not in word and word in [
                f.name for f in EVERYWHERE if "action" not in f.options
            ]:
                kept += left[:1]
                del left[:1]
            continue
        longer = f"{path} {word}".strip()
        if longer in ELSEWHERE:
            raise UsageError(path, f"Invalid choice: '{word}'. {ELSEWHERE[longer]}")
        if not any(f"{name} ".startswith(f"{longer} ") for name in COMMANDS):
            raise UsageError(path, f"Invalid choice: '{word}'.{_near(path, word)}")
        path = longer
    return path, [*kept, *left]


def _below(path: str) -> str:
    start = f"{path} ".lstrip()
    names = {n.removeprefix(start).split()[0] for n in COMMANDS if n.startswith(start)}
    return ", ".join(sorted(names))


def _near(path: str, word: str) -> str:
    near = difflib.get_close_matches(word, _below(path).split(", "), n=1)
    return f" Maybe you meant: {near[0]}." if near else f" There are: {_below(path)}."


def _overview(path: str) -> str:
    chosen = [c for name, c in COMMANDS.items() if f"{name} ".startswith(f"{path} ".lstrip())]
    lines = [f"gcloud compute {c.words:<40} {c.help}" for c in chosen]
    return "\n".join([*lines, ""])


class _Help(Exception):
    """Help was asked for."""


class _Parser(argparse.ArgumentParser):
    def __init__(self, path: str) -> None:
        super().__init__(prog=f"gcloud {path}", allow_abbrev=False, add_help=False)
        self._path = path

    def error(self, message: str) -> NoReturn:
        raise UsageError(self._path, message)


def parse(path: str, words: Sequence[str]) -> argparse.Namespace:
    """The flags of a command. UsageError names what is none of them."""
    command: Command = COMMANDS[path]
    parser = _Parser(path)
    for flag in (*command.flags, *EVERYWHERE, once("--help")):
        flag.add(parser)
    parser.add_argument("-q", dest="quiet", action="store_true")
    if "--help" in words or "-h" in words:
        raise _Help(parser.format_help())
    parser.set_defaults(adding=command.words.endswith("add-tags"), **command.fixed)
    args, unknown = parser.parse_known_args(words)
    if unknown:
        raise UsageError(path, f"unrecognized arguments: {' '.join(unknown)}")
    return args

"""`invoke doctor`: looks at the host without touching it, and says what `up` would meet."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gkelab.errors import LabError
from gkelab.find import Found, claims, find_labs, make_plan
from gkelab.host.checks import Finding, LabSeen, Level, Situation, Supply, examine_situation
from gkelab.host.facts import HostFacts
from gkelab.host.prepare import Preparation, ask_docker, may_prepare, needed
from gkelab.host.uses import host_claims
from gkelab.shell import Runner
from gkelab.supply.pins import SupplierName
from gkelab.tools.docker import LABEL, Docker, Network
from gkelab.tools.iproute import IpRoute
from gkelab.topology import Claim, load, resolve

# A bridge that docker named, which outlives it: while docker does not answer, no one else's.
DOCKER_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
STATUS: dict[Level, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "note": ("note", "yellow"),
    "prepare": ("`up` does it", "cyan"),
    "fail": ("fails", "bold red"),
}

Supplying = Callable[[SupplierName | None], Supply]
InUse = Callable[[Runner], Sequence[Claim]]


def examine(
    path: Path,
    run: Runner,
    facts: HostFacts,
    supplying: Supplying,
    *,
    host_setup: bool = True,
    in_use: InUse = host_claims,
) -> list[Finding]:
    """All findings for bringing up the topology file `path` on this host; changes nothing.

    `supplying` tells the supplier, given that of the lab that is here (None: none is), and may
    raise LabError. `host_setup` is whether `up` may prepare the host.
    """
    situation = look(path, run, facts, supplying, host_setup=host_setup, in_use=in_use)
    return examine_situation(situation)


def look(
    path: Path,
    run: Runner,
    facts: HostFacts,
    supplying: Supplying,
    *,
    host_setup: bool,
    in_use: InUse,
) -> Situation:
    """Gather what the checks judge; arguments as `examine`."""
    answer = ask_docker(run)
    answers = answer.code == 0
    found, labs = _labs(Docker(run)) if answers else ([], ())
    wanted, conflict = _topology(path, run, in_use, answers=answers)
    existing = next((lab.supplier for lab in found if lab.name == wanted), None)
    supply = _supply(supplying, existing)
    build = isinstance(supply, Supply) and supply.name == "built"
    return Situation(
        facts=facts,
        docker_installed=shutil.which("docker") is not None,
        docker_version=answer.stdout.strip() if answers else "",
        docker_says="" if answers else answer.stderr or answer.stdout,
        todo=_todo(facts, run, build=build),
        can_prepare=may_prepare(facts, allowed=host_setup),
        topology=str(path),
        wanted=wanted,
        conflict=conflict,
        labs=labs,
        supply=supply,
    )


def failing(findings: Sequence[Finding]) -> list[Finding]:
    """Those for which `up` would fail."""
    return [finding for finding in findings if finding.level == "fail"]


def refuse(findings: Sequence[Finding]) -> None:
    """Raise LabError if `up` would fail: it tells the first failing check, and counts the rest."""
    bad = failing(findings)
    if bad:
        more = f" (and {len(bad) - 1} more: invoke doctor)" if len(bad) > 1 else ""
        raise LabError(f"{bad[0].check}: {bad[0].seen}{more}", bad[0].remedy)


def draw(findings: Sequence[Finding], console: Console) -> None:
    """Print the findings as a table, and what they come to."""
    table = Table("status", "check", "what was seen", "remedy", box=None, pad_edge=False)
    for finding in findings:
        word, style = STATUS[finding.level]
        # Text, as markup would take a bracket in an address or a command for a style.
        table.add_row(
            Text(word, style), Text(finding.check), Text(finding.seen), Text(finding.remedy)
        )
    console.print(table)
    bad = failing(findings)
    names = ", ".join(dict.fromkeys(finding.check for finding in bad))
    console.print(Text(f"`up` would fail: {names}" if bad else "`up` can bring the lab up here"))


def _labs(docker: Docker) -> tuple[list[Found], tuple[LabSeen, ...] | LabError]:
    try:
        found = find_labs(docker)
        containers = docker.containers({LABEL: None})
    except LabError as error:
        return [], error
    running = Counter(c.labels[LABEL] for c in containers if c.state == "running")
    stopped = Counter(c.labels[LABEL] for c in containers if c.state != "running")
    whole = {lab.name for lab in found}
    names = sorted(whole | set(running) | set(stopped))
    seen = tuple(LabSeen(name, running[name], stopped[name], name in whole) for name in names)
    return found, seen


def _topology(
    path: Path, run: Runner, in_use: InUse, *, answers: bool
) -> tuple[str, LabError | None]:
    """The name of the lab that the file describes, and why `up` would refuse it, if it would."""
    wanted, ip = "", IpRoute(run)
    has_routes = shutil.which("ip") is not None
    try:
        topology = load(path)
        wanted = topology.name
        if answers and has_routes:
            make_plan(path, Docker(run), ip, in_use)
        else:
            routed = claims(_left_by_docker(ip), ip) if has_routes else []
            resolve(topology, [*routed, *in_use(run)])
    except LabError as error:
        return wanted, error
    return wanted, None


def _left_by_docker(ip: IpRoute) -> list[Network]:
    """A network without ranges for each bridge that a docker which does not answer now made."""
    devices = {route.device for route in ip.routes() if DOCKER_BRIDGE.fullmatch(route.device)}
    return [Network(name, name, (), {}, name, ()) for name in sorted(devices)]


def _supply(supplying: Supplying, existing: SupplierName | None) -> Supply | LabError:
    try:
        return supplying(existing)
    except LabError as error:
        return error


def _todo(facts: HostFacts, run: Runner, *, build: bool) -> tuple[Preparation, ...] | LabError:
    try:
        return tuple(needed(facts, run, build=build))
    except LabError as error:
        return error

"""`invoke images.*`: what the lab is made of, made or fetched, shown, and thrown away."""

from __future__ import annotations

import json
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gkelab import commands
from gkelab.find import find_labs
from gkelab.graph import Task, run_graph
from gkelab.host.prepare import docker_answers
from gkelab.lock import hold
from gkelab.paths import default_paths
from gkelab.progress import Lines, console
from gkelab.shell import run
from gkelab.supply.cache import Cache
from gkelab.supply.choose import choose_supplier
from gkelab.supply.imagestore import ImageStores
from gkelab.supply.listing import nothing_to_make, prunable, rows, wanted_keys
from gkelab.supply.pins import load_pins
from gkelab.supply.supplier import Supplier
from gkelab.tools.docker import LABEL, Docker
from gkelab.up import ROLES, fill_task


def build(images: str | None) -> None:
    """Make or fetch everything, the nodes' image stores too."""
    paths = default_paths()
    with hold(paths.state, "invoke images.build"), Lines() as lines:
        cache = Cache(paths.cache)
        cache.remove_leftovers()
        commands.prepare_host(lines, allowed=True)
        supplier = _supplier(images)
        if supplier.name == "built":
            commands.prepare_host(lines, allowed=True, build=True)
        stores = ImageStores(supplier, cache, Docker(run), run)
        fills = [fill_task(stores, role, stores.wanted(role)) for role in ROLES]
        tasks: list[Task] = [*supplier.tasks(), *fills]
        timings = run_graph(tasks, lines)
        lines.say(f"everything is there; {sum(timings.took.values()):.0f} s of work")


def show(images: str | None, as_json: bool) -> None:
    """A row for everything that the lab is made of."""
    supplier = _supplier(images)
    cache = Cache(default_paths().cache)
    listed = rows(supplier, cache)
    if as_json:
        Console(soft_wrap=True).print_json(json.dumps([row.to_dict() for row in listed]))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "kind", "version", "from", "pinned by", "size", "age"):
        table.add_column(column, overflow="fold")
    for row in listed:
        size = f"{row.size / 1e6:.0f} MB" if row.size else "" if row.present else "not here"
        age = _age(time.time() - row.made) if row.made else ""
        table.add_row(row.name, row.kind, row.version, row.source, row.pinned, size, age)
    console().print(table)
    total, go = sum(entry.size for entry in cache.entries()), cache.go_size()
    beside = f", and {_gb(go)} of Go's module and build caches" if go else ""
    console().print(f"{_gb(total)} in {default_paths().cache}{beside}", highlight=False)


def prune(everything: bool) -> None:
    """Remove cached things that no lab uses: old versions', or all.

    Go's module and build caches, which only building uses, go too, unless there is still something
    to build.
    """
    paths = default_paths()
    with hold(paths.state, "invoke images.prune"), Lines() as lines:
        cache = Cache(paths.cache)
        docker = Docker(run)
        answers = docker_answers(run)
        nodes = docker.containers({LABEL: None}) if answers else []
        in_use = {Path(path) for node in nodes for path in node.mounts.values()}
        pins = load_pins()
        wanted = wanted_keys(pins, cache, run)
        gone = prunable(cache, cache.entries(), wanted, in_use, everything=everything)
        for entry in gone:
            cache.remove(entry)
        cache.remove_leftovers()
        if answers and not find_labs(docker):
            for image in docker.images({"gkelab.scratch": None}):
                docker.remove_image(image)
        freed = sum(entry.size for entry in gone)
        lines.say(f"removed {len(gone)} cached things, {_gb(freed)}")
        _prune_go(cache, lines, needed=not everything and not nothing_to_make(pins, cache, run))


def _prune_go(cache: Cache, lines: Lines, *, needed: bool) -> None:
    size = cache.go_size()
    if needed and size:
        why = "not everything is built yet (invoke images.build)"
        lines.say(f"kept Go's module and build caches, {_gb(size)}: {why}")
    elif size:
        cache.remove_go()
        lines.say(f"removed Go's module and build caches, {_gb(size)}: only building uses them")


def _supplier(images: str | None) -> Supplier:
    forced = commands.supplier_name(images)
    paths = default_paths()
    labs = find_labs(Docker(run)) if docker_answers(run) else []
    existing = labs[0].supplier if labs else None
    chosen = choose_supplier(forced, existing, load_pins(), Cache(paths.cache), run)
    return chosen.supplier


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"

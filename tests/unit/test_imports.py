"""Who may import whom, and what nobody does: the design's rules, held on the code as it is.

The tables are the rules. A module that needs more than its row says changes the row, and with it
the design.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What each module or package of gkelab imports of gkelab, beside its own package. The longest
# name that fits a module is its row; an entry stands for a module and all that is below it.
MAY = {
    # On the ground: no I/O, nothing of the lab.
    "errors": (),
    "paths": (),
    "timeouts": (),
    "ipam": ("errors",),
    "topology": ("errors", "ipam"),
    # Running, waiting, telling.
    "shell": ("errors",),
    "wait": ("errors",),
    "lock": ("errors",),
    "files": (),
    "kubeconfig": ("errors", "files"),
    "graph": ("errors",),
    "progress": ("errors", "graph"),
    # One program each: words out, dataclasses in.
    "tools": ("ipam", "shell", "topology"),
    # The local Google Cloud: its server stands on the ground, its client and what uses it too.
    "cloud": ("errors", "files", "topology", "ipam"),
    "cloud.api": ("errors", "ipam"),
    # What makes its state real or writes to it is a program of its own, beside the lab's.
    "cloud.machines": ("errors", "files", "ipam", "shell", "tools"),
    "cloud.controllers": ("errors", "files"),
    # All that the router's image has of gkelab (versions.toml).
    "cloud.router": ("errors", "files", "ipam", "shell"),
    # Where programs, charts and images come from; what a host must have.
    "supply": ("errors", "graph", "shell", "timeouts", "tools", "topology", "wait"),
    "host": (
        "errors",
        "files",
        "shell",
        "supply.debian",
        "supply.pins",
        "timeouts",
        "topology",
        "wait",
    ),
    "host.doctor": ("errors", "find", "shell", "supply.pins", "tools", "topology"),
    "find": ("errors", "host.uses", "ipam", "shell", "supply.pins", "tools", "topology"),
    # What steps work with, and the steps.
    "lab": ("host.facts", "paths", "shell", "supply", "timeouts", "tools", "topology"),
    "access": ("errors", "kubeconfig", "lab", "tools", "topology"),
    "applied": ("supply.cache", "tools.kubectl"),
    "render": ("errors", "lab", "supply.cache"),
    "containers": ("errors", "lab", "supply.archive", "supply.cache", "tools.docker"),
    # What nodes mount.
    "node_files": ("host.prepare", "lab", "supply.imagestore", "tools", "topology"),
    "steps": (
        *("access", "applied", "containers", "errors", "graph", "lab", "node_files", "render"),
        *("shell", "tools", "topology", "wait"),
        # What writes to the cloud, and nothing of what makes it real.
        *("cloud.asking", "cloud.ensure", "cloud.place", "cloud.resources", "cloud.rest"),
        "supply.archive",
    ),
    # Workers of a lab that is up, added and deleted.
    "nodes": (
        *("containers", "errors", "graph", "lab", "node_files", "steps", "tools", "topology"),
        "wait",
        *("cloud.ensure", "cloud.place", "cloud.resources", "cloud.rest"),
        *("supply.archive", "supply.cache", "supply.imagestore"),
    ),
    # What makes, shows and removes a lab.
    "up": (
        *("applied", "files", "graph", "kubeconfig", "lab", "progress", "steps", "supply"),
        *("tools.docker", "topology"),
    ),
    "down": ("errors", "find", "kubeconfig", "paths", "shell", "supply.imagestore", "tools"),
    "fabric": (
        *("containers", "errors", "lab", "steps", "supply.archive", "tools", "topology", "wait"),
        *("cloud.asking", "cloud.machines.ports", "cloud.place", "cloud.resources", "cloud.rest"),
    ),
    "faults": ("containers", "errors", "ipam", "lab", "steps", "tools", "topology", "wait"),
    "status": ("ipam", "lab", "shell", "status_vpc", "steps", "tools", "topology"),
    "status_vpc": ("cloud.place", "cloud.rest", "containers", "errors", "lab"),
    # The VPC, as the cloud's client and the router's log tell of it.
    "vpc": ("cloud.client", "containers", "ipam", "tools", "topology"),
    # One packet's story: what the lab is, what was heard, and what the router's rules say.
    "trace": (
        *("cloud.machines.wanted", "cloud.place", "cloud.rest", "cloud.router", "containers"),
        *("errors", "lab", "shell", "tools", "wait"),
    ),
    # What tells of a lab that does not do what it should, and of what was proven.
    "diagnosis": (
        *("access", "containers", "errors", "lab", "render", "shell", "tools", "topology"),
        *("steps", "supply.pins"),
        *("cloud.place", "cloud.rest"),
    ),
    "leftovers": (
        *("containers", "lab", "steps.start_client", "tools"),
        *("cloud.asking", "cloud.ensure", "cloud.machines.wanted", "cloud.place"),
        *("cloud.resources", "cloud.rest"),
    ),
    "tree": (),
    "results": ("supply.pins", "tree"),
    "fidelity": (),
    "proof": ("fidelity", "results"),
    "page": ("proof", "results"),
}
# The commands use all of it, and only they and tasks.py use them.
COMMANDS = (
    "commands",
    "images",
    "logs",
    "report",
    "testing",
    "bench",
    "naive",
    "fabric.bench",
    "faults.bench",
    "trace.commands",
    "vpc.commands",
    "nodes.commands",
)
# What a package's modules never import of each other.
APART = ("gkelab.steps",)
# Of tests, for tests: top-level names that a folder's files may import, beside the library.
TESTS_MAY = {
    "tests.unit": ("gkelab", "tests.support", "tests.unit"),
    "tests.support": ("gkelab", "tests.support"),
    "tests.e2e": ("gkelab", "tests.support"),
    "tests.conftest": (),
}
NEVER_IN_GKELAB = ("invoke", "pytest", "testinfra", "hypothesis", "tests", "tasks")
# The only place that sleeps.
SLEEPS = ("gkelab.wait",)

Sources = Mapping[str, str]


def sources() -> dict[str, str]:
    """The project's Python by module name."""
    files = [ROOT / "tasks.py"]
    files += [file for top in ("gkelab", "tests") for file in (ROOT / top).rglob("*.py")]
    return {module_name(file.relative_to(ROOT)): file.read_text() for file in files}


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """All of a module's syntax. Every rule asks for that of every module."""
    return tuple(ast.walk(ast.parse(text)))


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """What was parsed is of no more use to other files."""
    yield
    nodes.cache_clear()


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(code: Sources) -> Iterator[tuple[str, str]]:
    """Pairs of modules: who imports, what is imported (a module where it is one of ours, also
    from inside functions and for types alone)."""
    for module, text in code.items():
        for node in nodes(text):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: a relative import says less than a whole one"
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield module, whole if whole in code else str(node.module)


def below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def in_gkelab(code: Sources) -> Iterator[str]:
    """Imports inside gkelab that its table does not allow."""
    for module, target in imports(code):
        if not below(module, "gkelab") or not below(target, "gkelab"):
            continue
        short, wanted = module.removeprefix("gkelab."), target.removeprefix("gkelab.")
        if any(below(short, command) for command in COMMANDS):
            continue
        rows = [row for row in MAY if below(short, row)]
        if not rows:
            yield f"{module} has no row"
            continue
        row = max(rows, key=len)
        own = short.split(".")[0]
        allowed = any(below(wanted, entry) for entry in MAY[row])
        if not allowed and not below(wanted, own):
            yield f"{module} imports {target}"


def between_siblings(code: Sources) -> Iterator[str]:
    for module, target in imports(code):
        for package in APART:
            if module.startswith(f"{package}.") and below(target, package):
                yield f"{module} imports {target}"


def of_the_store(code: Sources) -> Iterator[str]:
    """The cloud's state has one door: its API. Only the API itself knows the store."""
    for module, target in imports(code):
        ours = below(module, "gkelab") and not below(module, "gkelab.cloud.api")
        if ours and below(target, "gkelab.cloud.api.store"):
            yield f"{module} imports {target}"


def foreign_to_gkelab(code: Sources) -> Iterator[str]:
    for module, target in imports(code):
        if below(module, "gkelab") and target.split(".")[0] in NEVER_IN_GKELAB:
            yield f"{module} imports {target}"


def of_tests(code: Sources) -> Iterator[str]:
    for module, target in imports(code):
        if target.split(".")[0] not in ("gkelab", "tests", "tasks", "invoke"):
            continue
        for folder, allowed in TESTS_MAY.items():
            if below(module, folder) and not any(below(target, name) for name in allowed):
                yield f"{module} imports {target}"


def of_tasks(code: Sources) -> Iterator[str]:
    library = ("sys",)
    for module, target in imports(code):
        if module == "tasks" and target.split(".")[0] not in ("invoke", "gkelab", *library):
            yield f"{module} imports {target}"


def sleeping(code: Sources) -> Iterator[str]:
    naps = ("time.sleep", "asyncio.sleep")
    for module, text in code.items():
        if module in SLEEPS:
            continue
        for node in nodes(text):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in naps:
                yield f"{module}:{node.lineno} {ast.unparse(node)}"
            taken = isinstance(node, ast.ImportFrom) and node.module == "time" and node.names
            if any(alias.name == "sleep" for alias in taken or ()):
                yield f"{module}: from time import sleep"


def shells(code: Sources) -> Iterator[str]:
    """Commands given to a shell as a string."""
    strings = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
    for module, text in code.items():
        for node in nodes(text):
            if isinstance(node, ast.Call):
                shell = [word for word in node.keywords if word.arg == "shell"]
                if ast.unparse(node.func) in strings or shell:
                    yield f"{module}:{node.lineno} {ast.unparse(node.func)}"


def bare_excepts(code: Sources) -> Iterator[str]:
    for module, text in code.items():
        for node in nodes(text):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                yield f"{module}:{node.lineno}"


RULES = (
    in_gkelab,
    between_siblings,
    of_the_store,
    foreign_to_gkelab,
    of_tests,
    of_tasks,
    sleeping,
    shells,
    bare_excepts,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: object) -> None:
    assert callable(rule)
    assert list(rule(sources())) == []


# What each rule must catch: a made-up project that breaks it, and one close by that does not.
BROKEN = [
    (in_gkelab, {"gkelab.ipam": "import gkelab.shell"}),
    (in_gkelab, {"gkelab.topology.plan": "from gkelab.shell import run"}),
    (in_gkelab, {"gkelab.tools.kind": "from gkelab.supply.pins import ROOT"}),
    (in_gkelab, {"gkelab.tools.kind": "def f():\n    from gkelab.lab import Lab"}),
    (in_gkelab, {"gkelab.lab": "from gkelab import up", "gkelab.up": ""}),
    (in_gkelab, {"gkelab.status": "from gkelab.commands import up"}),
    (in_gkelab, {"gkelab.steps.x": "from gkelab.up import Step"}),
    (in_gkelab, {"gkelab.host.facts": "from gkelab.find import Found"}),
    (in_gkelab, {"gkelab.new": "from gkelab.errors import LabError"}),
    (between_siblings, {"gkelab.steps.a": "from gkelab.steps.b import f", "gkelab.steps.b": ""}),
    (between_siblings, {"gkelab.steps.a": "from gkelab.steps import b", "gkelab.steps.b": ""}),
    (of_the_store, {"gkelab.cloud.gcloud.main": "from gkelab.cloud.api.store import Store"}),
    (of_the_store, {"gkelab.commands": "import gkelab.cloud.api.store"}),
    (foreign_to_gkelab, {"gkelab.up": "import pytest"}),
    (foreign_to_gkelab, {"gkelab.up": "from invoke import Context"}),
    (foreign_to_gkelab, {"gkelab.testing": "from tests.support.say import expect"}),
    (of_tests, {"tests.e2e.mesh.test_x": "from tests.unit.tools import docker"}),
    (of_tests, {"tests.e2e.mesh.test_x": "from tests.e2e.routing import test_y"}),
    (of_tests, {"tests.support.probes": "from tests.e2e.conftest import lab"}),
    (of_tests, {"tests.unit.test_x": "import tasks"}),
    (of_tasks, {"tasks": "import subprocess"}),
    (of_tasks, {"tasks": "from tests.support import say"}),
    (sleeping, {"gkelab.up": "import time\ntime.sleep(1)"}),
    (sleeping, {"gkelab.up": "from time import monotonic, sleep"}),
    (sleeping, {"tests.e2e.test_x": "import time\nuntil(sleep=time.sleep)"}),
    (shells, {"gkelab.up": "subprocess.run('ls', shell=True)"}),
    (shells, {"gkelab.up": "os.system('ls')"}),
    (bare_excepts, {"gkelab.up": "try:\n    f()\nexcept:\n    pass"}),
]
KEPT = [
    (in_gkelab, {"gkelab.topology.plan": "from gkelab.topology.model import X\nimport json"}),
    (in_gkelab, {"gkelab.topology.plan": "from gkelab.errors import LabError"}),
    (in_gkelab, {"gkelab.host.doctor": "from gkelab.find import Found"}),
    (in_gkelab, {"gkelab.commands": "from gkelab.up import up"}),
    (between_siblings, {"gkelab.steps.a": "from gkelab.lab import Lab"}),
    (between_siblings, {"gkelab.up": "from gkelab.steps.a import f"}),
    (of_the_store, {"gkelab.cloud.api.service": "from gkelab.cloud.api.store import Store"}),
    (of_the_store, {"gkelab.cloud.gcloud.main": "from gkelab.cloud.client import Cloud"}),
    (foreign_to_gkelab, {"gkelab.testing": "import subprocess\nfrom gkelab import tests_x"}),
    (of_tests, {"tests.e2e.mesh.test_x": "import pytest\nfrom tests.support.say import expect"}),
    (of_tasks, {"tasks": "from invoke import task\nfrom gkelab import commands"}),
    (sleeping, {"gkelab.wait": "import time\ntime.sleep(1)"}),
    (sleeping, {"gkelab.up": "import time\ntime.monotonic()\nclock.sleep(1)"}),
    (shells, {"gkelab.up": "subprocess.run(['sh', '-c', 'ls'])"}),
    (bare_excepts, {"gkelab.up": "try:\n    f()\nexcept OSError:\n    pass"}),
]


@pytest.mark.parametrize(("rule", "code"), BROKEN)
def test_what_breaks_a_rule_is_seen(rule: object, code: Sources) -> None:
    assert callable(rule)
    assert len(list(rule(code))) == 1


@pytest.mark.parametrize(("rule", "code"), KEPT)
def test_what_keeps_a_rule_is_not_complained_of(rule: object, code: Sources) -> None:
    assert callable(rule)
    assert list(rule(code)) == []


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BROKEN} == set(RULES)


def test_the_tables_have_no_row_for_what_is_gone() -> None:
    modules = set(sources())
    rows = [f"gkelab.{row}" for row in (*MAY, *COMMANDS)]
    assert [row for row in rows if row not in modules] == []
    assert [module for module in SLEEPS if module not in modules] == []


def test_rows_allow_nothing_that_nobody_imports() -> None:
    """A row that allows too much says nothing."""
    code = sources()
    pairs = {(a.removeprefix("gkelab."), b.removeprefix("gkelab.")) for a, b in imports(code)}
    idle = [
        f"{row}: {entry}"
        for row, entries in MAY.items()
        for entry in entries
        if not any(below(module, row) and below(target, entry) for module, target in pairs)
    ]
    assert idle == []

"""What the commands do, behind their flags: one function a command, a sentence an error."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

from gkelab import down as taking_down
from gkelab import kubeconfig
from gkelab import topology as topologies
from gkelab.errors import LabError, of_os
from gkelab.find import Found, find_labs, make_plan, the_lab
from gkelab.graph import Timings
from gkelab.host.checks import Finding, Supply
from gkelab.host.doctor import draw as draw_findings
from gkelab.host.doctor import examine, failing, refuse
from gkelab.host.facts import read_facts
from gkelab.host.prepare import carry_out, docker_answers, needed
from gkelab.lab import Lab
from gkelab.lock import hold
from gkelab.paths import default_paths
from gkelab.progress import Lines, console
from gkelab.shell import run
from gkelab.status import draw, lab_status
from gkelab.steps.create_cluster import adopt
from gkelab.steps.start_cloud import adopt_cloud
from gkelab.supply.cache import Cache
from gkelab.supply.choose import Choice, choose_supplier, make_supplier
from gkelab.supply.pins import ROOT, SupplierName, load_pins
from gkelab.tools.docker import LABEL, Docker
from gkelab.tools.iproute import IpRoute
from gkelab.up import up as bring_up

if TYPE_CHECKING:
    from gkelab.cloud.client import Cloud

DEFAULT_TOPOLOGY = "vpc-native"
Choosing = Callable[[SupplierName | None], Choice]


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors that a person can act on end the command as one sentence and a non-zero status."""
    try:
        yield
    except (LabError, OSError) as error:
        said = of_os(error) if isinstance(error, OSError) else error
        print(f"gkelab: {said}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        text = "interrupted; `invoke up` goes on from here, `invoke down` removes what there is"
        print(f"\ngkelab: {text}", file=sys.stderr)  # noqa: T201
        # Threads still wait for commands that got the same signal; the process need not.
        sys.stderr.flush()
        os._exit(130)


def topology_file(name: str) -> Path:
    """clusters/NAME.yaml, or the file of that path. Raises LabError when there is neither."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    known = ROOT / "clusters" / f"{name}.yaml"
    if not known.exists():
        names = ", ".join(sorted(file.stem for file in (ROOT / "clusters").glob("*.yaml")))
        raise LabError(f"There is no topology {name}", f"name a file, or one of {names}")
    return known


def supplier_name(name: str | None) -> SupplierName | None:
    """The supplier that --images names. Raises LabError for another word."""
    if name in (None, "upstream", "built"):
        return name  # type: ignore[return-value]
    raise LabError(f"--images={name} names no supplier", "say upstream or built")


def up(topology: str, images: str | None, host_setup: bool, merge: bool) -> Timings:
    """Bring a lab up, from nothing or from wherever it is."""
    paths = default_paths()
    forced = supplier_name(images)
    file = topology_file(topology)
    topologies.load(file)  # what is wrong with it is said before anything is touched
    if merge:
        kubeconfig.read(own_kubeconfig())
    choose = _choosing(forced)
    with hold(paths.state, f"invoke up --topology {topology}"), Lines() as lines:
        Cache(paths.cache).remove_leftovers()
        refuse(_examine(file, choose, host_setup=host_setup))
        prepare_host(lines, allowed=host_setup)
        plan, existing = make_plan(file, Docker(run), IpRoute(run))
        chosen = choose(existing.supplier if existing else None)
        lines.say(f"lab {plan.name}: {'as it is' if existing else 'new'}; {chosen.reason}")
        for key, network in plan.chosen.items():
            lines.say(f"range {key}: {network}")
        if chosen.supplier.name == "built":
            prepare_host(lines, allowed=host_setup, build=True)
        lab = Lab(plan, chosen.supplier, paths, read_facts(), run)
        timings = bring_up(lab, lines)
        if merge:
            added = kubeconfig.merge_kubeconfig(lab.kubeconfig, own_kubeconfig())
            lines.say(f"contexts {', '.join(added)} added to {own_kubeconfig()}")
        total = max((timings.started[k] + timings.took[k] for k in timings.took), default=0)
        lines.say(f"lab {lab.name} is up after {total:.1f} s; look at it with `invoke status`")
    return timings


def doctor(topology: str, images: str | None, host_setup: bool) -> bool:
    """Show what `up` would find and do on this host; whether it could come up."""
    found = examined(topology_file(topology), supplier_name(images), host_setup=host_setup)
    draw_findings(found, console())
    return not failing(found)


def examined(file: Path, forced: SupplierName | None, *, host_setup: bool) -> list[Finding]:
    """What `up` would find on this host."""
    return _examine(file, _choosing(forced), host_setup=host_setup)


def _choosing(forced: SupplierName | None) -> Choosing:
    """What chooses the supplier, given that of the lab that is here: once, as registries are tried
    for it, unless there turns out to be another lab when docker is started."""
    pins, cache = load_pins(), Cache(default_paths().cache)
    return functools.cache(lambda existing: choose_supplier(forced, existing, pins, cache, run))


def _examine(file: Path, choose: Choosing, *, host_setup: bool) -> list[Finding]:
    def supplying(existing: SupplierName | None) -> Supply:
        chosen = choose(existing)
        supplier = chosen.supplier
        cold = not all(supplier.cached(image) for image in supplier.pins.images)
        return Supply(supplier.name, chosen.reason, cold)

    facts = read_facts(cache=default_paths().cache)
    return examine(file, run, facts, supplying, host_setup=host_setup)


def prepare_host(lines: Lines, *, allowed: bool, build: bool = False) -> None:
    """Make the host ready, saying what is done to it. Raises LabError where it may not be."""
    facts = read_facts()
    carry_out(needed(facts, run, build=build), facts, lines.say, allowed=allowed)


def down(name: str | None) -> None:
    """Remove a lab, or all that is left of it."""
    paths = default_paths()
    with hold(paths.state, "invoke down"), Lines() as lines:
        if not docker_answers(run):
            raise LabError(
                "docker does not answer, and the lab's containers are its own", "start it"
            )
        labs = find_labs(Docker(run))
        found = the_lab(labs, name)
        others = [lab for lab in labs if lab is not found]
        merged = own_kubeconfig()
        taking_down.down(found, paths, run, lines.say, merged=merged, others=others)


def stop(name: str | None) -> None:
    """Stop a lab's containers."""
    with hold(default_paths().state, "invoke stop"), Lines() as lines:
        taking_down.stop(find_lab(name), run, lines.say)


def start(name: str | None) -> Timings:
    """Start a stopped lab; the same steps as `up`, for the lab as it was made."""
    paths = default_paths()
    with hold(paths.state, "invoke start"), Lines() as lines:
        prepare_host(lines, allowed=True)
        return bring_up(open_lab(name), lines)


def status(name: str | None, as_json: bool) -> bool:
    """Show a lab; whether it is healthy."""
    lab = open_lab(name)
    seen = lab_status(lab)
    if as_json:
        Console(soft_wrap=True).print_json(json.dumps(seen.to_dict()))
    else:
        draw(seen, console())
    return not seen.problems


def kubectl(name: str | None, cluster: str | None, words: Sequence[str]) -> NoReturn:
    """Become kubectl with the lab's kubeconfig."""
    lab = open_lab(name)
    chosen = cluster or lab.plan.clusters[0].name
    lab.plan.cluster(chosen)
    _become(lab.kubectl(chosen).argv(*words))


def hubble(name: str | None, cluster: str | None, words: Sequence[str]) -> NoReturn:
    """Become hubble, talking to the cluster's relay through a port-forward of its own."""
    lab = open_lab(name)
    chosen = lab.plan.cluster(cluster or lab.plan.clusters[0].name).name
    where = [f"--kubeconfig={lab.kubeconfig}", f"--kube-context={lab.kubectl(chosen).context}"]
    _become([str(lab.supplier.tool("hubble")), *(words or ["status"]), "--port-forward", *where])


def cilium(name: str | None, cluster: str | None, words: Sequence[str]) -> NoReturn:
    """Become the cilium CLI, where it is installed; else cilium-dbg in an agent, saying so."""
    lab = open_lab(name)
    kubectl = lab.kubectl(lab.plan.cluster(cluster or lab.plan.clusters[0].name).name)
    program = shutil.which("cilium")
    if program:
        where = [f"--kubeconfig={lab.kubeconfig}", f"--context={kubectl.context}"]
        _become([program, *words, *where])
    print(  # noqa: T201
        "gkelab: the cilium CLI is not installed (it has no module of its own to be built from);"
        " this is cilium-dbg in an agent",
        file=sys.stderr,
    )
    agent = ["exec", "--namespace=kube-system", "daemonset/cilium", "--container=cilium-agent"]
    _become(kubectl.argv(*agent, "--", "cilium-dbg", *(words or ["status"])))


def _become(argv: list[str]) -> NoReturn:
    try:
        os.execv(argv[0], argv)
    except OSError as bad:
        bad.filename = argv[0]  # which the system does not tell
        raise


def gcloud(name: str | None, words: Sequence[str]) -> int:
    """gcloud's words on the lab's cloud; the status to exit with."""
    from gkelab.cloud.gcloud import main  # noqa: PLC0415

    defaults = main.Defaults.of(os.environ)
    return main.run(words, cloud_of(name), defaults, sys.stdout, sys.stderr)


def cloud_of(name: str | None) -> Cloud:
    """The cloud that the environment names, as gcloud's own variables do; else the lab's."""
    # Google's library takes a second to load, which no other command should wait for.
    from gkelab.cloud.gcloud import where  # noqa: PLC0415

    cloud = where.from_environment(os.environ)
    if cloud is None:
        cloud = where.recorded(default_paths().lab(find_lab(name).plan.name) / "cloud.json")
    return cloud


def words_after(remainder: str, argv: Sequence[str]) -> list[str]:
    """What a person typed after `--`, word by word: invoke hands it on as one text, in which a
    word with a space in it (--filter='name=a AND priority>1') cannot be told from two."""
    words = list(argv[argv.index("--") + 1 :]) if "--" in argv else []
    return words if " ".join(words) == remainder else shlex.split(remainder)


def ssh(name: str | None, machine: str, words: Sequence[str]) -> NoReturn:
    """Become a shell, or a command, in a VM or a node of the lab."""
    # What asks the cloud takes a while to load, which no other command should wait for.
    from gkelab.cloud.machines import ssh as machine_access  # noqa: PLC0415

    lab = find_lab(name).plan.name
    found = machine_access.find(Docker(run).containers({LABEL: lab}), lab, machine)
    docker, *rest = machine_access.argv(found, words, terminal=sys.stdin.isatty())
    _become([shutil.which(docker) or docker, *rest])


def lab_name(topology: str) -> str:
    """The name of the lab that a topology describes."""
    return topologies.load(topology_file(topology)).name


def find_lab(name: str | None) -> Found:
    """The lab of that name, or the only one there is."""
    if not docker_answers(run):
        raise LabError("docker does not answer, so there is no lab to be found", "run: invoke up")
    return the_lab(find_labs(Docker(run)), name)


def open_lab(name: str | None) -> Lab:
    """A lab that exists, by docker's labels. LabError when its kubeconfig leads elsewhere."""
    lab = lab_of(find_lab(name))
    kubeconfig.discard_broken(lab.kubeconfig)
    for cluster in lab.plan.clusters:
        adopt(lab, cluster)
    adopt_cloud(lab)
    return lab


def lab_of(found: Found) -> Lab:
    """A lab that was found, as it is."""
    paths = default_paths()
    supplier = make_supplier(found.supplier, load_pins(), Cache(paths.cache), run)
    return Lab(found.plan, supplier, paths, read_facts(), run)


def own_kubeconfig() -> Path:
    """The person's own kubeconfig: the first of KUBECONFIG, else the usual place."""
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(named[0]) if named else Path.home() / ".kube" / "config"

"""What the host's facts mean for the lab: pure functions from a situation to findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gkelab.errors import LabError
from gkelab.host.facts import GIB, HostFacts
from gkelab.host.prepare import SYSTEMS, Preparation
from gkelab.supply.pins import SupplierName

Level = Literal["ok", "note", "prepare", "fail"]

# Bytes. What the lab takes while it runs, and what it does not come up with; free disk by supplier.
MEMORY, MEMORY_LEAST = 4 * GIB, 3 * GIB
DISK_COLD, DISK_BUILT, DISK_UPSTREAM = 30 * GIB, 12 * GIB, 15 * GIB
CORES = 2
# Without these no container can be a node; the lab's runtime does without the others.
ESSENTIAL = (
    "CAP_BPF CAP_CHOWN CAP_DAC_OVERRIDE CAP_MKNOD CAP_NET_ADMIN CAP_NET_RAW CAP_PERFMON CAP_SETGID"
    " CAP_SETUID CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE"
)


@dataclass(frozen=True)
class Finding:
    """What one check saw. "prepare": not right yet, and `up` puts it right here; "fail": `up`
    would fail. `remedy` is what to do, of several lines at times, "" for nothing."""

    check: str
    level: Level
    seen: str
    remedy: str = ""


@dataclass(frozen=True)
class LabSeen:
    """A lab that is here, by its containers and networks. `whole` is whether its plan is, too."""

    name: str
    running: int
    stopped: int
    whole: bool = True


@dataclass(frozen=True)
class Supply:
    """The supplier that `up` would use, and a sentence that says why; `cold` is whether there are
    images that must be built first."""

    name: SupplierName
    reason: str
    cold: bool


@dataclass(frozen=True)
class Situation:
    """All that the checks judge. `docker_version` is "" and `docker_says` its error where docker
    does not answer. `topology` is the file, `wanted` the lab's name in it, "" if it cannot be
    read. An error stands for what it kept from being found out."""

    facts: HostFacts
    docker_installed: bool
    docker_version: str
    docker_says: str
    todo: tuple[Preparation, ...] | LabError
    can_prepare: bool
    topology: str
    wanted: str
    conflict: LabError | None
    labs: tuple[LabSeen, ...] | LabError
    supply: Supply | LabError

    @property
    def docker_answers(self) -> bool:
        """Whether docker answers this user."""
        return bool(self.docker_version)

    @property
    def lab(self) -> LabSeen | None:
        """The lab that `up` would go on with."""
        labs = () if isinstance(self.labs, LabError) else self.labs
        return next((lab for lab in labs if lab.name == self.wanted), None)


def examine_situation(situation: Situation) -> list[Finding]:
    """Every check, in the order of a person's reading."""
    return [finding for check in CHECKS for finding in check(situation)]


def docker(situation: Situation) -> list[Finding]:
    """Docker is there and answers this user."""
    if situation.docker_answers:
        return [Finding("docker", "ok", f"version {situation.docker_version} answers")]
    seen = "not installed"
    if situation.docker_installed:
        said = situation.docker_says.strip().splitlines()[-1:]
        seen = ": ".join(["does not answer", *said])
    return [_to_prepare(situation, "docker", seen)]


def programs(situation: Situation) -> list[Finding]:
    """The other programs that `up` calls."""
    if isinstance(situation.todo, LabError):
        return [_error("docker's settings", situation.todo)]
    if any(item.check == "programs" for item in situation.todo):
        return [_to_prepare(situation, "programs", "not all are installed")]
    return [Finding("programs", "ok", "all are installed")]


def root(situation: Situation) -> list[Finding]:
    """`up` puts routes on the host."""
    if situation.facts.root:
        return [Finding("root", "ok", "yes")]
    seen = "no, and `up` puts routes on this host"
    return [Finding("root", "fail", seen, "run `up` as root, as with sudo")]


def capabilities(situation: Situation) -> list[Finding]:
    """What this machine's bounding set lacks, docker cannot grant to a node."""
    missing = situation.facts.missing_capabilities
    if not missing:
        return [Finding("capabilities", "ok", "all can be granted to containers")]
    names = ", ".join(missing)
    essential = [name for name in missing if name in ESSENTIAL.split()]
    if essential:
        seen = f"this machine cannot grant {', '.join(essential)}, and nodes need it"
        return [Finding("capabilities", "fail", seen, "use another machine, or a VM of your own")]
    if _has_todo(situation, "capabilities"):
        return [_to_prepare(situation, "capabilities", f"this machine cannot grant {names}")]
    seen = f"this machine cannot grant {names}; docker's runtime does not ask for it"
    return [Finding("capabilities", "ok", seen)]


def cgroup(situation: Situation) -> list[Finding]:
    """kubelet refuses cgroup v1 unless it is told otherwise."""
    if situation.facts.cgroup == 2:
        return [Finding("cgroup", "ok", "version 2")]
    return [Finding("cgroup", "note", "version 1", "none needed: kubelet is told not to refuse it")]


def kernel(situation: Situation) -> list[Finding]:
    """The kernel features in use."""
    absent, unseen = situation.facts.absent_features, situation.facts.unseen_features
    found = []
    if absent:
        remedy = "use a kernel that has them, as Debian's and Ubuntu's do"
        found.append(Finding("kernel", "fail", f"absent: {', '.join(absent)}", remedy))
    if unseen:
        seen = f"unknown, as no kernel configuration can be read: {', '.join(unseen)}"
        remedy = "none needed if `up` succeeds; Debian's and Ubuntu's kernels have them"
        found.append(Finding("kernel", "note", seen, remedy))
    if not situation.facts.btf:
        remedy = "if Cilium does not start, use a kernel with CONFIG_DEBUG_INFO_BTF"
        found.append(Finding("kernel", "note", "no BTF in /sys/kernel/btf/vmlinux", remedy))
    return found or [Finding("kernel", "ok", "has all that the lab uses")]


def inotify(situation: Situation) -> list[Finding]:
    """systemd, kubelet and containerd of every node watch files, all on the same limits."""
    facts = situation.facts
    seen = f"{facts.inotify_instances} instances, {facts.inotify_watches} watches"
    if _has_todo(situation, "inotify limits"):
        return [_to_prepare(situation, "inotify limits", f"{seen}, too few")]
    return [Finding("inotify limits", "ok", seen)]


def memory(situation: Situation) -> list[Finding]:
    """Memory for the lab, unless it has it already."""
    available = situation.facts.memory_available
    seen = f"{_gib(available)} of {_gib(situation.facts.memory_total)} available"
    if _runs(situation.lab) or available >= MEMORY:
        return [Finding("memory", "ok", seen)]
    level: Level = "fail" if available < MEMORY_LEAST else "note"
    remedy = f"stop what else uses memory: the lab takes up to {_gib(MEMORY)}"
    return [Finding("memory", level, seen, remedy)]


def disk(situation: Situation) -> list[Finding]:
    """Disk for the images and what the nodes write, unless the lab is there already."""
    seen = f"{_gib(situation.facts.disk_free)} free"
    lab, need = situation.lab, _disk_need(situation.supply)
    if (lab and lab.running + lab.stopped) or situation.facts.disk_free >= need:
        return [Finding("disk", "ok", seen)]
    remedy = (
        f"make room for {_gib(need)} where docker's data and the build cache are: "
        "`invoke images.prune` removes what no lab uses from the cache"
    )
    return [Finding("disk", "fail", seen, remedy)]


def cores(situation: Situation) -> list[Finding]:
    """Fewer cores do, slowly."""
    have = situation.facts.cores
    if have >= CORES:
        return [Finding("cores", "ok", str(have))]
    return [Finding("cores", "note", str(have), f"expect it to be slow: {CORES} or more are usual")]


def addresses(situation: Situation) -> list[Finding]:
    """The topology is right, and its ranges are free here."""
    if situation.conflict:
        return [_error("addresses", situation.conflict)]
    if situation.lab and situation.lab.whole:
        return [Finding("addresses", "ok", f"those of lab {situation.wanted}, which is here")]
    if not situation.docker_answers:
        seen = f"{situation.topology} overlaps no route of this host"
        remedy = "docker's networks are looked at when docker answers"
        return [Finding("addresses", "note", seen, remedy)]
    seen = f"{situation.topology} overlaps nothing on this host"
    return [Finding("addresses", "ok", seen)]


def earlier_labs(situation: Situation) -> list[Finding]:
    """Labs that are here already, and what is left of them."""
    if isinstance(situation.labs, LabError):
        return [_error("earlier lab", situation.labs)]
    if not situation.docker_answers:
        return [Finding("earlier lab", "note", "unknown", "it is looked for when docker answers")]
    if not situation.labs:
        return [Finding("earlier lab", "ok", "none")]
    return [_earlier_lab(lab, situation.wanted) for lab in situation.labs]


def supplier(situation: Situation) -> list[Finding]:
    """Where programs, charts and images come from."""
    if isinstance(situation.supply, LabError):
        return [_error("images", situation.supply)]
    seen = f"{situation.supply.name} ({situation.supply.reason.rstrip('.')})"
    if situation.supply.cold:
        return [Finding("images", "note", seen, "none needed: `up` builds them first, once")]
    return [Finding("images", "ok", seen)]


CHECKS: tuple[Callable[[Situation], list[Finding]], ...] = (
    programs,  # before docker, whose commands need them
    docker,
    root,
    capabilities,
    cgroup,
    kernel,
    inotify,
    memory,
    disk,
    cores,
    addresses,
    earlier_labs,
    supplier,
)


def _has_todo(situation: Situation, check: str) -> bool:
    return bool(_todo(situation, check))


def _todo(situation: Situation, check: str) -> Sequence[Preparation]:
    todo = () if isinstance(situation.todo, LabError) else situation.todo
    return [item for item in todo if item.check == check]


def _to_prepare(situation: Situation, check: str, seen: str) -> Finding:
    """The finding of something that `up` puts right, or a person by the commands."""
    items = _todo(situation, check)
    if situation.can_prepare and items:
        return Finding(check, "prepare", seen, f"`up` does it: {'; '.join(i.why for i in items)}")
    facts = situation.facts
    notes = [] if facts.root else ["as root"]
    notes += [] if facts.os_id in SYSTEMS else ["what these do on Debian"]
    commands = [line for item in items for line in item.commands]
    lines = [f"run, {', '.join(notes)}:" if notes else "run:", *commands]
    return Finding(check, "fail", seen, "\n".join(lines) if commands else "")


def _earlier_lab(lab: LabSeen, wanted: str) -> Finding:
    seen = f"lab {lab.name}: {lab.running} containers running, {lab.stopped} stopped"
    if not lab.whole:
        remedy = (
            "its networks are gone: remove its containers, which\n"
            f"docker ps --all --filter label=gkelab.lab={lab.name}\nshows"
        )
        return Finding("earlier lab", "note", seen, remedy)
    if lab.name != wanted:
        return Finding("earlier lab", "note", seen, "none needed: it is left as it is")
    if lab.stopped:
        remedy = "none needed: `up` starts it"
    elif lab.running:
        remedy = "none needed: `up` keeps it, and adds what is missing"
    else:
        remedy = "none needed: `up` goes on from there"
    return Finding("earlier lab", "note", seen, remedy)


def _error(check: str, error: LabError) -> Finding:
    return Finding(check, "fail", error.message, error.remedy)


def _runs(lab: LabSeen | None) -> bool:
    return lab is not None and lab.running > 0 and lab.stopped == 0


def _disk_need(supply: Supply | LabError) -> int:
    if isinstance(supply, LabError):
        return DISK_BUILT
    if supply.name == "upstream":
        return DISK_UPSTREAM
    return DISK_COLD if supply.cold else DISK_BUILT


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB".replace(".0 GiB", " GiB")

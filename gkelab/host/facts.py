"""What this machine is and has, read once: observation only, no judgement."""

from __future__ import annotations

import gzip
import os
import platform
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError

# The kernel's numbering, include/uapi/linux/capability.h.
_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE"
    " NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO"
    " SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME"
    " SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG"
    " WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
CAPABILITIES = _NAMES.split()

GIB = 1024**3


@dataclass(frozen=True)
class Feature:
    """A kernel feature that the lab uses: the options of which any one builds it, and the names
    (of modules, filesystems, files) of which any one shows it."""

    name: str
    options: tuple[str, ...]
    signs: tuple[str, ...] = ()


# What docker, kubelet, and Cilium with the lab's settings use
# (docs.cilium.io/en/stable/operations/system_requirements).
FEATURES = (
    Feature("veth", ("VETH",), ("veth",)),
    Feature("overlayfs", ("OVERLAY_FS",), ("overlay",)),
    Feature("BPF programs", ("BPF_SYSCALL",), ("bpf",)),
    Feature("BPF JIT", ("BPF_JIT",), ("/proc/sys/net/core/bpf_jit_enable",)),
    Feature("BPF on tc", ("NET_CLS_BPF",), ("cls_bpf",)),
    Feature("BPF on cgroups", ("CGROUP_BPF",)),
    Feature("nf_tables", ("NF_TABLES",), ("nf_tables",)),
    Feature("iptables", ("IP_NF_IPTABLES", "NFT_COMPAT"), ("ip_tables", "nft_compat")),
    Feature("NAT", ("NF_NAT",), ("nf_nat",)),
    Feature("TPROXY", ("NETFILTER_XT_TARGET_TPROXY",), ("xt_TPROXY",)),
)


@dataclass(frozen=True)
class HostFacts:
    """Memory and disk are bytes; `cgroup` is 1 or 2; `missing_capabilities` are CAP_ names.

    `absent_features` are names of FEATURES; of the `unseen_features` nothing here tells.
    """

    os_id: str
    root: bool
    systemd: bool
    missing_capabilities: tuple[str, ...]
    cgroup: int
    btf: bool
    inotify_instances: int
    inotify_watches: int
    memory_total: int
    memory_available: int
    disk_free: int
    cores: int
    absent_features: tuple[str, ...] = ()
    unseen_features: tuple[str, ...] = ()


def read_facts(docker_dir: Path = Path("/var/lib"), cache: Path | None = None) -> HostFacts:
    """Read the facts of this machine. `docker_dir` is where docker's data will lie, `cache` where
    the build cache will; `disk_free` is what is free on the fuller of the two.

    Raises LabError where this is not Linux.
    """
    if platform.system() != "Linux":
        raise LabError(f"The lab needs Linux, and this is {platform.system()}", "use a Linux VM")
    absent, unseen = kernel_features(_kernel_config(), _kernel_signs())
    memory = _meminfo(Path("/proc/meminfo").read_text())
    return HostFacts(
        os_id=os_id(_read(Path("/etc/os-release"))),
        root=os.geteuid() == 0,
        systemd=Path("/run/systemd/system").is_dir(),
        missing_capabilities=missing_capabilities(
            Path("/proc/self/status").read_text(), _read(Path("/proc/sys/kernel/cap_last_cap"))
        ),
        cgroup=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        btf=Path("/sys/kernel/btf/vmlinux").exists(),
        inotify_instances=_number(Path("/proc/sys/fs/inotify/max_user_instances")),
        inotify_watches=_number(Path("/proc/sys/fs/inotify/max_user_watches")),
        memory_total=memory.get("MemTotal", 0),
        memory_available=memory.get("MemAvailable", 0),
        disk_free=min(
            shutil.disk_usage(_nearest(place)).free for place in (docker_dir, cache or docker_dir)
        ),
        cores=os.cpu_count() or 1,
        absent_features=absent,
        unseen_features=unseen,
    )


def os_id(os_release: str) -> str:
    """The `ID` of an os-release text, e.g. `debian`; empty when there is none."""
    for line in os_release.splitlines():
        if line.startswith("ID="):
            return line.removeprefix("ID=").strip('"')
    return ""


def missing_capabilities(status: str, last: str) -> tuple[str, ...]:
    """The capabilities that the kernel knows and the bounding set in `status` lacks.

    `status` is the text of /proc/self/status, `last` that of cap_last_cap.
    """
    bounding = next(
        int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")
    )
    known = CAPABILITIES[: int(last) + 1] if last.strip() else CAPABILITIES
    return tuple(f"CAP_{name}" for bit, name in enumerate(known) if not bounding >> bit & 1)


def kernel_features(config: str, signs: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the FEATURES that are absent, and of those that cannot be seen.

    `config` is the kernel's configuration, "" where there is none to read; `signs` are names of
    modules, filesystems and files that are there. Without a configuration nothing is absent: a
    feature that no module shows may be built in.
    """
    lines = set(config.splitlines())
    not_shown = [
        feature
        for feature in FEATURES
        if not any(sign in signs for sign in feature.signs)
        and not any(f"CONFIG_{o}={how}" in lines for o in feature.options for how in "ym")
    ]
    names = tuple(feature.name for feature in not_shown)
    return (names, ()) if config else ((), names)


def module_names(listing: str) -> set[str]:
    """The modules that a modules.dep or modules.builtin text lists."""
    paths = (line.partition(":")[0] for line in listing.splitlines())
    return {path.rpartition("/")[2].partition(".")[0].replace("-", "_") for path in paths}


def command_missing(names: Sequence[str]) -> list[str]:
    """Those of the programs that are not on PATH."""
    return [name for name in names if shutil.which(name) is None]


def _kernel_config() -> str:
    packed, beside = Path("/proc/config.gz"), Path("/boot") / f"config-{os.uname().release}"
    if os.access(packed, os.R_OK):
        return gzip.decompress(packed.read_bytes()).decode()
    return beside.read_text() if os.access(beside, os.R_OK) else ""


def _kernel_signs() -> set[str]:
    modules = Path("/lib/modules") / os.uname().release
    loaded = Path("/sys/module")
    return {
        *module_names(_read(modules / "modules.dep")),
        *module_names(_read(modules / "modules.builtin")),
        *(os.listdir(loaded) if loaded.is_dir() else ()),
        *_read(Path("/proc/filesystems")).split(),
        *(s for f in FEATURES for s in f.signs if s.startswith("/") and Path(s).exists()),
    }


def _meminfo(text: str) -> dict[str, int]:
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key: int(value.split()[0]) * 1024 for key, value in pairs}


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _number(path: Path) -> int:
    text = _read(path).strip()
    return int(text) if text else 0


def _nearest(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path

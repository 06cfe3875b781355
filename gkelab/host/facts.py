"""What this machine is and has, read once: observation only, no judgement."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The kernel's numbering, include/uapi/linux/capability.h.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE"
    " NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO"
    " SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME"
    " SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG"
    " WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()

GIB = 1024**3


@dataclass(frozen=True)
class HostFacts:
    """Memory and disk are bytes; `cgroup` is 1 or 2; `missing_capabilities` are CAP_ names."""

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


def read_facts(docker_dir: Path = Path("/var/lib")) -> HostFacts:
    """Read the facts of this machine. `docker_dir` is where docker's data will lie."""
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
        disk_free=shutil.disk_usage(_nearest(docker_dir)).free,
        cores=os.cpu_count() or 1,
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


def command_missing(names: Sequence[str]) -> list[str]:
    """Those of the programs that are not on PATH."""
    return [name for name in names if shutil.which(name) is None]


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

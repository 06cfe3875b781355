"""Makes the host ready: packages, docker, its runtime, kernel limits. Says what it does.

Each preparation is a small object that knows whether it is needed, the commands a person could
type instead, and how to do it. As root on Debian or Ubuntu `up` carries them out.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError
from gkelab.host.facts import HostFacts, command_missing
from gkelab.shell import Runner
from gkelab.wait import until

RUNTIME_DIR = Path("/usr/local/libexec/gkelab")
RUNTIME = RUNTIME_DIR / "runc-caps"
DAEMON_JSON = Path("/etc/docker/daemon.json")
DOCKERD_LOG = Path("/var/log/gkelab-dockerd.log")
PID_FILE = Path("/var/run/docker.pid")
INOTIFY = {"fs.inotify.max_user_instances": 1024, "fs.inotify.max_user_watches": 524288}
# Programs that the lab calls on the host, and the Debian package that has each.
PROGRAMS = {
    "dockerd": "docker.io",
    "iptables": "iptables",
    "ip": "iproute2",
    "jq": "jq",
    "mmdebstrap": "mmdebstrap",
}


@dataclass(frozen=True)
class Preparation:
    """One thing to do to the host: why, the commands that do it, and how the lab does it."""

    why: str
    commands: tuple[str, ...]
    do: Callable[[], None]


def needed(facts: HostFacts, run: Runner, *, build: bool) -> list[Preparation]:
    """The preparations this host still needs, in order. `build`: images will be built here."""
    todo: list[Preparation] = []
    programs = [name for name in PROGRAMS if name not in ({"mmdebstrap"} if not build else set())]
    if shutil.which("docker") and docker_answers(run):
        programs.remove("dockerd")
    if not facts.missing_capabilities:
        programs.remove("jq")
    packages = [PROGRAMS[name] for name in command_missing(programs)]
    if packages:
        todo.append(_packages(packages, run))
    if facts.missing_capabilities and not runtime_installed(facts.missing_capabilities):
        todo.append(_runtime(facts, run))
    if not docker_answers(run):
        todo.append(_start_docker(facts, run))
    low = {
        key: want
        for key, want, have in (
            ("fs.inotify.max_user_instances", 1024, facts.inotify_instances),
            ("fs.inotify.max_user_watches", 524288, facts.inotify_watches),
        )
        if have < INOTIFY[key] // 2
    }
    if low:
        todo.append(_sysctl(low, run))
    return todo


def carry_out(
    todo: Sequence[Preparation], facts: HostFacts, say: Callable[[str], None], *, allowed: bool
) -> None:
    """Do the preparations, saying each; refuse with the commands where the lab may not.

    Raises LabError when something is needed and the host is not the lab's to prepare.
    """
    if not todo:
        return
    commands = "\n".join(f"    {line}" for item in todo for line in item.commands)
    if not allowed:
        raise LabError(
            "This host is not ready and --no-host-setup forbids touching it", f"run:\n{commands}"
        )
    if not facts.root or facts.os_id not in ("debian", "ubuntu"):
        who = "as root" if not facts.root else f"for {facts.os_id or 'this system'}"
        raise LabError(
            "This host is not ready, and `up` prepares only Debian and Ubuntu, as root",
            f"do what these do on Debian, {who}:\n{commands}",
        )
    for item in todo:
        say(item.why)
        item.do()


def docker_answers(run: Runner) -> bool:
    """Whether a docker daemon answers this user."""
    if shutil.which("docker") is None:
        return False
    return run(["docker", "version", "--format", "{{.Server.Version}}"], check=False).code == 0


def runtime_installed(missing: Sequence[str]) -> bool:
    """Whether the capability wrapper is in place, for just these capabilities."""
    listed = RUNTIME_DIR / "missing-capabilities.json"
    current = Path(__file__).with_name("runc-caps").read_text()
    return (
        listed.exists()
        and json.loads(listed.read_text()) == list(missing)
        and RUNTIME.exists()
        and RUNTIME.read_text() == current
        and DAEMON_JSON.exists()
        and json.loads(DAEMON_JSON.read_text()).get("default-runtime") == "gkelab"
    )


def stop_docker(run: Runner, *, timeout: float) -> None:
    """Stop a dockerd that the lab started, gracefully (it takes more than 6 s)."""
    pid = int(PID_FILE.read_text())
    run(["kill", "-TERM", str(pid)])
    until(
        lambda: PID_FILE.exists(),
        lambda there: not there,
        what="docker stops",
        timeout=timeout,
    )


def start_docker(facts: HostFacts, run: Runner, *, timeout: float = 60) -> None:
    """Start docker by systemd, or as a process of its own where systemd does not run."""
    if facts.systemd:
        run(["systemctl", "enable", "--now", "docker"])
    else:
        if PID_FILE.exists() and not Path(f"/proc/{PID_FILE.read_text().strip()}").exists():
            PID_FILE.unlink()  # left by a killed dockerd; a new one refuses to start beside it
        with DOCKERD_LOG.open("ab") as log:
            subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    until(
        lambda: docker_answers(run),
        bool,
        what=f"docker answers (its log: {DOCKERD_LOG})",
        timeout=timeout,
    )


def _packages(packages: list[str], run: Runner) -> Preparation:
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]

    def do() -> None:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        # Debian's docker.io starts its service on installation where a service manager runs.
        run(["apt-get", "update"], env=quiet)
        run(install, env=quiet)

    return Preparation(
        f"installing {', '.join(packages)}", ("apt-get update", shlex.join(install)), do
    )


def _runtime(facts: HostFacts, run: Runner) -> Preparation:
    missing = facts.missing_capabilities
    names = ", ".join(missing)

    def do() -> None:
        RUNTIME_DIR.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("runc-caps"), RUNTIME)
        (RUNTIME_DIR / "missing-capabilities.json").write_text(json.dumps(list(missing)) + "\n")
        DAEMON_JSON.parent.mkdir(parents=True, exist_ok=True)
        settings = json.loads(DAEMON_JSON.read_text()) if DAEMON_JSON.exists() else {}
        settings.setdefault("runtimes", {})["gkelab"] = {"path": str(RUNTIME)}
        settings["default-runtime"] = "gkelab"
        DAEMON_JSON.write_text(json.dumps(settings, indent=2) + "\n")
        if docker_answers(run):
            if facts.systemd:
                run(["systemctl", "restart", "docker"])
            else:
                stop_docker(run, timeout=60)
                start_docker(facts, run)

    return Preparation(
        f"this machine cannot grant {names}: registering a runtime with docker that does not ask",
        (
            f"install -D {Path(__file__).with_name('runc-caps')} {RUNTIME}",
            f"echo '{json.dumps(list(missing))}' > {RUNTIME_DIR}/missing-capabilities.json",
            f'add {{"default-runtime": "gkelab", "runtimes": {{"gkelab": {{"path": "{RUNTIME}"}}}}}}'
            f" to {DAEMON_JSON}, and restart docker",
        ),
        do,
    )


def _start_docker(facts: HostFacts, run: Runner) -> Preparation:
    command = "systemctl enable --now docker" if facts.systemd else "dockerd &"
    return Preparation("starting docker", (command,), lambda: start_docker(facts, run))


def _sysctl(low: dict[str, int], run: Runner) -> Preparation:
    settings = [f"{key}={value}" for key, value in low.items()]

    def do() -> None:
        run(["sysctl", "-w", *settings])

    return Preparation(
        f"raising {', '.join(low)}", (shlex.join(["sysctl", "-w", *settings]),), do
    )

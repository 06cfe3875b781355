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
from typing import Any

from gkelab.errors import LabError
from gkelab.files import write_whole
from gkelab.host.facts import HostFacts, command_missing
from gkelab.shell import CommandError, Result, Runner
from gkelab.timeouts import TIMEOUTS
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
    "sysctl": "procps",
}
# Debian 13 keeps docker's client in a package of its own, which docker.io only recommends.
CLIENT = "docker-cli"
SYSTEMS = ("debian", "ubuntu")


@dataclass(frozen=True)
class Preparation:
    """One thing to do to the host: the doctor's check that it mends, why, the commands that do
    it, and how the lab does it."""

    check: str
    why: str
    commands: tuple[str, ...]
    do: Callable[[], None]


def needed(facts: HostFacts, run: Runner, *, build: bool) -> list[Preparation]:
    """The preparations this host still needs, in order. `build`: images will be built here.

    Raises LabError when docker's settings cannot be read.
    """
    todo: list[Preparation] = []
    answer = ask_docker(run)
    have = (facts.inotify_instances, facts.inotify_watches)
    # Half of what the lab would set is enough, and is what some systems have.
    low = {
        key: want
        for (key, want), limit in zip(INOTIFY.items(), have, strict=True)
        if limit < want // 2
    }
    unused = {
        "dockerd": answer.code == 0,
        "jq": not facts.missing_capabilities,
        "mmdebstrap": not build,
        "sysctl": not low,
    }
    programs = [name for name in PROGRAMS if not unused.get(name, False)]
    packages = [PROGRAMS[name] for name in command_missing(programs)]
    if shutil.which("docker") is None and PROGRAMS["dockerd"] not in packages:
        packages.append(CLIENT)
    if packages:
        todo.append(_packages(packages, run))
    if facts.missing_capabilities and not runtime_installed(facts.missing_capabilities):
        todo.append(_runtime(facts, run))
    if answer.code != 0:
        todo.append(_start_docker(facts, run, answer))
    if low:
        todo.append(_sysctl(low, run))
    return todo


def may_prepare(facts: HostFacts, *, allowed: bool) -> bool:
    """Whether `up` prepares this host itself. `allowed` is whether the person lets it."""
    return allowed and facts.root and facts.os_id in SYSTEMS


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
    if not may_prepare(facts, allowed=allowed):
        who = "as root" if not facts.root else f"for {facts.os_id or 'this system'}"
        raise LabError(
            "This host is not ready, and `up` prepares only Debian and Ubuntu, as root",
            f"do what these do on Debian, {who}:\n{commands}",
        )
    for item in todo:
        say(item.why)
        item.do()


def ask_docker(run: Runner) -> Result:
    """What the docker daemon says when asked for its version: code 0 when it answers this user,
    127 when there is no docker."""
    argv = ("docker", "version", "--format", "{{.Server.Version}}")
    if shutil.which("docker") is None:
        return Result(argv, 127, "", "docker is not installed")
    try:
        return run(argv, check=False, timeout=TIMEOUTS.docker_answers)
    except CommandError as error:
        return Result(argv, error.result.code, "", error.message)


def docker_answers(run: Runner) -> bool:
    """Whether a docker daemon answers this user."""
    return ask_docker(run).code == 0


def runtime_installed(missing: Sequence[str]) -> bool:
    """Whether the capability wrapper is in place, for just these capabilities.

    Raises LabError when docker's settings cannot be read.
    """
    listed = RUNTIME_DIR / "missing-capabilities.json"
    current = Path(__file__).with_name("runc-caps").read_text()
    return (
        listed.exists()
        and listed.read_text() == _listed(missing)
        and RUNTIME.exists()
        and RUNTIME.read_text() == current
        and _docker_settings().get("default-runtime") == "gkelab"
    )


def stop_docker(run: Runner) -> None:
    """Stop a dockerd that the lab started, gracefully (it takes more than 6 s).

    Raises LabError when none wrote its process's number.
    """
    pid = _dockerd()
    if pid is None:
        raise LabError(f"{PID_FILE} names no running dockerd", "stop docker as you started it")
    run(["kill", "-TERM", str(pid)])
    until(
        PID_FILE.exists,
        lambda there: not there,
        what="docker stops",
        timeout=TIMEOUTS.docker_stops,
    )


def start_docker(facts: HostFacts, run: Runner) -> None:
    """Start docker by systemd, or as a process of its own where systemd does not run."""
    if facts.systemd:
        run(["systemctl", "enable", "--now", "docker"])
    else:
        if _dockerd() is None:
            # Left by a killed dockerd: a new one refuses to start beside it.
            PID_FILE.unlink(missing_ok=True)
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
        timeout=TIMEOUTS.docker_answers,
    )


def _dockerd() -> int | None:
    """The process that docker's pid file names, if that is a dockerd: numbers are used again."""
    text = PID_FILE.read_text().strip() if PID_FILE.exists() else ""
    name = Path("/proc") / text / "comm"
    alive = text.isdigit() and name.exists() and name.read_text().strip() == "dockerd"
    return int(text) if alive else None


def _docker_settings() -> dict[str, Any]:
    if not DAEMON_JSON.exists():
        return {}
    try:
        settings = json.loads(DAEMON_JSON.read_text())
    except (OSError, ValueError) as error:
        raise LabError(f"{DAEMON_JSON} cannot be read: {error}", "mend it") from error
    if not isinstance(settings, dict):
        raise LabError(f"{DAEMON_JSON} holds no JSON object", "mend it")
    return settings


def _with_runtime(settings: dict[str, Any]) -> dict[str, Any]:
    runtimes = {**settings.get("runtimes", {}), "gkelab": {"path": str(RUNTIME)}}
    return {**settings, "runtimes": runtimes, "default-runtime": "gkelab"}


def _listed(missing: Sequence[str]) -> str:
    return json.dumps(list(missing)) + "\n"


def _packages(packages: list[str], run: Runner) -> Preparation:
    install = ["apt-get", "install", "-y", "--no-install-recommends"]
    commands = ["apt-get update", shlex.join([*install, *packages])]
    if PROGRAMS["dockerd"] in packages:
        commands.append(f"{shlex.join([*install, CLIENT])} # where docker.io came without docker")

    def do() -> None:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        # Debian's docker.io starts its service on installation where a service manager runs.
        run(["apt-get", "update"], env=quiet)
        run([*install, *packages], env=quiet)
        if shutil.which("docker") is None:
            run([*install, CLIENT], env=quiet)

    why = f"installing {', '.join(packages)}"
    return Preparation("programs", why, tuple(commands), do)


def _runtime(facts: HostFacts, run: Runner) -> Preparation:
    missing = facts.missing_capabilities
    names = ", ".join(missing)

    def do() -> None:
        RUNTIME_DIR.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("runc-caps"), RUNTIME)
        (RUNTIME_DIR / "missing-capabilities.json").write_text(_listed(missing))
        current = _docker_settings()
        settings = _with_runtime(current)
        # A newer wrapper is run from the next container on: no reason to disturb what runs.
        if settings == current:
            return
        write_whole(DAEMON_JSON, json.dumps(settings, indent=2) + "\n")
        if docker_answers(run):
            if facts.systemd:
                run(["systemctl", "restart", "docker"])
            else:
                stop_docker(run)
                start_docker(facts, run)

    return Preparation(
        "capabilities",
        f"this machine cannot grant {names}: registering a runtime with docker that does not ask",
        (
            f"install -D {Path(__file__).with_name('runc-caps')} {RUNTIME}",
            f"echo '{json.dumps(list(missing))}' > {RUNTIME_DIR}/missing-capabilities.json",
            f"add {json.dumps(_with_runtime({}))} to {DAEMON_JSON}, and restart docker",
        ),
        do,
    )


def _start_docker(facts: HostFacts, run: Runner, answer: Result) -> Preparation:
    command = "systemctl enable --now docker" if facts.systemd else "dockerd &"
    if "permission denied" in answer.stderr.lower():
        command = 'usermod --append --groups docker "$USER", then log in again'
    return Preparation("docker", "starting docker", (command,), lambda: start_docker(facts, run))


def _sysctl(low: dict[str, int], run: Runner) -> Preparation:
    argv = ["sysctl", "-w", *(f"{key}={value}" for key, value in low.items())]

    def do() -> None:
        run(argv)

    return Preparation("inotify limits", f"raising {', '.join(low)}", (shlex.join(argv),), do)

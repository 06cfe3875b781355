"""Where probes run from: a pod, a container (a node, a client outside), the machine itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gkelab.shell import CommandError, Result, Runner
from gkelab.tools.docker import Docker
from gkelab.tools.kubectl import Kubectl
from tests.support.outcomes import Answer, broken


class Place(Protocol):
    """Somewhere that a command can run."""

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        ...

    def exec(
        self, argv: Sequence[str], *, input: str | None = None, timeout: float | None = None
    ) -> Result:
        """Run a command there and wait for it. Never raises: a command that fails has its exit
        code, one that took longer than `timeout` seconds has 124, and where the tool that leads
        there is missing it is 127. The tool's own failures have no exit code of their own, so no
        exit code alone is ever a verdict."""
        ...

    def command(self, argv: Sequence[str], *, stdin: bool = False) -> list[str]:
        """The command line, for this machine, that runs `argv` there, with this machine's
        standard input or without."""
        ...


@dataclass(frozen=True)
class PodPlace:
    """A pod's container; its first one if none is named."""

    kubectl: Kubectl
    namespace: str
    pod: str
    container: str = ""

    @property
    def name(self) -> str:
        """namespace/pod."""
        return f"{self.namespace}/{self.pod}"

    def exec(
        self, argv: Sequence[str], *, input: str | None = None, timeout: float | None = None
    ) -> Result:
        """As Place says."""
        try:
            return self.kubectl.exec(
                self.namespace,
                self.pod,
                argv,
                container=self.container,
                input=input,
                check=False,
                timeout=timeout,
            )
        except CommandError as error:
            return _failed(error)

    def command(self, argv: Sequence[str], *, stdin: bool = False) -> list[str]:
        """As Place says."""
        which = [f"--container={self.container}"] if self.container else []
        how = ["--stdin"] if stdin else []
        where = [f"--namespace={self.namespace}", "exec", *how, self.pod, *which]
        return self.kubectl.argv(*where, "--", *argv)


@dataclass(frozen=True)
class ContainerPlace:
    """A docker container: a node, a VM, a client outside the cluster."""

    docker: Docker
    name: str

    def exec(
        self, argv: Sequence[str], *, input: str | None = None, timeout: float | None = None
    ) -> Result:
        """As Place says."""
        try:
            return self.docker.exec(self.name, argv, input=input, check=False, timeout=timeout)
        except CommandError as error:
            return _failed(error)

    def command(self, argv: Sequence[str], *, stdin: bool = False) -> list[str]:
        """As Place says."""
        return ["docker", "exec", *(["--interactive"] if stdin else []), self.name, *argv]


@dataclass(frozen=True)
class HostPlace:
    """The machine that the lab runs on."""

    run: Runner
    name: str = "the host"

    def exec(
        self, argv: Sequence[str], *, input: str | None = None, timeout: float | None = None
    ) -> Result:
        """As Place says."""
        try:
            return self.run(argv, input=input, check=False, timeout=timeout)
        except CommandError as error:
            return _failed(error)

    def command(self, argv: Sequence[str], *, stdin: bool = False) -> list[str]:
        """As Place says."""
        return list(argv)


def _failed(error: CommandError) -> Result:
    return replace(error.result, stderr=error.result.stderr or str(error))


def no_verdict(place: Place, done: Result) -> Answer:
    """What an exec is that ended without the probe's verdict, whatever its exit code."""
    lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()]
    said = f": {lines[-1].strip()}" if lines else ""
    return broken(f"no verdict from {place.name}, exec ended with {done.code}{said}")

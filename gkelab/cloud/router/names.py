"""The VPC's resolver, at each subnet's gateway: dnsmasq, which knows instances by Compute's zonal
names and asks the resolver of the router's container for all others.

Names are as in compute/docs/internal-dns: VM.ZONE.c.PROJECT.internal. What ends in .internal, and
what private ranges' addresses are called, is asked of nobody else.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gkelab.cloud.router.fabric import Fabric
from gkelab.files import write_whole


class Process(Protocol):
    """As of subprocess.Popen."""

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        ...

    def send_signal(self, number: int) -> None:
        """Send it this signal."""
        ...


Start = Callable[[Sequence[str]], Process]


class Names:
    """dnsmasq and the file of names that it reads. `problems` are sentences."""

    def __init__(self, file: Path, project: str, start: Start = subprocess.Popen) -> None:
        self.file, self.project, self.problems = file, project, list[str]()
        self._start = start
        self._text: str | None = None
        self._process: Process | None = None

    def know(self, fabric: Fabric) -> None:
        """Have these instances' names be known, and no others. OSError where the file cannot be
        written."""
        text = hosts(fabric, self.project)
        if text != self._text:
            write_whole(self.file, text)
            self._text = text
            if self._process and self._process.poll() is None:
                self._process.send_signal(signal.SIGHUP)  # it reads its file anew
        self.check()

    def check(self) -> None:
        """See that it runs, and start it where it does not; what keeps it from that is in
        `problems` until it does."""
        ended = self._process.poll() if self._process else None
        if self._process and ended is None:
            self.problems = []
            return
        self.problems = [f"the resolver ended with exit status {ended}"] if self._process else []
        try:
            self._process = self._start(command(self.file))
        except OSError as bad:
            self._process, self.problems = None, [f"the resolver cannot be started: {bad}"]


def hosts(fabric: Fabric, project: str) -> str:
    """The names as a hosts file has them."""
    lines = sorted(
        f"{nic.address} {nic.instance}.{nic.zone}.c.{project}.internal\n" for nic in fabric.nics
    )
    return "".join(lines)


def command(file: Path) -> list[str]:
    """dnsmasq's words."""
    return [
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="),
        *("--user=root", "--log-facility=-", "--no-hosts", f"--addn-hosts={file}"),
        *("--local=/internal/", "--bogus-priv"),
    ]

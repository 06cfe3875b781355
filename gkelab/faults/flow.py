"""Traffic that goes on while something else happens: the prober, run where its traffic begins."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from gkelab.errors import LabError
from gkelab.faults import prober
from gkelab.faults.record import Record, is_steady, parse
from gkelab.wait import until

STARTS = 60.0  # seconds for an exec, and for the first traffic to be as it should
ENDS = 30.0  # seconds that an exec may take to end beyond its last request
LEAVES = 5.0  # seconds for the prober to go by itself when nobody asks for its record any more
WINDOW = 3.0  # seconds without a fault that make traffic steady


@dataclass(frozen=True)
class Traffic:
    """What to send, and where. `stream` and `requests` are the seconds between messages on one
    connection and between requests on new ones (0: none); `timeout` is a request's, `patience`
    how long a message may stay unacknowledged before its connection is broken, `limit` the end
    of it all, if nobody else ends it. `query` follows a message's number ("&delay=1")."""

    host: str
    port: int
    protocol: Literal["line", "http"] = "line"
    http_host: str = ""
    query: str = ""
    stream: float = 0.05
    requests: float = 0.1
    timeout: float = 2.0
    patience: float = 15.0
    limit: float = 900.0


@dataclass(frozen=True)
class Flow:
    """Traffic under way."""

    traffic: Traffic
    process: subprocess.Popen[bytes]
    folder: Path

    def record(self) -> Record:
        """What became of it so far."""
        return parse((self.folder / "stdout").read_text(encoding="utf-8"))

    def steady(self) -> bool:
        """Whether it has gone as it should for WINDOW seconds. Raises LabError when its prober
        is dead, since it never will."""
        self._refuse_dead()
        every = self.traffic
        return is_steady(
            self.record(),
            time.time(),
            stream=every.stream,
            requests=every.requests,
            timeout=every.timeout,
            window=WINDOW,
        )

    def await_steady(self, what: str, *, timeout: float = STARTS) -> None:
        """Wait until it is steady. Raises WaitError."""
        until(
            self.steady,
            bool,
            what=f"traffic of {what} is steady",
            timeout=timeout,
            interval=0.2,
            describe=lambda _: self.last_words(),
        )

    def stop(self) -> Record:
        """End it; what became of it. Raises LabError when the prober did not come to its end,
        so that not all is known."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        until(
            self.process.poll,
            lambda code: code is not None,
            what="the prober ends",
            timeout=self.traffic.timeout + ENDS,
            interval=0.05,
            describe=lambda _: self.last_words(),
        )
        record = self.record()
        if record.ended is None:
            raise LabError(f"The prober broke off: {self.last_words()}")
        return record

    def last_words(self) -> str:
        """The end of what it printed, for a sentence."""
        told = [(self.folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        return "; ".join(line for text in told for line in text.splitlines()[-3:])

    def _refuse_dead(self) -> None:
        if self.process.poll() is not None:
            raise LabError(f"The prober ended with {self.process.returncode}: {self.last_words()}")


@contextmanager
def flowing(
    where: Sequence[str],
    traffic: Traffic,
    *,
    start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
) -> Iterator[Flow]:
    """Traffic while the block runs. `where` are the words that run a command, with standard
    input, where it begins (docker exec, kubectl exec). What runs there ends with standard input,
    so also when this process is killed."""
    argv = [*where, "python3", "-c", program(), json.dumps(asdict(traffic))]
    with TemporaryDirectory(prefix="gkelab-flow-") as name:
        folder = Path(name)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            # A group of its own: Ctrl-C is for who measures, and the flow ends with its leash.
            process = start(
                argv, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True
            )
        try:
            yield Flow(traffic, process, folder)
        finally:
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()
            try:
                process.wait(traffic.timeout + LEAVES)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def program() -> str:
    """The prober's text."""
    return Path(prober.__file__).read_text(encoding="utf-8")

"""`python -m gkelab.cloud.router`: the VPC router's agent."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, TypeVar

from gkelab.cloud.router.agent import Agent
from gkelab.cloud.router.classes import LOG_GROUP
from gkelab.cloud.router.firewall_log import FirewallLog
from gkelab.cloud.router.follow import Follower, News
from gkelab.cloud.router.kernel import Kernel
from gkelab.cloud.router.names import Names
from gkelab.cloud.router.nflog import listen, packets
from gkelab.cloud.router.nfqueue import Queues
from gkelab.cloud.router.settings import Latency, PoolSetting, Settings, network
from gkelab.cloud.router.status import status
from gkelab.errors import LabError
from gkelab.files import write_whole
from gkelab.shell import run

# Seconds: until the state that was last known will do, and between looks at what is installed.
PATIENCE, CHECK = 1.0, 2.0
LOG = logging.getLogger("gkelab.router")
T = TypeVar("T")


class Service:
    """The agent with its files: it follows the cloud, and keeps the last state for when that is
    away."""

    def __init__(
        self, agent: Agent, log: FirewallLog, names: Names | None, state: Path, told: Path
    ) -> None:
        self.agent, self.log, self.names, self.state, self.told = agent, log, names, state, told
        self.cloud = "not asked yet"
        self._said: set[str] = set()

    def serve(self, follower: Follower, stop: threading.Event) -> None:
        """Until told to stop. The state that was last known is made so when the cloud does not
        answer at once."""
        news = follower.news
        self._try(self.agent.close)
        follower.start()
        wait = PATIENCE
        while not stop.is_set():
            try:
                one = news.get(timeout=wait)
            except Empty:
                self._try(self.agent.check)
            else:
                self.take(one)
                follower.turn.release()
            if self.agent.generation == -1:
                self.restore()
            elif self.names:
                self.names.check()
            self.tell()
            wait = CHECK

    def take(self, one: News) -> None:
        """Make a new state so, and keep it."""
        if one.away and not self.cloud.startswith("away"):
            LOG.warning("the cloud is away (%s); what is known of it stays", one.away)
        self.cloud = f"away: {one.away}" if one.away else "there"
        if one.state is None:
            self._try(self.agent.check)
            return
        self._try(lambda: self.agent.apply(one.state))
        self._know()
        self.tell()
        if self.agent.generation == one.state["generation"]:
            self._try(lambda: write_whole(self.state, json.dumps(one.state)))

    def restore(self) -> None:
        """Make the last known state so, if there is one."""
        try:
            state = json.loads(self.state.read_text())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as bad:
            self._complain(f"{self.state} cannot be read: {bad}")
            return
        self._try(lambda: self.agent.apply(state))
        self._know()

    def _know(self) -> None:
        self.log.know(self.agent.fabric)
        names = self.names
        if names:
            self._try(lambda: names.know(self.agent.fabric))

    def tell(self) -> None:
        """Write the status file, and to the log what is new of what is wrong."""
        wrong = [*self.agent.problems, *(self.names.problems if self.names else [])]
        said = [*wrong, *self.agent.left_out]
        for problem in said:
            if problem not in self._said:
                LOG.warning("%s", problem)
        self._said = set(said)
        text = json.dumps(status(self.agent, self.cloud, wrong), indent=1)
        self._try(lambda: write_whole(self.told, text))

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except (LabError, OSError) as bad:
            self._complain(str(bad))

    def _complain(self, what: str) -> None:
        LOG.error("%s", what)


def main(words: Sequence[str]) -> int:
    """Serve until told to stop."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    agent = Agent(Kernel(run), settings_of(words), lambda line: LOG.warning("%s", line), Queues())
    log = FirewallLog(told.firewall_log)
    threading.Thread(target=_log, args=(log,), name="log", daemon=True).start()
    stop = threading.Event()
    queue: SimpleQueue[News] = SimpleQueue()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        queue.put(News(away="told to stop"))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    names = Names(told.names, told.project) if told.names else None
    Service(agent, log, names, told.state, told.status).serve(Follower(told.cloud, queue), stop)
    return 0


def settings_of(words: Sequence[str]) -> Settings:
    """What these words of the command line tell of what no Compute resource says."""
    told = _parser().parse_args(words)
    return Settings(
        project=told.project,
        internet=told.internet_range,
        pools=tuple(told.pool),
        made_up=tuple(told.made_up),
        latencies=tuple(told.latency),
    )


def state_file(words: Sequence[str]) -> Path:
    """Where these words have the last known state kept."""
    return Path(_parser().parse_args(words).state)


def _log(log: FirewallLog) -> None:
    try:
        sock = listen(LOG_GROUP)
    except OSError as bad:
        LOG.error("rules that log cannot: %s", bad)
        return
    while True:
        try:
            for packet in packets(sock.recv(1 << 18)):
                log.take(packet)
        except OSError as bad:  # more than the socket holds, or a full disk: the rest goes on
            LOG.warning("some of the firewall's log is lost: %s", bad)


def _typed(parse: Callable[[str], T]) -> Callable[[str], T]:
    def typed(text: str) -> T:
        try:
            return parse(text)
        except LabError as bad:
            raise argparse.ArgumentTypeError(str(bad)) from None

    return typed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gkelab.cloud.router", description=__doc__)
    add: Any = parser.add_argument
    add("--cloud", required=True, metavar="URL", help="the Compute API, http://HOST:PORT")
    add("--state", type=Path, required=True, help="where the last known state is kept")
    add("--status", type=Path, required=True, help="the JSON file that tells how things are")
    add("--firewall-log", type=Path, required=True, help="a JSON line a logged connection")
    add("--names", type=Path, help="where the resolver's names are kept; without it there is none")
    add("--project", default="", help="the project; a state of another is refused")
    add("--internet-range", type=_typed(network), metavar="CIDR", help="the internet network's")
    repeated = dict[str, Any](action="append", default=[])
    pool = "load balancers' addresses; may be repeated"
    add("--pool", type=_typed(PoolSetting.parse), metavar="CIDR=SUBNET=TAG", help=pool, **repeated)
    made_up = "a range that leads nowhere; may be repeated"
    add("--made-up", type=_typed(network), metavar="CIDR", help=made_up, **repeated)
    far = "there and back; may be repeated"
    add("--latency", type=_typed(Latency.parse), metavar="REGION:REGION=MS", help=far, **repeated)
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""`python -m gkelab.cloud.controllers`: the controllers of a lab's clusters, until told to stop.

It reaches the cloud and the clusters' API servers, and writes to both.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gkelab.cloud.client import Cloud
from gkelab.cloud.controllers import kube
from gkelab.cloud.controllers.cluster import Body, Cluster
from gkelab.cloud.controllers.control import Controllers, Seen
from gkelab.cloud.mirror import Mirror, State, follow
from gkelab.errors import LabError
from gkelab.files import write_whole

# How often everything is compared, though nothing was heard, and after what could not be done.
RESYNC, AGAIN = 30.0, 2.0
_LOG = logging.getLogger("gkelab.cloud.controllers")


class Status:
    """The file that tells how the controllers are, by cluster."""

    def __init__(self, file: Path | None) -> None:
        self._file, self._lock = file, threading.Lock()
        self._told: dict[str, Body] = {}

    def tell(self, cluster: str, synced: bool, problems: Sequence[str]) -> None:
        """Write it if something is another."""
        with self._lock:
            told = {"synced": synced, "problems": list(problems)}
            before = self._told.get(cluster)
            if before == told:
                return
            for problem in problems:
                if not before or problem not in before["problems"]:
                    _LOG.warning("%s: %s", cluster, problem)
            self._told[cluster] = told
            if self._file:
                text = json.dumps({"clusters": self._told}, indent=2, sort_keys=True)
                write_whole(self._file, text + "\n")


class Worker:
    """One cluster's controllers and what they watch."""

    def __init__(self, cluster: Cluster, kubeconfig: Path, mirror: Mirror, network: str) -> None:
        self.cluster, self.mirror, self.network = cluster, mirror, network
        self.kubeconfig = kubeconfig
        self.wake = threading.Event()
        self.watches = {
            name: kube.Watch(kind, self._connect, self.wake.set)
            for name, kind in kube.KINDS.items()
        }
        self._controllers: Controllers | None = None

    def run(self, status: Status, stop: threading.Event) -> None:
        """Make it so at every news, and every RESYNC seconds, until told to stop."""
        for watch in self.watches.values():
            watch.start(stop)
        problems: list[str] = []
        while True:
            self.wake.wait(AGAIN if problems else RESYNC)
            self.wake.clear()
            if stop.is_set():
                return
            try:
                problems = self.step()
            except (LabError, OSError) as error:
                problems = [str(error)]
            unseen = [watch.problem for watch in self.watches.values() if watch.problem]
            status.tell(self.cluster.name, self.synced, [*problems, *unseen])

    @property
    def synced(self) -> bool:
        """Whether everything has been seen that the cluster serves."""
        return all(
            watch.objects is not None or kind == "gcpfirewalls"
            for kind, watch in self.watches.items()
        )

    def step(self) -> list[str]:
        """Make it so once, with the cloud's newest state; what could not be done."""
        self.mirror.refresh()
        state = self.mirror.state
        assert state is not None
        namespaces = self.watches["kube-system"].snapshot() or []
        seen = Seen(
            nodes=self.watches["nodes"].snapshot(),
            services=self.watches["services"].snapshot(),
            gcpfirewalls=self.watches["gcpfirewalls"].snapshot(),
            kube_system_uid=namespaces[0]["metadata"]["uid"] if namespaces else "",
        )
        return self._of(state).step(seen, state)

    def _of(self, state: State) -> Controllers:
        if self._controllers is None or self._controllers.cloud.project != state.project:
            cloud = Cloud(self.mirror.endpoint, state.project)
            self._controllers = Controllers(self.cluster, cloud, self.network, self._write_status)
        return self._controllers

    def _write_status(self, name: str, status: Body) -> None:
        kube.write_status(self._connect, name, status)

    def _connect(self) -> Any:
        return kube.connect(self.kubeconfig, self.cluster.context)


def main(words: Sequence[str]) -> int:
    """Control until SIGTERM."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells of every request
    stop, status = threading.Event(), Status(told.status)
    try:
        clusters = [Cluster.parse(text) for text in told.cluster]
    except LabError as error:
        sys.stderr.write(f"gkelab.cloud.controllers: {error}\n")
        return 1
    workers = [Worker(c, told.kubeconfig, Mirror(told.cloud), told.network) for c in clusters]

    def wake() -> None:
        for worker in workers:
            worker.wake.set()

    def end(*_: object) -> None:
        stop.set()
        wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    follow(Mirror(told.cloud), wake, stop)
    threads = [threading.Thread(target=worker.run, args=(status, stop)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gkelab.cloud.controllers", description=__doc__)
    parser.add_argument("--cloud", required=True, metavar="URL", help="the Compute API's endpoint")
    parser.add_argument("--kubeconfig", required=True, type=Path, help="the lab's")
    parser.add_argument(
        "--cluster",
        required=True,
        action="append",
        metavar="NAME=CONTEXT=TAG=RANGE",
        help="a cluster, its context, its nodes' network tag, and its pods' secondary range; may be"
        " repeated",
    )
    parser.add_argument("--network", default="default", help="the clusters' VPC network")
    parser.add_argument("--status", type=Path, help="a JSON file to tell in how it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""The VPC's resolver: what it is told, and that it is kept running."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gkelab.cloud.router.names import Names, command, hosts
from tests.unit.cloud.router import states
from tests.unit.cloud.router.states import NODES


@dataclass
class Dnsmasq:
    """A process that remembers its signals; `status` is None while it runs."""

    status: int | None = None
    signals: list[int] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.status

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


@dataclass
class Starts:
    """Starts them, or fails; all that were started."""

    words: list[list[str]] = field(default_factory=list)
    made: list[Dnsmasq] = field(default_factory=list)
    refused: str = ""

    def __call__(self, words: Sequence[str]) -> Dnsmasq:
        if self.refused:
            raise FileNotFoundError(self.refused)
        self.words.append(list(words))
        self.made.append(Dnsmasq())
        return self.made[-1]


def test_instances_have_computes_zonal_names() -> None:
    assert hosts(states.fabric(NODES), "p").splitlines() == [
        "10.128.0.2 n1.us-central1-b.c.p.internal",
        "10.128.0.3 n2.us-central1-b.c.p.internal",
        "10.132.0.2 vm.europe-west1-b.c.p.internal",
    ]


def test_it_reads_anew_what_changed(tmp_path: Path) -> None:
    starts, file = Starts(), tmp_path / "names"
    names = Names(file, "p", starts)
    names.know(states.fabric(NODES))
    names.know(states.fabric(NODES))
    assert starts.words == [command(file)]
    (process,) = starts.made
    assert process.signals == []
    names.know(states.fabric(NODES[:1]))
    assert process.signals == [signal.SIGHUP]
    assert file.read_text() == "10.128.0.2 n1.us-central1-b.c.p.internal\n"
    assert names.problems == []


def test_one_that_ended_is_told_and_started_again(tmp_path: Path) -> None:
    starts = Starts()
    names = Names(tmp_path / "names", "p", starts)
    names.know(states.fabric(NODES))
    starts.made[0].status = 2
    names.check()
    assert names.problems == ["the resolver ended with exit status 2"]
    assert len(starts.made) == 2
    names.check()
    assert names.problems == []


def test_one_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    starts = Starts(refused="no dnsmasq")
    names = Names(tmp_path / "names", "p", starts)
    names.know(states.fabric(NODES))
    assert names.problems == ["the resolver cannot be started: no dnsmasq"]
    starts.refused = ""
    names.check()
    assert (names.problems, len(starts.made)) == ([], 1)

"""Talking to commands of this machine, and a prober that stays."""

import sys
from collections.abc import Iterator

import pytest

from gkelab.shell import run
from tests.support.dialog import Dialog, DialogError
from tests.support.outcomes import Outcome
from tests.support.places import HostPlace
from tests.support.prober import Prober
from tests.support.probes import Probe
from tests.unit.support.servers import HERE, Ports, running

PLACE = HostPlace(run)
ECHO = ["sh", "-c", 'while read -r line; do echo "heard $line"; done']


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with running() as found:
        yield found


def test_a_line_for_a_line() -> None:
    with Dialog(PLACE, ECHO) as dialog:
        assert [dialog.ask(word, 5) for word in ("one", "two")] == ["heard one", "heard two"]


def test_one_that_ends_says_why() -> None:
    with Dialog(PLACE, ["sh", "-c", "read -r _; echo first; echo broken >&2; exit 3"]) as dialog:
        assert dialog.ask("x", 5) == "first"
        for _ in range(2):
            with pytest.raises(DialogError, match=r"the host .*broken"):
                dialog.ask("x", 5)


def test_one_that_is_late_and_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    dialog = Dialog(PLACE, ["sleep", "60"])
    with pytest.raises(DialogError, match=r"did not answer within 0\.1 s"):
        dialog.ask("x", 0.1)
    monkeypatch.setattr(dialog._process, "wait", _late_once(dialog))
    dialog.close()
    assert dialog._process.returncode is not None


def _late_once(dialog: Dialog) -> object:
    """The real wait, with a time limit that the test need not sit through."""
    real = dialog._process.wait
    return lambda timeout=None: real(None if timeout is None else 0.05)


def test_a_missing_tool_is_an_error() -> None:
    with pytest.raises(DialogError, match="nothing runs in the host"):
        Dialog(PLACE, ["/no/such/program"])


def test_after_its_end_it_says_nothing() -> None:
    dialog = Dialog(PLACE, ECHO)
    dialog.close()
    dialog.close()
    with pytest.raises(DialogError, match="does not listen"):
        dialog.ask("x", 1)


def test_a_prober_stays(ports: Ports) -> None:
    with Prober(PLACE) as prober:
        assert prober.many([]) == []
        assert prober._dialog is None
        first = prober.one(Probe("tcp", HERE, ports.tcp))
        process = prober._dialog
        more = prober.many(
            [
                Probe("http", HERE, ports.http),
                Probe("tcp", HERE, ports.closed),
                Probe("tcp", HERE, ports.silent, timeout=0.2),
                Probe("udp", HERE, ports.udp),
            ]
        )
        assert prober._dialog is process
    wanted = [Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.OK]
    assert [answer.outcome for answer in more] == wanted
    assert (first.outcome, first.saw) == (Outcome.OK, HERE)


def test_a_prober_that_broke_starts_again(ports: Ports) -> None:
    with Prober(PLACE) as prober:
        assert prober.one(Probe("tcp", HERE, ports.tcp)).outcome is Outcome.OK
        assert prober._dialog is not None
        prober._dialog._process.kill()
        prober._dialog._process.wait()
        lost = prober.many([Probe("tcp", HERE, ports.tcp)] * 2)
        assert [answer.outcome for answer in lost] == [Outcome.PROBE_BROKEN] * 2
        assert prober.one(Probe("tcp", HERE, ports.tcp)).outcome is Outcome.OK


def test_a_prober_without_a_verdict_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(HostPlace):
        def command(self, argv: object, *, stdin: bool = False) -> list[str]:
            return [sys.executable, "-c", "input(); print('no verdict')"]

    answer = Prober(Elsewhere(run)).one(Probe("tcp", HERE, 1))
    assert answer.outcome is Outcome.PROBE_BROKEN
    assert "no verdict from the host: no verdict" in answer.detail

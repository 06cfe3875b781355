"""Changes are there for the block alone, and what a tool refuses is an error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from gkelab.shell import CommandError
from tests.support.changes import address, iptables_rule, link, nft_rule, route
from tests.support.places import HostPlace, Place
from tests.support.recorder import Recorder
from tests.support.running import run_of

Change = tuple[Callable[[Place], AbstractContextManager[None]], list[str], list[str]]

CHANGES: list[Change] = [
    (
        lambda place: route(place, "unreachable", "10.0.0.5/32"),
        ["ip", "route", "replace", "unreachable", "10.0.0.5/32"],
        ["ip", "route", "delete", "unreachable", "10.0.0.5/32"],
    ),
    (
        lambda place: address(place, "203.0.113.62/32"),
        ["ip", "address", "replace", "203.0.113.62/32", "dev", "eth0"],
        ["ip", "address", "delete", "203.0.113.62/32", "dev", "eth0"],
    ),
    (
        lambda place: link(place, "t-0", "type", "vxlan", "id", "7"),
        ["ip", "link", "add", "dev", "t-0", "up", "type", "vxlan", "id", "7"],
        ["ip", "link", "delete", "t-0"],
    ),
    (
        lambda place: iptables_rule(place, "FORWARD", "--destination", "10.0.0.5"),
        ["iptables", "--wait", "--append", "FORWARD", "--destination", "10.0.0.5"],
        ["iptables", "--wait", "--delete", "FORWARD", "--destination", "10.0.0.5"],
    ),
    (
        lambda place: nft_rule(place, "t-x", "ip daddr 10.0.0.5 counter"),
        [
            "nft",
            "add table ip t-x; add chain ip t-x unused; "
            "add rule ip t-x unused ip daddr 10.0.0.5 counter",
        ],
        ["nft", "delete table ip t-x"],
    ),
]


# The same, in a run of `invoke test`.
MARKED: list[Change] = [
    (
        CHANGES[0][0],
        ["ip", "route", "replace", "unreachable", "10.0.0.5/32", "proto", "114"],
        ["ip", "route", "delete", "unreachable", "10.0.0.5/32", "proto", "114"],
    ),
    (
        CHANGES[1][0],
        ["ip", "address", "replace", "203.0.113.62/32", "dev", "eth0", "label", "eth0:t"],
        ["ip", "address", "delete", "203.0.113.62/32", "dev", "eth0", "label", "eth0:t"],
    ),
    (
        CHANGES[2][0],
        ["ip", "link", "add", "dev", "t-0", "up", "group", "114", "type", "vxlan", "id", "7"],
        ["ip", "link", "delete", "t-0"],
    ),
]


@pytest.mark.parametrize(("change", "there", "back"), MARKED)
def test_what_a_run_changes_carries_its_mark(
    change: Callable[[Place], AbstractContextManager[None]], there: list[str], back: list[str]
) -> None:
    run = Recorder()
    run.handle(there)
    run.handle(back)
    with run_of("r1"), change(HostPlace(run)):
        assert run.argvs == [there]
    assert run.argvs == [there, back]


@pytest.mark.parametrize(("change", "there", "back"), CHANGES)
def test_undone_also_when_the_block_fails(
    change: Callable[[Place], AbstractContextManager[None]], there: list[str], back: list[str]
) -> None:
    run = Recorder()
    run.handle(there)
    run.handle(back)
    with pytest.raises(RuntimeError), change(HostPlace(run)):
        assert run.argvs == [there]
        raise RuntimeError
    assert run.argvs == [there, back]


@pytest.mark.parametrize(("change", "there", "back"), CHANGES)
def test_what_is_refused_is_an_error(
    change: Callable[[Place], AbstractContextManager[None]], there: list[str], back: list[str]
) -> None:
    run = Recorder()
    run.handle(there, code=2, stderr="RTNETLINK answers: Operation not permitted\n")
    with pytest.raises(CommandError, match="Operation not permitted"), change(HostPlace(run)):
        pytest.fail("the block ran without the change")
    assert run.argvs == [there]

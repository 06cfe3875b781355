"""Changes to the addresses, routes and rules of a place, undone after the block.

Only for what is the test's own: a place inside its own pod, or a single address on a node or on
the client outside, where other tests go by. What a run of `invoke test` changes carries a mark, by
which the next one finds what a killed one has left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gkelab.shell import CommandError
from gkelab.tools.marked import MARK, label_words
from tests.support.places import Place
from tests.support.running import running


@contextmanager
def route(place: Place, *words: str) -> Iterator[None]:
    """Inside the block the place has a route of these words ("unreachable", "10.0.0.5/32").
    Raises CommandError where `ip` refuses, also when the route is not there any more."""
    words = (*words, *_marked("proto", MARK))
    with _changed(place, ["ip", "route", "replace", *words], ["ip", "route", "delete", *words]):
        yield


@contextmanager
def address(place: Place, cidr: str, device: str = "eth0") -> Iterator[None]:
    """Inside the block the place has this address, too. Raises CommandError where `ip` refuses."""
    words = [cidr, "dev", device, *_marked(*label_words(device))]
    with _changed(place, ["ip", "address", "replace", *words], ["ip", "address", "delete", *words]):
        yield


@contextmanager
def link(place: Place, name: str, *words: str) -> Iterator[None]:
    """Inside the block the place has this interface, up. Raises CommandError where `ip` refuses."""
    add = ["ip", "link", "add", "dev", name, "up", *_marked("group", MARK), *words]
    with _changed(place, add, ["ip", "link", "delete", name]):
        yield


@contextmanager
def iptables_rule(place: Place, *words: str) -> Iterator[None]:
    """Inside the block the place has this rule of iptables ("FORWARD", "--destination", "10.0.0.5")
    behind its others; without a target it does nothing to a packet. Raises CommandError where
    `iptables` refuses."""
    iptables = ["iptables", "--wait"]
    with _changed(place, [*iptables, "--append", *words], [*iptables, "--delete", *words]):
        yield


@contextmanager
def nft_rule(place: Place, table: str, rule: str) -> Iterator[None]:
    """Inside the block the place has a table of nftables of that name with this rule ("ip daddr
    10.0.0.5 counter"), in a chain that no packet goes through. Raises CommandError where `nft`
    refuses."""
    chain = f"{table} unused"
    add = f"add table ip {table}; add chain ip {chain}; add rule ip {chain} {rule}"
    with _changed(place, ["nft", add], ["nft", f"delete table ip {table}"]):
        yield


def _marked(*words: str) -> Sequence[str]:
    """The words that mark a change, in a run; what pytest by hand makes is of none."""
    now = running()
    return words if now and now.run else ()


@contextmanager
def _changed(place: Place, there: list[str], back: list[str]) -> Iterator[None]:
    _run(place, there)
    try:
        yield
    finally:
        _run(place, back)


def _run(place: Place, argv: list[str]) -> None:
    done = place.exec(argv)
    if done.code:
        raise CommandError(done)

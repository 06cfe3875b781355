"""The host's rules that leave a lab's packets alone: those that should be, and no others."""

from __future__ import annotations

from ipaddress import IPv4Network

from gkelab.tools.iptables import Iptables
from tests.support.recorder import Recorder

SHOW = ["iptables", "-t", "raw", "-S", "PREROUTING"]
EUROPE = IPv4Network("10.132.0.0/20")


def rule(lab: str, bridge: str) -> str:
    said = f"-m comment --comment gkelab.{lab} -j CT --notrack"
    return f"-s 10.132.0.0/20 -i {bridge} {said}"


def shown(*rules: str) -> str:
    return "".join(
        f"{line}\n" for line in ("-P PREROUTING ACCEPT", *(f"-A PREROUTING {r}" for r in rules))
    )


def change(verb: str, words: str) -> list[str]:
    return ["iptables", "-t", "raw", verb, "PREROUTING", *words.split()]


def test_what_is_missing_is_added_and_what_is_of_an_older_bridge_goes() -> None:
    run = Recorder()
    run.handle(SHOW, shown(rule("lab", "br-old"), rule("other", "br-old"), "-i lo -j ACCEPT"))
    run.handle(change("-D", rule("lab", "br-old")))
    run.handle(change("-A", rule("lab", "br-new")))
    assert Iptables(run).leave_alone("lab", [("br-new", EUROPE)]) == 2
    assert len(run.argvs) == 3


def test_what_is_there_stays() -> None:
    run = Recorder()
    run.handle(SHOW, shown(rule("lab", "br-new")))
    assert Iptables(run).leave_alone("lab", [("br-new", EUROPE)]) == 0


def test_without_the_table_there_is_nothing_to_remove() -> None:
    run = Recorder()
    run.handle(SHOW, code=3, stderr="can't initialize iptables table `raw'")
    assert Iptables(run).leave_alone("lab", ()) == 0

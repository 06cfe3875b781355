"""The host's rules that leave a lab's packets alone: those that should be, and no others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from ipaddress import IPv4Network

import pytest

from gkelab.shell import CommandError
from gkelab.supply.pins import ROOT
from gkelab.tools.iptables import Iptables
from tests.support.recorder import Recorder
from tests.unit.namespaces import needs_namespace

SHOW = ["iptables", "-t", "raw", "-S"]
US, EUROPE = IPv4Network("10.128.0.0/20"), IPv4Network("10.132.0.0/20")
OTHERS = "-i lo -j ACCEPT"


def jump(lab: str) -> str:
    return f"-m comment --comment gkelab.{lab} -j gkelab-{lab}"


def own(bridge: str) -> str:
    return f"-s 10.132.0.0/20 -i {bridge} -j RETURN"


NOTRACK = "-s 10.132.0.0/20 -i br-+ -j CT --notrack"


def shown(entries: list[str], **chains: list[str]) -> str:
    """What `iptables -S` shows of the table; chains by lab."""
    lines = ["-P PREROUTING ACCEPT", "-P OUTPUT ACCEPT"]
    lines += [f"-N gkelab-{lab}" for lab in chains]
    lines += [f"-A PREROUTING {words}" for words in entries]
    lines += [f"-A gkelab-{lab} {words}" for lab, rules in chains.items() for words in rules]
    return "".join(f"{line}\n" for line in lines)


def raw(words: str) -> list[str]:
    return ["iptables", "-t", "raw", *words.split()]


def leaves_alone(there: str, networks: list[tuple[str, IPv4Network]], *expected: str) -> bool:
    """Whether it changed anything, which must be just this."""
    run = Recorder()
    run.handle(SHOW, there)
    for words in expected:
        run.handle(raw(words))
    changed = Iptables(run).leave_alone("lab", networks)
    assert run.argvs[1:] == [raw(words) for words in expected]
    return changed


def test_what_comes_by_another_bridge_than_its_own_is_not_tracked() -> None:
    assert leaves_alone(
        shown([OTHERS]),
        [("br-us", US), ("br-eu", EUROPE)],
        "-N gkelab-lab",
        f"-A gkelab-lab {own('br-eu')}",
        f"-A gkelab-lab {NOTRACK}",
        "-A gkelab-lab -s 10.128.0.0/20 -i br-us -j RETURN",
        "-A gkelab-lab -s 10.128.0.0/20 -i br-+ -j CT --notrack",
        f"-A PREROUTING {jump('lab')}",
    )


def test_what_is_there_stays() -> None:
    there = shown([OTHERS, jump("lab")], lab=[own("br-new"), NOTRACK])
    assert not leaves_alone(there, [("br-new", EUROPE)])


def test_what_is_of_an_older_bridge_goes_and_other_labs_stay() -> None:
    there = shown([jump("other"), jump("lab")], other=[own("br-x")], lab=[own("br-old"), NOTRACK])
    assert leaves_alone(
        there,
        [("br-new", EUROPE)],
        f"-D PREROUTING {jump('lab')}",
        "-F gkelab-lab",
        f"-A gkelab-lab {own('br-new')}",
        f"-A gkelab-lab {NOTRACK}",
        f"-A PREROUTING {jump('lab')}",
    )


def test_rules_of_an_older_version_go() -> None:
    old = "-s 10.132.0.0/20 -i br-us -m comment --comment gkelab.lab -j CT --notrack"
    assert leaves_alone(shown([old, OTHERS]), [], f"-D PREROUTING {old}")


def test_a_lab_that_goes_leaves_nothing() -> None:
    there = shown([jump("lab"), OTHERS], lab=[own("br-new"), NOTRACK])
    assert leaves_alone(there, [], f"-D PREROUTING {jump('lab')}", "-F gkelab-lab", "-X gkelab-lab")


def test_without_the_table_there_is_nothing_to_remove() -> None:
    run = Recorder()
    run.handle(SHOW, code=3, stderr="can't initialize iptables table `raw'")
    assert not Iptables(run).leave_alone("lab", ())
    run.handle(raw("-N gkelab-lab"), code=3, stderr="can't initialize iptables table `raw'")
    with pytest.raises(CommandError, match="can't initialize"):
        Iptables(run).leave_alone("lab", [("br-new", EUROPE)])


IN_A_NAMESPACE = """
from ipaddress import IPv4Network as Net
from gkelab.shell import run
from gkelab.tools.iptables import Iptables
it, lab = Iptables(run), "a-name-of-20-letters"
both = [("br-us", Net("10.128.0.0/20")), ("br-eu", Net("10.132.0.0/20"))]
before = run(["iptables", "-t", "raw", "-S"]).stdout
said = [it.leave_alone(lab, both), it.leave_alone(lab, both), it.leave_alone(lab, both[:1])]
assert run(["iptables", "-t", "raw", "-S"]).stdout.count("br-eu") == 0
said += [it.leave_alone(lab, both[:1]), it.leave_alone(lab, ()), it.leave_alone(lab, ())]
assert run(["iptables", "-t", "raw", "-S"]).stdout == before
assert said == [True, False, True, False, True, False], said
"""
SHOWN = ["unshare", "--net", "iptables", "-t", "raw", "-S"]


@needs_namespace
def test_the_kernel_shows_the_rules_as_they_were_said() -> None:
    if not shutil.which("iptables") or subprocess.run(SHOWN, check=False).returncode:
        pytest.skip("needs iptables with its raw table")
    argv = ["unshare", "--net", sys.executable, "-c", IN_A_NAMESPACE]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr

"""Addresses and routes of a machine: the words, and what they do in a network namespace."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Network

from gkelab.cloud.machines.network import (
    QUESTIONS,
    Network,
    commands,
    local_commands,
    parse,
    wanted_network,
)
from gkelab.cloud.machines.wanted import Machine, wanted
from tests.unit.cloud.machines.fakes import LAB, NETWORKS, instance, interface, state
from tests.unit.namespaces import needs_namespace


def machine(*aliases: str) -> Machine:
    made = wanted(state(instance("web", aliases=aliases)), LAB, NETWORKS)
    return made.machines["lab-vm-web"]


PODS = IPv4Network("10.4.0.0/20")
FRESH = """\
link set dev eth0 address 42:01:0a:80:00:05
address add 10.128.0.5/32 dev eth0
route replace 10.128.0.1 dev eth0 scope link
route replace unreachable 10.4.0.0/20 metric 4000000000
route replace 10.4.0.0/20 via 10.128.0.1 dev eth0
route replace default via 10.128.0.1 dev eth0
route replace local 10.4.1.0/24 dev lo proto 66
address delete 10.128.0.5/20 dev eth0
"""


def test_a_fresh_container_becomes_a_vm_of_gce() -> None:
    seen = parse(interface("10.128.0.5/20"))
    assert commands(seen, wanted_network(machine("10.4.1.0/24"), [PODS])) == FRESH


def test_alias_ranges_come_and_go() -> None:
    old, new = [IPv4Network("10.4.1.0/24")], [IPv4Network("10.4.2.0/24"), *[PODS]]
    assert local_commands(old, new) == [
        "route delete local 10.4.1.0/24 dev lo proto 66",
        "route replace local 10.4.0.0/20 dev lo proto 66",
        "route replace local 10.4.2.0/24 dev lo proto 66",
    ]
    assert local_commands(new, new) == []


def test_what_a_person_added_stays() -> None:
    want = wanted_network(machine(), [])
    seen = Network(
        want.mac,
        want.addresses | {"10.9.9.9/32"},
        want.routes | {"10.8.0.0/16 via 10.128.0.7 dev eth0"},
        want.local,
    )
    assert commands(seen, want) == ""


IN_A_NAMESPACE = """
set -e
ip link set lo up
ip link add eth0 type veth peer name other
ip link set eth0 up
ip link set other up
ip address add 10.128.0.5/20 dev eth0
ip route add default via 10.128.15.254
"""


@needs_namespace
def test_the_words_do_what_they_say_and_once_is_enough() -> None:
    want = wanted_network(machine("10.4.1.0/24", "10.128.3.4/32"), [PODS])
    fresh = commands(parse(interface("10.128.0.5/20")), want)
    steps = (("-batch -", fresh), ("-json -4 -batch -", QUESTIONS), ("route get", ""))
    script = IN_A_NAMESPACE + "".join(
        f"ip {words} <<'EOF'\n{text}EOF\n" for words, text in steps[:2]
    )
    script += "ip -4 route get 10.4.1.200 >&2; ip -4 route get 10.128.3.4 >&2\n"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert parse(done.stdout) == want
    assert commands(parse(done.stdout), want) == ""
    # Every address of an alias range is the machine's own.
    assert [line.split()[0] for line in done.stderr.splitlines() if "dev lo" in line] == [
        "local",
        "local",
    ]

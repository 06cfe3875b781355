"""Wires between machines' ports and the router's: by the agent against a docker that behaves, and
in the kernel, with frames.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gkelab.cloud.machines.links import macs_of
from gkelab.cloud.machines.wanted import Wanted
from gkelab.cloud.machines.wires import End, Wires
from gkelab.shell import CommandError, Result, run
from gkelab.tools.nft import Nft
from tests.unit.cloud.machines.fakes import FakeDocker, agent, instance, state
from tests.unit.cloud.router.wires import missing as no_wires

NODE = {"gkelab.lab": "lab", "gkelab.role": "node"}
ROUTER = {"gkelab.lab": "lab", "gkelab.role": "router"}
OF_NODE = {"goog-gke-node": ""}
WEB = "lab-vm-web"
US = End("br-us", "r0", 10, "02:42:00:00:00:01")
EU = End("br-eu", "r1", 11, "02:42:00:00:00:02")
A = End("br-us", "a0", 12, "42:01:0a:80:00:02")
B = End("br-us", "b0", 13, "42:01:0a:80:00:03")
FAR = End("br-eu", "c0", 14, "42:01:0a:84:00:02")


class Kernel:
    """A Runner that is `nft`, and takes what it is given but for chains it is told to refuse."""

    def __init__(self) -> None:
        self.tables: list[str] = []
        self.refuses = ""

    def __call__(self, argv: Sequence[str], *, input: str = "", **_: object) -> Result:
        assert argv == ["nft", "-f", "-"]
        if self.refuses and "chain" in input:
            raise CommandError(Result(tuple(argv), 1, "", f"{self.refuses}\nmore"))
        self.tables.append(input)
        return Result(tuple(argv), 0, "", "")


GONE = "add table netdev gkelab-x\ndelete table netdev gkelab-x\n"


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def wires(kernel: Kernel) -> Wires:
    return Wires("x", Nft(kernel))  # type: ignore[arg-type]


# --- the table


def test_each_machine_is_joined_to_the_router_of_its_bridge(wires: Wires, kernel: Kernel) -> None:
    assert wires.hold([US, EU], [A, B, FAR]) == ""
    (text,) = kernel.tables
    assert text.startswith(f"{GONE}table netdev gkelab-x {{\nchain ")
    assert 'devices = { "a0", "b0" }' in text
    assert f'ether type ip ether daddr {US.mac} fwd to "r0"' in text
    for end in (A, B, FAR):
        assert f'ether type ip ether daddr {end.mac} fwd to "{end.port}"' in text
    assert 'devices = { "c0" }' in text


def test_only_what_changes_is_loaded(wires: Wires, kernel: Kernel) -> None:
    wires.hold([US], [A])
    wires.hold([US], [A])
    assert len(kernel.tables) == 1
    wires.hold([US], [A, B])
    assert len(kernel.tables) == 2
    # A port of the same name is another, if its number is.
    wires.hold([US], [A, End(B.bridge, B.port, 99, B.mac)])
    assert len(kernel.tables) == 3
    wires.forget()
    wires.hold([US], [A, End(B.bridge, B.port, 99, B.mac)])
    assert kernel.tables[3] == kernel.tables[2]


def test_without_a_router_or_machines_there_is_no_table(wires: Wires, kernel: Kernel) -> None:
    assert wires.hold([], [A]) == ""
    assert wires.hold([EU], [A]) == ""
    wires.hold([US], [A])
    wires.hold([US], [])
    assert [text == GONE for text in kernel.tables] == [True, True, False, True]
    wires.hold([US], [A])
    wires.clear()
    assert kernel.tables[-1] == GONE


def test_what_the_kernel_refuses_leaves_no_wire_and_is_tried_again(
    wires: Wires, kernel: Kernel
) -> None:
    wires.hold([US], [A])
    kernel.refuses = "Error: No such device"
    assert wires.hold([US], [A, B]) == "Error: No such device"
    assert kernel.tables[1:] == [GONE]
    kernel.refuses = ""
    assert wires.hold([US], [A, B]) == ""
    assert f'"{B.port}"' in kernel.tables[2]


# --- by the agent


def asked(docker: FakeDocker) -> int:
    """How often the router was asked for its interfaces."""
    return len([call for call in docker.calls if call[3:4] == ["sh"]])


def test_the_agent_joins_nodes_and_vms() -> None:
    docker = FakeDocker()
    docker.add("small-worker", NODE, address="10.128.0.3/20")
    docker.add("lab-router", ROUTER, address="10.128.0.1/20")
    it = agent(docker)
    wants = state(instance("small-worker", "10.128.0.3", labels=OF_NODE), instance("web"))
    it.step(wants)
    ports = {name: f"veth{int(c['Id'])}" for name, c in docker.containers.items()}
    router = ports["lab-router"]
    assert it.status.told["wired"] == {"small-worker": router, WEB: router}
    assert it.status.told["bridged"] == []
    (text,) = docker.tables
    assert f'42:01:0a:80:00:03 fwd to "{ports["small-worker"]}"' in text
    assert f'42:01:0a:80:00:05 fwd to "{ports[WEB]}"' in text
    it.step(wants)
    assert (asked(docker), len(docker.tables)) == (1, 1)
    it.step(wants, thorough=True)
    assert (asked(docker), len(docker.tables)) == (2, 2)
    it.close()
    assert docker.tables[-1] == GONE.replace("-x", "-lab")


def test_a_router_that_is_started_anew_has_other_ends() -> None:
    docker = FakeDocker()
    docker.add("lab-router", ROUTER)
    it = agent(docker)
    it.step(state(instance("web")))
    del docker.containers["lab-router"]
    it.step(state(instance("web")))
    assert docker.tables[1:] == [GONE.replace("-x", "-lab")]
    assert it.status.told["wired"] == {}
    again = docker.add("lab-router", ROUTER)
    it.step(state(instance("web")))
    assert f'fwd to "veth{int(again["Id"])}"' in docker.tables[2]


def test_a_kernel_without_is_told_of_and_the_rest_goes_on() -> None:
    docker = FakeDocker(refuses={("nft",): "Error: Operation not supported"})
    docker.add("lab-router", ROUTER)
    it = agent(docker)
    it.step(state(instance("web")))
    told = it.status.told
    assert told["isolated"].keys() == {WEB}
    assert (told["wired"], told["problems"]) == ({}, [])
    (said,) = told["bridged"]
    assert said.endswith("there are no wires: Error: Operation not supported")


def test_an_open_port_has_a_wire_too() -> None:
    """What is not for the router crosses the bridge anyway."""
    docker = FakeDocker()
    docker.add("small-worker", NODE)
    docker.add("lab-router", ROUTER)
    switch = {"items": [{"key": "gkelab-direct", "value": "true"}]}
    it = agent(docker)
    it.step(state(instance("small-worker", labels=OF_NODE, metadata=switch)))
    told = it.status.told
    assert (told["isolated"], told["wired"].keys()) == ({}, {"small-worker"})


def test_nothing_is_known_without_a_state() -> None:
    assert macs_of(None, Wanted({}, ())) == {}


# --- in the kernel


def have(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


_ASK = """
import socket
try:
    socket.create_connection(("10.77.0.1", 9), 5)
except ConnectionRefusedError:
    pass
"""


@pytest.fixture
def host() -> Iterator[str]:
    """A namespace with a bridge, and a machine and a router behind it in their own."""
    lacking = no_wires()
    if lacking:
        pytest.skip(lacking)
    names = {who: f"gkelab-{os.getpid()}-{who}" for who in ("host", "a", "r")}
    try:
        for name in names.values():
            have("ip", "netns", "add", name)
        ip = ("ip", "-netns", names["host"])
        have(*ip, "link", "add", "br0", "type", "bridge")
        have(*ip, "link", "set", "br0", "up")
        for who, mac, address in (
            ("a", "42:01:0a:4d:00:02", "10.77.0.2/24"),
            ("r", "02:42:00:00:00:01", "10.77.0.1/24"),
        ):
            peer = ("peer", "name", "eth0", "address", mac, "netns", names[who])
            have(*ip, "link", "add", f"{who}0", "type", "veth", *peer)
            have(*ip, "link", "set", f"{who}0", "master", "br0", "up")
            have("ip", "-netns", names[who], "address", "add", address, "dev", "eth0")
            have("ip", "-netns", names[who], "link", "set", "eth0", "up")
        yield names["host"]
    finally:
        for name in names.values():
            have("ip", "netns", "delete", name, check=False)


def over_the_bridge(host: str) -> bool:
    """Whether a packet there and its answer meet the bridge's own rules, which count them."""
    inside = ("ip", "netns", "exec", host)
    rules = "type filter hook prerouting priority 0; ether type ip counter name c;"
    have(*inside, "nft", f"table bridge seen {{ counter c {{ }}; chain p {{ {rules} }}; }}")
    asking = f"{host.removesuffix('host')}a"
    have("ip", "netns", "exec", asking, sys.executable, "-c", _ASK)
    said = have(*inside, "nft", "list", "counter", "bridge", "seen", "c")
    have(*inside, "nft", "delete", "table", "bridge", "seen")
    return "packets 0 " not in said


def test_packets_go_past_the_bridge(host: str) -> None:
    """As long as there are wires; and what is not for the router goes over it."""

    def inside(argv: Sequence[str], **more: Any) -> Result:
        return run(["ip", "netns", "exec", host, *argv], **more)

    def end(port: str, mac: str) -> End:
        path = f"/sys/class/net/{port}/ifindex"
        return End("br0", port, int(inside(["cat", path]).stdout), mac)

    wires = Wires("t", Nft(inside))
    assert over_the_bridge(host)
    refused = wires.hold([end("r0", "02:42:00:00:00:01")], [end("a0", "42:01:0a:4d:00:02")])
    if "not supported" in refused or "No such file" in refused:
        pytest.skip(f"this kernel hands nothing on at ingress: {refused}")
    assert refused == ""
    assert not over_the_bridge(host)
    wires.clear()
    assert over_the_bridge(host)

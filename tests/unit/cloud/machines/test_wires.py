"""Wires between machines' ports and the router's: by the agent against a docker that behaves, and
in the kernel, with frames.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gkelab.cloud.machines.links import macs_of
from gkelab.cloud.machines.nftables import LIBRARY
from gkelab.cloud.machines.wanted import Wanted
from gkelab.cloud.machines.wires import End, Wires
from tests.unit.cloud.machines.fakes import FakeDocker, agent, instance, state
from tests.unit.cloud.router.wires import missing as no_wires

ROOT = Path(__file__).parents[4]
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
    """Takes what is loaded, but what it is told to refuse."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.refuses = ""

    def __call__(self, text: str) -> str:
        if self.refuses and "chain" in text:
            return self.refuses
        self.loaded.append(text)
        return ""


# --- the table


def test_each_machine_is_joined_to_the_router_of_its_bridge() -> None:
    kernel = Kernel()
    wires = Wires("x", kernel)
    assert wires.hold([US, EU], [A, B, FAR]) == ""
    (text,) = kernel.loaded
    assert text.startswith("table netdev gkelab-x {\nflags owner\n")
    assert 'devices = { "a0", "b0" }' in text
    assert f'ether type ip ether daddr {US.mac} fwd to "r0"' in text
    assert f'fwd to ether daddr map {{ {A.mac} : "a0", {B.mac} : "b0" }}' in text
    assert 'devices = { "c0" }' in text
    assert f'fwd to ether daddr map {{ {FAR.mac} : "c0" }}' in text


def test_only_what_changes_is_loaded() -> None:
    kernel = Kernel()
    wires = Wires("x", kernel)
    wires.hold([US], [A])
    wires.hold([US], [A])
    assert len(kernel.loaded) == 1
    wires.hold([US], [A, B])
    assert kernel.loaded[1].startswith("delete table netdev gkelab-x\ntable netdev gkelab-x {")
    # A port of the same name is another, if its number is.
    wires.hold([US], [A, End(B.bridge, B.port, 99, B.mac)])
    assert len(kernel.loaded) == 3


def test_without_a_router_or_machines_there_is_no_table() -> None:
    kernel = Kernel()
    wires = Wires("x", kernel)
    assert wires.hold([], [A]) == ""
    assert wires.hold([EU], [A]) == ""
    assert kernel.loaded == []
    wires.hold([US], [A])
    wires.hold([US], [])
    assert kernel.loaded[1:] == ["delete table netdev gkelab-x\n"]


def test_what_the_kernel_refuses_leaves_no_wire_and_is_tried_again() -> None:
    kernel = Kernel()
    wires = Wires("x", kernel)
    wires.hold([US], [A])
    kernel.refuses = "Error: No such device"
    assert wires.hold([US], [A, B]) == "Error: No such device"
    assert kernel.loaded[1:] == ["delete table netdev gkelab-x\n"]
    kernel.refuses = ""
    assert wires.hold([US], [A, B]) == ""
    assert kernel.loaded[2].startswith("table netdev gkelab-x {")


# --- by the agent


def test_the_agent_joins_nodes_and_vms() -> None:
    docker, kernel = FakeDocker(), Kernel()
    docker.add("small-worker", NODE, address="10.128.0.3/20")
    docker.add("lab-router", ROUTER, address="10.128.0.1/20")
    it = agent(docker, wires=Wires("lab", kernel))
    wants = state(instance("small-worker", "10.128.0.3", labels=OF_NODE), instance("web"))
    it.step(wants)
    ports = {name: f"veth{int(c['Id'])}" for name, c in docker.containers.items()}
    router = ports["lab-router"]
    assert it.status.told["wired"] == {"small-worker": router, WEB: router}
    assert it.status.told["bridged"] == []
    (text,) = kernel.loaded
    assert f'42:01:0a:80:00:03 : "{ports["small-worker"]}"' in text
    assert f'42:01:0a:80:00:05 : "{ports[WEB]}"' in text
    asked = len([call for call in docker.calls if call[3:4] == ["sh"]])
    it.step(wants)
    assert len([call for call in docker.calls if call[3:4] == ["sh"]]) == asked == 1
    assert len(kernel.loaded) == 1
    it.step(wants, thorough=True)
    assert len([call for call in docker.calls if call[3:4] == ["sh"]]) == 2


def test_a_router_that_is_started_anew_has_other_ends() -> None:
    docker, kernel = FakeDocker(), Kernel()
    docker.add("lab-router", ROUTER)
    it = agent(docker, wires=Wires("lab", kernel))
    it.step(state(instance("web")))
    del docker.containers["lab-router"]
    it.step(state(instance("web")))
    assert kernel.loaded[1:] == ["delete table netdev gkelab-lab\n"]
    assert it.status.told["wired"] == {}
    again = docker.add("lab-router", ROUTER)
    it.step(state(instance("web")))
    assert f'fwd to "veth{int(again["Id"])}"' in kernel.loaded[2]


def test_a_kernel_without_is_told_of_and_the_rest_goes_on() -> None:
    docker, kernel = FakeDocker(), Kernel()
    kernel.refuses = "Error: Operation not supported"
    docker.add("lab-router", ROUTER)
    it = agent(docker, wires=Wires("lab", kernel))
    it.step(state(instance("web")))
    told = it.status.told
    assert told["isolated"].keys() == {WEB}
    assert (told["wired"], told["problems"]) == ({}, [])
    (said,) = told["bridged"]
    assert said.endswith("there are no wires: Error: Operation not supported")


def test_an_open_port_has_no_wire() -> None:
    docker, kernel = FakeDocker(), Kernel()
    docker.add("small-worker", NODE)
    docker.add("lab-router", ROUTER)
    switch = {"items": [{"key": "gkelab-direct", "value": "true"}]}
    it = agent(docker, wires=Wires("lab", kernel))
    it.step(state(instance("small-worker", labels=OF_NODE, metadata=switch)))
    assert it.status.told["wired"] == {}
    assert kernel.loaded == []


def test_nothing_is_known_without_a_state() -> None:
    assert macs_of(None, Wanted({}, ())) == {}


# --- in the kernel

_HELD = """
import sys
from gkelab.cloud.machines.nftables import Nftables
from gkelab.cloud.machines.wires import End, Wires
number = lambda name: int(open(f"/sys/class/net/{name}/ifindex").read())
end = lambda port, mac: End("br0", port, number(port), mac)
router, a = end("r0", "02:42:00:00:00:01"), end("a0", "42:01:0a:4d:00:02")
print(Wires("t", Nftables().load).hold([router], [a]), flush=True)
sys.stdin.read()
"""


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


def missing() -> str:
    """Why this host has no wires; "" where it has."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return f"this host lacks {LIBRARY}"
    return no_wires()


@pytest.fixture
def host() -> Iterator[str]:
    """A namespace with a bridge, and a machine and a router behind it in their own."""
    lacking = missing()
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


def test_packets_go_past_the_bridge_as_long_as_the_process_lives(host: str) -> None:
    assert over_the_bridge(host)
    held = subprocess.Popen(
        ["ip", "netns", "exec", host, sys.executable, "-c", _HELD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert held.stdin is not None
    assert held.stdout is not None
    try:
        told = held.stdout.readline().strip()
        if "not supported" in told or "No such file" in told:
            pytest.skip(f"this kernel hands nothing on at ingress: {told}")
        assert told == ""
        assert not over_the_bridge(host)
    finally:
        held.kill()
        held.wait()
    assert over_the_bridge(host)

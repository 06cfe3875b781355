"""The loop over a real Compute API: what is written there is in docker at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gkelab.cloud.client import Cloud
from gkelab.cloud.machines.__main__ import serve
from gkelab.cloud.mirror import Mirror, follow
from gkelab.wait import until
from tests.unit.cloud.machines.fakes import FakeDocker, agent
from tests.unit.cloud.made import NETWORK, SUBNET, VM, body
from tests.unit.cloud.servers import REGION, ZONE, Running


@contextmanager
def serving(endpoint: str, docker: FakeDocker) -> Iterator[None]:
    wake, stop = threading.Event(), threading.Event()
    mirror = Mirror(endpoint)
    it = agent(docker, now=time.monotonic)
    following = follow(mirror, wake.set, stop, wait=0.5)
    thread = threading.Thread(target=serve, args=(it, mirror, wake, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        wake.set()
        thread.join(10)
        assert not thread.is_alive()
        assert following.daemon  # it may wait for the cloud still


def soon(what: Callable[[], object]) -> None:
    until(what, bool, what="it is so", timeout=10, interval=0.01)


def test_what_is_written_is_made_real(server: Running, cloud: Cloud) -> None:
    docker, zone = FakeDocker(), f"zones/{ZONE}"
    with serving(server.endpoint, docker):
        cloud.insert("networks", "global", NETWORK)
        cloud.insert("subnetworks", f"regions/{REGION}", SUBNET)
        cloud.insert("instances", zone, body("instances", name="a"))
        cloud.insert("instances", zone, VM)
        soon(lambda: set(docker.containers) == {"lab-vm-a", "lab-vm-vm"})
        nic = cloud.get("instances", zone, "vm")["networkInterfaces"][0]
        alias = {"ipCidrRange": "10.4.1.0/24", "subnetworkRangeName": "pods"}
        said = {
            "instance": "vm",
            "networkInterface": "nic0",
            "networkInterfaceResource": {
                "fingerprint": nic["fingerprint"],
                "aliasIpRanges": [alias],
            },
        }
        cloud.write("update_network_interface", "instances", zone, said)
        soon(lambda: "route replace local 10.4.1.0/24 dev lo proto 66" in "".join(docker.inputs))
        cloud.write("stop", "instances", zone, {"instance": "vm"})
        soon(lambda: docker.containers["lab-vm-vm"]["State"]["Status"] == "exited")
        cloud.write("start", "instances", zone, {"instance": "vm"})
        soon(lambda: docker.containers["lab-vm-vm"]["State"]["Status"] == "running")
        cloud.delete("instances", zone, "a")
        soon(lambda: set(docker.containers) == {"lab-vm-vm"})

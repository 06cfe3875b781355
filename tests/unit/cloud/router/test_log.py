"""A rule that logs tells of each connection once, in Google's words."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from gkelab.cloud.router.agent import Agent
from gkelab.cloud.router.classes import LOG_GROUP
from gkelab.cloud.router.firewall_log import FirewallLog
from gkelab.cloud.router.kernel import Kernel
from gkelab.cloud.router.nflog import Logged, listen, packets
from tests.unit.cloud.router import states, wires
from tests.unit.cloud.router.states import NODES, SETTINGS, firewall

VM, POD = IPv4Address("10.132.0.2"), IPv4Address("10.4.0.5")
SYN = wires.packet(VM, POD, 6, wires.payload(VM, POD, 6, 4000, 80))
MAC = "42:01:0a:84:00:02"
RULES = [
    firewall("web", "tcp:80-90", targetTags=["node"], logConfig={"enable": True}),
    firewall(
        "out",
        "all",
        direction="EGRESS",
        deny=True,
        priority=5,
        logConfig={"enable": True, "metadata": "EXCLUDE_ALL_METADATA"},
    ),
]
CONNECTION = {
    "src_ip": "10.132.0.2",
    "src_port": 4000,
    "dest_ip": "10.4.0.5",
    "dest_port": 80,
    "protocol": 6,
}


def log(tmp_path: Path, times: list[float]) -> FirewallLog:
    made = FirewallLog(tmp_path / "log", lambda: times[0])
    made.know(states.fabric(NODES, RULES))
    return made


def written(made: FirewallLog) -> list[object]:
    return [json.loads(line) for line in made.file.read_text().splitlines()]


def test_an_allowed_connection(tmp_path: Path) -> None:
    made = log(tmp_path, [1_700_000_000.25])
    made.take(Logged("web", MAC, SYN))
    assert written(made) == [
        {
            "timestamp": "2023-11-14T22:13:20.250000Z",
            "connection": CONNECTION,
            "disposition": "ALLOWED",
            "rule_details": {
                "reference": "network:net/firewall:web",
                "priority": 1000,
                "action": "ALLOW",
                "direction": "INGRESS",
                "ip_port_info": [{"ip_protocol": "TCP", "port_range": ["80-90"]}],
                "source_range": ["0.0.0.0/0"],
                "target_tag": ["node"],
            },
            "instance": {
                "project_id": "p",
                "vm_name": "n1",
                "region": "us-central1",
                "zone": "us-central1-b",
            },
            "vpc": {"project_id": "p", "vpc_name": "net", "subnetwork_name": "us"},
            "remote_instance": {
                "project_id": "p",
                "vm_name": "vm",
                "region": "europe-west1",
                "zone": "europe-west1-b",
            },
            "remote_vpc": {"project_id": "p", "vpc_name": "net", "subnetwork_name": "eu"},
        }
    ]


def test_without_metadata_a_denied_one_is_told_in_short(tmp_path: Path) -> None:
    made = log(tmp_path, [0.0])
    made.take(Logged("out", MAC, SYN))
    assert written(made) == [
        {
            "timestamp": "1970-01-01T00:00:00.000000Z",
            "connection": CONNECTION,
            "disposition": "DENIED",
            "rule_details": {
                "reference": "network:net/firewall:out",
                "priority": 5,
                "action": "DENY",
                "direction": "EGRESS",
                "ip_port_info": [{"ip_protocol": "ALL"}],
            },
        }
    ]


def test_what_is_tried_again_is_told_every_five_seconds(tmp_path: Path) -> None:
    times = [0.0]
    made = log(tmp_path, times)
    for now in (0.0, 1.0, 4.9, 5.1, 9.0, 10.2):
        times[0] = now
        made.take(Logged("out", MAC, SYN))
    assert len(written(made)) == 3


@pytest.mark.parametrize("payload", [b"", SYN[:21], b"\x65" + SYN[1:], SYN[:9] + b"\1" + SYN[10:]])
def test_what_is_no_connection_of_tcp_or_udp_is_not_told(tmp_path: Path, payload: bytes) -> None:
    made = log(tmp_path, [0.0])
    made.take(Logged("web", MAC, payload))
    made.take(Logged("no-rule", MAC, SYN))
    assert not made.file.exists()


@pytest.mark.skipif(bool(wires.missing()), reason=wires.missing() or "-")
def test_the_kernels_log_is_read(tmp_path: Path) -> None:
    with wires.wires() as made:
        agent = Agent(Kernel(made.run), SETTINGS, lambda line: None)
        agent.apply(states.state(NODES, RULES[:1]))
        sock = wires.there(made.space, lambda: listen(LOG_GROUP))
        sock.settimeout(5)
        made.send("eu0", MAC, SYN)
        (logged,) = packets(sock.recv(1 << 16))
        sock.close()
    assert (logged.prefix, logged.mac) == ("web", MAC)
    assert logged.payload[12:20] == VM.packed + POD.packed
    told = log(tmp_path, [0.0])
    told.take(logged)
    assert len(written(told)) == 1

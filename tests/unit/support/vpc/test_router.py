"""The router's status file, its log and its command line, as the agent writes them."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from gkelab.cloud.router.agent import Agent
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.firewall_log import FirewallLog, record
from gkelab.cloud.router.kernel import Kernel
from gkelab.cloud.router.settings import Settings
from gkelab.cloud.router.status import status
from gkelab.tools.docker import Docker
from gkelab.wait import WaitError
from tests.support.parse import ParseError, routes
from tests.support.recorder import Recorder
from tests.support.vpc.router import (
    Repair,
    Router,
    option,
    parse_log,
    parse_status,
    ways,
)
from tests.unit.cloud.router import states

INSPECTED = json.dumps(
    [{"Path": "python3", "Args": ["-m", "x", "--status=/run/s.json", "--firewall-log", "/l"]}]
)


def agent(fabric: Fabric, **counters: tuple[int, int]) -> Agent:
    made = Agent(Kernel(Recorder()), Settings(), print, fabric=fabric)
    made.generation = 7
    made.counters = counters
    made.repairs = [{"time": "2026-01-01T00:00:00Z", "what": "routes", "wrong": "x is gone"}]
    return made


def test_a_status_as_the_agent_writes_it() -> None:
    fabric = states.fabric(states.NODES)
    spoofed = {"spoofed_0a800002": (3, 180), "spoofed_0a840002": (0, 0)}
    tells = agent(fabric, nowhere=(2, 120), **spoofed)
    found = parse_status(json.dumps(status(tells, "away: it is", tells.problems)))
    assert (found.generation, found.cloud) == (7, "away: it is")
    assert found.problems == tuple(tells.problems) != ()
    assert found.repairs == (Repair("2026-01-01T00:00:00Z", "routes", "x is gone"),)
    assert found.counters == {"nowhere": 2}
    assert found.spoofed == {"n1": 3, "vm": 0}
    assert [found.dropped(name) for name in ("nowhere", "n1", "vm", "n2", "other")] == [
        *(2, 3, 0, 0, 0)
    ]


@pytest.mark.parametrize("text", ["", "{}", '{"generation": 1}'])
def test_what_is_no_status(text: str) -> None:
    with pytest.raises(ParseError, match="the router's status"):
        parse_status(text)


def test_a_log_as_the_agent_writes_it(tmp_path: Path) -> None:
    from gkelab.cloud.router.firewall_log import Connection

    rules = (states.firewall("web", "tcp:80", logConfig={"enable": True}),)
    fabric = states.fabric(states.NODES, rules)
    log = FirewallLog(tmp_path / "log", fabric=fabric)
    source, *_ = (nic.address for nic in fabric.nics if nic.instance == "vm")
    to, *_ = (nic.address for nic in fabric.nics if nic.instance == "n1")
    connection = Connection(source, 40000, to, 80, 6)
    told = {"timestamp": "now", **record(fabric, fabric.rules[0], connection, "")}
    log.file.write_text(json.dumps(told) + "\n" + json.dumps(told)[:40])
    (line,) = parse_log(log.file.read_text())
    assert (line.rule, line.disposition, line.protocol) == ("web", "ALLOWED", 6)
    assert (line.source, line.destination, line.port) == (str(source), str(to), 80)
    assert line.record == told
    with pytest.raises(ParseError, match="the firewall's log"):
        parse_log("{}\n")


def test_options_of_a_command_line() -> None:
    words = ["python3", "-m", "x", "--status=/a=b", "--log", "/c", "--log"]
    assert option(words, "--status") == "/a=b"
    assert option(words, "--log") == "/c"
    with pytest.raises(ParseError, match="no --state in"):
        option(words, "--state")


def test_ways_into_a_range() -> None:
    table = [
        {"dst": "10.4.0.0/26", "gateway": "10.128.0.2", "dev": "eth0"},
        {"type": "unreachable", "dst": "10.4.0.0/20", "metric": 9},
        {"dst": "10.128.0.0/20", "dev": "eth0"},
        {"type": "unreachable", "dst": "default"},
    ]
    found = ways(routes(json.dumps(table)), IPv4Network("10.4.0.0/20"))
    assert [str(way.destination) for way in found] == ["10.4.0.0/26"]


def router(run: Recorder, generation: int, *, code: int = 0) -> Router:
    run.handle(["docker", "container", "inspect", "r"], INSPECTED)
    said = json.dumps(
        {
            "generation": generation,
            "cloud": "there",
            "problems": [],
            "left_out": [],
            "repairs": [],
            "interfaces": {},
            "counters": {"nowhere": {"packets": 1, "bytes": 2}, "spoofed": {}},
        }
    )
    run.handle(["docker", "exec", "r", "cat", "/run/s.json"], said, code=code)
    run.handle(["docker", "exec", "r", "cat", "/l"], "", code=1)
    return Router(Docker(run), "r")


def test_files_are_where_the_command_line_says() -> None:
    run = Recorder()
    found = router(run, 5)
    assert found.status().generation == 5
    assert found.log() == []  # no decision was logged yet, so there is no file
    assert run.times("docker", "container", "inspect") == 1


def test_a_generation_is_waited_for() -> None:
    assert router(Recorder(), 5).until_applied(5).generation == 5


def test_a_counter_that_does_not_move_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import timeouts
    from tests.support.vpc import router as module

    monkeypatch.setattr(module, "TIMEOUTS", timeouts.Timeouts(counted=0))
    found = router(Recorder(), 5)
    with pytest.raises(WaitError, match="r counts drops of nowhere"):
        found.until_dropped("nowhere", found.status())


def test_an_interface_by_its_address() -> None:
    run = Recorder()
    listed = [
        {
            "ifname": "eth1",
            "ifindex": 2,
            "address": "02:42:0a:80:00:01",
            "mtu": 1500,
            "operstate": "UP",
            "addr_info": [{"local": "10.128.0.1", "prefixlen": 20}],
        }
    ]
    run.handle(["docker", "exec", "r", "ip", "-json", "address", "show"], json.dumps(listed))
    found = Router(Docker(run), "r")
    assert found.interface("10.128.0.1").mac == "02:42:0a:80:00:01"
    with pytest.raises(LookupError, match=r"no interface of r has 10\.128\.0\.2"):
        found.interface("10.128.0.2")

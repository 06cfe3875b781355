"""The addresses that this host must reach, and that a new lab leaves them alone."""

from __future__ import annotations

import threading
import time
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.find import make_plan
from gkelab.host.uses import addresses_in_use, ipv4_of, mirror_hosts, proxy_hosts
from gkelab.shell import Runner
from gkelab.tools.docker import Docker
from gkelab.tools.iproute import IpRoute
from gkelab.topology import Claim
from tests.support.recorder import Recorder
from tests.unit.host.fakes import installed, recorded

CLUSTERS = Path(__file__).parents[3] / "clusters"
RESOLV_CONF = """# made by hand
search example.com
nameserver 127.0.0.53
nameserver 10.0.0.53
nameserver fd00::53
nameserver
options edns0
"""
NAMES = {
    "deb.example": ["203.0.113.80"],
    "go.example": ["203.0.113.80", "192.0.2.7"],
    "here.example": ["127.0.0.1"],
    "proxy.example": ["198.51.100.9"],
}


def resolve(host: str) -> list[str]:
    if host not in NAMES:
        raise OSError(f"no such name: {host}")
    return NAMES[host]


def test_each_address_is_claimed_once_by_its_first_owner() -> None:
    mirrors = ["deb.example", "gone.example", "go.example", "here.example"]
    claims = addresses_in_use(RESOLV_CONF, mirrors, resolve, proxies=["proxy.example"])
    assert [(str(claim.network), claim.owner) for claim in claims] == [
        ("10.0.0.53/32", "the address of this host's name server"),
        ("203.0.113.80/32", "the address of the package mirror deb.example"),
        ("192.0.2.7/32", "the address of the package mirror go.example"),
        ("198.51.100.9/32", "the address of the proxy proxy.example"),
    ]


def test_no_settings_no_claims() -> None:
    assert addresses_in_use("", [], resolve) == []


def test_a_name_that_no_encoding_takes_is_passed_over() -> None:
    assert addresses_in_use("", ["a" * 80 + ".example"], ipv4_of) == []


def test_a_lookup_that_hangs_holds_nothing_up() -> None:
    hangs = threading.Event()

    def slow(host: str) -> list[str]:
        if host == "slow.example":
            hangs.wait(30)
        return resolve(host)

    begin = time.monotonic()
    claims = addresses_in_use("", ["slow.example", "deb.example"], slow, limit=0.05)
    took = time.monotonic() - begin
    hangs.set()
    assert took < 5
    assert [str(claim.network) for claim in claims] == ["203.0.113.80/32"]


def test_mirrors_are_those_of_the_programs_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "go", "pip")
    run = recorded(
        {
            "go env GOPROXY": "https://one.example,http://two.example:8080/mod|direct\n",
            "pip config get global.index-url": "https://user:secret@pip.example/simple\n",
        }
    )
    hosts = mirror_hosts(run, "http://deb.example/debian", {})
    assert hosts == ["deb.example", "one.example", "two.example", "pip.example"]


def test_the_environment_is_believed_before_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "go", "pip")
    env = {"GOPROXY": "off", "PIP_INDEX_URL": "https://[::1"}
    assert mirror_hosts(Recorder(), "", env) == []


def test_programs_without_a_setting_or_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "pip")
    run = Recorder()
    run.handle(["pip", "config", "get", "global.index-url"], code=1, stderr="ERROR: No such key")
    assert mirror_hosts(run, "", {}) == []
    assert run.calls[0].timeout is not None


def test_a_program_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "go")
    run = Recorder()
    run.handle(["go", "env", "GOPROXY"], fails="took longer than 10 s")
    assert mirror_hosts(run, "", {}) == []


def test_proxies_in_either_case() -> None:
    env = {"http_proxy": "http://a.example:3128", "HTTPS_PROXY": "http://b.example:3128"}
    assert proxy_hosts(env | {"all_proxy": "http://a.example:1080"}) == ["a.example", "b.example"]


def never_asked(_: Runner) -> list[Claim]:
    raise AssertionError("asked for, though the topology alone is wrong")


def test_a_new_lab_is_refused_where_it_would_hide_a_mirror() -> None:
    run = recorded(
        {
            "docker network ls --no-trunc --quiet --filter label=gkelab.lab": "",
            "docker network ls --no-trunc --quiet": "",
            "ip -json -4 route show": "[]",
        }
    )

    def plan(address: str) -> str:
        claim = Claim(IPv4Network(address), "the address of the package mirror deb.example")
        path = CLUSTERS / "vpc-native.yaml"
        return make_plan(path, Docker(run), IpRoute(run), lambda _: [claim])[0].name

    assert plan("203.0.113.80") == "vpc-native"  # beside the external range, a /26
    with pytest.raises(LabError) as refused:
        plan("203.0.113.8")
    assert refused.value.message == (
        f"{CLUSTERS / 'vpc-native.yaml'}: loadBalancing.externalRange 203.0.113.0/26 overlaps "
        "the address of the package mirror deb.example 203.0.113.8/32"
    )


def test_a_wrong_topology_is_refused_before_the_network_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: x\n")
    run = Recorder()
    with pytest.raises(LabError, match=r"x\.yaml"):
        make_plan(path, Docker(run), IpRoute(run), never_asked)

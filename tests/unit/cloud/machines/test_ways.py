"""What nodes know of later subnets: the words, and what they do in a network namespace."""

from __future__ import annotations

import json
import subprocess
from ipaddress import IPv4Address, IPv4Network

import pytest

from gkelab.cloud.machines.ways import (
    ASK,
    OURS,
    change_config,
    change_ways,
    parse_ways,
    wanted_ways,
)
from tests.unit.namespaces import needs_namespace

RANGES = [IPv4Network("10.9.0.0/24"), IPv4Network("10.9.4.0/22")]
WANTED = wanted_ways(RANGES, IPv4Address("10.128.0.1"))
IN_A_NAMESPACE = """
set -e
ip link set lo up
ip link add eth0 type veth peer name other
ip link set eth0 up
ip link set other up
ip address add 10.128.0.5/20 dev eth0
"""


def test_nowhere_comes_first_and_goes_last() -> None:
    """So that no packet leaves by the machine's own way out in between."""
    none: frozenset[str] = frozenset()
    come, go = (change_ways(*pair).splitlines() for pair in ((none, WANTED), (WANTED, none)))
    assert ["unreachable" in line for line in come] == [True, True, False, False]
    assert ["unreachable" in line for line in go] == [False, False, True, True]
    assert change_ways(WANTED, WANTED) == ""


@needs_namespace
def test_the_words_do_what_they_say_and_are_read_back() -> None:
    batch = "ip -batch - <<'EOF'\n{}EOF\n"
    script = IN_A_NAMESPACE + batch.format(change_ways(frozenset(), WANTED)) + " ".join(ASK)
    one = wanted_ways(RANGES[:1], IPv4Address("10.128.0.1"))
    script += f"\necho\n{batch.format(change_ways(WANTED, one))}{' '.join(ASK)}\n"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = (line for line in done.stdout.splitlines() if line.strip())
    assert parse_ways(before) == WANTED
    assert parse_ways(after) == one
    assert parse_ways("") == frozenset()


def config_map(*ranges: str, ours: str | None = None) -> dict[str, object]:
    metadata = {"name": "x"} if ours is None else {"name": "x", "annotations": {OURS: ours}}
    text = json.dumps({"nonMasqueradeCIDRs": list(ranges)})
    return {"metadata": metadata, "data": {"config": text}}


@pytest.mark.parametrize(
    ("before", "ranges", "after"),
    [
        (config_map("10.128.0.0/20"), [], None),
        (config_map("10.1.0.0/16"), RANGES[:1], ("10.9.0.0/24", ["10.1.0.0/16", "10.9.0.0/24"])),
        (config_map("10.1.0.0/16", "10.9.0.0/24", ours="10.9.0.0/24"), RANGES[:1], None),
        (config_map("10.1.0.0/16", "10.9.0.0/24", ours="10.9.0.0/24"), [], ("", ["10.1.0.0/16"])),
        # Somebody took it away; somebody had it there already, and keeps it.
        (config_map(ours="10.9.0.0/24"), RANGES[:1], ("10.9.0.0/24", ["10.9.0.0/24"])),
        (config_map("10.9.0.0/24"), RANGES[:1], None),
        ({"metadata": {}, "data": {}}, RANGES[:1], ("10.9.0.0/24", ["10.9.0.0/24"])),
    ],
)
def test_only_what_is_of_here_comes_and_goes(
    before: dict[str, object], ranges: list[IPv4Network], after: tuple[str, list[str]] | None
) -> None:
    patch = change_config(before, ranges)
    if after is None:
        assert patch is None
        return
    assert patch is not None
    now, listed = after
    assert patch["metadata"] == {"annotations": {OURS: now}}
    assert json.loads(patch["data"]["config"])["nonMasqueradeCIDRs"] == listed

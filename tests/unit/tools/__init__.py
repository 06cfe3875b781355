"""What tests of the tools share: recordings of a real lab beside a foreign network and container,
and how docker is asked for them."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gkelab.tools.docker import Docker
from tests.support.recorder import Recorder

Raw = dict[str, Any]

# Somebody else's: made by docker compose, as `docker inspect` tells of it. Its name is like the
# lab's, its labels are not.
FOREIGN_ID = "f0" * 32
FOREIGN_CONTAINER: Raw = {
    "Id": FOREIGN_ID,
    "Name": "/vpc-native-web-1",
    "State": {"Status": "running", "Running": True, "ExitCode": 0},
    "Config": {"Image": "nginx:1.29", "Labels": {"com.docker.compose.project": "vpc-native"}},
    "NetworkSettings": {
        "Networks": {"vpc-native_default": {"IPAMConfig": None, "IPAddress": "172.18.0.2"}}
    },
    "Mounts": [],
}
FOREIGN_NETWORK_ID = "e0" * 32
FOREIGN_NETWORK: Raw = {
    "Name": "vpc-native_default",
    "Id": FOREIGN_NETWORK_ID,
    "Driver": "bridge",
    "IPAM": {
        "Driver": "default",
        "Config": [
            {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"},
            {"Subnet": "fd00:1::/64", "Gateway": "fd00:1::1"},
        ],
    },
    "Containers": {FOREIGN_ID: {"Name": "vpc-native-web-1"}},
    "Options": {},
    "Labels": {"com.docker.compose.network": "default"},
}
PS = ("docker", "ps", "--all", "--no-trunc", "--quiet")
LS = ("docker", "network", "ls", "--no-trunc", "--quiet")


def recorded(name: str) -> list[Raw]:
    """A recording beside this file (containers, networks, routes), a copy of it."""
    loaded: list[Raw] = json.loads(
        (Path(__file__).parent / "recorded" / f"{name}.json").read_text()
    )
    return loaded


def text(name: str) -> str:
    """A recording as the tool printed it."""
    return json.dumps(recorded(name))


def lists_containers(run: Recorder, filters: Sequence[str], raws: Sequence[Raw]) -> None:
    """Expect `docker ps` with these filters ("gkelab.lab=x"), and the inspection of what it
    finds."""
    _lists(run, PS, ["docker", "container", "inspect"], filters, raws)


def lists_networks(run: Recorder, filters: Sequence[str], raws: Sequence[Raw]) -> None:
    """Expect `docker network ls` with these filters, and the inspection of what it finds."""
    _lists(run, LS, ["docker", "network", "inspect"], filters, raws)


def lists_labs(
    run: Recorder, networks: Sequence[Raw], added: Sequence[Raw] = (), away: Sequence[str] = ()
) -> None:
    """Expect what finds labs: their networks, the nodes that were added to them, and the names of
    volumes that tell of nodes that are away."""
    lists_networks(run, ["gkelab.lab"], networks)
    if networks:
        lists_containers(run, ["gkelab.lab", "gkelab.node"], added)
        filters = ["--filter", "label=gkelab.lab", "--filter", "label=gkelab.away"]
        run.handle(["docker", "volume", "ls", "--quiet", *filters], "".join(f"{v}\n" for v in away))


def _lists(
    run: Recorder,
    listing: Sequence[str],
    inspect: Sequence[str],
    filters: Sequence[str],
    raws: Sequence[Raw],
) -> None:
    ids = [raw["Id"] for raw in raws]
    words = [word for label in filters for word in ("--filter", f"label={label}")]
    run.handle([*listing, *words], "".join(f"{each}\n" for each in ids))
    if ids:
        run.handle([*inspect, *ids], json.dumps(raws))


def stopped(raw: Raw) -> Raw:
    """A container as it is after `docker stop`: its fixed address stays, the other is gone."""
    changed = copy.deepcopy(raw)
    changed["State"] = {"Status": "exited", "Running": False, "ExitCode": 137}
    for network in changed["NetworkSettings"]["Networks"].values():
        network["IPAddress"] = ""
    return changed


def labelled(raws: Sequence[Raw], labels: Mapping[str, str]) -> list[Raw]:
    """Those that carry these labels, as docker's own filter finds them."""
    found = []
    for raw in raws:
        own = raw["Labels"] if "Labels" in raw else raw["Config"]["Labels"]
        if labels.items() <= own.items():
            found.append(raw)
    return found


def own_networks() -> list[Raw]:
    """The recorded networks that are the lab's."""
    return labelled(recorded("networks"), {"gkelab.lab": "vpc-native"})


def program(code: str) -> list[str]:
    """A real command: this Python with that program."""
    return [sys.executable, "-c", code]


def docker() -> tuple[Docker, Recorder]:
    """docker, and the recorder behind it."""
    run = Recorder()
    return Docker(run), run

"""A further node's container: run as kind runs the others, which kind itself cannot do later.

The words are those of kind v0.33.0 (pkg/cluster/internal/providers/docker/provision.go,
commonArgs and runArgsForNode); what they depend on of the host, and what the nodes mount, is as
with a node that kind has made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gkelab.errors import LabError
from gkelab.tools.kind import CLUSTER_LABEL, ROLE_LABEL
from gkelab.topology import Cluster, Node

# What kind hands on of its own environment: proxies, and its own settings.
HANDED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# What a node prints when commands may be run in it: before, one could end up in a cgroup that
# systemd must find empty (pkg/cluster/internal/providers/common/cgroups.go).
READY = re.compile(r"Reached target .*Multi-User System.*|detected cgroup v1")


@dataclass(frozen=True)
class Sibling:
    """How kind has run a worker: the image, what is mounted (HOST:INSIDE[:ro]), variables
    (NAME=VALUE), devices, and the user namespace ("" for docker's own)."""

    image: str
    binds: tuple[str, ...]
    environment: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    userns: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Sibling:
        """As `docker inspect` tells of it."""
        config, host = raw["Config"], raw["HostConfig"]
        return cls(
            image=config["Image"],
            binds=tuple(sorted(host.get("Binds") or ())),
            environment=tuple(sorted(filter(_handed_on, config.get("Env") or ()))),
            devices=tuple(device["PathOnHost"] for device in host.get("Devices") or ()),
            userns=host.get("UsernsMode") or "",
        )

    def mounting(self, mounts: Mapping[str, str]) -> Sibling:
        """With these (host path to path inside) in place of what is mounted there."""
        new = {inside: f"{host}:{inside}:ro" for host, inside in mounts.items()}
        old = {bind.split(":")[1]: bind for bind in self.binds}
        return Sibling(
            self.image,
            tuple(sorted((old | new).values())),
            self.environment,
            self.devices,
            self.userns,
        )

    def refuse_gone(self) -> None:
        """LabError when something that it mounts is not there any more: docker would make an empty
        folder in its place."""
        for bind in self.binds:
            host = bind.split(":")[0]
            if host.startswith("/") and not Path(host).exists():
                raise LabError(
                    f"{host}, which nodes mount, is not there any more",
                    "make the lab anew: invoke down, then invoke up",
                )


def run_argv(
    cluster: Cluster, node: Node, sibling: Sibling, labels: Mapping[str, str]
) -> list[str]:
    """The command that starts a worker's container, which is then no member of its cluster yet.
    `labels` are beside kind's."""
    kinds = {CLUSTER_LABEL: cluster.name, ROLE_LABEL: node.role}
    return [
        *("docker", "run", f"--name={node.name}", f"--hostname={node.name}", "--privileged"),
        *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
        *("--tmpfs=/tmp", "--tmpfs=/run", "--volume=/var", "--detach", "--tty"),
        f"--network={cluster.subnet.docker_network}",
        *("--restart=on-failure:1", "--init=false", "--cgroupns=private"),
        f"--ip={node.address}",
        *(f"--label={key}={value}" for key, value in {**kinds, **labels}.items()),
        *(f"--volume={bind}" for bind in sibling.binds),
        *(f"--env={variable}" for variable in sibling.environment),
        *(f"--device={device}" for device in sibling.devices),
        *([f"--userns={sibling.userns}"] if sibling.userns else []),
        sibling.image,
    ]


def _handed_on(variable: str) -> bool:
    name = variable.partition("=")[0].upper()
    return name in HANDED_ON or name.startswith("KIND_")

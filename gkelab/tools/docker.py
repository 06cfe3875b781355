"""docker: argv out, dataclasses in. What the lab makes carries its label; only that is removed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO, Any

from gkelab.shell import CommandError, Result, Runner

LABEL = "gkelab.lab"  # its value is the lab's name
ROLE = "gkelab.role"
PLAN = "gkelab.plan"  # on networks: the resolved topology, from which a lab is found again
# On the network of a subnet that came after `up`: the subnetwork's link, from regions/ on.
SUBNETWORK = "gkelab.subnetwork"
SUPPLIER = "gkelab.images"  # on networks: the supplier that this lab's images come from
NODE = "gkelab.node"  # on a node that was added to its cluster: what no topology tells of it
AWAY = "gkelab.away"  # on volumes: the cluster of the node that is away, which is in their names
# How docker says that there is no such network: its client's words, and the daemon's.
GONE = re.compile(r"no such network|network \S+ not found", re.IGNORECASE)
# How docker says that a container cannot have the host's port that it is to publish; the system
# says it in words of its own.
PORT_TAKEN = re.compile(r"([0-9.]+:\d+)\b.*already (?:allocated|in use)")


@dataclass(frozen=True)
class Container:
    """A container as `docker inspect` tells. `state` is running, exited, created, ...; `image` is
    the name that it was run by, `image_id` what that stood for then; `mounts` maps a path inside
    to the host's, `ports` a published one ("6443/tcp") to the host's address and port, whether it
    runs or not; `started` is when it last began to run (RFC 3339, UTC)."""

    id: str
    name: str
    state: str
    image: str
    image_id: str
    labels: Mapping[str, str]
    addresses: Mapping[str, str]
    mounts: Mapping[str, str]
    ports: Mapping[str, str]
    started: str


@dataclass(frozen=True)
class Image:
    """An image that docker has, and the digests (`sha256:...`) that registries have of it."""

    id: str
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """A docker network and its IPv4 subnets."""

    id: str
    name: str
    subnets: tuple[IPv4Network, ...]
    labels: Mapping[str, str]
    bridge: str
    containers: tuple[str, ...]


@dataclass(frozen=True)
class Docker:
    """The docker CLI. Every method raises CommandError when docker refuses."""

    run: Runner

    def containers(self, labels: Mapping[str, str | None]) -> list[Container]:
        """All containers, running or not, that carry these labels (None: with any value)."""
        found = [_container(raw) for raw in self.labelled(labels)]
        return sorted(found, key=lambda container: container.name)

    def container(self, name: str) -> Container | None:
        """One container by name or id."""
        found = self.run(["docker", "container", "inspect", name], check=False)
        return _container(json.loads(found.stdout)[0]) if found.code == 0 else None

    def networks(self, labels: Mapping[str, str | None] | None = None) -> list[Network]:
        """The networks that carry these labels; all networks without."""
        ids = self.run(
            ["docker", "network", "ls", "--no-trunc", "--quiet", *_filters(labels or {})]
        ).stdout.split()
        if not ids:
            return []
        said = self.run(["docker", "network", "inspect", *ids], check=False)
        # One that goes away between the listing and now is no error.
        if said.code != 0 and not GONE.search(said.stderr):
            raise CommandError(said)
        return [_network(raw) for raw in json.loads(said.stdout or "[]")]

    def create_network(
        self,
        name: str,
        subnet: IPv4Network | None,
        gateway: str,
        labels: Mapping[str, str],
        options: Mapping[str, str],
    ) -> None:
        """A bridge network with a fixed subnet; with None, docker chooses one. `options` are
        driver options."""
        argv = ["docker", "network", "create", "--driver", "bridge"]
        argv += ["--subnet", str(subnet), "--gateway", gateway] if subnet else []
        argv += [word for pair in options.items() for word in ("--opt", "=".join(pair))]
        self.run([*argv, *_labels(labels), name])

    def remove_networks(self, ids: Sequence[str]) -> None:
        """Remove networks by id."""
        if ids:
            self.run(["docker", "network", "rm", *ids])

    def connect(self, network: str, address: str, container: str) -> None:
        """Put a container, which need not run, on a further network with a fixed address."""
        self.run(["docker", "network", "connect", "--ip", address, network, container])

    def disconnect(self, network: str, container: str) -> None:
        """Take a container, which need not run, from a network."""
        self.run(["docker", "network", "disconnect", "--force", network, container])

    def volume(self, name: str) -> Mapping[str, str] | None:
        """A volume's labels; None where there is none of that name."""
        found = self.run(["docker", "volume", "inspect", name], check=False)
        if found.code != 0:
            return None
        labels: dict[str, str] = json.loads(found.stdout)[0].get("Labels") or {}
        return labels

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """A volume that outlives the containers that mount it."""
        self.run(["docker", "volume", "create", *_labels(labels), name])

    def volumes(self, labels: Mapping[str, str | None]) -> list[str]:
        """The names of the volumes that carry these labels."""
        listed = self.run(["docker", "volume", "ls", "--quiet", *_filters(labels)])
        return listed.stdout.split()

    def remove_volumes(self, names: Sequence[str]) -> None:
        """Remove volumes, with what is in them."""
        if names:
            self.run(["docker", "volume", "rm", *names])

    def remove_containers(self, ids: Sequence[str]) -> None:
        """Kill and remove containers by id, with the volumes that are theirs alone."""
        if ids:
            self.run(["docker", "rm", "--force", "--volumes", *ids])

    def start(self, names: Sequence[str]) -> None:
        """Start stopped containers."""
        if names:
            self.run(["docker", "start", *names])

    def stop(self, names: Sequence[str], *, grace: int = 10) -> None:
        """Stop containers, killing them after `grace` seconds."""
        if names:
            self.run(["docker", "stop", "--time", str(grace), *names])

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        input: str | IO[bytes] | None = None,
        check: bool = True,
        timeout: float | None = None,
    ) -> Result:
        """Run a command inside a container. `input` is text, or an open file."""
        stdin = ["--interactive"] if input is not None else []
        return self.run(
            ["docker", "exec", *stdin, container, *argv], input=input, check=check, timeout=timeout
        )

    def has_file(self, container: str, path: str) -> bool:
        """Whether a container has a file, be it running or not."""
        return self.run(["docker", "cp", f"{container}:{path}", "-"], check=False).code == 0

    def inspect(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """All that docker says of containers, by name or id, as it says it."""
        argv = ["docker", "container", "inspect", *names]
        listed: list[dict[str, Any]] = json.loads(self.run(argv).stdout) if names else []
        return listed

    def labelled(self, labels: Mapping[str, str | None]) -> list[dict[str, Any]]:
        """All that docker says of the containers, running or not, that carry these labels."""
        argv = ["docker", "ps", "--all", "--no-trunc", "--quiet", *_filters(labels)]
        ids = self.run(argv).stdout.split()
        # One that goes away between the listing and now is no error.
        said = self.run(["docker", "container", "inspect", *ids], check=False) if ids else None
        listed: list[dict[str, Any]] = json.loads(said.stdout or "[]") if said else []
        return listed

    def logs(self, container: str, *, tail: int) -> str:
        """The last lines of what a container wrote, each with its time."""
        said = self.run(["docker", "logs", "--timestamps", f"--tail={tail}", container])
        return said.stdout + said.stderr

    def has_image(self, reference: str) -> bool:
        """Whether docker has an image of that name, whatever is in it."""
        return self.run(["docker", "image", "inspect", reference], check=False).code == 0

    def image(self, reference: str) -> Image | None:
        """The image that docker has under a name."""
        found = self.run(["docker", "image", "inspect", reference], check=False)
        return _image(json.loads(found.stdout)[0]) if found.code == 0 else None

    def images(self, labels: Mapping[str, str | None]) -> list[str]:
        """The ids of images that carry these labels."""
        listed = self.run(["docker", "image", "ls", "--quiet", "--no-trunc", *_filters(labels)])
        return list(dict.fromkeys(listed.stdout.split()))

    def remove_image(self, reference: str) -> None:
        """Take one name from an image; the image goes with its last name."""
        self.run(["docker", "image", "rm", reference])

    def pull(self, reference: str, log: Path | None = None) -> None:
        """Pull an image."""
        self.run(["docker", "pull", "--quiet", reference], log=log)

    def save(self, references: Sequence[str], out: Path) -> None:
        """Save images, layers shared, to one archive."""
        self.run(["docker", "save", "--output", str(out), *references])

    def load(self, archive: Path) -> None:
        """Load the images of an archive."""
        self.run(["docker", "load", "--quiet", "--input", str(archive)])


def _filters(labels: Mapping[str, str | None]) -> list[str]:
    return [
        word
        for key, value in labels.items()
        for word in ("--filter", f"label={key}" if value is None else f"label={key}={value}")
    ]


def _labels(labels: Mapping[str, str]) -> list[str]:
    return [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]


def _container(raw: dict[str, Any]) -> Container:
    networks = raw["NetworkSettings"]["Networks"] or {}
    fixed = {
        name: (net.get("IPAMConfig") or {}).get("IPv4Address") or net["IPAddress"]
        for name, net in networks.items()
    }
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        state=raw["State"]["Status"],
        image=raw["Config"]["Image"],
        image_id=raw.get("Image", ""),
        labels=raw["Config"]["Labels"] or {},
        addresses=fixed,
        mounts={mount["Destination"]: mount["Source"] for mount in raw["Mounts"]},
        ports={
            port: f"{to[0]['HostIp']}:{to[0]['HostPort']}"
            for port, to in (raw.get("HostConfig", {}).get("PortBindings") or {}).items()
            if to
        },
        started=raw["State"].get("StartedAt", ""),
    )


def _image(raw: dict[str, Any]) -> Image:
    names = raw.get("RepoDigests") or []
    return Image(id=raw["Id"], digests=tuple(name.partition("@")[2] for name in names))


def _network(raw: dict[str, Any]) -> Network:
    configs = raw["IPAM"]["Config"] or []
    subnets = [IPv4Network(c["Subnet"]) for c in configs if ":" not in c["Subnet"]]
    options = raw.get("Options") or {}
    default = "docker0" if raw["Name"] == "bridge" else f"br-{raw['Id'][:12]}"
    return Network(
        id=raw["Id"],
        name=raw["Name"],
        subnets=tuple(subnets),
        labels=raw["Labels"] or {},
        bridge=options.get("com.docker.network.bridge.name", default),
        containers=tuple(c["Name"] for c in (raw.get("Containers") or {}).values()),
    )

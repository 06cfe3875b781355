"""The lab's own containers beside its nodes: one way to have each as it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.supply.archive import give_docker
from gkelab.supply.cache import content_key
from gkelab.tools.docker import LABEL, Container

SPEC = "gkelab.spec"  # a fingerprint of all that a container was made with, but its image
HOST = "host"  # docker's name for the host's own network
CLOUD_PORT = 8080  # of the cloud, on the management network
# Where those that make the cloud's state real, or write to it, tell how they are.
STATUS = "/run/gkelab/status.json"
# Where the router writes what its rules decide, as far as they log.
FIREWALL_LOG = "/var/log/firewall.log"


@dataclass(frozen=True)
class Wanted:
    """A container as it should be. `image` is the name of a pin; `network` a docker network, or
    the host's; `connected` are further networks with the address on each; `arguments` are words of
    `docker create`, `command` those of the image's program. It `joins` what of the lab's networks
    has that role, as others connect it ("": it joins none)."""

    name: str
    role: str
    image: str
    network: str
    arguments: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    connected: Mapping[str, str] = field(default_factory=dict)
    joins: str = ""

    @property
    def spec(self) -> str:
        """The fingerprint."""
        return content_key([json.dumps(asdict(self), sort_keys=True)])


def name_of(lab: Lab, role: str) -> str:
    """The name of the lab's container of that role, of which it has one."""
    return f"{lab.name}-{role}"


def look(lab: Lab, name: str) -> Container | None:
    """The lab's container of that name, if there is one. LabError if it is somebody else's."""
    found = lab.docker.container(name)
    if found is not None and found.labels.get(LABEL) != lab.name:
        raise LabError(
            f"The container {name} is not this lab's",
            f"remove it (docker rm --force {name}) or rename yours",
        )
    return found


def have_running(lab: Lab, wanted: Wanted, found: Container | None) -> bool:
    """Have the container run as it should, given what `look` has found; whether anything was to
    be done. One that was made otherwise (another image, other words, a network that is gone), or
    not to its end, is made anew. Raises CommandError when docker refuses."""
    ids = give_docker(lab.docker, lab.supplier, wanted.image)
    if found is not None and found.image_id in ids and _as_wanted(lab, wanted, found):
        if found.state == "running":
            return False
        # docker does not start one that is paused.
        lab.run(["docker", "unpause" if found.state == "paused" else "start", wanted.name])
        return True
    lab.docker.remove_containers([found.id] if found else [])
    lab.run(create_argv(lab, wanted))
    for network, address in wanted.connected.items():
        lab.docker.connect(network, address, wanted.name)
    lab.docker.start([wanted.name])
    return True


def create_argv(lab: Lab, wanted: Wanted) -> list[str]:
    """The command that makes the container, which it does not start."""
    # On the host's network the name is the host's.
    hostname = [] if wanted.network == HOST else [f"--hostname={wanted.name}"]
    labels = lab.labels(wanted.role) | {SPEC: wanted.spec}
    return [
        *("docker", "create", f"--name={wanted.name}", *hostname, f"--network={wanted.network}"),
        *wanted.arguments,
        *("--init", *(f"--label={key}={value}" for key, value in labels.items())),
        *(lab.supplier.reference(wanted.image), *wanted.command),
    ]


def told(lab: Lab, role: str) -> dict[str, Any]:
    """What the lab's container of that role tells of how it is. LabError while it tells nothing,
    or does not run."""
    name = name_of(lab, role)
    said = lab.docker.exec(name, ["cat", STATUS], timeout=lab.timeouts.container).stdout
    try:
        return dict(json.loads(said))
    except (ValueError, TypeError):
        raise LabError(f"{name} tells nothing yet", f"look at it: docker logs {name}") from None


def _as_wanted(lab: Lab, wanted: Wanted, found: Container) -> bool:
    """Whether it was made with the same words, and was whole when it was first started."""
    networks = {wanted.network, *wanted.connected}
    if further := set(found.addresses) - networks:
        # docker starts none that is on a network which is gone.
        labels = lab.labels(wanted.joins) if wanted.joins else {}
        networks |= further & {n.name for n in (lab.docker.networks(labels) if labels else ())}
    made = found.labels.get(SPEC) == wanted.spec and set(found.addresses) == networks
    return made and found.state not in ("created", "dead", "removing")

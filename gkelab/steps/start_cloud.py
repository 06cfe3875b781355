"""The lab's Google Cloud: the Compute API's server, on the management network and on loopback."""

from __future__ import annotations

import socket

from gkelab.cloud.place import Place, record
from gkelab.cloud.resources import public_ranges
from gkelab.cloud.rest import RestCloud
from gkelab.containers import CLOUD_PORT, Wanted, have_running, look, name_of
from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.shell import CommandError
from gkelab.tools.docker import LABEL, PORT_TAKEN, Container
from gkelab.wait import until

KEPT = "/var/lib/gkelab"


def volume_name(lab: Lab) -> str:
    """The volume with the cloud's state, which outlives the container."""
    return f"gkelab.{lab.name}.cloud"


def start_cloud(lab: Lab) -> str:
    """Have the cloud run and answer, and write down where. Its port on loopback is chosen once,
    and is another only when somebody has taken it since.

    Raises LabError when the container or the volume is somebody else's.
    """
    name = name_of(lab, "cloud")
    found = look(lab, name)
    port = _port_of(found) or free_port()
    if found is None:
        _have_volume(lab)
    try:
        changed = have_running(lab, cloud_container(lab, port), found)
    except CommandError as bad:
        if not PORT_TAKEN.search(bad.result.stderr):
            raise
        port, changed = free_port(), True
        have_running(lab, cloud_container(lab, port), look(lab, name))
    place = Place(f"http://127.0.0.1:{port}", lab.plan.project)
    _wait(lab, place)
    record(lab.cloud_file, place)
    return place.endpoint if changed else CACHED


def adopt_cloud(lab: Lab) -> None:
    """Write down where a running cloud is that another checkout started."""
    if lab.cloud_file.exists():
        return
    found = lab.docker.container(name_of(lab, "cloud"))
    port = _port_of(found)
    if found and found.labels.get(LABEL) == lab.name and found.state == "running" and port:
        lab.folder.mkdir(parents=True, exist_ok=True)
        record(lab.cloud_file, Place(f"http://127.0.0.1:{port}", lab.plan.project))


def cloud_container(lab: Lab, port: int) -> Wanted:
    """The container, published at this port of loopback."""
    command = ["python3", "-m", "gkelab.cloud.api", f"--database={KEPT}/cloud.sqlite"]
    command += [f"--listen=0.0.0.0:{CLOUD_PORT}", f"--project={lab.plan.project}"]
    command += [f"--external-range={network}" for network in public_ranges(lab.plan)]
    command += [f"--frontend-range={lab.plan.frontend_range}"]
    arguments = [f"--publish=127.0.0.1:{port}:{CLOUD_PORT}", f"--volume={volume_name(lab)}:{KEPT}"]
    return Wanted(
        name=name_of(lab, "cloud"),
        role="cloud",
        image="cloud",
        network=lab.plan.management_network,
        arguments=(*arguments, "--restart=unless-stopped"),
        command=tuple(command),
    )


def free_port() -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _port_of(found: Container | None) -> int:
    published = found.ports.get(f"{CLOUD_PORT}/tcp", "") if found else ""
    return int(published.rpartition(":")[2] or 0)


def _have_volume(lab: Lab) -> None:
    name = volume_name(lab)
    labels = lab.docker.volume(name)
    if labels is None:
        lab.docker.create_volume(name, lab.labels("cloud"))
    elif labels.get(LABEL) != lab.name:
        raise LabError(
            f"The docker volume {name} is not this lab's", f"remove it: docker volume rm {name}"
        )


def _wait(lab: Lab, place: Place) -> None:
    cloud = RestCloud(place.endpoint, place.project)
    until(
        cloud.serves,
        lambda project: project == place.project,
        what=f"the cloud answers at {place.endpoint}",
        timeout=lab.timeouts.api_answers,
        interval=0.1,
        tolerant=True,
    )

"""What tests of the containers beside the clusters share: a lab of the recorded plan whose images
docker has, and of which nothing runs yet."""

from __future__ import annotations

from pathlib import Path

from gkelab.cloud.place import Place, record
from gkelab.containers import Wanted, create_argv
from gkelab.lab import Lab
from gkelab.topology import ResolvedTopology
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, make_lab
from tests.unit.supply import docker_has, write_archive

PLACE = Place("http://127.0.0.1:40123", "gkelab")


def lab_with_images(folder: Path, run: Recorder, plan: ResolvedTopology | None = None) -> Lab:
    """The lab; its cloud is at PLACE."""
    supplier = FakeSupplier(root=folder / "images")
    lab = make_lab(folder, run, plan, supplier=supplier)
    for image in ("cloud", "router", "workload"):
        docker_has(run, f"gkelab/{image}:1", write_archive(supplier.archive(image), image))
    record(lab.cloud_file, PLACE)
    return lab


def comes_up(lab: Lab, run: Recorder, wanted: Wanted) -> list[list[str]]:
    """Expect, and return, the commands that make and start a container that is not there."""
    run.handle(["docker", "container", "inspect", wanted.name], code=1)
    return made(lab, run, wanted)


def made(lab: Lab, run: Recorder, wanted: Wanted) -> list[list[str]]:
    """The same, without the look for it."""
    argvs = [
        create_argv(lab, wanted),
        *(
            ["docker", "network", "connect", "--ip", address, network, wanted.name]
            for network, address in wanted.connected.items()
        ),
        ["docker", "start", wanted.name],
    ]
    for argv in argvs:
        run.handle(argv)
    return argvs


def changes(run: Recorder) -> list[list[str]]:
    """The commands that change something."""
    return [argv for argv in run.argvs if "inspect" not in argv]

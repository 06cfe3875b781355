"""What tests of a lab share: the plan of a recorded lab, a supplier that has everything at known
paths, a cluster's kubectl, and recordings of a cluster that comes up and of one that is whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from gkelab.applied import Applied
from gkelab.graph import CACHED, Task
from gkelab.lab import Lab
from gkelab.paths import Paths
from gkelab.supply.pins import Pins, SupplierName, load_pins
from gkelab.timeouts import Timeouts
from gkelab.topology import ResolvedTopology, parse, resolve
from tests.support.recorder import Recorder
from tests.unit.host.fakes import FACTS
from tests.unit.tools import own_networks

Object = dict[str, Any]

# A wait that does not come true at once ends at once: no test waits.
AT_ONCE = Timeouts(rollout=0, webhook=0, api_answers=0, vpc=0)


@dataclass
class FakeSupplier:
    """A supplier of the real pins whose things are all named by their path. `have` are the
    images that need no building; None means all."""

    name: SupplierName = "built"
    have: Collection[str] | None = None
    root: Path = Path("/supply")
    pins: Pins = field(default_factory=load_pins)

    def tasks(self) -> list[Task]:
        kinds: dict[str, Collection[str]] = {
            "tool": self.pins.tools,
            "chart": self.pins.charts,
            "definitions": self.pins.definitions,
            "image": self.pins.images,
        }
        names = [f"{kind}:{name}" for kind, pins in kinds.items() for name in pins]
        return [Task(name, lambda: CACHED) for name in names]

    def tool(self, name: str) -> Path:
        return self.root / "tools" / name

    def chart(self, name: str) -> Path:
        return self.root / "charts" / name

    def definitions(self, name: str) -> Path:
        return self.root / "definitions" / f"{name}.yaml"

    def archive(self, image: str) -> Path:
        return self.root / f"{image}.tar"

    def reference(self, image: str) -> str:
        return self.pins.images[image].ref(self.name)

    def cached(self, image: str) -> bool:
        return self.have is None or image in self.have


def declared() -> Object:
    """The topology of the recorded lab, as its file had it."""
    network, *_ = own_networks()
    plan: Object = json.loads(network["Labels"]["gkelab.plan"])
    topology: Object = plan["topology"]
    return topology


def plan_of(**changes: Any) -> ResolvedTopology:
    """The recorded lab's plan, with changes to its cluster ("maxPodsPerNode")."""
    topology = declared()
    topology["clusters"][0] |= changes
    return resolve(parse(topology, "clusters/vpc-native.yaml"))


def two_regions() -> ResolvedTopology:
    """A plan of two clusters, each in a region of its own."""
    topology = declared() | {"name": "two"}
    (subnet,), (cluster,) = topology["network"]["subnets"], topology["clusters"]
    europe = {"name": "europe-west1", "region": "europe-west1", "ipCidrRange": "10.132.0.0/20"}
    topology["network"]["subnets"] = [subnet, subnet | europe]
    pool = {"name": "default-pool", "locations": ["europe-west1-b"]}
    other = {"name": "europe", "location": "europe-west1", "subnetwork": "europe-west1"}
    topology["clusters"] = [cluster | {"name": "us"}, cluster | other | {"nodePools": [pool]}]
    return resolve(parse(topology, "clusters/two.yaml"))


def make_lab(
    folder: Path,
    run: Recorder,
    plan: ResolvedTopology | None = None,
    *,
    supplier: FakeSupplier | None = None,
    missing_capabilities: tuple[str, ...] = (),
) -> Lab:
    """The recorded lab, or that of another plan; its state and cache are in `folder`."""
    facts = replace(FACTS, missing_capabilities=missing_capabilities)
    paths = Paths(folder / "cache", folder / "state")
    return Lab(plan or plan_of(), supplier or FakeSupplier(), paths, facts, run, AT_ONCE)


def kubectl(lab: Lab, *words: str, cluster: int = 0) -> list[str]:
    """The command line for these words and one of the lab's clusters."""
    return lab.kubectl(lab.plan.clusters[cluster].name).argv(*words)


def applies(lab: Lab) -> list[str]:
    """The command line that applies objects."""
    how = ["--server-side", "--force-conflicts", "--field-manager=gkelab", "--filename=-"]
    return kubectl(lab, "apply", *how)


def reads_record(lab: Lab) -> list[str]:
    """The command line that asks a cluster what was applied to it."""
    name = ["configmap", "gkelab-applied", "--ignore-not-found", "--output=json"]
    return kubectl(lab, "--namespace=kube-system", "get", *name)


def fresh(lab: Lab, run: Recorder) -> Applied:
    """The record of a cluster to which nothing was applied."""
    run.handle(reads_record(lab), "")
    run.handle(applies(lab))
    return Applied(lab.kubectl(lab.plan.clusters[0].name))


def inside(node: str, *words: str, stdin: bool = False) -> list[str]:
    """The command line that runs something in a container."""
    return ["docker", "exec", *(["--interactive"] if stdin else []), node, *words]


def applied_objects(run: Recorder) -> list[list[Object]]:
    """What each `kubectl apply` was given, the record of what was applied left out."""
    applies = [call.input for call in run.calls if "apply" in call.argv and call.input]
    given = [list(yaml.safe_load_all(text)) for text in applies]
    return [
        objects
        for objects in given
        if not any(item["metadata"]["name"] == "gkelab-applied" for item in objects)
    ]


def snapshot(name: str) -> list[Object]:
    """A recording of a real cluster's objects: half_up (a minute in), or ready."""
    loaded: list[Object] = json.loads(
        (Path(__file__).parent / "recorded" / f"{name}.json").read_text()
    )
    return loaded


def find(objects: Sequence[Object], kind: str, name: str, namespace: str = "") -> Object:
    """One object of a list."""
    return next(
        item
        for item in objects
        if item["kind"] == kind
        and item["metadata"]["name"] == name
        and item["metadata"].get("namespace", "") == namespace
    )

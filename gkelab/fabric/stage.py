"""Where the router is measured: a pod on each of two workers, two plain containers on the same
bridge, and what is made in the cloud meanwhile. All of it goes by its name or label, whoever made
it, so that the next bench also removes what a killed one has left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from gkelab.cloud.asking import CloudError
from gkelab.cloud.machines.ports import OPEN
from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.containers import told
from gkelab.errors import LabError
from gkelab.fabric import made
from gkelab.lab import Lab, manifests
from gkelab.steps.deploy_workloads import with_image
from gkelab.supply.archive import give_docker
from gkelab.tools.docker import LABEL, ROLE
from gkelab.topology import Cluster, Node
from gkelab.wait import until

NAMESPACE = "gkelab-bench"
TTL = re.compile(r"\bttl=(\d+)")
ANSWERS = 120.0  # seconds for a probe's answer, beyond those that it measures for


@dataclass(frozen=True)
class Way:
    """Where a probe runs (the words that run a command there), and whom it asks."""

    where: tuple[str, ...]
    host: str


@dataclass(frozen=True)
class Stage:
    """The client's node and the server's in a cluster, with the podCIDRs by node, and the two
    ways between: of pods, and of the plain containers."""

    lab: Lab
    cluster: Cluster
    client: Node
    server: Node
    pod_cidrs: Mapping[str, str]
    pods: Way
    bridge: Way

    @property
    def cloud(self) -> RestCloud:
        """The lab's cloud."""
        return cloud_of(self.lab)

    def probe(self, way: Way, words: list[str], seconds: float) -> str:
        """A probe's answer, where the way begins."""
        return self.lab.run([*way.where, "fabric", *words], timeout=seconds + ANSWERS).stdout

    def ttl(self) -> int:
        """The time to live that is left of a packet from the server's pod to the client's."""
        argv = ["ping", "-c", "1", "-W", "5", self.pods.host]
        said = self.lab.run([*self.pods.where, *argv], timeout=ANSWERS).stdout
        found = TTL.search(said)
        if found is None:
            raise LabError(f"The ping's answer cannot be read: {said.strip()[-200:]!r}")
        return int(found[1])

    def settle(self) -> None:
        """Wait until what the cloud says is in the packets' way."""
        generation = self.cloud.generation()
        until(
            lambda: int(told(self.lab, "router").get("generation") or 0),
            lambda applied: applied >= generation,
            what=f"the router has applied generation {generation}",
            timeout=self.lab.timeouts.vpc,
            interval=0.2,
            describe=lambda applied: f"generation {applied}",
            tolerant=True,
        )

    def have_rules(self, count: int) -> None:
        """Have so many rules of the bench's own, in the packets' way."""
        cloud = self.cloud
        there = {item["name"] for item in cloud.list_of("firewalls", "global")}
        for body in made.rules(self.lab.plan, self.cluster, count):
            if body["name"] not in there:
                cloud.insert("firewalls", "global", body)
        self.settle()

    def have_denials(self) -> None:
        """The rule that is switched on and off, and the one that stays."""
        for body in made.denials(self.lab.plan, self.cluster):
            self.cloud.insert("firewalls", "global", body)
        self.settle()

    def have_aliases(self, count: int) -> None:
        """Have so many alias ranges of instances that are nowhere."""
        for body in made.aliases(self.cluster, self.client.zone, count):
            self.cloud.insert("instances", f"zones/{self.client.zone}", body)
        self.settle()

    def route(self, *, direct: bool) -> None:
        """Have the two nodes lead to each other's pods themselves, or by the router."""
        verb = "replace" if direct else "delete"
        for node, argv in made.direct_routes(self.client, self.server, self.pod_cidrs, verb):
            self.lab.docker.exec(node, argv, check=direct)

    @contextmanager
    def open_ports(self) -> Iterator[None]:
        """The two nodes reach each other past the router while the block runs."""
        nodes = (self.client, self.server)
        _open(self.lab, nodes, True)
        try:
            yield
        finally:
            self.route(direct=False)
            _open(self.lab, nodes, False)


def cloud_of(lab: Lab) -> RestCloud:
    """The lab's cloud."""
    place = recorded(lab.cloud_file)
    return RestCloud(place.endpoint, place.project)


@contextmanager
def staged(lab: Lab, cluster: Cluster) -> Iterator[Stage]:
    """The stage, of which nothing is left when the block ends. LabError where there is only one
    worker."""
    if len(cluster.workers) < 2:
        raise LabError(
            f"Cluster {cluster.name} has one worker, and the way between two is measured",
            "add one: invoke node.add",
        )
    sweep(lab, cluster)
    try:
        yield _set(lab, cluster)
    finally:
        sweep(lab, cluster)


def _set(lab: Lab, cluster: Cluster) -> Stage:
    client, server = cluster.workers[:2]
    kubectl = lab.kubectl(cluster.name)
    objects = with_image(lab, manifests("bench/fabric.yaml"))
    kubectl.apply(made.placed(objects, client.name, server.name))
    give_docker(lab.docker, lab.supplier, "workload")
    names = [f"{lab.name}-bench-{end}" for end in ("server", "client")]
    addresses = [cluster.subnet.lab_address(index) for index in range(2)]
    image, network = lab.supplier.reference("workload"), cluster.subnet.docker_network
    for name, address in zip(names, addresses, strict=True):
        lab.run(made.container_argv(name, network, address, image, lab.labels(made.ROLE)))
    for pod in ("server", "client"):
        kubectl.wait("Ready", f"pod/{pod}", NAMESPACE, timeout=lab.timeouts.rollout)
    found = kubectl.get("pod", "server", NAMESPACE) or {}
    cidrs = {}
    for node in (client, server):
        spec = (kubectl.get("node", node.name) or {}).get("spec", {})
        cidrs[node.name] = str(spec.get("podCIDR", ""))
    inside = kubectl.argv(f"--namespace={NAMESPACE}", "exec", "--stdin", "client", "--")
    return Stage(
        lab=lab,
        cluster=cluster,
        client=client,
        server=server,
        pod_cidrs=cidrs,
        pods=Way(tuple(inside), found["status"]["podIP"]),
        bridge=Way(("docker", "exec", "--interactive", names[1]), str(addresses[0])),
    )


def server_pod(stage: Stage) -> tuple[str, ...]:
    """The words that run a command in the server's pod."""
    words = (f"--namespace={NAMESPACE}", "exec", "--stdin", "server", "--")
    return tuple(stage.lab.kubectl(stage.cluster.name).argv(*words))


def sweep(lab: Lab, cluster: Cluster) -> None:
    """Remove whatever a bench has made, all that is possible. Raises the first error at the end."""
    kubectl = lab.kubectl(cluster.name)
    parts: list[Callable[[], None]] = [
        partial(_close_routes, lab, cluster),
        partial(_open, lab, cluster.workers, False),
        partial(_forget, lab, "firewalls"),
        partial(_forget, lab, "instances"),
        partial(_remove_containers, lab),
        partial(kubectl.delete, "namespace", NAMESPACE),
    ]
    failed: list[LabError] = []
    for part in parts:
        try:
            part()
        except LabError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _close_routes(lab: Lab, cluster: Cluster) -> None:
    """Undo the nodes' own ways to each other's pods."""
    ways = {f"via {node.address} dev eth0 onlink" for node in cluster.workers}
    for node in cluster.workers:
        argv = ["ip", "-4", "route", "show", "table", "main"]
        for line in lab.docker.exec(node.name, argv).stdout.splitlines():
            destination, _, way = line.strip().partition(" ")
            if way in ways:
                argv = ["ip", "route", "delete", destination, *way.split()]
                lab.docker.exec(node.name, argv, check=False)


def _remove_containers(lab: Lab) -> None:
    there = lab.docker.containers({LABEL: lab.name, ROLE: made.ROLE})
    lab.docker.remove_containers([container.id for container in there])


def _forget(lab: Lab, collection: str) -> None:
    """Delete the resources of the bench's."""
    cloud = cloud_of(lab)
    for item in cloud.state()["resources"].get(collection, []):
        if not item["name"].startswith(made.PREFIX):
            continue
        scope = f"zones/{item['zone'].rpartition('/')[2]}" if "zone" in item else "global"
        try:
            cloud.write("delete", collection, scope, {collection[:-1]: item["name"]})
        except CloudError as error:
            if error.code != 404:  # somebody else was faster
                raise


def _open(lab: Lab, nodes: tuple[Node, ...], wanted: bool) -> None:
    """Have the nodes' ports be open, or isolated, by their instances' metadata, and wait until
    they are."""
    cloud, (key, value) = cloud_of(lab), OPEN
    changed = False
    for node in nodes:
        scope = f"zones/{node.zone}"
        current = cloud.get("instances", scope, node.name)["metadata"]
        body = made.metadata(current, key, value if wanted else None)
        if body["items"] != current.get("items", []):
            said = {"instance": node.name, "metadataResource": body}
            cloud.write("set_metadata", "instances", scope, said)
            changed = True
    if not changed:
        return
    names = {node.name for node in nodes}
    until(
        lambda: names & set(told(lab, "machines").get("isolated", {})),
        lambda isolated: isolated == (set() if wanted else names),
        what=f"the ports of {', '.join(sorted(names))} are {'open' if wanted else 'isolated'}",
        timeout=lab.timeouts.vpc,
        interval=0.2,
        describe=lambda isolated: f"isolated are {', '.join(sorted(isolated)) or 'none'}",
        tolerant=True,
    )

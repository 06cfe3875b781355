"""What would disturb every other test: a node that is full, and one that dies.

A lab of its own, `tight` (failover.yaml). The tests are one story, in order.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from gkelab import commands
from gkelab.find import find_labs
from gkelab.lab import Lab
from gkelab.shell import run
from gkelab.status import lab_status
from gkelab.steps.deploy_workloads import IMAGE, with_image
from gkelab.steps.start_client import client_name
from gkelab.tools.docker import Docker
from gkelab.tools.kubectl import Kubectl, Object
from gkelab.topology import Node
from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.invoke import invoke
from tests.support.namespace import READY, Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http, http_many
from tests.support.say import expect
from tests.support.scheduling import unschedulable
from tests.support.timeouts import TIMEOUTS

# With the other labs that tests make: one after the other, as `up` and `down` take a lock.

TOPOLOGY = Path(__file__).with_name("failover.yaml")


@pytest.fixture(scope="module")
def tight(request: pytest.FixtureRequest) -> Lab:
    """The lab; gone when the story ends. One that does not come up is looked at before it goes,
    so it does not go here."""

    def gone() -> None:
        if any(lab.name == "tight" for lab in find_labs(Docker(run))):
            invoke("down", "--lab=tight")

    request.addfinalizer(gone)
    invoke("up", f"--topology={TOPOLOGY}")
    return commands.open_lab("tight")


@pytest.fixture
def space(tight: Lab) -> Iterator[Namespace]:
    """A namespace of the test's own, gone before the next test: its pods take room."""
    cluster = tight.plan.clusters[0]
    made = Namespace("t-full", tight.kubectl(cluster.name), cluster, tight)
    made.create({})
    try:
        yield made
    finally:
        made.kubectl.delete("namespace", made.name)


def idle(name: str, node: Node) -> Object:
    """A pod that does nothing, on that node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node.name},
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "idle", "image": IMAGE, "args": ["idle"]}],
        },
    }


def pods_on(kubectl: Kubectl, node: Node) -> list[Object]:
    """The pods that have a place on a node."""
    return [
        pod
        for pod in kubectl.list("pods")
        if pod["spec"].get("nodeName") == node.name
        and pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]


def test_a_full_node_takes_no_more_pods(tight: Lab, space: Namespace) -> None:
    """At maxPodsPerNode the next pod waits for just that reason, while the node has used less
    than half of its addresses; when a pod goes, the next one comes."""
    cluster, kubectl = space.cluster, space.kubectl
    node = cluster.workers[0]
    room = cluster.max_pods - len(pods_on(kubectl, node))
    assert room > 0, f"the lab's own pods fill {node.name}"
    space.apply([idle(f"filler-{number}", node) for number in range(room)])
    full = pods_on(kubectl, node)
    assert len(full) == cluster.max_pods

    last = idle("last", node)
    last["metadata"]["namespace"] = space.name
    kubectl.apply(with_image(tight, [last]))
    until(
        lambda: unschedulable(kubectl.get("pod", "last", space.name)),
        lambda why: "Too many pods" in why,
        what=f"a pod beyond {cluster.max_pods} on {node.name} is unschedulable",
        timeout=READY,
    )

    block = IPv4Network((kubectl.get("node", node.name) or {})["spec"]["podCIDR"])
    used = Counter(p["status"]["podIP"] for p in full if not p["spec"].get("hostNetwork"))
    assert all(IPv4Address(address) in block for address in used)
    assert not {address: n for address, n in used.items() if n > 1}
    assert 2 * cluster.max_pods <= block.num_addresses

    space.remove("pod", "filler-0")
    space.wait_ready()
    assert space.pod("last").node == node.name
    assert len(pods_on(kubectl, node)) == cluster.max_pods


def test_the_address_moves_when_its_node_dies(
    tight: Lab, record_property: Callable[[str, object], None]
) -> None:
    """The node that announces a load balancer's address is killed: the other node's pod answers
    at it soon, and still sees the client. When the node is back, so is the address."""
    cluster = tight.plan.clusters[0]
    kubectl = tight.kubectl(cluster.name)
    client = ContainerPlace(tight.docker, client_name(tight))
    assert tight.plan.internet
    outside = str(tight.plan.internet.client)
    pods = {
        pod["metadata"]["name"]: pod["spec"]["nodeName"]
        for pod in kubectl.list("pods", "sample", "app=whoami")
    }
    assert set(pods.values()) == {node.name for node in cluster.workers}
    service = kubectl.get("service", "whoami-external", "sample")
    assert service is not None
    url = f"http://{service['status']['loadBalancer']['ingress'][0]['ip']}/"

    before = eventually(lambda: http(client, url), who=set(pods), saw=outside, what=url)
    # Policy Local: as long as its node lives, nobody else answers.
    for answer in http_many(client, url, 10):
        expect(answer, who=before.who, saw=outside, to=url)
    dying = pods[str(before.who)]
    others = {name for name, node in pods.items() if node != dying}

    since = time.monotonic()
    tight.docker.stop([dying], grace=0)
    after = until(
        lambda: http(client, url, timeout=TIMEOUTS.short),
        lambda answer: answer.outcome is Outcome.OK,
        what=f"another node than {dying} answers at {url}",
        timeout=TIMEOUTS.failover,
        interval=0.1,
    )
    record_property("failover_seconds", f"{time.monotonic() - since:.1f}")
    expect(after, who=others, saw=outside, from_="the client outside", to=url)
    assert f"node {dying} is exited" in lab_status(tight).problems

    invoke("start", "--lab=tight")
    assert not lab_status(tight).problems
    eventually(
        lambda: http(client, url, timeout=TIMEOUTS.short),
        who=before.who,
        saw=outside,
        what=f"{dying} announces the address again",
        timeout=READY,
    )

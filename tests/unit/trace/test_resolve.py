"""A person's words become the ends of a probe, or one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from gkelab.errors import LabError
from gkelab.trace.plan import begins, expected, places, receivers
from gkelab.trace.resolve import End, destination, port, source
from gkelab.trace.world import Machine, Pod, Service, World, machines, pods, services
from tests.unit.cloud.router import states

NODE = Machine("node", "n1", "n1", "10.128.0.2", public="203.0.113.17", cluster="us")
OTHER = Machine("node", "n2", "n2", "10.128.0.3", cluster="us")
FAR = Machine("node", "m1", "m1", "10.132.0.9", cluster="eu")
VM = Machine("vm", "vm", "lab-vm-vm", "10.132.0.2", public="203.0.113.18")
CLIENT = Machine("client", "client", "lab-client", "198.18.0.2")
A = Pod("us", "x", "a", "10.4.0.5", "n1", ports=(("udp", 53), ("tcp", 8080)))
B = Pod("us", "x", "b", "10.4.0.70", "n2")
HOSTED = Pod("us", "kube-system", "agent", "10.128.0.2", "n1", of_node=True)
WEB = Service(
    *("us", "x", "web", "10.4.16.9"),
    external=("203.0.113.2",),
    ports=(("tcp", 80),),
    backends=("10.4.0.70",),
    backend_ports=(8080,),
)
FAR_WEB = Service("eu", "x", "web", "10.8.16.9")
HEADLESS = Service("us", "x", "headless", "None")
WORLD = World(
    (NODE, OTHER, FAR, VM, CLIENT),
    (
        A,
        B,
        HOSTED,
        Pod("us", "y", "b", "10.4.0.71", "n2"),
        Pod("us", "y", "client", "10.4.0.72", "n2"),
    ),
    (WEB, FAR_WEB, HEADLESS),
    clusters=("us", "eu"),
    stopped=("sleeping",),
)
A_END = End("pod", "x/a", "10.4.0.5", "n1", "10.4.0.5", "us", A.ports)
NODE_END = End("node", "n1", "10.128.0.2", "n1", cluster="us")
CLIENT_END = End("client", "client", "198.18.0.2", "lab-client")
HOW = (
    "Name a pod or a Service (NAMESPACE/NAME), a node, a VM, client, or an address; "
    "pod/, svc/, node/ or vm/ in front of it says which is meant."
)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("x/a", A_END),
        ("a", A_END),
        ("pod/x/a", A_END),
        ("us:x/a", A_END),
        ("10.4.0.5", A_END),
        ("n1", NODE_END),
        ("node/n1", NODE_END),
        ("10.128.0.2", NODE_END),
        ("203.0.113.17", NODE_END),
        ("vm", End("vm", "vm", "10.132.0.2", "lab-vm-vm")),
        ("client", CLIENT_END),
        (
            "kube-system/agent",
            End("pod", "kube-system/agent", "10.128.0.2", "n1", "", "us"),
        ),
    ],
)
def test_who_sends(text: str, end: End) -> None:
    assert source(text, WORLD) == end


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody", f"There is nothing named nobody in the lab. {HOW}"),
        ("x/", f"x/ is no name. {HOW}"),
        ("a/b/c", f"a/b/c is no name. {HOW}"),
        ("eu:x/a", f"There is nothing named eu:x/a in the lab. {HOW}"),
        ("node/vm", f"There is nothing named node/vm in the lab. {HOW}"),
        ("b", "b may be pod/x/b or pod/y/b. Say which of them."),
        ("web", "web may be eu:svc/x/web or us:svc/x/web. Say which of them."),
        (
            "sleeping",
            "sleeping does not run. Start it: invoke gcloud -- compute instances start.",
        ),
        (
            "us:svc/x/web",
            "us:svc/x/web is a Service, which sends nothing. Name a pod, a node, a VM or client.",
        ),
        (
            "10.4.0.9",
            "10.4.0.9 is nobody's address, which sends nothing. "
            "Name a pod, a node, a VM or client.",
        ),
    ],
)
def test_who_cannot_send(text: str, sentence: str) -> None:
    with pytest.raises(LabError) as caught:
        source(text, WORLD)
    assert str(caught.value) == sentence


def test_a_cluster_that_does_not_answer_is_told_of() -> None:
    with pytest.raises(LabError) as caught:
        source("x/z", World(clusters=("us",), silent=("us",)))
    assert caught.value.message == (
        "There is nothing named x/z in the lab; the API server of us does not answer"
    )


@pytest.mark.parametrize(
    ("sender", "text", "name", "address"),
    [
        (A_END, "svc/web", "x/web", "10.4.16.9"),
        (A_END, "svc/x/web", "x/web", "10.4.16.9"),
        (A_END, "web.x.svc.cluster.local", "x/web", "10.4.16.9"),
        (A_END, "svc/web.x", "x/web", "10.4.16.9"),
        (NODE_END, "eu:svc/web", "x/web", "10.8.16.9"),
        (CLIENT_END, "us:x/web", "x/web", "203.0.113.2"),
        (A_END, "203.0.113.2", "x/web", "203.0.113.2"),
        (CLIENT_END, "vm", "vm", "203.0.113.18"),
        (A_END, "vm", "vm", "10.132.0.2"),
        (CLIENT_END, "x/a", "x/a", "10.4.0.5"),
        (A_END, "10.4.9.9", "10.4.9.9", "10.4.9.9"),
    ],
)
def test_whom_it_is_sent_to(sender: End, text: str, name: str, address: str) -> None:
    found = destination(text, WORLD, sender)
    assert (found.name, found.address) == (name, address)


def test_a_service_without_an_address() -> None:
    with pytest.raises(LabError) as caught:
        destination("svc/headless", WORLD, A_END)
    assert caught.value.message == "The Service x/headless has no address"


@pytest.mark.parametrize(
    ("target", "protocol", "asked", "number"),
    [
        (A_END, "tcp", None, 8080),
        (A_END, "udp", None, 53),
        (NODE_END, "tcp", None, 80),
        (NODE_END, "tcp", 22, 22),
        (NODE_END, "icmp", None, 0),
    ],
)
def test_the_port(target: End, protocol: str, asked: int | None, number: int) -> None:
    assert port(target, protocol, asked) == number


@pytest.mark.parametrize(("protocol", "asked"), [("icmp", 80), ("tcp", 0), ("udp", 65536)])
def test_no_port(protocol: str, asked: int) -> None:
    with pytest.raises(LabError):
        port(A_END, protocol, asked)


def keys(found: Any) -> list[str]:
    return [place.key for place in found]


def test_the_way_between_pods_of_two_nodes() -> None:
    target = destination("x/b", WORLD, A_END)
    found = places(A_END, target, WORLD, "r")
    assert keys(found) == ["n1 10.4.0.5", "n1", "r", "n2 10.4.0.70", "n2"]
    assert begins(A_END, found).key == "n1 10.4.0.5"
    assert keys(expected(A_END, target, found, "r")) == [
        *("n1 10.4.0.5", "n1", "r", "n2", "n2 10.4.0.70")
    ]
    assert receivers(target, found) == {"n2 10.4.0.70"}


def test_the_way_within_a_node_has_no_router() -> None:
    found = places(A_END, NODE_END, WORLD, "r")
    assert keys(expected(A_END, NODE_END, found, "r")) == ["n1 10.4.0.5", "n1"]


def test_a_service_is_listened_for_at_every_node_of_its_cluster() -> None:
    target = destination("us:svc/web", WORLD, CLIENT_END)
    found = places(CLIENT_END, target, WORLD, "r")
    assert sorted(keys(found)) == sorted(["lab-client", "r", "n2 10.4.0.70", "n2", "n1"])
    assert receivers(target, found) == {"n2 10.4.0.70"}


def test_the_way_to_nobody_ends_at_the_router() -> None:
    target = destination("10.4.9.9", WORLD, CLIENT_END)
    found = places(CLIENT_END, target, WORLD, "r")
    assert keys(expected(CLIENT_END, target, found, "r")) == ["lab-client", "r"]
    assert receivers(target, found) == set()


def test_machines_are_the_instances_that_run() -> None:
    node = states.instance(
        *("n1", "us", "10.128.0.2"),
        aliases=["10.4.0.0/26"],
        labels={"goog-gke-node": "", "goog-k8s-cluster-name": "us"},
        public="203.0.113.17",
    )
    vm = states.instance("vm", "eu", "10.132.0.2", aliases=["10.8.0.16/28"])
    names = {"zones/europe-west1-b/instances/vm": "lab-vm"}
    found = tuple(machines(states.fabric([node, vm]), states.state([node, vm]), names))
    assert [(m.kind, m.container, m.public, m.cluster, len(m.aliases)) for m in found] == [
        ("node", "n1", "203.0.113.17", "us", 0),
        ("vm", "lab-vm", "", "", 1),
    ]
    world = World(machines=found)
    assert destination("10.8.0.17", world, CLIENT_END).machine == "lab-vm"
    assert destination("10.4.0.17", world, CLIENT_END).kind == "address"


def test_of_two_machines_of_one_name_the_zone_tells_which() -> None:
    pair = [states.instance("vm", "eu", "10.132.0.2"), states.instance("vm", "us", "10.128.0.2")]
    names = {f"zones/{z}/instances/vm": f"of-{z}" for z in ("europe-west1-b", "us-central1-b")}
    world = World(machines=tuple(machines(states.fabric(pair), states.state(pair), names)))
    assert destination("vm.us-central1-b", world, CLIENT_END).machine == "of-us-central1-b"
    assert destination("vm/vm.europe-west1-b", world, CLIENT_END).address == "10.132.0.2"
    said = "vm may be vm/vm.europe-west1-b or vm/vm.us-central1-b. Say which"
    with pytest.raises(LabError, match=said):
        destination("vm", world, CLIENT_END)


def test_pods_and_services_are_as_kubernetes_has_them() -> None:
    meta = {"namespace": "x", "name": "web"}
    spec = {"nodeName": "n1", "containers": [{"ports": [{"containerPort": 8080}]}]}
    items: list[dict[str, Any]] = [
        {"kind": "Pod", "metadata": meta, "spec": spec, "status": {"podIP": "10.4.0.5"}},
        {"kind": "Pod", "metadata": meta, "spec": spec, "status": {}},
        {
            "kind": "Pod",
            "metadata": meta,
            "spec": spec,
            "status": {"phase": "Succeeded", "podIP": "10.4.0.6"},
        },
        {
            "kind": "Service",
            "metadata": meta,
            "spec": {"clusterIP": "10.4.16.9", "ports": [{"port": 80}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.2"}]}},
        },
        {
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "x",
                "name": "web-1",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "ports": [{"port": 8080}],
            "endpoints": [
                {"addresses": ["10.4.0.5"]},
                {"addresses": ["10.4.0.7"], "conditions": {"ready": False}},
            ],
        },
    ]
    assert list(pods("us", items)) == [
        Pod("us", "x", "web", "10.4.0.5", "n1", False, (("tcp", 8080),))
    ]
    assert list(services("us", items)) == [
        Service(
            *("us", "x", "web", "10.4.16.9", ("203.0.113.2",)),
            *((("tcp", 80),), ("10.4.0.5",), (8080,)),
        )
    ]

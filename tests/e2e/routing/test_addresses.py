"""Pods' addresses: each is one pod's alone, and nobody else's before that pod is gone."""

from __future__ import annotations

from collections import Counter

from gkelab.lab import NAMESPACES, Lab
from gkelab.tools.kubectl import Kubectl, Object
from gkelab.wait import until
from tests.support.ipam import give_back, take
from tests.support.namespace import READY, Namespace
from tests.support.parse import cilium_endpoints
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect


def has_an_address(pod: Object) -> bool:
    """Whether an address is the pod's now: it runs, not on its node's network, and stays."""
    return (
        pod["status"].get("phase") == "Running"
        and not pod["spec"].get("hostNetwork")
        and "deletionTimestamp" not in pod["metadata"]
        and bool(pod["status"].get("podIP"))
    )


def test_no_two_pods_share_an_address(kubectl: Kubectl) -> None:
    """Not in the API's view, and not in that of the nodes' agents, which know all of them."""
    pods = [pod for pod in kubectl.list("pods") if has_an_address(pod)]
    counted = Counter(pod["status"]["podIP"] for pod in pods)
    assert counted
    assert not {address: n for address, n in counted.items() if n > 1}
    agents = kubectl.list("pods", "kube-system", "k8s-app=cilium")
    for agent in agents:
        argv = ["cilium-dbg", "endpoint", "list", "--output=json"]
        name, node = agent["metadata"]["name"], agent["spec"]["nodeName"]
        said = kubectl.exec("kube-system", name, argv, container="cilium-agent")
        endpoints = [each for each in cilium_endpoints(said.stdout) if each.ipv4]
        found = Counter(each.ipv4 for each in endpoints)
        assert not {address: n for address, n in found.items() if n > 1}, node
        known = {each.pod: each.ipv4 for each in endpoints}
        for pod in pods:
            space, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            # Other tests' pods come and go between the two looks.
            if space in NAMESPACES and pod["spec"]["nodeName"] == node:
                assert known.get(f"{space}/{name}") == pod["status"]["podIP"]


def test_an_address_is_free_only_when_its_pod_is_gone(shared: Namespace, lab: Lab) -> None:
    """While a pod runs, and while it still answers after it was told to stop, its node's
    allocator gives its address to nobody; when it is gone, to the next who asks, once."""
    pod = shared.pod("leaver")
    node = ContainerPlace(lab.docker, pod.node)
    where = f"--namespace={shared.name}"

    def refused_while(what: str) -> None:
        answer = http(node, f"http://{pod.ip}:8080/")
        expect(answer, who=pod.name, from_=pod.node, to=f"{pod.name}, {what}")
        said = take(node, pod.ip)
        assert said.taken, f"{pod.ip} while its pod {what}: {said}"

    refused_while("runs")
    shared.kubectl("delete", "pod", pod.name, where, "--wait=false")
    leaving = shared.kubectl.get("pod", pod.name, shared.name)
    assert leaving is not None
    assert "deletionTimestamp" in leaving["metadata"]
    refused_while("is told to stop")
    shared.kubectl("delete", "pod", pod.name, where, "--grace-period=1", "--wait=true")
    said, _ = until(
        lambda: (take(node, pod.ip), owners(shared.kubectl, pod.ip)),
        lambda seen: seen[0].granted or bool(seen[1]),
        what=f"{pod.ip} is given again",
        timeout=READY,
    )
    if said.granted:
        second = take(node, pod.ip)
        give_back(node, pod.ip)
        assert second.taken, f"{pod.ip} was given twice: {second}"


def owners(kubectl: Kubectl, address: str) -> list[str]:
    """The pods that have the address."""
    pods = [pod for pod in kubectl.list("pods") if has_an_address(pod)]
    return [p["metadata"]["name"] for p in pods if p["status"]["podIP"] == address]

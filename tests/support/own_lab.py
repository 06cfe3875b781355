"""Labs that tests make for themselves: by the commands that a person types, and what is seen of
them that a command must or must not change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from gkelab.find import find_labs
from gkelab.host.prepare import docker_answers
from gkelab.lab import NAMESPACES, Lab
from gkelab.shell import run
from gkelab.steps.start_client import client_name
from gkelab.supply.pins import ROOT
from gkelab.tools.docker import LABEL, Docker
from gkelab.wait import until
from tests.support.invoke import invoke
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect

NAME = "lifecycle"
SETTLES = 120.0  # seconds until nobody writes to the lab's objects any more
# What the lab applies. Definitions are left out: they are large, and their own steps' objects
# tell the same.
KINDS = (
    *("namespaces", "serviceaccounts", "configmaps", "secrets", "services"),
    *("deployments.apps", "daemonsets.apps", "poddisruptionbudgets.policy"),
    *("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"),
    *("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"),
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    *("ipaddresspools.metallb.io", "l2advertisements.metallb.io"),
    *("gateways.networking.istio.io", "virtualservices.networking.istio.io"),
    "destinationrules.networking.istio.io",
)


def two_workers(folder: Path) -> Path:
    """The small topology with a worker in each of two zones, under a name of its own, as a file
    in that folder. Its ranges are the small one's: the two are never on one machine at once."""
    topology = yaml.safe_load((ROOT / "clusters" / "small.yaml").read_text())
    (cluster,) = topology["clusters"]
    topology["name"] = cluster["name"] = NAME
    cluster["location"] = "us-central1"
    cluster["nodePools"][0]["locations"] = ["us-central1-a", "us-central1-b"]
    file = folder / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump(topology, sort_keys=False))
    return file


def remove() -> None:
    """Have there be no lab of that name, in whatever state it is."""
    if docker_answers(run) and any(lab.name == NAME for lab in find_labs(Docker(run))):
        invoke("down", f"--lab={NAME}")


def answers(lab: Lab) -> None:
    """The sample workload answers the client outside, and sees its address."""
    cluster = lab.plan.clusters[0]
    service = lab.kubectl(cluster.name).get("service", "whoami-external", "sample")
    assert service is not None
    address = service["status"]["loadBalancer"]["ingress"][0]["ip"]
    client = ContainerPlace(lab.docker, client_name(lab))
    answer = until(
        lambda: http(client, f"http://{address}/"),
        lambda answer: answer.outcome is Outcome.OK,
        what=f"whoami answers at {address}",
        timeout=60,
    )
    assert lab.plan.internet
    expect(answer, saw=str(lab.plan.internet.client))


def ids(lab: Lab) -> dict[str, str]:
    """The lab's containers' ids by name."""
    return {c.name: c.id for c in lab.docker.containers({LABEL: lab.name})}


def snapshot(lab: Lab) -> dict[str, str]:
    """What a command that changes nothing leaves as it is: containers and networks by id, the
    lab's own pods by uid and restarts, what the lab applied by resourceVersion."""
    seen = {f"container {name}": number for name, number in ids(lab).items()}
    seen |= {f"network {n.name}": n.id for n in lab.docker.networks({LABEL: lab.name})}
    for cluster in lab.plan.clusters:
        kubectl = lab.kubectl(cluster.name)
        words = ["get", ",".join(KINDS), "--all-namespaces", "--show-managed-fields"]
        objects = json.loads(kubectl(*words, "--output=json").stdout)["items"]
        told = {**versions(objects), **pods(kubectl.list("pods"))}
        seen |= {f"{cluster.name}: {name}": version for name, version in told.items()}
    return seen


def versions(objects: list[dict[str, Any]]) -> dict[str, str]:
    """The resourceVersion of the workloads, and of all else that the lab is a manager of."""
    return {
        f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}": item[
            "metadata"
        ]["resourceVersion"]
        for item in objects
        if item["kind"] in ("Deployment", "DaemonSet")
        or any(f["manager"] == "gkelab" for f in item["metadata"].get("managedFields", []))
    }


def pods(objects: list[dict[str, Any]]) -> dict[str, str]:
    """The uid and the restarts of the pods of the lab's own namespaces."""
    return {
        f"Pod {item['metadata']['namespace']}/{item['metadata']['name']}": " ".join(
            [
                item["metadata"]["uid"],
                *(
                    f"{status['name']}:{status['restartCount']}"
                    for status in item.get("status", {}).get("containerStatuses", [])
                ),
            ]
        )
        for item in objects
        if item["metadata"]["namespace"] in NAMESPACES
    }


def settled(lab: Lab) -> dict[str, str]:
    """The snapshot, once two in a row are the same: after an `up` controllers still write."""
    seen: list[dict[str, str]] = []

    def look() -> dict[str, str]:
        seen.append(snapshot(lab))
        return seen[-1]

    return until(
        look,
        lambda now: now in seen[-2:-1],
        what=f"lab {lab.name} is quiet",
        timeout=SETTLES,
        interval=3,
        describe=lambda now: ", ".join(changed(seen[-2] if len(seen) > 1 else {}, now)),
    )


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The names of what came, went or is another."""
    return sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))

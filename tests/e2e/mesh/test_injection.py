"""Which pods get a sidecar: by their namespace's label and their own. The API server is asked what
it would make of a pod, webhooks included, and makes nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from gkelab.lab import Lab
from gkelab.steps.deploy_workloads import with_image
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster
from tests.support.namespace import Namespace

LABELS = {
    "enabled": {"istio-injection": "enabled"},
    "disabled": {"istio-injection": "disabled"},
    "unlabelled": {},
}
# Not the default one, which is there only some time after its namespace.
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "pod"}}


@pytest.fixture(scope="module")
def labelled(lab: Lab, cluster: Cluster, kubectl: Kubectl) -> Iterator[Mapping[str, Namespace]]:
    """A namespace of each label."""
    run = secrets.token_hex(3)
    made = {name: Namespace(f"t-injection-{name}-{run}", kubectl, cluster, lab) for name in LABELS}
    try:
        for name, namespace in made.items():
            namespace.create(LABELS[name])
            namespace.apply([ACCOUNT])
        yield made
    finally:
        for namespace in made.values():
            namespace.delete()


def would_have_sidecar(namespace: Namespace, label: str, **spec: Any) -> bool:
    """Whether a pod with this label ("" for none) would have one there."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "pod",
            "namespace": namespace.name,
            "labels": {"sidecar.istio.io/inject": label} if label else {},
        },
        "spec": {
            "serviceAccountName": "pod",
            "containers": [{"name": "client", "image": "gkelab/workload", "args": ["idle"]}],
            **spec,
        },
    }
    words = ["create", "--dry-run=server", "--output=json", "--filename=-"]
    text = yaml.safe_dump(with_image(namespace.lab, [pod])[0])
    made = json.loads(namespace.kubectl(*words, input=text).stdout)["spec"]
    names = [c["name"] for c in made["containers"] + made.get("initContainers", [])]
    assert "client" in names
    return "istio-proxy" in names


@pytest.mark.parametrize(
    ("space", "label", "injected"),
    [
        ("enabled", "", True),
        ("enabled", "true", True),
        ("enabled", "false", False),
        ("disabled", "", False),
        ("disabled", "true", False),
        ("unlabelled", "", False),
        ("unlabelled", "true", True),
        ("unlabelled", "false", False),
    ],
)
def test_by_labels(
    labelled: Mapping[str, Namespace], space: str, label: str, injected: bool
) -> None:
    """The namespace's label says it for all, the pod's own for itself; where the namespace says
    no, a pod cannot say yes."""
    assert would_have_sidecar(labelled[space], label) is injected


def test_a_pod_of_the_nodes_network_has_none(labelled: Mapping[str, Namespace]) -> None:
    """Its packets are the node's, which no sidecar can take."""
    assert would_have_sidecar(labelled["enabled"], "true")
    assert not would_have_sidecar(labelled["enabled"], "true", hostNetwork=True)

"""From a Kubernetes API to a Compute API, both over loopback, and what happens without either."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gkelab.cloud.client import Cloud
from gkelab.cloud.controllers.__main__ import Status, Worker, main
from gkelab.cloud.controllers.control import Seen
from gkelab.cloud.mirror import Mirror, follow
from gkelab.lab import manifest
from gkelab.wait import until
from tests.unit.cloud.controllers.fakes import Kubernetes, kubeconfig, serving
from tests.unit.cloud.controllers.made import (
    CLUSTER,
    POOL_RULE,
    begin,
    gcpfirewall,
    instance,
    node,
    service,
)
from tests.unit.cloud.servers import ZONE, Running, free_port

A, B = "10.4.0.0/24", "10.4.1.0/24"
GF_RULE = "gke-small-0123abcd-pfw-allow-web"


def soon(what: Callable[[], object]) -> None:
    until(what, bool, what="it is so", timeout=30, interval=0.02)


class Work:
    """A worker at work; `status` reads its file."""

    def __init__(self, cloud: Cloud, folder: Path, config: Path) -> None:
        self.file, self.stop = folder / "status.json", threading.Event()
        self.worker = Worker(CLUSTER, config, Mirror(cloud.endpoint), "net")
        follow(Mirror(cloud.endpoint), self.worker.wake.set, self.stop, wait=0.5)
        status = Status(self.file)
        self.thread = threading.Thread(target=self.worker.run, args=(status, self.stop))
        self.thread.start()

    @property
    def status(self) -> dict[str, Any]:
        told = json.loads(self.file.read_text()) if self.file.exists() else {"clusters": {}}
        return dict(told["clusters"].get("small", {"synced": False, "problems": []}))

    def end(self) -> None:
        self.stop.set()
        self.worker.wake.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def kubernetes() -> Kubernetes:
    return Kubernetes()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def running(cloud: Cloud, tmp_path: Path, port: int) -> Iterator[Work]:
    begin(cloud, instance("a"), instance("b"))
    made = Work(cloud, tmp_path, kubeconfig(tmp_path, port))
    yield made
    made.end()


def aliases(cloud: Cloud, name: str) -> list[str]:
    nic = cloud.get("instances", f"zones/{ZONE}", name)["networkInterfaces"][0]
    return [alias["ipCidrRange"] for alias in nic.get("aliasIpRanges", [])]


def rules(cloud: Cloud) -> set[str]:
    return {rule["name"] for rule in cloud.list_of("firewalls", "global")}


def test_objects_are_followed(
    cloud: Cloud, running: Work, kubernetes: Kubernetes, port: int
) -> None:
    kubernetes.put("nodes", node("a", A))
    kubernetes.put("gcpfirewalls", gcpfirewall())
    with serving(kubernetes, port):
        soon(lambda: running.status == {"synced": True, "problems": []})
        soon(lambda: aliases(cloud, "a") == [A] and rules(cloud) == {GF_RULE})
        soon(lambda: kubernetes.of("gcpfirewalls", "allow-web")["status"].get("type") == "VPC")
        kubernetes.put("nodes", node("b", B))
        kubernetes.put("services", service("203.0.113.5"))
        soon(lambda: aliases(cloud, "b") == [B] and rules(cloud) == {GF_RULE, POOL_RULE})
        kubernetes.delete("nodes", "a")
        kubernetes.delete("services", "web")
        kubernetes.delete("gcpfirewalls", "allow-web")
        soon(lambda: not aliases(cloud, "a") and not rules(cloud))
        # Versions that the API server has forgotten: everything is listed anew.
        kubernetes.hang_up()
        kubernetes.put("nodes", node("a", A))
        soon(lambda: aliases(cloud, "a") == [A])
    assert any("fieldSelector=metadata.name" in path for path in kubernetes.requests)


def test_what_a_person_undoes_is_done_again(
    cloud: Cloud, running: Work, kubernetes: Kubernetes, port: int
) -> None:
    kubernetes.put("services", service("203.0.113.5"))
    with serving(kubernetes, port):
        soon(lambda: rules(cloud) == {POOL_RULE})
        cloud.delete("firewalls", "global", POOL_RULE)
        soon(lambda: rules(cloud) == {POOL_RULE})


def test_an_api_server_that_is_away_changes_nothing(
    cloud: Cloud, running: Work, kubernetes: Kubernetes, port: int
) -> None:
    kubernetes.put("nodes", node("a", A))
    kubernetes.put("services", service("203.0.113.5"))
    with serving(kubernetes, port):
        soon(lambda: aliases(cloud, "a") == [A] and rules(cloud) == {POOL_RULE})
    soon(lambda: any("nodes are not seen" in p for p in running.status["problems"]))
    # Held as it was, also against what a person does meanwhile.
    cloud.delete("firewalls", "global", POOL_RULE)
    soon(lambda: rules(cloud) == {POOL_RULE})
    assert aliases(cloud, "a") == [A]
    kubernetes.delete("services", "web")
    with serving(kubernetes, port):
        soon(lambda: not rules(cloud) and running.status["problems"] == [])
        assert aliases(cloud, "a") == [A]


def test_without_the_custom_resource_the_rest_is_done(
    cloud: Cloud, running: Work, kubernetes: Kubernetes, port: int
) -> None:
    kubernetes.unserved.add(kubernetes.path("gcpfirewalls"))
    kubernetes.put("nodes", node("a", A))
    kubernetes.put("gcpfirewalls", gcpfirewall())
    with serving(kubernetes, port):
        soon(lambda: aliases(cloud, "a") == [A])
        soon(lambda: running.status["synced"])
        unserved = ["gcpfirewalls are not seen (the cluster does not serve them)"]
        soon(lambda: running.status["problems"] == unserved)
        kubernetes.unserved.clear()
        soon(lambda: rules(cloud) == {GF_RULE} and running.status["problems"] == [])


def test_a_cloud_that_is_away_is_told_of(
    server: Running, cloud: Cloud, running: Work, kubernetes: Kubernetes, port: int
) -> None:
    kubernetes.put("nodes", node("a", A))
    soon(running.file.exists)  # it has looked once, and knows where to write
    running.worker.mirror.endpoint = f"http://127.0.0.1:{free_port()}"
    with serving(kubernetes, port):
        soon(lambda: any("does not answer" in p for p in running.status["problems"]))
        assert aliases(cloud, "a") == []
        running.worker.mirror.endpoint = server.endpoint
        soon(lambda: aliases(cloud, "a") == [A] and running.status["problems"] == [])


def test_nothing_seen_changes_nothing() -> None:
    worker = Worker(CLUSTER, Path("/nowhere/kubeconfig"), Mirror("http://127.0.0.1:1"), "net")
    assert all(watch.snapshot() is None for watch in worker.watches.values())
    assert not worker.synced
    assert Seen(None, None, None, "").nodes is None


def test_a_cluster_that_is_none_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--cloud=http://127.0.0.1:1", "--kubeconfig=x", "--cluster=small"]
    assert main(words) == 1
    assert "Say NAME=CONTEXT=TAG=RANGE" in capsys.readouterr().err


def test_the_custom_resource_is_gkes() -> None:
    crd = manifest("gke/gcpfirewalls.yaml")
    assert crd["metadata"]["name"] == "gcpfirewalls.networking.gke.io"
    assert (crd["spec"]["scope"], crd["spec"]["names"]["shortNames"]) == ("Cluster", ["gf"])
    (version,) = crd["spec"]["versions"]
    assert (version["name"], version["subresources"]) == ("v1", {"status": {}})
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    spec = schema["spec"]["properties"]
    assert set(spec) == {"action", "disabled", "ports", "ingress"}
    assert spec["action"]["enum"] == ["ALLOW"]
    assert set(spec["ports"]["items"]["properties"]) == {"protocol", "startPort", "endPort"}
    assert set(spec["ingress"]["properties"]) == {"source", "destination"}
    assert set(schema["status"]["properties"]) == {"type", "resourceURL", "priority", "conditions"}
    assert "&" not in yaml.safe_dump(schema["status"])

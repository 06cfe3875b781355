"""Cilium's agents and Envoys: what is asked of them, and that no key is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.diagnosis.dataplane import AGENT, cilium_sources, envoy_sources, without_secrets
from gkelab.tools.kubectl import Kubectl
from tests.support.recorder import Recorder
from tests.unit.diagnosis import gathered

KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
TYPE = "type.googleapis.com/envoy.admin.v3"
DUMP: dict[str, Any] = {
    "configs": [
        {"@type": f"{TYPE}.ClustersConfigDump", "static_clusters": [{"name": "xds-grpc"}]},
        {
            "@type": f"{TYPE}.SecretsConfigDump",
            "dynamic_active_secrets": [{"secret": {"tls_certificate": {"private_key": KEY}}}],
        },
        {
            "@type": f"{TYPE}.ListenersConfigDump",
            "listener": {"tls": {"private_key": {"inline_string": KEY}, "alpn": ["h2"]}},
        },
    ]
}


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def kubectl(run: Recorder) -> Kubectl:
    return Kubectl(Path("kubectl"), Path("/k"), "kind-a", run)


def inside(kubectl: Kubectl, namespace: str, pod: str, container: str, *words: str) -> list[str]:
    where = [f"--namespace={namespace}", "exec", pod, f"--container={container}", "--"]
    return kubectl.argv(*where, *words)


def test_each_agent_is_asked_for_its_state_and_flows(run: Recorder, kubectl: Kubectl) -> None:
    words = ["--namespace=kube-system", "--selector=k8s-app=cilium", "--output=json"]
    agents = [{"metadata": {"name": f"cilium-{node}"}, "spec": {"nodeName": node}} for node in "ab"]
    run.handle(kubectl.argv("get", "pods", *words), json.dumps({"items": agents}))
    for node in "ab":
        for argv in AGENT.values():
            asked = inside(kubectl, "kube-system", f"cilium-{node}", "cilium-agent", *argv)
            run.handle(asked, f"{node}: {' '.join(argv)}\n")
    found = gathered(cilium_sources(kubectl, "c"))
    assert set(found) == {f"c/cilium/{node}/{file}" for node in "ab" for file in AGENT}
    assert found["c/cilium/b/loadbalancer.txt"] == "b: cilium-dbg bpf lb list\n"
    assert "--verdict=DROPPED" in found["c/cilium/a/drops.txt"]


def test_each_envoy_gives_its_configuration(run: Recorder, kubectl: Kubectl) -> None:
    pods = [
        {
            "metadata": {"namespace": "m", "name": "old"},
            "spec": {"containers": [{"name": "app"}, {"name": "istio-proxy"}]},
        },
        {  # a sidecar as Kubernetes has them, a native one
            "metadata": {"namespace": "m", "name": "new"},
            "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]},
        },
        {"metadata": {"namespace": "m", "name": "plain"}, "spec": {"containers": [{"name": "a"}]}},
    ]
    listing = kubectl.argv("get", "pods", "--all-namespaces", "--output=json")
    run.handle(listing, json.dumps({"items": pods}))
    for name in ("old", "new"):
        for path, said in (("config_dump", json.dumps(DUMP)), ("clusters", "x::health\n")):
            words = ["pilot-agent", "request", "GET", path]
            run.handle(inside(kubectl, "m", name, "istio-proxy", *words), said)
    found = gathered(envoy_sources(kubectl, "c"))
    assert set(found) == {
        f"c/envoy/m.{name}.{kind}" for name in ("old", "new") for kind in ("json", "clusters.txt")
    }
    assert "PRIVATE KEY" in json.dumps(DUMP), "the counterfactual: Envoy gives it"
    assert "PRIVATE KEY" not in found["c/envoy/m.old.json"]
    listeners = {**DUMP["configs"][2], "listener": {"tls": {"alpn": ["h2"]}}}
    assert json.loads(found["c/envoy/m.old.json"]) == {"configs": [DUMP["configs"][0], listeners]}


@pytest.mark.parametrize("dump", [[], {}, "text", None, 3, {"a": [1, {"b": None}]}])
def test_what_has_no_secret_stays(dump: Any) -> None:
    assert without_secrets(dump) == dump

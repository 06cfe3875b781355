"""What the mesh's tests stand on: Istio's objects as data, certificates, calls, conditions."""

from __future__ import annotations

import base64
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from gkelab.lab import Lab
from gkelab.shell import run
from gkelab.tools.kubectl import Kubectl
from tests.support.certificates import self_signed
from tests.support.conditions import of, of_route
from tests.support.grpc import unary
from tests.support.ingress import Ingress, shared_gateway
from tests.support.istio import (
    gateway,
    passing,
    plain,
    routes,
    rule,
    security,
    terminating,
    tls_routes,
    to,
)
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import HostPlace
from tests.support.recorder import Recorder
from tests.unit.support.servers import HERE, Ports, running

PLACE = HostPlace(run)
curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
h2 = pytest.mark.skipif(importlib.util.find_spec("h2") is None, reason="no h2 in this Python")


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with running() as found:
        yield found


# --- objects


def test_a_gateway_and_its_servers() -> None:
    made = gateway("edge", plain("a.test", redirect=True), terminating("secret", "b.test"))
    assert made["kind"] == "Gateway"
    assert made["spec"]["selector"] == {"istio": "ingressgateway"}
    first, second = made["spec"]["servers"]
    assert first == {
        "hosts": ["a.test"],
        "port": {"name": "http", "number": 80, "protocol": "HTTP"},
        "tls": {"httpsRedirect": True},
    }
    assert second["port"] == {"name": "https", "number": 443, "protocol": "HTTPS"}
    assert second["tls"] == {"mode": "SIMPLE", "credentialName": "secret"}
    assert "tls" not in plain("a.test")
    assert passing("c.test")["tls"] == {"mode": "PASSTHROUGH"}


def test_routes() -> None:
    first = rule(
        to("v1", 80, 20), to("v2", weight=0), match=[{"uri": {"exact": "/"}}], timeout="1s"
    )
    made = routes("a", "edge", ["a.test"], first, rule(to("v1")))
    assert made["spec"]["gateways"] == ["edge"]
    assert made["spec"]["http"] == [
        {
            "match": [{"uri": {"exact": "/"}}],
            "route": [
                {"destination": {"host": "v1", "port": {"number": 80}}, "weight": 20},
                {"destination": {"host": "v2"}, "weight": 0},
            ],
            "timeout": "1s",
        },
        {"route": [{"destination": {"host": "v1"}}]},
    ]
    (by_sni,) = tls_routes("b", "edge", "b.test", to("v1", 443))["spec"]["tls"]
    assert by_sni["match"] == [{"port": 443, "sniHosts": ["b.test"]}]
    mode = security("PeerAuthentication", "default", mtls={"mode": "STRICT"})
    assert mode["spec"] == {"mtls": {"mode": "STRICT"}}


# --- the shared gateway


def kubectl(run: Recorder) -> Kubectl:
    return Kubectl(Path("kubectl"), Path("config"), "kind-x", run)


def namespace(run: Recorder) -> Namespace:
    return Namespace("t-x-1", kubectl(run), cast(Any, None), cast(Lab, None))


def test_where_the_gateway_is() -> None:
    run = Recorder()
    cluster = kubectl(run)
    name = ["service", "istio-ingressgateway", "--ignore-not-found", "--output=json"]
    service = '{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}'
    run.handle(cluster.argv("--namespace=istio-system", "get", *name), service)
    chosen = ["--selector=app=istio-ingressgateway", "--output=json"]
    pods = '{"items": [{"status": {"podIP": "10.0.0.7"}, "spec": {"nodeName": "worker"}}]}'
    run.handle(cluster.argv("get", "pods", "--namespace=istio-system", *chosen), pods)
    found = shared_gateway(cluster)
    assert (found.address, found.pod, found.node) == ("203.0.113.1", "10.0.0.7", "worker")
    ingress = Ingress(PLACE, found, namespace(run))
    assert ingress.host("*") == "*.t-x-1.example.com"
    assert ingress.url("/a") == "http://203.0.113.1/a"


def test_objects_that_are_there_for_a_while() -> None:
    run = Recorder()
    space = namespace(run)
    how = ["--server-side", "--force-conflicts", "--field-manager=gkelab", "--filename=-"]
    run.handle(space.kubectl.argv("apply", *how))
    gone = ["delete", "--filename=-", "--ignore-not-found", "--wait=false"]
    run.handle(space.kubectl.argv(*gone))
    here = gateway("edge", plain("a.test"))
    there = {"kind": "Secret", "metadata": {"name": "s", "namespace": "istio-system"}}
    with pytest.raises(RuntimeError, match="the test's own"), space.having([here, there]):
        raise RuntimeError("the test's own")
    for call in run.calls:
        given = list(yaml.safe_load_all(call.input or ""))
        places = [item["metadata"]["namespace"] for item in given]
        assert places == ["t-x-1", "istio-system"]
    assert [call.argv[5] for call in run.calls] == ["apply", "delete"]


# --- certificates


@openssl
def test_a_certificate_and_its_secret() -> None:
    made = self_signed(PLACE, "web.test")
    text = run(["openssl", "x509", "-noout", "-text"], input=made.certificate).stdout
    assert "DNS:web.test" in text
    secret = made.secret("name", "istio-system")
    assert (secret["type"], secret["metadata"]["namespace"]) == (
        "kubernetes.io/tls",
        "istio-system",
    )
    decoded = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert decoded == {"tls.crt": made.certificate, "tls.key": made.key}
    assert self_signed(PLACE, "web.test").certificate != made.certificate


@openssl
def test_no_certificate_is_no_certificate() -> None:
    with pytest.raises(AssertionError, match="no certificate"):
        self_signed(PLACE, "a,b=c:d")


# --- gRPC


@curl
@h2
def test_a_call(ports: Ports) -> None:
    answer = unary(PLACE, f"http://{HERE}:{ports.h2}", message='{"a": 1}', host="web.test")
    assert answer.outcome is Outcome.OK
    assert answer.saw == HERE
    said = answer.body or {}
    assert (said["protocol"], said["received"], said["host"]) == ("gRPC", 8, "web.test")
    assert answer.trailers["grpc-status"] == ("0",)


@curl
@h2
def test_calls_that_come_to_nothing(ports: Ports) -> None:
    unknown = unary(PLACE, f"http://{HERE}:{ports.h2}", "gkelab.Workload/Other")
    assert (unknown.outcome, unknown.who) == (Outcome.HTTP_ERROR, None)
    assert unknown.detail == "gRPC status 12: no method /gkelab.Workload/Other"
    assert unary(PLACE, f"http://{HERE}:{ports.closed}").outcome is Outcome.REFUSED
    slow = unary(PLACE, f"http://{HERE}:{ports.silent}", timeout=0.3)
    assert slow.outcome is Outcome.TIMEOUT
    with pytest.raises(ValueError, match="127 bytes"):
        unary(PLACE, "http://x", message="x" * 128)


# --- conditions


def test_conditions() -> None:
    listed = {"conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted"}]}
    accepted = {"Accepted": ("True", "Accepted")}
    assert of({"status": listed}) == accepted
    assert of(None) == of({}) == of({"status": {}}) == {}
    assert of_route({"status": {"parents": [listed]}}) == accepted
    assert of_route({"status": {"parents": [listed, listed]}}) == of_route(None) == {}

"""kubectl's words said to the API server: what is asked of it, and what is left to kubectl."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from websockets import Subprotocol
from websockets.sync.server import ServerConnection, serve

from gkelab.shell import CommandError, Result
from gkelab.tools.kubectl import Kubectl
from tests.support.kube import EXPIRED, Asking, asking, kinds

TABLE = """\
events                 ev       v1                             true    Event
namespaces             ns       v1                             false   Namespace
pods                   po       v1                             true    Pod
deployments            deploy   apps/v1                        true    Deployment
events                 ev       events.k8s.io/v1               true    Event
gateways               gtw      gateway.networking.k8s.io/v1   true    Gateway
gateways               gw       networking.istio.io/v1         true    Gateway
pods                            metrics.k8s.io/v1beta1         true    PodMetrics
"""


@dataclass
class Both:
    """An API server and a kubectl that are played; what they were asked."""

    serve: Callable[[httpx2.Request], httpx2.Response]
    requests: list[httpx2.Request] = field(default_factory=list)
    argvs: list[list[str]] = field(default_factory=list)
    said: str = '{"items": []}'

    def __call__(self, argv: Any, **_: Any) -> Result:
        words = [str(word) for word in argv][5:]  # the program, where the cluster is
        self.argvs.append(words)
        return Result(tuple(words), 0, TABLE if words[0] == "api-resources" else self.said, "")

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.serve(request)

    def kubectl(self) -> Asking:
        made = asking(Kubectl(Path("kubectl"), Path("/k"), "kind-x", self))
        transport = httpx2.MockTransport(self.handle)
        client = httpx2.Client(transport=transport, base_url="https://api")
        made.__dict__["_connection"] = client
        return made


def answers(code: int, body: Any = None) -> Both:
    return Both(lambda _: httpx2.Response(code, json=body if body is not None else {}))


def test_kinds_by_their_names() -> None:
    found = kinds(TABLE)
    assert {found[name].plural for name in ("po", "pod", "pods", "pods.")} == {"pods"}
    assert found["pods"].version == "v1", "the core group's come first"
    assert found["deploy"].path("a", "b") == "/apis/apps/v1/namespaces/a/deployments/b"
    assert found["ns"].path("a", "b") == "/api/v1/namespaces/b"
    assert found["pods"].path() == "/api/v1/pods"
    assert "gateways" not in found, "which of the two, kubectl knows"
    assert found["gateways.networking.istio.io"].version == "networking.istio.io/v1"
    assert found["gateway.gateway.networking.k8s.io"].version == "gateway.networking.k8s.io/v1"


def test_lists_have_what_kubectl_adds() -> None:
    both = answers(200, {"items": [{"metadata": {"name": "a"}}]})
    assert both.kubectl().list("pods,deploy", "x", "app=a") == [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}},
    ]
    assert [str(request.url) for request in both.requests] == [
        "https://api/api/v1/namespaces/x/pods?labelSelector=app%3Da",
        "https://api/apis/apps/v1/namespaces/x/deployments?labelSelector=app%3Da",
    ]
    assert both.argvs == [["api-resources", "--no-headers"]]


def test_what_is_not_there_is_none() -> None:
    assert answers(404).kubectl().get("pod", "a", "x") is None
    assert answers(200, {"kind": "Pod"}).kubectl().get("pod", "a") == {"kind": "Pod"}


@pytest.mark.parametrize("kind", ["pods", "gateways", "nonesuch"])
def test_kubectl_is_asked_where_this_does_not_know(kind: str) -> None:
    """An error of the API server, a name of two kinds, a name of none."""
    both = answers(500)
    assert both.kubectl().list(kind, "x") == []
    assert both.argvs[-1] == ["get", kind, "--namespace=x", "--output=json"]


def test_objects_are_applied_as_kubectl_does() -> None:
    both = answers(200)
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    both.kubectl().apply([item])
    (request,) = both.requests
    assert (request.method, request.url.path) == (
        "PATCH",
        "/apis/apps/v1/namespaces/default/deployments/d",
    )
    assert dict(request.url.params) == {
        "fieldManager": "gkelab",
        "force": "true",
        "fieldValidation": "Strict",
    }
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert json.loads(request.content) == item
    refused = answers(422)
    refused.kubectl().apply([item])
    assert refused.argvs[-1][0] == "apply", "the sentence is kubectl's"


def test_deletion() -> None:
    both = answers(404)
    both.kubectl().delete("namespace", "x", wait=False)
    (request,) = both.requests
    assert (request.method, request.url.path) == ("DELETE", "/api/v1/namespaces/x")
    both.kubectl().delete("namespace", "x")
    assert both.argvs[-1][-1] == "--wait=true", "waiting is kubectl's matter"


POD = {
    "metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "second"}},
    "spec": {"containers": [{"name": "first"}, {"name": "second"}]},
}
SUCCESS = {"status": "Success"}
FAILED = {
    "status": "Failure",
    "reason": "NonZeroExitCode",
    "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
}


@dataclass
class Pods:
    """An API server's way into pods, on loopback: it says something on both streams and ends as
    told; with `reads` it takes the whole standard input before that."""

    status: Any = None
    reads: bool = False
    hangs: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    input: bytes = b""

    def handle(self, connection: ServerConnection) -> None:
        assert connection.request
        self.asked.append(connection.request.path)
        while self.reads and (message := connection.recv()) != b"\xff\x00":
            assert isinstance(message, bytes)
            assert message[0] == 0
            self.input += message[1:]
        connection.send(b"\x01out \xff")
        connection.send(b"\x02err")
        if self.status is None:
            self.hangs.wait(20)
        elif self.status:
            connection.send(b"\x03" + json.dumps(self.status).encode())

    @contextmanager
    def serving(self, pod: Any = None) -> Iterator[tuple[Both, Asking]]:
        """A kubectl that it answers, with what else was asked."""
        both = answers(200, pod or POD)
        protocols = [Subprotocol("v5.channel.k8s.io")]
        with serve(self.handle, "127.0.0.1", 0, subprotocols=protocols) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield both, reached(both, server.socket.getsockname()[1])
            self.hangs.set()
            server.shutdown()


def reached(both: Both, port: int) -> Asking:
    """A kubectl whose API server is there."""
    kubectl = both.kubectl()
    cluster = SimpleNamespace(server=f"http://127.0.0.1:{port}")
    kubectl.__dict__.update(_config=SimpleNamespace(cluster=cluster), _certificates=None)
    return kubectl


def test_a_command_in_a_pod() -> None:
    there = Pods(FAILED, reads=True)
    with there.serving() as (_, kubectl):
        done = kubectl.exec("x", "a", ["cat", "b c"], input="in ü", check=False, timeout=20)
        assert (done.code, done.stdout, done.stderr) == (3, "out �", "err")
        with pytest.raises(CommandError, match="exited with 3"):
            kubectl.exec("x", "a", ["cat"], input="")
    assert there.input == "in ü".encode()
    path, _, query = there.asked[0].partition("?")
    assert path == "/api/v1/namespaces/x/pods/a/exec"
    assert query == "command=cat&command=b+c&container=second&stdout=true&stderr=true&stdin=true"


def test_a_command_without_input() -> None:
    """The pod's first container, where it names no other."""
    there = Pods(SUCCESS)
    with there.serving({"metadata": {}, "spec": POD["spec"]}) as (_, kubectl):
        assert kubectl.exec("x", "a", ["id"]).code == 0
        assert kubectl.exec("x", "a", ["id"], container="own").code == 0
    assert [path.partition("&")[2] for path in there.asked] == [
        "container=first&stdout=true&stderr=true",
        "container=own&stdout=true&stderr=true",
    ]


def test_input_that_nobody_reads() -> None:
    with Pods(SUCCESS).serving() as (_, kubectl):
        done = kubectl.exec("x", "a", ["true"], input="x" * 1_000_000)
    assert (done.code, done.stdout) == (0, "out �")


def test_a_command_that_takes_too_long() -> None:
    with Pods().serving() as (_, kubectl), pytest.raises(CommandError) as late:
        kubectl.exec("x", "a", ["sleep", "9"], check=False, timeout=0.5)
    assert "took longer than 0.5 s" in str(late.value)
    assert (late.value.result.code, late.value.result.stdout) == (EXPIRED, "out �")


def test_a_connection_that_breaks_off() -> None:
    """It is not tried again: the command ran."""
    with Pods({}).serving() as (both, kubectl):
        done = kubectl.exec("x", "a", ["id"], check=False)
    assert (done.code, done.stdout) == (1, "out �")
    assert "broke off" in done.stderr
    assert [words[0] for words in both.argvs] == ["api-resources"]


def test_a_command_that_cannot_begin() -> None:
    """The API server's sentence, as kubectl tells it."""
    with Pods({"status": "Failure", "message": "no such program"}).serving() as (_, kubectl):
        done = kubectl.exec("x", "a", ["nonesuch"], check=False)
    assert (done.code, done.stderr) == (1, "errerror: no such program")


def test_without_a_connection_kubectl_is_asked() -> None:
    both = answers(200, POD)
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        reached(both, held.getsockname()[1]).exec("x", "a", ["id"], input="in")
    assert both.argvs[-1] == ["--namespace=x", "exec", "--stdin", "a", "--", "id"]

"""A small Kubernetes API over HTTP: lists, watches and patched statuses of the kinds that the
controllers see."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.unit.cloud.controllers.made import KUBE_SYSTEM, Body

PATHS = {
    "/api/v1/nodes": "Node",
    "/api/v1/services": "Service",
    "/api/v1/namespaces": "Namespace",
    "/apis/networking.gke.io/v1/gcpfirewalls": "GCPFirewall",
}


class Kubernetes:
    """The objects, by path and name, and every event since the start."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.objects: dict[str, dict[str, Body]] = {path: {} for path in PATHS}
        self.events: list[tuple[str, str, Body]] = []
        self.unserved: set[str] = set()
        self.requests: list[str] = []
        self.oldest = 0
        self.open = True
        self.put("namespaces", {"metadata": {"name": "kube-system", "uid": KUBE_SYSTEM}})

    def put(self, plural: str, thing: Body) -> None:
        """Make or change an object."""
        path, name = self.path(plural), thing["metadata"]["name"]
        with self.changed:
            verb = "MODIFIED" if name in self.objects[path] else "ADDED"
            self._event(verb, path, json.loads(json.dumps(thing)))

    def delete(self, plural: str, name: str) -> None:
        path = self.path(plural)
        with self.changed:
            self._event("DELETED", path, self.objects[path][name])

    def of(self, plural: str, name: str) -> Body:
        return self.objects[self.path(plural)][name]

    def path(self, plural: str) -> str:
        return next(path for path in PATHS if path.endswith(f"/{plural}"))

    def hang_up(self) -> None:
        """End every watch; the versions that were are too old now."""
        with self.changed:
            self.oldest = len(self.events)
            self.changed.notify_all()

    def _event(self, verb: str, path: str, thing: Body) -> None:
        version = str(len(self.events) + 1)
        thing["metadata"] = {**thing["metadata"], "resourceVersion": version}
        if verb == "DELETED":
            del self.objects[path][thing["metadata"]["name"]]
        else:
            self.objects[path][thing["metadata"]["name"]] = thing
        self.events.append((verb, path, thing))
        self.changed.notify_all()

    def watched(self, path: str, since: int) -> Iterator[Body]:
        """The events after a version, as long as that is known."""
        while True:
            with self.changed:
                while self.open and max(len(self.events), self.oldest) <= since:
                    self.changed.wait(30)
                if not self.open:
                    return
                if self.oldest > since:
                    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "old"}
                    yield {"type": "ERROR", "object": gone}
                    return
                news, since = self.events[since:], len(self.events)
            for verb, where, thing in news:
                if where == path:
                    yield {"type": verb, "object": thing}


@contextmanager
def serving(kubernetes: Kubernetes, port: int = 0) -> Iterator[int]:  # noqa: C901
    """Its API on loopback; the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {key: value[0] for key, value in parse_qs(url.query).items()}
            kubernetes.requests.append(self.path)
            if url.path not in PATHS or url.path in kubernetes.unserved:
                self.answer(404, {"kind": "Status", "code": 404, "message": "not found"})
            elif query.get("watch") == "true":
                self.watch(url.path, int(query["resourceVersion"]))
            else:
                with kubernetes.changed:
                    items = list(kubernetes.objects[url.path].values())
                    version = {"resourceVersion": str(len(kubernetes.events))}
                self.answer(200, {"kind": "List", "metadata": version, "items": items})

        def do_PATCH(self) -> None:
            path, _, name = self.path.removesuffix("/status").rpartition("/")
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            thing = kubernetes.objects[path].get(name)
            if thing is None or "merge-patch" not in self.headers["Content-Type"]:
                self.answer(404, {"kind": "Status", "code": 404, "message": "not found"})
                return
            status = {**thing.get("status", {}), **said["status"]}
            kubernetes.put(path.rpartition("/")[2], {**thing, "status": status})
            self.answer(200, {**thing, "status": status})

        def answer(self, code: int, body: Body) -> None:
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def watch(self, path: str, since: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            for event in kubernetes.watched(path, since):
                self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()
            self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None:
            pass  # a client that went away

    kubernetes.open = True
    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        with kubernetes.changed:
            kubernetes.open = False
            kubernetes.changed.notify_all()
        server.shutdown()
        server.server_close()


def kubeconfig(folder: Path, port: int) -> Path:
    """A kubeconfig whose context kind-small leads to a port of loopback."""
    file = folder / "kubeconfig"
    context = {"cluster": "kind-small", "user": "kind-small"}
    file.write_text(
        yaml.safe_dump(
            {
                "clusters": [
                    {"name": "kind-small", "cluster": {"server": f"http://127.0.0.1:{port}"}}
                ],
                "contexts": [{"name": "kind-small", "context": context}],
                "users": [{"name": "kind-small", "user": {}}],
            }
        )
    )
    return file

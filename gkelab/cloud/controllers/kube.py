"""A cluster's objects, held here and kept up to date by watching them; statuses written back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
from lightkube import ApiError, Client, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.types import PatchType

from gkelab.cloud.controllers.cluster import Body
from gkelab.errors import LabError

# Between tries to reach an API server that is away. Seconds.
AGAIN = 1.0
# Between looks at what is not watched: a watch tells nothing of an API server that hangs. Seconds.
LOOKS = 5.0
_LOG = logging.getLogger("gkelab.cloud.controllers")
# What goes wrong with an API server, a kubeconfig that is being written, or a custom resource that
# is not defined yet: it is tried again.
_AWAY = (httpx2.HTTPError, ConfigError, OSError, ValueError, KeyError, AssertionError)


@dataclass(frozen=True)
class Kind:
    """A kind of object: its name, lightkube's class of it, and what of an object is of interest
    here: a change of anything else is none. One that is not `watched` is listed again and again."""

    name: str
    resource: Any
    keep: Callable[[Body], Body]
    fields: tuple[tuple[str, str], ...] = ()
    watched: bool = True


def _metadata(thing: Body, *keys: str) -> Body:
    return {key: thing["metadata"][key] for key in ("name", *keys) if key in thing["metadata"]}


def _node(thing: Body) -> Body:
    spec = thing.get("spec") or {}
    ours = ("podCIDR", "podCIDRs", "providerID")
    return {"metadata": _metadata(thing), "spec": {key: spec[key] for key in ours if key in spec}}


def _namespace(thing: Body) -> Body:
    return {"metadata": _metadata(thing, "uid")}


def _whole(thing: Body) -> Body:
    ours = ("namespace", "uid", "annotations", "deletionTimestamp", "generation")
    rest: Body = {key: thing[key] for key in ("spec", "status") if key in thing}
    return {"metadata": _metadata(thing, *ours), **rest}


def _gcpfirewalls() -> Any:
    return create_global_resource("networking.gke.io", "v1", "GCPFirewall", "gcpfirewalls")


# Plain JSON of them all, also of those that lightkube has classes for.
KINDS = {
    "nodes": Kind("nodes", create_global_resource("", "v1", "Node", "nodes"), _node),
    "services": Kind(
        "services", create_namespaced_resource("", "v1", "Service", "services"), _whole
    ),
    "gcpfirewalls": Kind("gcpfirewalls", _gcpfirewalls(), _whole),
    # Whose UID stands for the cluster, and which is there if anything is.
    "kube-system": Kind(
        "kube-system",
        create_global_resource("", "v1", "Namespace", "namespaces"),
        _namespace,
        (("metadata.name", "kube-system"),),
        watched=False,
    ),
}


def connect(kubeconfig: Path, context: str) -> Client:
    """A client for a context, as the file says now: a cluster that was made anew has another
    port and other certificates. Raises one of _AWAY if the file cannot be used."""
    config = KubeConfig.from_file(kubeconfig).get(context)
    return Client(config=config, trust_env=False)


class Watch:
    """The objects of a kind, by (namespace, name). `objects` is None until they were listed once,
    and stays as it was while the API server is away; `problem` says why that is."""

    def __init__(
        self, kind: Kind, connecting: Callable[[], Client], news: Callable[[], object]
    ) -> None:
        self.kind = kind
        self.objects: dict[tuple[str, str], Body] | None = None
        self.problem = ""
        self._connect, self._news = connecting, news

    def start(self, stop: threading.Event) -> None:
        """Keep it up to date in a thread, until told to stop."""
        name = f"watch {self.kind.name}"
        threading.Thread(target=self.run, args=(stop,), name=name, daemon=True).start()

    def run(self, stop: threading.Event) -> None:
        """List, then follow; again from the start whenever that ends."""
        while not stop.is_set():
            try:
                with self._connect() as client:
                    self._follow(client, self._list(client), stop)
            except _AWAY as error:
                self._away(error)
            stop.wait(AGAIN)

    def snapshot(self) -> list[Body] | None:
        """The objects as they are now."""
        # Changed by replacing the whole, so what is read is of one moment.
        return None if self.objects is None else list(self.objects.values())

    def _list(self, client: Client) -> str:
        listed = client.list(self.kind.resource, **self._scope())
        found = {_key(thing): self.kind.keep(thing) for thing in listed}
        changed = found != self.objects or self.problem
        self.objects, self.problem = found, ""
        if changed:
            self._news()
        return str(listed.resourceVersion)

    def _follow(self, client: Client, version: str, stop: threading.Event) -> None:
        while not self.kind.watched and not stop.wait(LOOKS):
            self._list(client)
        if stop.is_set():
            return
        following = client.watch(self.kind.resource, resource_version=version, **self._scope())
        for event, thing in following:
            if stop.is_set():
                return
            objects, key = dict(self.objects or {}), _key(thing)
            if event == "DELETED":
                objects.pop(key, None)
            elif event in ("ADDED", "MODIFIED"):
                objects[key] = self.kind.keep(thing)
            if objects != self.objects:
                self.objects = objects
                self._news()

    def _scope(self) -> Body:
        """lightkube's words for where the objects are and which are meant."""
        scope: Body = {"fields": dict(self.kind.fields)} if self.kind.fields else {}
        return {**scope, "namespace": "*"} if self.kind.name == "services" else scope

    def _away(self, error: Exception) -> None:
        if isinstance(error, ApiError) and error.status.code == HTTPStatus.NOT_FOUND:
            why = "the cluster does not serve them"
        else:
            why = f"{type(error).__name__}: {error}"
        problem = f"{self.kind.name} are not seen ({why})"
        if problem != self.problem:
            self.problem = problem
            _LOG.warning("%s", problem)
            self._news()


def write_status(connecting: Callable[[], Client], name: str, status: Body) -> None:
    """Write a GCPFirewall's status. LabError when the API server refuses or is away; an object
    that is gone needs none."""
    resource = KINDS["gcpfirewalls"].resource.Status
    try:
        with connecting() as client:
            client.patch(resource, name, {"status": status}, patch_type=PatchType.MERGE)
    except _AWAY as error:
        if isinstance(error, ApiError) and error.status.code == HTTPStatus.NOT_FOUND:
            return
        raise LabError(f"the status of GCPFirewall {name} cannot be written: {error}") from None


def _key(thing: Body) -> tuple[str, str]:
    return str(thing["metadata"].get("namespace", "")), str(thing["metadata"]["name"])

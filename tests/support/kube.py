"""kubectl's words, said to the API server by this process: tests ask a thousand times a run.

A kubectl is a process of 0.15 CPU-seconds, most of them to begin; a connection that is kept takes
a tenth of that for each question. What is not asked often, what has no one meaning, and whatever
goes wrong on the way is left to kubectl, so that its sentence is the error.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus
from io import BytesIO
from urllib.parse import urlencode

import httpx2
from lightkube import KubeConfig
from lightkube.config.client_adapter import Client, ConnectionParams, verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError
from websockets import ConnectionClosed, InvalidHandshake, Subprotocol
from websockets.asyncio.client import connect

from gkelab.shell import CommandError, Result
from gkelab.tools.kubectl import Kubectl, Object

ANSWER = 30.0  # seconds in which the API server answers a question
EXPIRED = 124  # the exit code of what took too long (timeout(1))
# What may be wrong with the way there, or with what was asked.
_ASTRAY = (httpx2.HTTPError, ConfigError, OSError, ValueError, LookupError)
# A command's streams share a connection, each message led by its stream's number
# (k8s.io/apimachinery/pkg/util/remotecommand).
_PROTOCOL = Subprotocol("v5.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255


@dataclass(frozen=True)
class Kind:
    """A kind of object, as `kubectl api-resources` tells of it; `version` is "apps/v1"."""

    plural: str
    version: str
    namespaced: bool
    name: str

    def path(self, namespace: str = "", object: str = "") -> str:
        """Where the API server has them, or one of them."""
        root = f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{where}/{self.plural}" + (f"/{object}" if object else "")

    @property
    def head(self) -> Object:
        """What the items of a list are without, and kubectl adds."""
        return {"apiVersion": self.version, "kind": self.name}


def kinds(table: str) -> dict[str, Kind]:
    """Kinds by all their names, from `kubectl api-resources --no-headers`. A name that several
    groups have is not there, unless the core group has it: which one is meant, kubectl knows."""
    found: dict[str, list[Kind]] = {}
    for line in table.splitlines():
        plural, *short, version, namespaced, name = line.split()
        kind = Kind(plural, version, namespaced == "true", name)
        group = f".{version.partition('/')[0]}" if "/" in version else "."
        names = {plural, name.lower(), *(one for words in short for one in words.split(","))}
        for one in names | {f"{plural}{group}", f"{name.lower()}{group}"}:
            found.setdefault(one, []).append(kind)
    return {
        name: some[0]
        for name, some in found.items()
        if len(some) == 1 or "/" not in some[0].version
    }


@dataclass(frozen=True)
class Asking(Kubectl):
    """A Kubectl that asks the API server itself where it can."""

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """As Kubectl says."""
        try:
            found = self._kinds[kind]
            answer = self._connection.get(found.path(namespace or "default", name))
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            return _content(answer)
        except _ASTRAY:
            return super().get(kind, name, namespace)

    def list(
        self, kinds: str, namespace: str = "", selector: str = "", *, timeout: float | None = None
    ) -> list[Object]:
        """As Kubectl says."""
        try:
            items: list[Object] = []
            for kind in kinds.split(","):
                found = self._kinds[kind]
                answer = self._connection.get(
                    found.path(namespace),
                    params={"labelSelector": selector} if selector else {},
                    timeout=timeout or ANSWER,
                )
                items += [{**found.head, **item} for item in _content(answer)["items"]]
            return items
        except _ASTRAY:
            return super().list(kinds, namespace, selector, timeout=timeout)

    def apply(self, objects: Sequence[Object], *, check: bool = True) -> Result:
        """As Kubectl says."""
        try:
            for item in objects:
                self._apply(item)
        except _ASTRAY:  # applied again, what was applied is as it was
            return super().apply(objects, check=check)
        return Result(("apply",), 0, "", "")

    def delete(self, kind: str, name: str, namespace: str = "", *, wait: bool = True) -> None:
        """As Kubectl says."""
        if wait:
            super().delete(kind, name, namespace)
            return
        try:
            path = self._kinds[kind].path(namespace or "default", name)
            answer = self._connection.delete(path, params={"propagationPolicy": "Background"})
            if answer.status_code != HTTPStatus.NOT_FOUND:
                _content(answer)
        except _ASTRAY:
            super().delete(kind, name, namespace, wait=False)

    def exec(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        input: str | None = None,
        check: bool = True,
        timeout: float | None = None,
    ) -> Result:
        """As Kubectl says."""
        try:
            where = container or self._container(namespace, pod)
            command = Command(namespace, pod, where, tuple(argv), input)
            result = _loop.run(self._connected(command), command, timeout)
        except (*_ASTRAY, InvalidHandshake):  # nothing was run
            return super().exec(
                namespace,
                pod,
                argv,
                container=container,
                input=input,
                check=check,
                timeout=timeout,
            )
        if check and result.code != 0:
            raise CommandError(result)
        return result

    @cached_property
    def _kinds(self) -> Mapping[str, Kind]:
        return kinds(self("api-resources", "--no-headers").stdout)

    @cached_property
    def _config(self) -> SingleConfig:
        found = KubeConfig.from_file(self.kubeconfig).get(self.context)
        assert found
        return found

    @cached_property
    def _connection(self) -> httpx2.Client:
        # Several threads may ask.
        parameters = ConnectionParams(timeout=httpx2.Timeout(ANSWER), trust_env=False)
        return Client(self._config, parameters)

    @cached_property
    def _certificates(self) -> ssl.SSLContext | None:
        config = self._config
        assert config.user
        return verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)

    def _apply(self, item: Object) -> None:
        group, _, _ = item["apiVersion"].rpartition("/")
        found = self._kinds[f"{item['kind'].lower()}.{group}"]
        kind = replace(found, version=item["apiVersion"])
        metadata = item["metadata"]
        path = kind.path(metadata.get("namespace", "default"), metadata["name"])
        answer = self._connection.patch(
            path,
            params={"fieldManager": "gkelab", "force": "true", "fieldValidation": "Strict"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            content=json.dumps(item),
        )
        _content(answer)

    def _container(self, namespace: str, pod: str) -> str:
        """The container that kubectl would choose."""
        found = self.get("pods", pod, namespace) or {}
        marks = found["metadata"].get("annotations", {})
        first: str = found["spec"]["containers"][0]["name"]
        return str(marks.get("kubectl.kubernetes.io/default-container", first))

    def _connected(self, command: Command) -> connect:
        """A connection to run it on, that is still to be made."""
        return connect(
            f"ws{self._config.cluster.server.removeprefix('http')}{command.path}",
            ssl=self._certificates,
            subprotocols=[_PROTOCOL],
            compression=None,
            open_timeout=ANSWER,
            ping_interval=None,
            proxy=None,
            max_size=None,
        )


@dataclass(frozen=True)
class Command:
    """What to run in a pod's container, and what has come of it so far; None as `input` is a
    standard input that nobody has."""

    namespace: str
    pod: str
    container: str
    argv: tuple[str, ...]
    input: str | None
    streams: Mapping[int, BytesIO] = field(
        default_factory=lambda: {number: BytesIO() for number in (_STDOUT, _STDERR, _STATUS)}
    )

    @property
    def path(self) -> str:
        """Where the API server runs it."""
        words: list[tuple[str, str]] = [("command", word) for word in self.argv]
        words += [("container", self.container), ("stdout", "true"), ("stderr", "true")]
        words += [("stdin", "true")] if self.input is not None else []
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}/exec?{urlencode(words)}"

    async def talk(self, connection: connect) -> None:
        """Run it to its end, or to that of the connection."""
        async with connection as there:
            if self.input is not None:
                try:
                    await there.send(bytes([_STDIN]) + self.input.encode())
                    await there.send(bytes([_CLOSE, _STDIN]))
                except ConnectionClosed:
                    pass  # it ended without reading that
            try:
                async for message in there:
                    assert isinstance(message, bytes)
                    self.streams[message[0]].write(message[1:])
            except ConnectionClosed:
                pass  # without a status, which tells enough

    def result(self, code: int, error: str = "") -> Result:
        """It, with what it has said so far."""
        out, err = (
            self.streams[number].getvalue().decode(errors="replace")
            for number in (_STDOUT, _STDERR)
        )
        return Result(("exec", f"{self.namespace}/{self.pod}", *self.argv), code, out, err + error)

    def ended(self) -> Result:
        """Its end, as kubectl tells of it."""
        said = self.streams[_STATUS].getvalue()
        status: Object = json.loads(said) if said else {"message": "the connection broke off"}
        if status.get("status") == "Success":
            return self.result(0)
        causes = status.get("details", {}).get("causes", [])
        codes = [int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"]
        return self.result(codes[0]) if codes else self.result(1, f"error: {status['message']}")


class _Loop:
    """A thread that runs commands: an SSL connection must not be read and written by two threads
    at once, as blocking clients of WebSockets do."""

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="commands in pods", daemon=True).start()
        return loop

    def run(self, connection: connect, command: Command, timeout: float | None) -> Result:
        """Run a command to its end. Raises CommandError when that takes longer than `timeout`
        seconds; what `connect` raises when there is no connection, and it was not run."""
        limited = asyncio.wait_for(command.talk(connection), timeout)
        try:
            asyncio.run_coroutine_threadsafe(limited, self._loop).result()
        except TimeoutError as late:
            raise CommandError(command.result(EXPIRED), f"took longer than {timeout} s") from late
        return command.ended()


_loop = _Loop()


def asking(kubectl: Kubectl) -> Asking:
    """That kubectl, which asks the API server itself where it can."""
    return Asking(kubectl.program, kubectl.kubeconfig, kubectl.context, kubectl.run)


def _content(answer: httpx2.Response) -> Object:
    """What it says. Raises an httpx2.HTTPError for one that is an error."""
    answer.raise_for_status()
    found: Object = answer.json()
    return found

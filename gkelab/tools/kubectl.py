"""kubectl: argv out, JSON objects in. Always with the lab's own kubeconfig and a context."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gkelab.shell import Result, Runner

Object = dict[str, Any]


def documents(objects: Sequence[Object]) -> str:
    """Objects as text for kubectl: YAML documents, each in JSON's form. YAML's own leaves words
    bare that kubectl takes for something else (a name that is `y` is true to it).
    """
    return "".join(f"---\n{json.dumps(item)}\n" for item in objects)


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster. Every method raises CommandError when kubectl refuses."""

    program: Path
    kubeconfig: Path
    context: str
    run: Runner

    def argv(self, *words: str) -> list[str]:
        """The command line for these words."""
        flags = ["--kubeconfig", str(self.kubeconfig), "--context", self.context]
        return [str(self.program), *flags, *words]

    def __call__(
        self,
        *words: str,
        input: str | None = None,
        check: bool = True,
        timeout: float | None = None,
    ) -> Result:
        """Run kubectl with these words."""
        return self.run(self.argv(*words), input=input, check=check, timeout=timeout)

    def apply(self, objects: Sequence[Object], *, check: bool = True) -> Result:
        """Apply objects on the server's side; the lab is their field manager."""
        return self.apply_text(documents(objects), check=check)

    def apply_text(self, text: str, *, check: bool = True) -> Result:
        """Apply objects given as YAML."""
        how = ["--server-side", "--force-conflicts", "--field-manager=gkelab"]
        return self("apply", *how, "--filename=-", input=text, check=check)

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None where there is none."""
        words = [*_namespace(namespace), "get", kind, name, "--ignore-not-found", "--output=json"]
        text = self(*words).stdout
        return json.loads(text) if text.strip() else None

    def list(
        self, kinds: str, namespace: str = "", selector: str = "", *, timeout: float | None = None
    ) -> list[Object]:
        """The objects of these kinds (comma-separated); in all namespaces when none is given."""
        where = _namespace(namespace) or ["--all-namespaces"]
        chosen = [f"--selector={selector}"] if selector else []
        text = self("get", kinds, *where, *chosen, "--output=json", timeout=timeout).stdout
        items: list[Object] = json.loads(text)["items"]
        return items

    def wait(self, condition: str, what: str, namespace: str, *, timeout: float) -> None:
        """Wait (seconds) until objects have a condition, by a watch. Raises CommandError."""
        where = [*_namespace(namespace), "wait", what, f"--for=condition={condition}"]
        self(*where, f"--timeout={timeout:.0f}s", timeout=timeout + 30)

    def delete(self, kind: str, name: str, namespace: str = "", *, wait: bool = True) -> None:
        """Delete an object if it is there."""
        self(
            *_namespace(namespace), "delete", kind, name, "--ignore-not-found", f"--wait={_b(wait)}"
        )

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
        """Run a command in a pod's container."""
        stdin = ["--stdin"] if input is not None else []
        which = [f"--container={container}"] if container else []
        return self(
            f"--namespace={namespace}",
            "exec",
            *stdin,
            pod,
            *which,
            "--",
            *argv,
            input=input,
            check=check,
            timeout=timeout,
        )


def _namespace(namespace: str) -> list[str]:
    return [f"--namespace={namespace}"] if namespace else []


def _b(value: bool) -> str:
    return "true" if value else "false"

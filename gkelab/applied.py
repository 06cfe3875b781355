"""Remembers, in the cluster itself, what a step applied, so that a second `up` changes nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from gkelab.supply.cache import content_key
from gkelab.tools.kubectl import Kubectl

NAME = "gkelab-applied"
NAMESPACE = "kube-system"


@dataclass
class Applied:
    """Fingerprints by step, in the ConfigMap kube-system/gkelab-applied. A step whose inputs
    are the same is not run again; a cluster made anew has no record and gets everything."""

    kubectl: Kubectl
    _records: dict[str, str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def once(self, step: str, inputs: object, do: Callable[[], object]) -> bool:
        """Run `do` unless it was done with these inputs (plain data); whether it ran."""
        key = content_key([json.dumps(inputs, sort_keys=True, default=str)])
        with self._lock:
            if self._records is None:
                self._records = self._read()
            done = self._records.get(step) == key
        if done:
            return False
        do()
        self.record(step, inputs)
        return True

    def record(self, step: str, inputs: object) -> None:
        """Write down that a step was done with these inputs."""
        with self._lock:
            if self._records is None:
                self._records = self._read()
            self._records[step] = content_key([json.dumps(inputs, sort_keys=True, default=str)])
            self._write(self._records)

    def _read(self) -> dict[str, str]:
        found = self.kubectl.get("configmap", NAME, NAMESPACE)
        return dict(found.get("data") or {}) if found else {}

    def _write(self, records: dict[str, str]) -> None:
        metadata = {"name": NAME, "namespace": NAMESPACE}
        self.kubectl.apply(
            [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": records}]
        )

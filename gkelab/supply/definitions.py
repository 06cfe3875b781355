"""Definitions of Kubernetes kinds that a Go module carries: copied into one file in the cache.

Both suppliers take them from the module, since its hash is pinned and it holds what its project's
release has in one file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError
from gkelab.graph import CACHED, Task
from gkelab.supply.cache import Cache, content_key
from gkelab.supply.golang import Go, module_folder
from gkelab.supply.pins import Pins


@dataclass(frozen=True)
class Definitions:
    """Finds and fetches the pinned definitions; `go` gives the toolchain when one is needed."""

    pins: Pins
    cache: Cache
    go: Callable[[], Go]

    def file(self, name: str) -> Path:
        """The file, once the task of that name is done."""
        return self.cache.path("definitions", name, self._key(name)) / "definitions.yaml"

    def tasks(self) -> list[Task]:
        """A task for each, named definitions:NAME."""
        return [
            Task(f"definitions:{name}", self._get(name), what=f"definitions of {name}")
            for name in self.pins.definitions
        ]

    def _key(self, name: str) -> str:
        pin = self.pins.definitions[name]
        return content_key(["definitions-1", pin.path, pin.version, pin.folder])

    def _get(self, name: str) -> Callable[[], str]:
        pin = self.pins.definitions[name]

        def copy(work: Path) -> None:
            files = sorted((module_folder(self.go(), pin) / pin.folder).rglob("*.yaml"))
            if not files:
                raise LabError(
                    f"The Go module {pin.path}@{pin.version} has no YAML in {pin.folder}",
                    f"check definitions.{name} in versions.toml",
                )
            whole = "".join(f"---\n{file.read_text()}\n" for file in files)
            (work / "definitions.yaml").write_text(whole)

        def get() -> str:
            key = self._key(name)
            if self.cache.has("definitions", name, key):
                return CACHED
            self.cache.make("definitions", name, key, f"Go module {pin.path}", copy)
            return pin.version

        return get

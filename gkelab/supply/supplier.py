"""What every supplier gives: programs, charts and image archives, each made by a task."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gkelab.graph import Task
from gkelab.shell import Runner
from gkelab.supply.cache import Cache
from gkelab.supply.golang import Go, find_go
from gkelab.supply.imagebuild import ImageBuilder
from gkelab.supply.pins import Pins, SupplierName
from gkelab.supply.tools import Installed


class Supplier(Protocol):
    """The tasks are named tool:NAME, chart:NAME, definitions:NAME and image:NAME; what the paths
    name is there once the task is done."""

    pins: Pins
    name: SupplierName

    def tasks(self) -> Sequence[Task]:
        """Every task of this supplier, in the order that serves `up` best."""
        ...

    def tool(self, name: str) -> Path:
        """The program."""
        ...

    def chart(self, name: str) -> Path:
        """The chart's folder or archive."""
        ...

    def definitions(self, name: str) -> Path:
        """The definitions of Kubernetes kinds as one YAML file."""
        ...

    def archive(self, image: str) -> Path:
        """The image as an archive that docker and containerd can load."""
        ...

    def reference(self, image: str) -> str:
        """The image's reference, `repository:tag`."""
        ...

    def cached(self, image: str) -> bool:
        """Whether the image needs no building or pulling."""
        ...


@dataclass
class FromCache(ABC):
    """What the suppliers share: their things lie in the cache, and both build images with Go."""

    pins: Pins
    cache: Cache
    run: Runner
    name: SupplierName = field(init=False)
    installed: Installed = field(init=False)
    _go: Go | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.installed = Installed(self.run)

    @property
    def images(self) -> ImageBuilder:
        """The builder of images."""
        return ImageBuilder(self.pins, self.cache, self.run, self.name, self.base())

    @abstractmethod
    def base(self) -> str:
        """The docker image that those which are built here start from."""

    def go(self) -> Go:
        """The Go toolchain, looked for (or installed) at the first call."""
        with self._lock:
            if self._go is None:
                self._go = find_go(self.pins, self.cache, self.run)
            return self._go

    def reference(self, image: str) -> str:
        """The image's reference."""
        return self.pins.images[image].ref(self.name)

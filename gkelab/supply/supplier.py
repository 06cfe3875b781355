"""What every supplier gives: programs, charts and image archives, each made by a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gkelab.graph import Task
from gkelab.supply.pins import Pins, SupplierName


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

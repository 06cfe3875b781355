"""The supplier for hosts without a container registry: everything is built here, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gkelab.graph import CACHED, Task
from gkelab.supply.cache import content_key, copy_tree
from gkelab.supply.debian import base_image, base_reference
from gkelab.supply.definitions import Definitions
from gkelab.supply.golang import build_programs, fetch_modules, module_folder, module_key
from gkelab.supply.pins import ModulePin, SupplierName
from gkelab.supply.supplier import FromCache


@dataclass
class Built(FromCache):
    """Builds from pinned Go modules, Debian's packages and PyPI, into the cache."""

    name: SupplierName = field(default="built", init=False)

    def base(self) -> str:
        """The base that is made from Debian's packages."""
        return base_reference(self.pins.debian)

    def tool(self, name: str) -> Path:
        """The program in the cache; a right installed one that makes its build needless."""
        module = self.pins.tools[name].module
        key = module_key(self.pins.modules[module])
        return self._installed(name) or self.cache.path("programs", module, key) / name

    def chart(self, name: str) -> Path:
        """The chart's folder in the cache, a copy of the one in its module."""
        return self.cache.path("charts", name, self._chart_key(name)) / name

    def definitions(self, name: str) -> Path:
        """The definitions' file in the cache."""
        return Definitions(self.pins, self.cache, self.go).file(name)

    def archive(self, image: str) -> Path:
        """The image's archive in the cache."""
        return self.images.archive(image)

    def cached(self, image: str) -> bool:
        """Whether the image's archive is in the cache."""
        return self.images.cached(image)

    def tasks(self) -> Sequence[Task]:
        """Modules in the order that brings the cluster up first; then images, tools, charts."""
        tasks = [*self._go_tasks(), Task("debian", self._debian, what="Debian base")]
        for name, image in self.pins.images.items():
            needs = [f"go:{module}" for module in self.pins.modules_of(name)]
            needs += ["debian"] if image.based else []
            tasks.append(
                Task(f"image:{name}", self._image(name), tuple(needs), what=f"image {name}")
            )
        for name, tool in self.pins.tools.items():
            build = () if self._installed(name) else (f"go:{tool.module}",)
            tasks.append(Task(f"tool:{name}", lambda: CACHED, build))
        for name in self.pins.charts:
            tasks.append(Task(f"chart:{name}", self._chart(name)))
        return [*tasks, *Definitions(self.pins, self.cache, self.go).tasks()]

    def _go_tasks(self) -> list[Task]:
        """A module is built while the next ones are fetched, one after the other in that order."""
        tasks: list[Task] = []
        fetched: tuple[str, ...] = ()
        for name, pin in self.pins.modules.items():
            if self.cache.has("programs", name, module_key(pin)):
                tasks.append(Task(f"go:{name}", lambda: CACHED))
                continue
            fetch = Task(f"fetch:{name}", self._fetch(pin), fetched, what=f"fetch {name}")
            fetched = (fetch.name,)
            what = f"build {name}"
            tasks += [fetch, Task(f"go:{name}", self._go_build(name), fetched, True, what)]
        return tasks

    def _fetch(self, pin: ModulePin) -> Callable[[], str]:
        def fetch() -> str:
            fetch_modules(self.go(), pin)
            return CACHED

        return fetch

    def _installed(self, name: str) -> Path | None:
        """A right installed program; not even looked for when its module is built already, or is
        to be built for an image."""
        pin = self.pins.tools[name]
        module = self.pins.modules[pin.module]
        if self.cache.has("programs", pin.module, module_key(module)):
            return None
        if any(pin.module in self.pins.modules_of(image) for image in self.pins.images):
            return None
        return self.installed.find(pin, name, pin.version_of(self.name))

    def _debian(self) -> str:
        needed = [
            name
            for name, pin in self.pins.images.items()
            if pin.based and not self.images.cached(name)
        ]
        if not needed:
            return CACHED
        return base_image(self.pins.debian, self.cache, self.run)

    def _go_build(self, name: str) -> Callable[[], str]:
        def build() -> str:
            pin = self.pins.modules[name]
            build_programs(self.go(), name, pin)
            return pin.version

        return build

    def _image(self, name: str) -> Callable[[], str]:
        def build() -> str:
            if self.images.cached(name):
                return CACHED
            self.images.build(name, self.go())
            return self.reference(name)

        return build

    def _chart_key(self, name: str) -> str:
        pin = self.pins.charts[name]
        module = self.pins.modules[pin.module]
        return content_key(["chart-of-module-1", module.path, module.version, pin.folder])

    def _chart(self, name: str) -> Callable[[], str]:
        pin = self.pins.charts[name]
        module = self.pins.modules[pin.module]

        def copy(work: Path) -> None:
            copy_tree(module_folder(self.go(), module) / pin.folder, work / name)

        def get() -> str:
            key = self._chart_key(name)
            if self.cache.has("charts", name, key):
                return CACHED
            self.cache.make("charts", name, key, f"Go module {module.path}", copy)
            return pin.version

        return get

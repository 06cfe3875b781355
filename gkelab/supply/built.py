"""The supplier for hosts without a container registry: everything is built here, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gkelab.graph import CACHED, Task
from gkelab.shell import Runner
from gkelab.supply.cache import Cache
from gkelab.supply.debian import base_image, base_reference
from gkelab.supply.definitions import Definitions
from gkelab.supply.golang import Go, build_programs, find_go, module_folder, module_key
from gkelab.supply.imagebuild import ImageBuilder
from gkelab.supply.pins import Pins, SupplierName
from gkelab.supply.tools import Installed


@dataclass
class Built:
    """Builds from pinned Go modules, Debian's packages and PyPI, into the cache."""

    pins: Pins
    cache: Cache
    run: Runner
    name: SupplierName = "built"
    installed: Installed = field(init=False)
    _go: Go | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.installed = Installed(self.run)

    @property
    def images(self) -> ImageBuilder:
        """The image builder."""
        return ImageBuilder(self.pins, self.cache, self.run, self.name)

    def go(self) -> Go:
        """The Go toolchain, looked for (or installed) at the first call."""
        with self._lock:
            if self._go is None:
                self._go = find_go(self.pins, self.cache, self.run)
            return self._go

    def reference(self, image: str) -> str:
        """The image's reference."""
        return self.pins.images[image].ref(self.name)

    def tool(self, name: str) -> Path:
        """The program in the cache; a right installed one that makes its build needless."""
        module = self.pins.tools[name].module
        key = module_key(self.pins.modules[module])
        return self._installed(name) or self.cache.path("programs", module, key) / name

    def chart(self, name: str) -> Path:
        """The chart's folder in its module's source."""
        pin = self.pins.charts[name]
        return module_folder(self.go(), self.pins.modules[pin.module]) / pin.folder

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
        tasks = [Task("debian", self._debian, what="Debian base")]
        for name, pin in self.pins.modules.items():
            key = module_key(pin)
            done = self.cache.has("programs", name, key)
            tasks.append(
                Task(f"go:{name}", self._go_build(name), heavy=not done, what=f"build {name}")
            )
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
            if self.cache.has("programs", name, module_key(pin)):
                return CACHED
            build_programs(self.go(), name, pin)
            return pin.version

        return build

    def _image(self, name: str) -> Callable[[], str]:
        def build() -> str:
            if self.images.cached(name):
                return CACHED
            self.images.build(name, base_reference(self.pins.debian), self.go())
            return self.reference(name)

        return build

    def _chart(self, name: str) -> Callable[[], str]:
        def fetch() -> str:
            self.chart(name)
            return CACHED

        return fetch

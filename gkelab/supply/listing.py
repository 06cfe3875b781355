"""What the lab is made of and what lies in the cache: rows for a person, and what can go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from gkelab import shell
from gkelab.shell import Runner
from gkelab.supply.cache import Cache, Entry
from gkelab.supply.choose import make_supplier
from gkelab.supply.debian import base_key, base_reference
from gkelab.supply.golang import module_key
from gkelab.supply.imagestore import ImageStores
from gkelab.supply.pins import ImagePin, ModulePin, Pins, SupplierName, ToolPin
from gkelab.supply.python import PythonPackages
from gkelab.supply.supplier import Supplier
from gkelab.supply.upstream import upstream_base
from gkelab.tools.docker import Docker
from gkelab.topology import Role

Kind = Literal["image", "tool", "chart", "definitions", "store", "base", "programs"]
# What holds a thing to the bytes that are meant.
DIGEST, VERSION, GO_SUM = "digest", "version", "Go checksum"


@dataclass(frozen=True)
class Row:
    """One thing of the lab. `version` is an image's reference, else a version. `pinned` says what
    it is held by ("digest", "version", "Go checksum", or two of them), "" where that follows from
    other rows. `size` is bytes and `made` seconds since the epoch, both 0 where it has no file of
    its own. `present`: nothing is left to do to have it."""

    name: str
    kind: Kind
    version: str
    source: str
    pinned: str
    present: bool
    size: int = 0
    made: float = 0

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return asdict(self)


def rows(supplier: Supplier, cache: Cache, run: Runner = shell.run) -> list[Row]:
    """Everything that this supplier gives, by kind."""
    return list(_Listing(supplier, cache, run).rows())


def wanted_keys(pins: Pins, cache: Cache, run: Runner = shell.run) -> set[Path]:
    """The folders in the cache of all that versions.toml leads to, for both suppliers, made
    already or not. Rendered charts depend on a lab's values too, and are not among them."""
    name, version = pins.go.pypi.split("==")
    paths = {cache.path("tools", name, version)}
    names: tuple[SupplierName, ...] = get_args(SupplierName)
    for supplier in (make_supplier(name, pins, cache, run) for name in names):
        paths |= {supplier.archive(image).parent for image in _archived(supplier)}
        paths |= {supplier.tool(tool).parent for tool in pins.tools}
        paths |= {store for _, _, store in _stores(supplier, cache, run)}
        paths |= {supplier.definitions(name).parent for name in supplier.pins.definitions}
        paths |= {supplier.chart(chart).parent for chart in pins.charts}
    paths |= {_programs(cache, module, pin) for module, pin in pins.modules.items()}
    paths.add(_base(cache, pins))
    for image in (pin for pin in pins.images.values() if pin.python):
        packages = PythonPackages(pins.debian.python, image.python)
        paths.add(cache.path("python", "packages", packages.key))
    return {path for path in paths if path.is_relative_to(cache.root)}


def nothing_to_make(pins: Pins, cache: Cache, run: Runner = shell.run) -> bool:
    """Whether all that versions.toml leads to is there, for one of the suppliers."""
    names: tuple[SupplierName, ...] = get_args(SupplierName)
    return any(_whole(make_supplier(name, pins, cache, run)) for name in names)


def prunable(
    cache: Cache,
    entries: Iterable[Entry],
    wanted: Collection[Path],
    in_use: Collection[Path],
    *,
    everything: bool = False,
) -> list[Entry]:
    """The entries that can go: those not `wanted` (with `everything`, those too), save those in
    whose folder a path in use lies, such as anything that an existing container mounts."""

    def goes(entry: Entry) -> bool:
        folder = cache.path(entry.kind, entry.name, entry.key)
        if any(path.is_relative_to(folder) for path in in_use):
            return False
        return everything or folder not in wanted

    return [entry for entry in entries if goes(entry)]


class _Listing:
    def __init__(self, supplier: Supplier, cache: Cache, run: Runner) -> None:
        self.supplier = supplier
        self.pins = supplier.pins
        self.built = supplier.name == "built"
        self.cache = cache
        self.run = run
        self.entries = {cache.path(e.kind, e.name, e.key): e for e in cache.entries()}

    def rows(self) -> Iterator[Row]:
        yield from (self._image(name, pin) for name, pin in self.pins.images.items())
        yield from (self._tool(name, pin) for name, pin in self.pins.tools.items())
        yield from (self._chart(name) for name in self.pins.charts)
        for name, pinned in self.pins.definitions.items():
            source = f"in module {pinned.path} {pinned.version}"
            path = self.supplier.definitions(name).parent
            yield self._row(path, name, "definitions", (pinned.version, source, GO_SUM))
        yield self._debian()
        if self.built:
            for name, pin in self.pins.modules.items():
                path = _programs(self.cache, name, pin)
                source = _modules([pin])
                yield self._row(path, name, "programs", (pin.version, source, GO_SUM))
        for role, images, path in _stores(self.supplier, self.cache, self.run):
            words = (f"{len(images)} images", "the images, unpacked", "")
            yield self._row(path, role, "store", words)

    def _row(self, path: Path, name: str, kind: Kind, words: tuple[str, str, str]) -> Row:
        """A row with what the entry at `path` tells; `words` are version, source and pinned."""
        entry = self.entries.get(path)
        if entry is None:
            return Row(name, kind, *words, present=False)
        return Row(name, kind, *words, present=True, size=entry.size, made=entry.made)

    def _image(self, name: str, pin: ImagePin) -> Row:
        reference = self.supplier.reference(name)
        if name not in _archived(self.supplier):
            node = self._image("node", self.pins.images["node"])
            source = f"inside {node.version}"
            return Row(name, "image", reference, source, node.pinned, node.present, 0, node.made)
        if self.built or pin.own:
            source, pinned = self._made(name, pin)
        else:
            source, pinned = "pulled", DIGEST if pin.digest else VERSION
        path = self.supplier.archive(name).parent
        return self._row(path, name, "image", (reference, source, pinned))

    def _made(self, name: str, pin: ImagePin) -> tuple[str, str]:
        """Where an image that is built comes from, and what pins that."""
        modules = [self.pins.modules[module] for module in self.pins.modules_of(name)]
        sources = [f"images/{name}"] if pin.own else []
        sources += [_modules(modules)] if modules else []
        sources += ["Debian"] if pin.based else []
        sources += [f"PyPI {package}" for package in pin.pypi]
        sources += ["requirements.lock"] if pin.python else []
        pinned = [GO_SUM] if modules else []
        pinned += [VERSION] if pin.based or pin.pypi or not modules else []
        return ", ".join(sources), ", ".join(pinned)

    def _tool(self, name: str, pin: ToolPin) -> Row:
        program = self.supplier.tool(name)
        version = pin.version_of(self.supplier.name)
        if not program.is_relative_to(self.cache.root):
            source, pinned = f"installed: {program}", VERSION
        elif self.built or not pin.url:
            source, pinned = _modules([self.pins.modules[pin.module]]), GO_SUM
        else:
            source, pinned = "the project's release", VERSION
        return _file_row(program, name, "tool", (version, source, pinned))

    def _chart(self, name: str) -> Row:
        pin = self.pins.charts[name]
        path = self.supplier.chart(name).parent
        if not self.built:
            source = f"pulled from {pin.repository}"
            return self._row(path, name, "chart", (pin.version, source, VERSION))
        module = self.pins.modules[pin.module]
        source = f"in module {module.path} {module.version}"
        return self._row(path, name, "chart", (pin.version, source, GO_SUM))

    def _debian(self) -> Row:
        debian = self.pins.debian
        if self.built:
            path, reference = _base(self.cache, self.pins), base_reference(debian)
            source = f"Debian {debian.suite}"
            return self._row(path, "debian", "base", (reference, source, VERSION))
        # docker alone has it, for as long as an image is still to be built on it.
        own = [name for name, pin in self.pins.images.items() if pin.own and pin.based]
        there = all(self.supplier.cached(name) for name in own)
        source = f"pulled {debian.image}, Debian"
        return Row("debian", "base", upstream_base(debian), source, VERSION, there)


def _whole(supplier: Supplier) -> bool:
    pins = supplier.pins
    return (
        all(supplier.cached(image) for image in pins.images)
        and all(supplier.tool(tool).exists() for tool in pins.tools)
        and all(supplier.chart(chart).exists() for chart in pins.charts)
    )


def _archived(supplier: Supplier) -> list[str]:
    """The images that this supplier has archives of."""
    brought = supplier.name == "upstream"
    return [name for name, pin in supplier.pins.images.items() if not (brought and pin.in_node)]


def _stores(
    supplier: Supplier, cache: Cache, run: Runner
) -> Iterator[tuple[Role, list[str], Path]]:
    """The stores of nodes that boot when every image is there."""
    stores = ImageStores(supplier, cache, Docker(run), run)
    for role in get_args(Role):
        images = stores.wanted(role)
        yield role, images, stores.path(role, images)


def _programs(cache: Cache, name: str, pin: ModulePin) -> Path:
    return cache.path("programs", name, module_key(pin))


def _base(cache: Cache, pins: Pins) -> Path:
    return cache.path("base", "debian", base_key(pins.debian))


def _file_row(path: Path, name: str, kind: Kind, words: tuple[str, str, str]) -> Row:
    """As `_row`, for a file or folder that is no entry by itself."""
    if not path.exists():
        return Row(name, kind, *words, present=False)
    files = path.rglob("*") if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return Row(name, kind, *words, present=True, size=size, made=path.stat().st_mtime)


def _modules(pins: Sequence[ModulePin]) -> str:
    word = "module" if len(pins) == 1 else "modules"
    return f"built from {word} {', '.join(f'{pin.path} {pin.version}' for pin in pins)}"

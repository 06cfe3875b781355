"""versions.toml as typed data: the modules, tools, charts and images that the lab is made of."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gkelab.errors import LabError
from gkelab.topology import Role

ROOT = Path(__file__).resolve().parents[2]
SupplierName = Literal["upstream", "built"]


class _Pin(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BySupplier(_Pin):
    """A value that the two suppliers cannot share (a release that is no Go version)."""

    upstream: str
    built: str

    def of(self, supplier: SupplierName) -> str:
        """The value for that supplier."""
        return self.upstream if supplier == "upstream" else self.built


class GoPin(_Pin):
    """The Go that builds: the oldest that will do, and the PyPI package that has one."""

    minimum: str
    pypi: str


class DebianPin(_Pin):
    """The Debian release under the built images, and what the shared layer holds.

    `image` is what upstream has of that release; nothing built from packages depends on it, so
    it is left out of the dumps that keys are made of; so is `python`, the version that the
    release has.
    """

    suite: str
    image: str = Field(exclude=True)
    python: str = Field(default="", exclude=True)
    base: tuple[str, ...]


class SourcePin(_Pin):
    """A Go module's source, by the hash that the Go checksum database gives for it."""

    path: str
    version: str
    sum: str


class ModulePin(SourcePin):
    """A Go module: `packages` maps a program's name to the package it is built from.

    `build` names the folder under builds/ whose go.mod builds it; "" for the module's own.
    """

    packages: dict[str, str]
    build: str = ""
    tags: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)


class ToolPin(_Pin):
    """A program for the host. `url` and `checksum` (a suffix of it) name its own release."""

    version: str | BySupplier
    module: str
    probe: tuple[str, ...]
    url: str = ""
    checksum: str = ""
    member: str = ""

    def version_of(self, supplier: SupplierName) -> str:
        """The version that this supplier brings, without a leading v."""
        return self.version if isinstance(self.version, str) else self.version.of(supplier)


class ChartPin(_Pin):
    """A Helm chart: its repository, and where the module carries the same chart."""

    version: str
    repository: str
    module: str
    folder: str


class DefinitionsPin(SourcePin):
    """Definitions of Kubernetes kinds: the folder of a module that holds them as YAML."""

    folder: str


class ImagePin(_Pin):
    """An image: its upstream reference, the node roles that need it, and what builds it.

    `package` are modules and packages of gkelab, as paths in it, and `python` packages of
    requirements.lock. They count by their content, so that the lists are left out of the dumps
    that keys are made of.
    """

    reference: str | BySupplier
    on: tuple[Role, ...]
    digest: str = ""
    in_node: bool = False
    own: bool = False
    based: bool = False
    programs: tuple[str, ...] = ()
    files: dict[str, str] = Field(default_factory=dict)
    pypi: tuple[str, ...] = ()
    package: tuple[str, ...] = Field(default=(), exclude=True)
    python: tuple[str, ...] = Field(default=(), exclude=True)

    def ref(self, supplier: SupplierName) -> str:
        """The image reference, `repository:tag`."""
        return self.reference if isinstance(self.reference, str) else self.reference.of(supplier)


class Pins(_Pin):
    """All of versions.toml."""

    go: GoPin
    debian: DebianPin
    modules: dict[str, ModulePin]
    tools: dict[str, ToolPin]
    charts: dict[str, ChartPin]
    definitions: dict[str, DefinitionsPin]
    images: dict[str, ImagePin]

    def module_of(self, program: str) -> str:
        """The name of the module that `program` is built from. Raises LabError if none is."""
        for name, module in self.modules.items():
            if program in module.packages:
                return name
        raise LabError(f"versions.toml: no module builds the program {program}")

    def modules_of(self, image: str) -> tuple[str, ...]:
        """The modules whose programs or files an image takes, each once, in order."""
        pin = self.images[image]
        names = [self.module_of(program) for program in pin.programs]
        names += [source.split(":", 1)[0] for source in pin.files.values()]
        return tuple(dict.fromkeys(names))


def load_pins(path: Path = ROOT / "versions.toml") -> Pins:
    """Read versions.toml. Raises LabError with the first thing that is wrong with it."""
    try:
        return Pins.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as bad:
        raise LabError(f"{path.name}: is not TOML: {bad}", "restore it from git") from bad
    except ValidationError as bad:
        first = bad.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LabError(f"{path.name}: {where}: {first['msg']}", "restore it from git") from bad

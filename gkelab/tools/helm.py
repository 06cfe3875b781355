"""helm: charts rendered to objects, with values as data; the lab applies them itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gkelab.shell import Runner


@dataclass(frozen=True)
class Helm:
    """The helm program. Methods raise CommandError when it refuses."""

    program: Path
    run: Runner

    def template(
        self,
        release: str,
        chart: Path,
        namespace: str,
        kubernetes: str,
        values: Mapping[str, Any],
    ) -> str:
        """The chart's objects as YAML, CRDs among them, for a Kubernetes of this version."""
        words = ["template", release, str(chart), f"--namespace={namespace}", "--include-crds"]
        return self.run(
            [str(self.program), *words, f"--kube-version={kubernetes}", "--values=-"],
            input=yaml.safe_dump(dict(values), sort_keys=False),
        ).stdout

    def pull(self, repository: str, chart: str, version: str, folder: Path) -> None:
        """Fetch a chart's archive from its repository into a folder."""
        words = ["pull", chart, f"--repo={repository}", f"--version={version}"]
        self.run([str(self.program), *words, f"--destination={folder}"])

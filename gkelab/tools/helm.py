"""helm: charts with values as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gkelab.shell import Runner


@dataclass(frozen=True)
class Helm:
    """helm for one cluster. Methods raise CommandError when helm refuses."""

    program: Path
    kubeconfig: Path
    context: str
    run: Runner

    def upgrade(
        self, release: str, chart: Path, namespace: str, values: Mapping[str, Any]
    ) -> None:
        """Install or upgrade a release; it does not wait for what it installs to be ready."""
        self.run(
            [
                str(self.program),
                "upgrade",
                "--install",
                release,
                str(chart),
                f"--namespace={namespace}",
                "--create-namespace",
                f"--kubeconfig={self.kubeconfig}",
                f"--kube-context={self.context}",
                "--values=-",
            ],
            input=yaml.safe_dump(dict(values), sort_keys=False),
        )


def pull(
    program: Path, repository: str, chart: str, version: str, folder: Path, run: Runner
) -> None:
    """Fetch a chart's archive from its repository into a folder."""
    run(
        [
            str(program),
            "pull",
            chart,
            f"--repo={repository}",
            f"--version={version}",
            f"--destination={folder}",
        ]
    )

"""What the agent tells of itself: a JSON file that `up`, `invoke status` and tests read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gkelab.cloud.machines.wanted import Machine
from gkelab.files import write_whole

_LOG = logging.getLogger("gkelab.cloud.machines")


@dataclass
class Status:
    """The file, and what was told last."""

    file: Path | None
    told: dict[str, Any] = field(default_factory=dict)

    def tell(
        self,
        generation: int | None,
        machines: Mapping[str, Machine],
        states: Mapping[str, str],
        right: Mapping[str, Mapping[str, str]],
        wrong: Mapping[str, Sequence[str]],
    ) -> None:
        """Write it if something is another. `generation` is that of the state that was made so,
        `machines` and `states` are by container. Of what is `wrong`, "left_out" is what the cloud
        has and nothing here can be."""
        status = {
            "generation": generation,
            "machines": {
                machine.instance: {
                    "container": name,
                    "state": states.get(name, "absent"),
                    "address": str(machine.address),
                    "aliases": [str(alias) for alias in machine.aliases],
                }
                for name, machine in machines.items()
            },
            **{what: dict(sorted(names.items())) for what, names in right.items()},
            **{kind: list(sentences) for kind, sentences in wrong.items()},
        }
        if status == self.told:
            return
        for kind, sentences in wrong.items():
            for sentence in sentences:
                if sentence not in self.told.get(kind, []):
                    _LOG.warning("%s", sentence)
        self.told = status
        if self.file:
            write_whole(self.file, json.dumps(status, indent=2) + "\n")

"""The project's own commands, as a person types them."""

from __future__ import annotations

import sys

from gkelab.shell import Result, run
from gkelab.supply.pins import ROOT


def invoke(*words: str, check: bool = True, **env: str) -> Result:
    """An `invoke` command of this checkout; `env` is added to the environment. Raises
    CommandError, with `check`, when it fails."""
    return run([sys.executable, "-m", "invoke", *words], cwd=ROOT, env=env, check=check)

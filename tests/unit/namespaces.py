"""What a host must have for what `ip` is told to be tried in a network namespace."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def _possible() -> bool:
    try:
        return subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0
    except OSError:
        return False


needs_namespace = pytest.mark.skipif(
    not (shutil.which("ip") and _possible()), reason="needs ip and a network namespace"
)

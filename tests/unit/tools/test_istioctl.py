"""istioctl: an operator in a file of the lab's, objects out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gkelab.shell import CommandError
from gkelab.tools.istioctl import Istioctl
from tests.support.recorder import Recorder


def generate(program: str, folder: Path) -> list[str]:
    return [program, "manifest", "generate", f"--filename={folder}/istio-operator.yaml"]


def test_the_operator_is_rendered_from_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "istio"
    operator = {"kind": "IstioOperator", "spec": {"hub": "docker.io/istio", "tag": "1.31"}}
    run = Recorder()
    run.handle(generate("/bin/istioctl", folder), "kind: Deployment\n")
    assert Istioctl(Path("/bin/istioctl"), run).generate(operator, folder) == "kind: Deployment\n"
    assert yaml.safe_load((folder / "istio-operator.yaml").read_text()) == operator


def test_what_istioctl_refuses_is_an_error(tmp_path: Path) -> None:
    run = Recorder()
    run.handle(generate("/bin/istioctl", tmp_path), code=1, stderr="Error: unknown field")
    with pytest.raises(CommandError, match="unknown field"):
        Istioctl(Path("/bin/istioctl"), run).generate({}, tmp_path)

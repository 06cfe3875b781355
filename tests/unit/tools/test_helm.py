"""helm: rendered with values as data, pulled by version."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gkelab.shell import CommandError
from gkelab.tools.helm import Helm
from tests.support.recorder import Recorder

TEMPLATE = [
    *("/bin/helm", "template", "cilium", "/charts/cilium", "--namespace=kube-system"),
    *("--include-crds", "--kube-version=1.36.4", "--values=-"),
]


def test_a_chart_is_rendered_with_values_on_stdin() -> None:
    run = Recorder()
    run.handle(TEMPLATE, "kind: Namespace\n")
    values = {"z": 1, "k8sServicePort": 6443, "a": {"on": "yes"}}
    helm = Helm(Path("/bin/helm"), run)
    rendered = helm.template("cilium", Path("/charts/cilium"), "kube-system", "1.36.4", values)
    assert rendered == "kind: Namespace\n"
    assert run.calls[0].input is not None
    assert yaml.safe_load(run.calls[0].input) == values
    assert list(yaml.safe_load(run.calls[0].input)) == ["z", "k8sServicePort", "a"]


def test_what_helm_refuses_is_an_error() -> None:
    run = Recorder()
    run.handle(TEMPLATE, code=1, stderr="Error: values don't meet the schema")
    with pytest.raises(CommandError, match="don't meet the schema"):
        Helm(Path("/bin/helm"), run).template(
            "cilium", Path("/charts/cilium"), "kube-system", "1.36.4", {}
        )


def test_a_chart_is_pulled_from_its_repository() -> None:
    run = Recorder()
    argv = ["/bin/helm", "pull", "metallb", "--repo=https://charts.example/metallb"]
    argv += ["--version=0.15.3", "--destination=/work"]
    run.handle(argv)
    Helm(Path("/bin/helm"), run).pull(
        "https://charts.example/metallb", "metallb", "0.15.3", Path("/work")
    )
    assert run.argvs == [argv]

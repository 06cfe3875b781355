"""Istio: the images of the supplier, plain Envoy only where it is, and patience with the API."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gkelab.graph import CACHED
from gkelab.lab import Lab, manifest
from gkelab.shell import CommandError
from gkelab.steps.install_istio import (
    install_gateway,
    install_istio,
    istio_operator,
    render_istio_objects,
)
from gkelab.wait import WaitError
from tests.support.recorder import Recorder
from tests.unit.steps import (
    FakeSupplier,
    applied_objects,
    applies,
    fresh,
    kubectl,
    make_lab,
)

DEFINITION = {"kind": "CustomResourceDefinition", "metadata": {"name": "gateways"}}
OTHERS = [
    {"kind": "Deployment", "metadata": {"name": "istiod", "namespace": "istio-system"}},
    {"kind": "Gateway", "metadata": {"name": "x", "namespace": "istio-system"}},
]
GATEWAY = {
    "kind": "Deployment",
    "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}
PLAIN_ENVOY = {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"}


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    lab = make_lab(tmp_path, run)
    run.handle(generate(lab), yaml.safe_dump_all([OTHERS[0], DEFINITION, GATEWAY, OTHERS[1]]))
    return lab


def generate(lab: Lab) -> list[str]:
    file = lab.folder / "istio" / "istio-operator.yaml"
    return ["/supply/tools/istioctl", "manifest", "generate", f"--filename={file}"]


def test_built_images_have_plain_envoy_and_do_without_istios_filters(lab: Lab) -> None:
    spec = istio_operator(lab)["spec"]
    pilot = lab.supplier.pins.images["istio-pilot"].ref("built")
    assert f"{spec['hub']}/pilot:{spec['tag']}" == pilot
    assert spec["values"]["pilot"]["env"] == PLAIN_ENVOY
    assert spec["values"]["telemetry"] == {"enabled": False}
    assert spec["values"]["pilot"]["autoscaleEnabled"] is False  # beside the manifest's own


def test_upstreams_images_have_all_of_istio(tmp_path: Path, run: Recorder) -> None:
    lab = make_lab(tmp_path, run, supplier=FakeSupplier(name="upstream"))
    operator = istio_operator(lab)
    pilot = lab.supplier.pins.images["istio-pilot"].ref("upstream")
    spec = operator["spec"]
    assert f"{spec['hub']}/pilot:{spec['tag']}" == pilot
    assert "env" not in spec["values"]["pilot"]
    assert "telemetry" not in spec["values"]
    assert {**operator, "spec": {k: v for k, v in spec.items() if k not in ("hub", "tag")}} == (
        manifest("istio/operator.yaml")
    )


def test_proxies_have_the_same_hub_and_tag_as_pilot(lab: Lab) -> None:
    """The operator has one hub and one tag for both."""
    spec = istio_operator(lab)["spec"]
    proxy = lab.supplier.reference("istio-proxy")
    assert proxy == f"{spec['hub']}/proxyv2:{spec['tag']}"


def test_it_is_rendered_once(lab: Lab, run: Recorder) -> None:
    assert len(render_istio_objects(lab).objects()) == 4
    render_istio_objects(lab)
    assert run.argvs == [generate(lab)]


def test_the_namespace_and_the_definitions_come_first(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    version = lab.supplier.pins.tools["istioctl"].version_of("built")
    assert install_istio(lab, lab.plan.clusters[0], applied) == version
    assert applied_objects(run) == [[NAMESPACE, DEFINITION], OTHERS]
    assert install_istio(lab, lab.plan.clusters[0], applied) == CACHED
    assert len(applied_objects(run)) == 2


def test_what_is_refused_to_the_end_is_told_and_not_recorded(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)  # taken: the definitions
    run.handle(applies(lab), code=1, stderr='no matches for kind "Gateway"')
    with pytest.raises(WaitError) as caught:
        install_istio(lab, lab.plan.clusters[0], applied)
    assert str(caught.value) == (
        'Istio\'s objects are taken did not come true within 0 s: no matches for kind "Gateway".'
    )
    assert applied_objects(run) == [[NAMESPACE, DEFINITION], OTHERS]
    assert run.times(*applies(lab)) == 2  # nothing was recorded


def waits(lab: Lab) -> list[str]:
    where = ["--namespace=istio-system", "wait", "deployment/istiod", "--for=condition=Available"]
    return kubectl(lab, *where, f"--timeout={lab.timeouts.rollout:.0f}s")


def test_the_gateway_comes_once_when_istiod_is_available(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    run.handle(waits(lab))
    assert install_gateway(lab, lab.plan.clusters[0], applied) == "istio-ingressgateway"
    assert applied_objects(run) == [[GATEWAY]]
    assert run.argvs.index(waits(lab)) < run.argvs.index(applies(lab))
    assert install_gateway(lab, lab.plan.clusters[0], applied) == CACHED
    assert run.times(*waits(lab)) == 1


def test_without_istiod_there_is_no_gateway(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    said = "error: timed out waiting for the condition on deployments/istiod"
    run.handle(waits(lab), code=1, stderr=said)
    with pytest.raises(CommandError, match="timed out waiting for the condition"):
        install_gateway(lab, lab.plan.clusters[0], applied)
    assert run.times(*applies(lab)) == 0

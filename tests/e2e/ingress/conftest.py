"""What the tests of Istio's shared ingress gateway stand on."""

from __future__ import annotations

import pytest

from gkelab.tools.kubectl import Kubectl
from tests.support.ingress import Gateway, Ingress, shared_gateway
from tests.support.namespace import Namespace
from tests.support.probes import ContainerPlace


@pytest.fixture(scope="session")
def gateway(kubectl: Kubectl) -> Gateway:
    """The lab's one ingress gateway."""
    return shared_gateway(kubectl)


@pytest.fixture(scope="module")
def ingress(shared: Namespace, client: ContainerPlace, gateway: Gateway) -> Ingress:
    """The way from the client outside to the pods of the file's manifest."""
    return Ingress(client, gateway, shared)

"""Where tests of DNS ask."""

from __future__ import annotations

import pytest

from gkelab.tools.kubectl import Kubectl


@pytest.fixture(scope="session")
def server(kubectl: Kubectl) -> str:
    """The DNS Service's address."""
    service = kubectl.get("service", "kube-dns", "kube-system")
    assert service is not None
    return str(service["spec"]["clusterIP"])


@pytest.fixture(scope="session")
def resolvers(kubectl: Kubectl, server: str) -> list[str]:
    """The addresses to ask at: the DNS Service's, and each of the pods' behind it. What one of
    them knows another may not know yet."""
    pods = kubectl.list("pods", "kube-system", "k8s-app=kube-dns")
    return [server, *(str(pod["status"]["podIP"]) for pod in pods)]

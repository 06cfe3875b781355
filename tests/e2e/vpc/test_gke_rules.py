"""The firewall rules that GKE makes by itself: for a cluster (concepts/firewall-rules), for its
load balancers, and for GCPFirewall objects (networking.gke.io/v1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import NotFound

from gkelab.cloud.resources import cluster_firewalls, node_tag
from gkelab.lab import Lab
from gkelab.tools.kubectl import Object
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.namespace import READY, Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, body
from tests.support.vpc.made import Made

PORT, OTHER_PORT = 18380, 18381


@pytest.fixture(scope="module")
def node(shared: Namespace) -> Pod:
    """A pod on its node's network."""
    return shared.pods("app=node")[0]


@pytest.fixture(scope="module")
def public(made: Made, cluster: Cluster, node: Pod) -> str:
    """The node's public address."""
    (found,) = (n for n in cluster.nodes if n.name == node.node)
    (nic,) = made.instance(found.name, found.zone)["networkInterfaces"]
    return str(nic["accessConfigs"][0]["natIP"])


def rules(made: Made, name: str = "") -> list[Body]:
    """The rules whose names begin so."""
    listed = made.google.firewalls.list(project=made.google.project)
    return [body(one) for one in listed if one.name.startswith(name)]


def test_the_clusters_rules_are_there(lab: Lab, made: Made, cluster: Cluster) -> None:
    """By name, with their sources, their target and their ports."""
    found = {rule["name"]: rule for rule in rules(made)}
    wanted = list(cluster_firewalls(lab.plan, cluster))
    assert {each.name.rpartition("-")[2] for each in wanted} == {
        *("all", "vms", "master", "inkubelet", "exkubelet")
    }
    for each in wanted:
        rule = found[each.name]
        for field in ("sourceRanges", "sourceTags", "targetTags", "allowed", "denied", "priority"):
            assert rule.get(field) == each.body.get(field), f"{each.name}: {field}"
        assert not rule.get("disabled"), each.name


def test_a_load_balancers_rule(
    lab: Lab, made: Made, shared: Namespace, cluster: Cluster, internet: ContainerPlace
) -> None:
    """One rule for the Service's address and ports, with whom it takes packets from; and it is
    the rule that lets the client in: one above it that denies the client this one address makes
    it silent."""
    assert lab.plan.internet is not None
    address, client = shared.address("web"), f"{lab.plan.internet.client}/32"
    url = f"http://{address}/"
    service = shared.service("web")
    name = f"k8s-fw-a{service['metadata']['uid'].replace('-', '')}"[: len("k8s-fw-") + 32]
    (rule,) = until(
        lambda: rules(made, name), bool, what=f"the rule {name} is there", timeout=READY
    )
    assert rule["sourceRanges"] == ["0.0.0.0/0"]
    assert rule["destinationRanges"] in ([address], [f"{address}/32"])
    assert rule["targetTags"] == [node_tag(lab.plan, cluster)]
    assert rule["allowed"] == [{"IPProtocol": "tcp", "ports": ["80"]}]

    def ask() -> Any:
        return http(internet, url, timeout=TIMEOUTS.short)

    eventually(ask, who="web", saw=str(lab.plan.internet.client), what="the client is let in")
    deny = made.own("no-client")
    made.firewall(
        {
            "name": deny,
            "priority": 10,
            "sourceRanges": [client],
            "destinationRanges": [f"{address}/32"],
            "targetTags": [node_tag(lab.plan, cluster)],
            "denied": [{"IPProtocol": "all"}],
        }
    )
    eventually(ask, outcome=Outcome.TIMEOUT, what="the client is not let in")
    made.delete("firewalls", "", deny)
    eventually(ask, who="web", what="the client is let in again")


def test_source_ranges_of_a_load_balancer_are_its_rules(
    lab: Lab, made: Made, shared: Namespace, internet: ContainerPlace
) -> None:
    """spec.loadBalancerSourceRanges become the rule's; the client that is not in them is shut
    out, and let in when it is. Without the Service there is no rule."""
    assert lab.plan.internet is not None
    client = str(lab.plan.internet.client)
    narrow = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "narrow"},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "selector": {"app": "web"},
            "loadBalancerSourceRanges": ["192.0.2.0/24"],
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    }
    with shared.having([narrow]):
        url = f"http://{shared.address('narrow')}/"
        uid = shared.service("narrow")["metadata"]["uid"].replace("-", "")
        name = f"k8s-fw-a{uid}"[: len("k8s-fw-") + 32]

        def sources() -> list[str]:
            return [text for rule in rules(made, name) for text in rule["sourceRanges"]]

        until(sources, lambda s: s == ["192.0.2.0/24"], what=f"the rule {name}", timeout=READY)
        eventually(
            lambda: http(internet, url, timeout=TIMEOUTS.short),
            outcome=Outcome.TIMEOUT,
            what="the client is not among the sources",
        )
        ranges = ["192.0.2.0/24", f"{client}/32"]
        shared.patch("service", "narrow", {"spec": {"loadBalancerSourceRanges": ranges}})
        until(sources, lambda s: set(s) == set(ranges), what=f"the rule {name}", timeout=READY)
        eventually(
            lambda: http(internet, url, timeout=TIMEOUTS.short),
            who="web",
            saw=client,
            what="the client is among the sources",
        )
    until(sources, lambda s: not s, what=f"the rule {name} goes with its Service", timeout=READY)


@pytest.fixture
def gcpfirewall(lab: Lab, made: Made, shared: Namespace) -> Iterator[Object]:
    """A GCPFirewall for the client and one port of the nodes, not applied yet; gone at the end.
    It belongs to the test's namespace, and goes with that after a killed run."""
    assert lab.plan.internet is not None
    space = shared.kubectl.get("namespace", shared.name)
    assert space is not None
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": shared.name}
    wanted: Object = {
        "apiVersion": "networking.gke.io/v1",
        "kind": "GCPFirewall",
        "metadata": {
            "name": made.own("gcpfw"),
            "ownerReferences": [{**owner, "uid": space["metadata"]["uid"]}],
        },
        "spec": {
            "ingress": {"source": {"ipBlocks": [f"{lab.plan.internet.client}/32"]}},
            "ports": [{"protocol": "TCP", "startPort": PORT}],
        },
    }
    try:
        yield wanted
    finally:
        shared.kubectl("delete", "gcpfirewall", wanted["metadata"]["name"], "--ignore-not-found")


def enforced(shared: Namespace, name: str) -> dict[str, Any]:
    """Its condition, with where its rule is; empty before there is one."""
    found = shared.kubectl.get("gcpfirewall", name) or {}
    status = found.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "Enforced":
            seen = condition.get("observedGeneration") == found["metadata"]["generation"]
            return {**condition, "url": status.get("resourceURL", ""), "seen": seen}
    return {}


def until_enforced(shared: Namespace, name: str, status: str, reason: str) -> dict[str, Any]:
    """Wait until its condition says so, of its newest form."""
    return until(
        lambda: enforced(shared, name),
        lambda c: bool(c) and c["seen"] and (c["status"], c["reason"]) == (status, reason),
        what=f"GCPFirewall {name} is {status} ({reason})",
        timeout=READY,
    )


def test_gcpfirewall(
    *,
    lab: Lab,
    made: Made,
    shared: Namespace,
    internet: ContainerPlace,
    node: Pod,
    public: str,
    gcpfirewall: Object,
) -> None:
    """It lets the client to one port of the nodes, at their public addresses, and says so in its
    status; not to another port; not while it is disabled; not when it is gone."""
    assert lab.plan.internet is not None
    client, name = str(lab.plan.internet.client), gcpfirewall["metadata"]["name"]

    def ask(port: int = PORT) -> Any:
        return http(internet, f"http://{public}:{port}/", timeout=TIMEOUTS.short)

    def until_shut(why: str) -> None:
        eventually(ask, outcome=Outcome.TIMEOUT, what=f"nothing admits the client {why}")

    until_shut("yet")
    shared.kubectl.apply([gcpfirewall])
    condition = until_enforced(shared, name, "True", "Synchronized")
    rule = body(
        made.google.firewalls.get(
            project=made.google.project, firewall=condition["url"].rpartition("/")[2]
        )
    )
    assert rule["sourceRanges"] == [f"{client}/32"]
    assert rule["allowed"] == [{"IPProtocol": "tcp", "ports": [str(PORT)]}]
    eventually(ask, who=node.name, saw=client, what="the GCPFirewall admits the client")
    assert ask(OTHER_PORT).outcome is Outcome.TIMEOUT
    gcpfirewall["spec"]["disabled"] = True
    shared.kubectl.apply([gcpfirewall])
    until_enforced(shared, name, "False", "Pending")
    until_shut("while the GCPFirewall is disabled")
    gcpfirewall["spec"]["disabled"] = False
    shared.kubectl.apply([gcpfirewall])
    until_enforced(shared, name, "True", "Synchronized")
    eventually(ask, who=node.name, saw=client, what="it does so again")
    shared.kubectl("delete", "gcpfirewall", name)
    until_shut("without the GCPFirewall")
    with pytest.raises(NotFound):
        made.google.firewalls.get(project=made.google.project, firewall=rule["name"])


def test_a_gcpfirewall_that_cannot_be(shared: Namespace, gcpfirewall: Object) -> None:
    """It says why, and is no rule; what is wrong put right, it is one."""
    name = gcpfirewall["metadata"]["name"]
    right = gcpfirewall["spec"]["ingress"]["source"]["ipBlocks"]
    gcpfirewall["spec"]["ingress"]["source"]["ipBlocks"] = ["2001:db8::/32"]
    shared.kubectl.apply([gcpfirewall])
    condition = until_enforced(shared, name, "False", "Invalid")
    assert "ipBlocks[0]" in condition["message"]
    assert condition["url"] == ""
    gcpfirewall["spec"]["ingress"]["source"]["ipBlocks"] = right
    shared.kubectl.apply([gcpfirewall])
    assert until_enforced(shared, name, "True", "Synchronized")["url"]

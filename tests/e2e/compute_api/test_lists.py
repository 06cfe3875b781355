"""What can be read: the project, places, lists with filters, in pages and in order, aggregated
lists, and which rules an instance is under."""

from __future__ import annotations

import pytest
from google.cloud import compute_v1

from gkelab.lab import Lab
from gkelab.topology import Cluster
from tests.support.vpc.google import Google, refused
from tests.support.vpc.made import Made

COUNT = 5


@pytest.fixture(scope="module")
def names(made: Made) -> list[str]:
    """Some rules for nobody, to be listed."""
    made_ = [made.own(f"rule-{number}") for number in range(COUNT)]
    for number, name in enumerate(made_):
        made.firewall(
            {
                "name": name,
                "priority": 1000 + number,
                "disabled": number == 0,
                "targetTags": [made.own("nobody")],
                "allowed": [{"IPProtocol": "tcp"}],
            }
        )
    return made_


def test_the_project(google: Google, lab: Lab) -> None:
    """By its id; another is not there."""
    assert google.projects.get(project=google.project).name == lab.plan.project
    assert refused(lambda: google.projects.get(project="somebody-elses")).code == 404


def test_regions_and_zones(google: Google, lab: Lab) -> None:
    """Google's own: those of the topology among them, each zone in its region."""
    regions = {one.name: one for one in google.regions.list(project=google.project)}
    zones = {one.name: one for one in google.zones.list(project=google.project)}
    for subnet in lab.plan.subnets:
        assert regions[subnet.region].status == "UP"
    for node in lab.plan.nodes:
        assert zones[node.zone].region.endswith(f"/regions/{node.region}")
    one = lab.plan.nodes[0].zone
    assert google.zones.get(project=google.project, zone=one).name == one
    assert refused(lambda: google.zones.get(project=google.project, zone="no-zone1-a")).code == 404


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ('name = "{0}"', [0]),
        ('name != "{0}" AND name : "{prefix}*"', [1, 2, 3, 4]),
        ('(name = "{1}") OR (name = "{3}")', [1, 3]),
        ('priority > 1002 AND name : "{prefix}*"', [3, 4]),
        ('disabled = true AND name : "{prefix}*"', [0]),
        ("name eq {prefix}.*", [0, 1, 2, 3, 4]),
        ("(name eq {prefix}.*) (disabled eq false)", [1, 2, 3, 4]),
    ],
)
def test_filters(
    google: Google, made: Made, names: list[str], expression: str, numbers: list[int]
) -> None:
    """Both of Compute's kinds of expressions."""
    text = expression.format(*names, prefix=made.own("rule-"))
    request = compute_v1.ListFirewallsRequest(project=google.project, filter=text)
    assert [one.name for one in google.firewalls.list(request)] == [names[n] for n in numbers]


@pytest.mark.parametrize("text", ["(name = a", "colour = red"])
def test_a_filter_that_is_none(google: Google, text: str) -> None:
    """It is refused, and does not mean everything."""
    request = compute_v1.ListFirewallsRequest(project=google.project, filter=text)
    said = refused(lambda: list(google.firewalls.list(request)))
    assert (said.code, said.reason) == (400, "invalid")


def test_pages(google: Google, made: Made, names: list[str]) -> None:
    """Two at a time, each once, in order; a page's token leads to the next."""
    request = compute_v1.ListFirewallsRequest(
        project=google.project, filter=f'name : "{made.own("rule-")}*"', max_results=2
    )
    pages = [[one.name for one in page.items] for page in google.firewalls.list(request).pages]
    assert pages == [names[:2], names[2:4], names[4:]]


def test_newest_first(google: Google, made: Made, names: list[str]) -> None:
    """The other order that Compute has."""
    request = compute_v1.ListFirewallsRequest(
        project=google.project,
        filter=f'name : "{made.own("rule-")}*"',
        order_by="creationTimestamp desc",
    )
    assert [one.name for one in google.firewalls.list(request)] == names[::-1]


def test_aggregated_lists(google: Google, lab: Lab, cluster: Cluster) -> None:
    """All scopes with what is in them; those without anything say so."""
    instances = dict(google.instances.aggregated_list(project=google.project))
    for node in cluster.nodes:
        names = {one.name for one in instances[f"zones/{node.zone}"].instances}
        assert node.name in names
    subnets = dict(google.subnetworks.aggregated_list(project=google.project))
    for subnet in lab.plan.subnets:
        names = {one.name for one in subnets[f"regions/{subnet.region}"].subnetworks}
        assert subnet.name in names
    (empty,) = (s for place, s in subnets.items() if place == "regions/me-west1")
    assert empty.warning.code == "NO_RESULTS_ON_PAGE"


def test_the_nodes_are_instances(google: Google, cluster: Cluster) -> None:
    """With their addresses, and their alias range out of the pods' secondary range."""
    for node in cluster.nodes:
        found = google.instances.get(project=google.project, zone=node.zone, instance=node.name)
        (nic,) = found.network_interfaces
        assert nic.network_i_p == str(node.address)
        (alias,) = nic.alias_ip_ranges
        assert alias.subnetwork_range_name == cluster.pod_range_name
        assert found.status == "RUNNING"
        # A test beside this one has a worker forward for a while.
        assert not found.can_ip_forward or node in cluster.workers


def test_effective_firewalls(google: Google, made: Made, cluster: Cluster) -> None:
    """Which rules an instance is under, the first to decide first; those for other tags are not
    among them."""
    node = cluster.workers[0]
    answer = google.instances.get_effective_firewalls(
        project=google.project, zone=node.zone, instance=node.name, network_interface="nic0"
    )
    found = [rule.name for rule in answer.firewalls]
    assert {name.rpartition("-")[2] for name in found} >= {"all", "vms", "exkubelet"}
    assert not [name for name in found if name.startswith(made.name)]
    priorities = [rule.priority for rule in answer.firewalls]
    assert priorities == sorted(priorities)

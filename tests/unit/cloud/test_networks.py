"""Networks, subnets and routes, by Google's own client."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from gkelab.cloud.api.kinds.places import REGIONS
from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, REGION, ZONE, Google, Http

ROOT = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"
NET = f"{ROOT}/global/networks/net"


def make_network(google: Google, name: str = "net", auto: bool = False) -> compute_v1.Network:
    wanted = compute_v1.Network(name=name, auto_create_subnetworks=auto)
    google.networks.insert(project=PROJECT, network_resource=wanted).result(timeout=60)
    return google.networks.get(project=PROJECT, network=name)


def make_subnet(google: Google, **changes: Any) -> compute_v1.Subnetwork:
    wanted = compute_v1.Subnetwork(
        name="us",
        network=NET,
        ip_cidr_range="10.128.0.0/20",
        secondary_ip_ranges=[
            {"range_name": "pods", "ip_cidr_range": "10.4.0.0/20"},
            {"range_name": "services", "ip_cidr_range": "10.5.0.0/25"},
        ],
    )
    for key, value in changes.items():
        setattr(wanted, key, value)
    where = {"project": PROJECT, "region": REGION}
    google.subnetworks.insert(**where, subnetwork_resource=wanted).result(timeout=60)
    return google.subnetworks.get(**where, subnetwork=wanted.name)


def routes(google: Google) -> dict[str, compute_v1.Route]:
    return {route.dest_range: route for route in google.routes.list(project=PROJECT)}


def test_a_network_from_its_insert_to_its_end(google: Google) -> None:
    network = make_network(google)
    assert network.self_link == NET
    assert network.self_link_with_id == f"{ROOT}/global/networks/{network.id}"
    assert (network.mtu, network.routing_config.routing_mode) == (1460, "REGIONAL")
    assert google.networks.get(project=PROJECT, network=str(network.id)).name == "net"
    default = routes(google)["0.0.0.0/0"]
    assert default.next_hop_gateway == f"{ROOT}/global/gateways/default-internet-gateway"
    assert (default.priority, default.network) == (1000, NET)

    change = compute_v1.Network(routing_config={"routing_mode": "GLOBAL"})
    google.networks.patch(project=PROJECT, network="net", network_resource=change).result()
    changed = google.networks.get(project=PROJECT, network="net")
    assert changed.routing_config.routing_mode == "GLOBAL"
    assert (changed.id, changed.creation_timestamp) == (network.id, network.creation_timestamp)

    with pytest.raises(exceptions.BadRequest, match="Updating this field is not supported"):
        google.networks.patch(
            project=PROJECT, network="net", network_resource=compute_v1.Network(description="x")
        )
    google.networks.delete(project=PROJECT, network="net").result()
    assert list(google.networks.list(project=PROJECT)) == []
    assert routes(google) == {}


def test_an_auto_mode_network_has_a_subnet_in_every_region(google: Google) -> None:
    network = make_network(google, auto=True)
    assert len(network.subnetworks) == len(REGIONS)
    subnet = google.subnetworks.get(project=PROJECT, region="europe-west1", subnetwork="net")
    assert (subnet.ip_cidr_range, subnet.gateway_address) == ("10.132.0.0/20", "10.132.0.1")
    with pytest.raises(exceptions.BadRequest, match="Cannot delete auto subnetwork"):
        google.subnetworks.delete(project=PROJECT, region="europe-west1", subnetwork="net")
    with pytest.raises(exceptions.BadRequest, match=r"cannot overlap with 10\.128\.0\.0/9"):
        make_subnet(google, ip_cidr_range="10.250.0.0/20")
    make_subnet(google, ip_cidr_range="10.0.0.0/20")
    google.subnetworks.delete(project=PROJECT, region=REGION, subnetwork="us")

    google.networks.switch_to_custom_mode(project=PROJECT, network="net")
    google.subnetworks.delete(project=PROJECT, region="europe-west1", subnetwork="net")
    with pytest.raises(exceptions.BadRequest, match="custom subnet mode"):
        google.networks.switch_to_custom_mode(project=PROJECT, network="net")
    with pytest.raises(exceptions.BadRequest, match="already being used"):
        google.networks.delete(project=PROJECT, network="net")


def test_an_auto_mode_network_takes_its_subnets_with_it(google: Google) -> None:
    make_network(google, auto=True)
    make_network(google, "other")
    google.networks.delete(project=PROJECT, network="net")
    assert [network.name for network in google.networks.list(project=PROJECT)] == ["other"]
    assert not [
        s
        for _, scope in google.subnetworks.aggregated_list(project=PROJECT)
        for s in scope.subnetworks
    ]
    assert set(routes(google)) == {"0.0.0.0/0"}


def test_a_subnet_brings_routes_and_takes_them_away(google: Google) -> None:
    make_network(google)
    subnet = make_subnet(google)
    assert (subnet.gateway_address, subnet.purpose) == ("10.128.0.1", "PRIVATE")
    assert subnet.region == f"{ROOT}/regions/{REGION}"
    assert google.networks.get(project=PROJECT, network="net").subnetworks == [subnet.self_link]
    found = routes(google)
    assert set(found) == {"0.0.0.0/0", "10.128.0.0/20", "10.4.0.0/20", "10.5.0.0/25"}
    local = found["10.4.0.0/20"]
    assert (local.next_hop_network, local.priority, local.route_type) == (NET, 0, "SUBNET")
    assert local.description == "Default local route to the subnetwork 10.4.0.0/20."
    with pytest.raises(exceptions.BadRequest, match="local route cannot be deleted"):
        google.routes.delete(project=PROJECT, route=local.name)

    google.subnetworks.delete(project=PROJECT, region=REGION, subnetwork="us").result()
    assert set(routes(google)) == {"0.0.0.0/0"}


def patch(google: Google, subnet: compute_v1.Subnetwork, *ranges: tuple[str, str]) -> None:
    wanted = compute_v1.Subnetwork(
        fingerprint=subnet.fingerprint,
        secondary_ip_ranges=[{"range_name": n, "ip_cidr_range": r} for n, r in ranges],
    )
    google.subnetworks.patch(
        project=PROJECT, region=REGION, subnetwork="us", subnetwork_resource=wanted
    ).result()


PODS, SERVICES, MORE = ("pods", "10.4.0.0/20"), ("services", "10.5.0.0/25"), ("more", "10.6.0.0/24")


def test_secondary_ranges_come_and_go(google: Google) -> None:
    make_network(google)
    subnet = make_subnet(google)
    patch(google, subnet, PODS, SERVICES, MORE)
    wider = google.subnetworks.get(project=PROJECT, region=REGION, subnetwork="us")
    assert [r.range_name for r in wider.secondary_ip_ranges] == ["pods", "services", "more"]
    assert wider.fingerprint != subnet.fingerprint
    assert "10.6.0.0/24" in routes(google)

    with pytest.raises(exceptions.PreconditionFailed) as stale:
        patch(google, subnet, PODS)
    assert stale.value.errors[0]["reason"] == "conditionNotMet"
    with pytest.raises(exceptions.BadRequest, match="Cannot add and remove"):
        patch(google, wider, PODS, SERVICES, ("other", "10.7.0.0/24"))
    with pytest.raises(exceptions.BadRequest, match="cannot be modified: 10"):
        patch(google, wider, PODS, SERVICES, ("more", "10.7.0.0/24"))
    with pytest.raises(exceptions.BadRequest, match="overlaps"):
        patch(google, wider, PODS, SERVICES, MORE, ("x", "10.128.8.0/24"))

    patch(google, wider, PODS, SERVICES)
    assert "10.6.0.0/24" not in routes(google)


def test_a_range_in_use_stays(google: Google, http: Http) -> None:
    make_network(google)
    subnet = make_subnet(google)
    alias = {"ipCidrRange": "/26", "subnetworkRangeName": "pods"}
    made.make(http, "instances", networkInterfaces__0__aliasIpRanges=[alias])
    with pytest.raises(exceptions.BadRequest) as used:
        patch(google, subnet, SERVICES)
    assert used.value.errors[0]["reason"] == "resourceInUseByAnotherResource"
    assert f"'projects/{PROJECT}/zones/{ZONE}/instances/vm'" in used.value.message
    patch(google, subnet, PODS)
    for delete, what in (
        (google.subnetworks.delete, {"region": REGION, "subnetwork": "us"}),
        (google.networks.delete, {"network": "net"}),
    ):
        with pytest.raises(exceptions.BadRequest) as needed:
            delete(project=PROJECT, **what)
        assert needed.value.errors[0]["reason"] == "resourceInUseByAnotherResource"


def expand(google: Google, wanted: str) -> None:
    google.subnetworks.expand_ip_cidr_range(
        project=PROJECT,
        region=REGION,
        subnetwork="us",
        subnetworks_expand_ip_cidr_range_request_resource={"ip_cidr_range": wanted},
    ).result()


def test_a_subnet_expands_and_never_shrinks(google: Google, http: Http) -> None:
    make_network(google)
    make_subnet(google)
    made.make(http, "subnetworks", name="next", ipCidrRange="10.128.64.0/20", secondaryIpRanges=[])
    for wrong in ("10.128.0.0/21", "10.128.0.0/20", "10.129.0.0/16", "10.128.0.0", "0.0.0.0/0"):
        with pytest.raises(exceptions.BadRequest):
            expand(google, wrong)
    with pytest.raises(exceptions.BadRequest, match="conflicts with existing subnetwork 'next'"):
        expand(google, "10.128.0.0/16")
    expand(google, "10.128.0.0/19")
    subnet = google.subnetworks.get(project=PROJECT, region=REGION, subnetwork="us")
    assert (subnet.ip_cidr_range, subnet.gateway_address) == ("10.128.0.0/19", "10.128.0.1")
    assert "10.128.0.0/19" in routes(google)
    assert "10.128.0.0/20" not in routes(google)


def test_private_access_and_usable_subnets(google: Google) -> None:
    make_network(google)
    make_subnet(google)
    google.subnetworks.set_private_ip_google_access(
        project=PROJECT,
        region=REGION,
        subnetwork="us",
        subnetworks_set_private_ip_google_access_request_resource={
            "private_ip_google_access": True
        },
    )
    assert google.subnetworks.get(
        project=PROJECT, region=REGION, subnetwork="us"
    ).private_ip_google_access
    (usable,) = google.subnetworks.list_usable(project=PROJECT)
    assert (usable.ip_cidr_range, usable.network) == ("10.128.0.0/20", NET)


def test_a_route_of_a_person(google: Google, http: Http) -> None:
    made.base(http)
    wanted = compute_v1.Route(
        name="way",
        network="global/networks/net",
        dest_range="192.168.0.0/16",
        next_hop_ip="10.128.0.9",
        priority=100,
        tags=["gateway"],
    )
    google.routes.insert(project=PROJECT, route_resource=wanted).result()
    route = google.routes.get(project=PROJECT, route="way")
    assert (route.network, route.priority, route.route_type) == (NET, 100, "STATIC")
    with pytest.raises(exceptions.BadRequest) as used:
        google.networks.delete(project=PROJECT, network="net")
    assert used.value.errors[0]["reason"] == "resourceInUseByAnotherResource"
    # A subnet must not swallow it.
    with pytest.raises(exceptions.BadRequest, match="existing route 'way'"):
        make_subnet(google, name="wide", ip_cidr_range="192.168.0.0/16", secondary_ip_ranges=[])
    google.routes.delete(project=PROJECT, route="way").result()
    assert "192.168.0.0/16" not in routes(google)


def test_a_route_outlives_its_instance_and_says_so(google: Google, http: Http) -> None:
    made.base(http)
    made.make(http, "instances", canIpForward=True)
    link = f"zones/{ZONE}/instances/vm"
    made.make(http, "routes", nextHopIp=None, nextHopInstance=link)
    assert google.routes.get(project=PROJECT, route="way").route_status == "ACTIVE"
    google.instances.delete(project=PROJECT, zone=ZONE, instance="vm").result()
    route = google.routes.get(project=PROJECT, route="way")
    assert route.route_status == "INACTIVE"
    assert route.warnings[0].code == "NEXT_HOP_INSTANCE_NOT_FOUND"
    made.make(http, "instances")
    warned = google.routes.get(project=PROJECT, route="way").warnings[0]
    assert warned.code == "NEXT_HOP_CANNOT_IP_FORWARD"


def test_places(google: Google) -> None:
    assert google.projects.get(project=PROJECT).name == PROJECT
    number = google.projects.get(project=PROJECT).id
    assert google.networks.list(project=str(number)) is not None
    region = google.regions.get(project=PROJECT, region="europe-west1")
    assert [zone.rpartition("/")[2] for zone in region.zones] == [
        f"europe-west1-{letter}" for letter in "bcd"
    ]
    zone = google.zones.get(project=PROJECT, zone=ZONE)
    assert (zone.region, zone.status) == (f"{ROOT}/regions/{REGION}", "UP")
    assert len(list(google.regions.list(project=PROJECT))) == len(REGIONS)
    in_region = google.zones.list({"project": PROJECT, "filter": 'name = "us-central1-*"'})
    assert len(list(in_region)) == 4

"""Whatever is asked of the cloud, in whatever order: ranges keep apart, every range has its
route, what is refused changes nothing, and the file has what memory has."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gkelab.cloud.api.errors import ComputeError
from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.kinds import KINDS
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.ranges import nic_networks, own_ranges
from gkelab.cloud.api.service import Call, Service
from gkelab.cloud.api.store import Store
from tests.unit.cloud import made
from tests.unit.cloud.servers import SETTINGS

NETWORK, REGION, ZONE = "global/networks/net", "regions/us-central1", "zones/us-central1-a"
NAMES = st.sampled_from(["a", "b"])
# Few enough to meet often. There from the start: subnet a, with the ranges p and q.
RANGES = st.sampled_from(
    [
        *("10.0.0.0/24", "10.0.0.0/23", "10.0.0.0/22", "10.0.4.0/24", "10.0.5.0/24"),
        *("10.0.8.0/24", "10.0.8.0/22", "10.0.12.0/24"),
    ]
)
A = {"p": "10.0.4.0/24", "q": "10.0.8.0/24"}
BLOCKS = st.sampled_from(
    ["10.0.4.0/26", "10.0.4.0/28", "10.0.4.64/26", "10.0.8.0/26", "10.0.0.8/29", "/26", "/28"]
)
SECONDARY = st.lists(
    st.builds(lambda n, r: {"rangeName": n, "ipCidrRange": r}, st.sampled_from("pqr"), RANGES),
    max_size=3,
)
ALIASES = st.lists(
    st.builds(
        lambda network, name: {"ipCidrRange": network, "subnetworkRangeName": name},
        BLOCKS,
        st.sampled_from(["p", "p", "q", ""]),
    ),
    max_size=2,
)

Do = Callable[[Service], object]


def insert_subnet(name: str, network: str, secondary: list[Body]) -> Do:
    body = {
        "name": name,
        "network": NETWORK,
        "ipCidrRange": network,
        "secondaryIpRanges": secondary,
    }
    return lambda service: service.insert(KINDS["subnetworks"], REGION, Call(body, {}))


def patch_subnet(name: str, secondary: list[Body]) -> Do:
    def do(service: Service) -> object:
        ref = Ref("subnetworks", REGION, name)
        seen = service.get(KINDS["subnetworks"], ref)["fingerprint"]
        body = {"fingerprint": seen, "secondaryIpRanges": secondary}
        return service.change("patch", KINDS["subnetworks"], ref, Call(body, {}))

    return do


def expand_subnet(name: str, network: str) -> Do:
    ref = Ref("subnetworks", REGION, name)
    call = Call({"ipCidrRange": network}, {})
    return lambda service: service.act("expandIpCidrRange", KINDS["subnetworks"], ref, call)


def insert_vm(name: str, subnet: str, aliases: list[Body]) -> Do:
    nic = {"subnetwork": f"{REGION}/subnetworks/{subnet}", "aliasIpRanges": aliases}
    body = made.body("instances", name=name, networkInterfaces=[nic])
    return lambda service: service.insert(KINDS["instances"], ZONE, Call(body, {}))


def move_aliases(name: str, aliases: list[Body]) -> Do:
    def do(service: Service) -> object:
        ref = Ref("instances", ZONE, name)
        (nic,) = service.get(KINDS["instances"], ref)["networkInterfaces"]
        body = {"fingerprint": nic["fingerprint"], "aliasIpRanges": aliases}
        call = Call(body, {"networkInterface": "nic0"})
        return service.act("updateNetworkInterface", KINDS["instances"], ref, call)

    return do


def delete(collection: str, scope: str, name: str) -> Do:
    ref = Ref(collection, scope, name)
    return lambda service: service.delete(KINDS[collection], ref, Call(None, {}))


def insert_address(name: str, subnet: str) -> Do:
    body = made.body("addresses", name=name, subnetwork=f"{REGION}/subnetworks/{subnet}")
    return lambda service: service.insert(KINDS["addresses"], REGION, Call(body, {}))


IN_A = st.just("a")
VMS = st.sampled_from(["v", "w", "x"])
DEEDS = st.one_of(
    st.builds(insert_vm, VMS, IN_A, ALIASES),
    st.builds(move_aliases, VMS, ALIASES),
    st.builds(patch_subnet, IN_A, SECONDARY),
    st.builds(insert_subnet, NAMES, RANGES, SECONDARY),
    st.builds(patch_subnet, NAMES, SECONDARY),
    st.builds(expand_subnet, NAMES, RANGES),
    st.builds(insert_vm, VMS, NAMES, ALIASES),
    st.builds(move_aliases, VMS, ALIASES),
    st.builds(insert_address, NAMES, NAMES),
    st.builds(delete, st.just("subnetworks"), st.just(REGION), NAMES),
    st.builds(delete, st.just("instances"), st.just(ZONE), VMS),
    st.builds(delete, st.just("addresses"), st.just(REGION), NAMES),
    st.builds(delete, st.just("networks"), st.just("global"), st.just("net")),
)


def check(state: dict[str, Any]) -> None:
    resources = state["resources"]
    ranges = [n for subnet in resources["subnetworks"] for _, n in own_ranges(subnet)]
    assert not [(a, b) for a, b in combinations(ranges, 2) if a.overlaps(b)]
    routes = {r["destRange"] for r in resources["routes"] if r["routeType"] == "SUBNET"}
    assert routes == {str(network) for network in ranges}
    given_out = list(held(resources))
    assert not [(a, b) for a, b in combinations(given_out, 2) if a.overlaps(b)]
    for instance in resources["instances"]:
        for nic in instance["networkInterfaces"]:
            (subnet,) = [s for s in resources["subnetworks"] if s["selfLink"] == nic["subnetwork"]]
            whole = dict(own_ranges(subnet))
            assert IPv4Network(nic["networkIP"]).subnet_of(whole[""])
            for alias in nic.get("aliasIpRanges", []):
                name = alias.get("subnetworkRangeName", "")
                assert IPv4Network(alias["ipCidrRange"]).subnet_of(whole[name])
    networks = {body["selfLink"] for body in resources["networks"]}
    for collection in ("subnetworks", "routes"):
        assert {body["network"] for body in resources[collection]} <= networks


def held(resources: dict[str, Any]) -> Iterator[IPv4Network]:
    """What instances have, and reserved addresses that none of them has."""
    for instance in resources["instances"]:
        for nic in instance["networkInterfaces"]:
            yield from nic_networks(nic)
    for address in resources["addresses"]:
        if address["status"] == "RESERVED":
            yield IPv4Network(address["address"])


@settings(max_examples=150)
@given(st.lists(DEEDS, min_size=8, max_size=40))
def test_the_state_is_always_right(deeds: list[Do]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "db", SETTINGS)
        service = Service(store)
        service.insert(KINDS["networks"], "global", Call(made.NETWORK, {}))
        secondary = [{"rangeName": name, "ipCidrRange": network} for name, network in A.items()]
        insert_subnet("a", "10.0.0.0/24", secondary)(service)
        for deed in deeds:
            before = json.dumps(service.state())
            try:
                deed(service)
            except ComputeError:
                assert json.dumps(service.state()) == before
            check(service.state())
        store.close()
        again = Store(Path(folder) / "db", SETTINGS)
        assert Service(again).state() == service.state()
        again.close()

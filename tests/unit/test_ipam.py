"""GKE's address arithmetic: its tables by example, its invariants by property."""

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations, islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab import ipam
from gkelab.errors import LabError


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


@st.composite
def networks(draw: st.DrawFn, shortest: int = 8, longest: int = 32) -> IPv4Network:
    prefixlen = draw(st.integers(shortest, longest))
    # Within one /12, so that they meet often.
    number = int(IPv4Address("10.0.0.0")) + draw(st.integers(0, (1 << 20) - 1))
    return IPv4Network((number, prefixlen), strict=False)


@pytest.mark.parametrize(
    ("max_pods", "mask"),
    [
        (8, 28),
        (9, 27),
        (16, 27),
        (17, 26),
        (30, 26),
        (32, 26),
        (33, 25),
        (64, 25),
        (65, 24),
        (110, 24),
        (128, 24),
        (129, 23),
        (256, 23),
    ],
)
def test_node_mask_is_gkes_table(max_pods: int, mask: int) -> None:
    assert ipam.node_mask(max_pods) == mask


@given(st.integers(ipam.MIN_PODS_PER_NODE, ipam.MAX_PODS_PER_NODE))
def test_node_block_is_the_smallest_with_twice_the_addresses(max_pods: int) -> None:
    addresses = 1 << (32 - ipam.node_mask(max_pods))
    assert addresses // 2 < 2 * max_pods <= addresses


@pytest.mark.parametrize("max_pods", [-1, 0, 7, 257])
def test_node_mask_refuses_what_gke_refuses(max_pods: int) -> None:
    with pytest.raises(LabError, match=f"^{max_pods} pods a node is outside GKE's 8 to 256"):
        ipam.node_mask(max_pods)


def test_the_articles_cluster() -> None:
    pods, services = net("10.0.0.0/20"), net("10.0.16.0/25")
    assert ipam.node_capacity(pods, ipam.node_mask(30)) == 64
    assert ipam.max_schedulable_pods(pods, 30) == 1920
    assert ipam.service_count(services) == 128


def test_node_capacity_of_a_range_smaller_than_a_block_is_none() -> None:
    assert ipam.node_capacity(net("10.0.0.0/27"), 26) == 0
    assert list(ipam.node_blocks(net("10.0.0.0/27"), 26)) == []


@pytest.mark.parametrize(
    ("primary", "nodes"), [("10.0.0.0/29", 4), ("10.0.0.0/24", 252), ("10.0.0.0/20", 4092)]
)
def test_subnet_node_limit_is_gkes_table(primary: str, nodes: int) -> None:
    assert ipam.subnet_node_limit(net(primary)) == nodes


def test_subnet_node_limit_is_never_negative() -> None:
    assert ipam.subnet_node_limit(net("10.0.0.0/31")) == 0


@pytest.mark.parametrize(
    ("pods", "primary", "nodes"),
    [("10.0.0.0/20", "10.128.0.0/29", 4), ("10.0.0.0/24", "10.128.0.0/20", 4)],
)
def test_max_nodes_is_the_tighter_bound(pods: str, primary: str, nodes: int) -> None:
    assert ipam.max_nodes(net(pods), 26, net(primary)) == nodes


@given(st.integers(1, 5000), st.integers(23, 28))
def test_prefixlen_for_nodes_is_the_smallest_range_that_holds_them(nodes: int, mask: int) -> None:
    prefixlen = ipam.prefixlen_for_nodes(nodes, mask)
    assert ipam.node_capacity(IPv4Network((0, prefixlen)), mask) >= nodes
    assert ipam.node_capacity(IPv4Network((0, prefixlen + 1)), mask) < nodes


@given(networks(16, 26), st.integers(23, 28))
def test_node_blocks_are_disjoint_inside_and_as_many_as_the_capacity(
    pods: IPv4Network, mask: int
) -> None:
    capacity = ipam.node_capacity(pods, mask)
    blocks = list(ipam.node_blocks(pods, mask))
    assert len(blocks) == capacity
    assert all(block.prefixlen == mask and block.subnet_of(pods) for block in blocks)
    starts = [int(block[0]) for block in blocks]
    assert all(b - a == 1 << (32 - mask) for a, b in pairwise(starts))


def test_google_reserves_four_addresses() -> None:
    reserved = ipam.reserved_addresses(net("10.128.0.0/20"))
    assert [str(address) for address in reserved] == [
        "10.128.0.0",
        "10.128.0.1",
        "10.128.15.254",
        "10.128.15.255",
    ]
    assert str(reserved.gateway) == "10.128.0.1"
    assert str(reserved.second_to_last) == "10.128.15.254"


def test_a_primary_range_is_at_least_29() -> None:
    with pytest.raises(LabError, match=r"10\.0\.0\.0/30 is smaller than /29"):
        ipam.reserved_addresses(net("10.0.0.0/30"))


def test_the_first_vm_gets_dot_two() -> None:
    first = islice(ipam.assignable_addresses(net("10.128.0.0/20")), 3)
    assert [str(address) for address in first] == ["10.128.0.2", "10.128.0.3", "10.128.0.4"]


def test_assignable_addresses_from_the_top_leap_over_what_is_skipped() -> None:
    # A /9 is skipped: counting through it would take minutes.
    skip = [net("10.128.0.0/9")]
    top = ipam.assignable_addresses(net("10.0.0.0/8"), skip, descending=True)
    assert str(next(top)) == "10.127.255.255"


@given(networks(22, 29), st.lists(networks(22, 32), max_size=4))
def test_assignable_addresses_are_all_but_reserved_and_skipped(
    primary: IPv4Network, skip: list[IPv4Network]
) -> None:
    upwards = list(ipam.assignable_addresses(primary, skip))
    reserved = set(ipam.reserved_addresses(primary))
    expected = [a for a in primary if a not in reserved and not any(a in net for net in skip)]
    assert upwards == expected
    assert list(ipam.assignable_addresses(primary, skip, descending=True)) == expected[::-1]


def test_overlaps_names_each_pair_in_order() -> None:
    a, b, c = ("a", net("10.0.0.0/8")), ("b", net("10.1.0.0/16")), ("c", net("11.0.0.0/8"))
    assert ipam.overlaps([a, b, c]) == [(a, b)]
    assert ipam.overlaps([c, b, a]) == [(b, a)]
    assert ipam.overlaps([a, c]) == []


@given(st.lists(networks(), max_size=8))
def test_overlaps_is_every_pair_that_shares_an_address(ranges: list[IPv4Network]) -> None:
    labelled = list(enumerate(ranges))
    expected = [
        (left, right)
        for left, right in combinations(labelled, 2)
        if left[1].subnet_of(right[1]) or right[1].subnet_of(left[1])
    ]
    assert ipam.overlaps(labelled) == expected


@pytest.mark.parametrize(
    ("prefixlen", "taken", "expected"),
    [
        (20, [], "10.0.0.0/20"),
        (20, ["10.0.0.0/32"], "10.0.16.0/20"),
        (20, ["10.0.0.0/20", "10.0.32.0/20"], "10.0.16.0/20"),
        (16, ["10.0.0.0/8"], "172.16.0.0/16"),
        (16, ["10.0.0.0/8", "172.16.0.0/12"], "192.168.0.0/16"),
        (8, ["10.1.0.0/32"], None),
        (8, [], "10.0.0.0/8"),
        (7, [], None),
    ],
)
def test_pick_free(prefixlen: int, taken: list[str], expected: str | None) -> None:
    picked = ipam.pick_free(prefixlen, taken=[net(text) for text in taken])
    assert picked == (net(expected) if expected else None)


@given(st.integers(12, 32), st.lists(networks(12), max_size=12))
def test_pick_free_is_aligned_inside_free_first_and_deterministic(
    prefixlen: int, taken: list[IPv4Network]
) -> None:
    whole = net("10.0.0.0/12")
    picked = ipam.pick_free(prefixlen, [whole], taken)
    assert picked == ipam.pick_free(prefixlen, [whole], taken[::-1])
    free = ipam.free_ranges(whole, taken)
    # Free ranges are aligned and as large as can be: any free block lies in one of them.
    fitting = [block for block in free if block.prefixlen <= prefixlen]
    if picked is None:
        assert not fitting
        return
    assert picked.prefixlen == prefixlen
    assert not any(picked.overlaps(other) for other in taken)
    assert picked == next(fitting[0].subnets(new_prefix=prefixlen))


def test_an_interfaces_mac_address_is_gces() -> None:
    assert ipam.mac_address(IPv4Address("10.128.0.2")) == "42:01:0a:80:00:02"
    assert ipam.mac_address(IPv4Address("10.132.15.253")) == "42:01:0a:84:0f:fd"
    assert ipam.mac_address(IPv4Address("192.168.255.1")) == "42:01:c0:a8:ff:01"


def test_free_ranges_are_collapsed() -> None:
    whole = net("10.0.0.0/24")
    used = [net("10.0.0.64/27"), net("10.0.0.96/27")]
    assert ipam.used_ranges(whole, used) == (net("10.0.0.64/26"),)
    assert ipam.free_ranges(whole, used) == (net("10.0.0.0/26"), net("10.0.0.128/25"))
    assert ipam.free_ranges(whole, []) == (whole,)
    assert ipam.free_ranges(whole, [net("10.0.0.0/8")]) == ()


@given(networks(8, 24), st.lists(networks(), max_size=10))
def test_free_and_used_are_the_whole_and_apart(whole: IPv4Network, used: list[IPv4Network]) -> None:
    free, taken = ipam.free_ranges(whole, used), ipam.used_ranges(whole, used)
    assert sum(n.num_addresses for n in (*free, *taken)) == whole.num_addresses
    assert not ipam.overlaps([("", network) for network in (*free, *taken)])
    assert all(network.subnet_of(whole) for network in (*free, *taken))
    assert not any(network.overlaps(other) for network in free for other in used)

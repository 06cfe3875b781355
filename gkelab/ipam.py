"""GKE's address arithmetic: pure functions on IPv4 networks, no I/O.

Sources: GKE's pages "Configure maximum Pods per node" (how-to/flexible-pod-cidr) and
"VPC-native clusters" (concepts/alias-ips), and the VPC's page on subnets (vpc/docs/subnets)
for the addresses that Google reserves.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import TypeVar

from gkelab.errors import LabError

MIN_PODS_PER_NODE = 8
MAX_PODS_PER_NODE = 256
DEFAULT_PODS_PER_NODE = 110

# (most pods a node, prefix length of the node's block): a block has at least twice the addresses
# that the pods need, so that an address is not given out again soon after it was returned.
NODE_MASKS = ((8, 28), (16, 27), (32, 26), (64, 25), (128, 24), (256, 23))

# kube-controller-manager refuses more bits between cluster range and node block.
MAX_NODE_MASK_BITS = 16

# A VPC subnet's primary range; a services range in GKE.
SMALLEST_SUBNET = 29
SMALLEST_SERVICES = 27
LARGEST_SERVICES = 16

RESERVED_IN_SUBNET = 4

RFC1918 = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
)

# Google's front ends and health checks send from these (docs load-balancing/health-checks).
# Never forwarded by a router (RFC 3927, 7); Google's metadata server has an address in it.
LINK_LOCAL = IPv4Network("169.254.0.0/16")
HEALTH_CHECK_RANGES = (IPv4Network("130.211.0.0/22"), IPv4Network("35.191.0.0/16"))

_Label = TypeVar("_Label")


@dataclass(frozen=True)
class ReservedAddresses:
    """The four addresses of a primary range that Google keeps: no VM ever has them."""

    network: IPv4Address
    gateway: IPv4Address
    second_to_last: IPv4Address
    broadcast: IPv4Address

    def __iter__(self) -> Iterator[IPv4Address]:
        return iter((self.network, self.gateway, self.second_to_last, self.broadcast))


def node_mask(max_pods: int) -> int:
    """The prefix length of a node's pod block, by GKE's table (how-to/flexible-pod-cidr).

    LabError if `max_pods` (pods a node) is outside 8 to 256.
    """
    if not MIN_PODS_PER_NODE <= max_pods <= MAX_PODS_PER_NODE:
        raise LabError(
            f"{max_pods} pods a node is outside GKE's {MIN_PODS_PER_NODE} to {MAX_PODS_PER_NODE}",
            "Choose a number of pods within these",
        )
    return next(mask for most, mask in NODE_MASKS if max_pods <= most)


def node_capacity(pod_range: IPv4Network, mask: int) -> int:
    """How many node blocks of `/mask` the pod range has; 0 if it is smaller than one block."""
    return 1 << (mask - pod_range.prefixlen) if mask >= pod_range.prefixlen else 0


def subnet_node_limit(primary: IPv4Network) -> int:
    """How many nodes (VMs) a primary range can address: 2^(32-mask) less Google's four."""
    return max(0, primary.num_addresses - RESERVED_IN_SUBNET)


def max_nodes(pod_range: IPv4Network, mask: int, primary: IPv4Network) -> int:
    """The nodes a cluster can have: the tighter of its pod range and its subnet."""
    return min(node_capacity(pod_range, mask), subnet_node_limit(primary))


def max_schedulable_pods(pod_range: IPv4Network, max_pods: int) -> int:
    """Pods that fit on as many nodes as the pod range holds (nodes times pods a node).

    LabError if `max_pods` is outside 8 to 256.
    """
    return node_capacity(pod_range, node_mask(max_pods)) * max_pods


def service_count(services_range: IPv4Network) -> int:
    """ClusterIPs in a services range: GKE counts every address of it (concepts/alias-ips)."""
    return services_range.num_addresses


def prefixlen_for_nodes(nodes: int, mask: int) -> int:
    """The prefix length of the smallest pod range with `nodes` (1 or more) blocks of `/mask`."""
    return mask - (nodes - 1).bit_length()


def node_blocks(pod_range: IPv4Network, mask: int) -> Iterator[IPv4Network]:
    """The node blocks of a pod range, lowest first; none if the range is smaller than a block."""
    if mask >= pod_range.prefixlen:
        yield from pod_range.subnets(new_prefix=mask)


def reserved_addresses(primary: IPv4Network) -> ReservedAddresses:
    """The addresses of a primary range that Google keeps (vpc/docs/subnets).

    LabError if the range is smaller than /29, a VPC subnet's smallest.
    """
    if primary.prefixlen > SMALLEST_SUBNET:
        raise LabError(
            f"{primary} is smaller than /{SMALLEST_SUBNET}, the smallest subnet of a VPC",
            f"Use /{SMALLEST_SUBNET} or larger",
        )
    return ReservedAddresses(primary[0], primary[1], primary[-2], primary[-1])


def assignable_addresses(
    primary: IPv4Network, skip: Iterable[IPv4Network] = (), *, descending: bool = False
) -> Iterator[IPv4Address]:
    """The addresses that VMs can have, in order: the first VM gets `.2`.

    Networks in `skip` are left out (leapt over, so a large one costs nothing). `descending`
    starts from the top instead. LabError as `reserved_addresses`.
    """
    reserved_addresses(primary)
    usable = (int(primary[2]), int(primary[-3]))
    gaps = _gaps(usable, skip)
    for first, last in reversed(gaps) if descending else gaps:
        numbers = range(last, first - 1, -1) if descending else range(first, last + 1)
        for number in numbers:
            yield IPv4Address(number)


def overlaps(
    ranges: Sequence[tuple[_Label, IPv4Network]],
) -> list[tuple[tuple[_Label, IPv4Network], tuple[_Label, IPv4Network]]]:
    """Every pair of the labelled ranges that share an address, in the order they were given."""
    return [
        (left, right)
        for index, left in enumerate(ranges)
        for right in ranges[index + 1 :]
        if left[1].overlaps(right[1])
    ]


def pick_free(
    prefixlen: int,
    within: Sequence[IPv4Network] = RFC1918,
    taken: Iterable[IPv4Network] = (),
) -> IPv4Network | None:
    """The first aligned `/prefixlen` inside `within`, tried in order, that meets nothing taken.

    Deterministic: the order of `taken` does not matter. None if there is no such block.
    """
    size = 1 << (32 - prefixlen)
    avoided = list(taken)
    for whole in within:
        for first, last in _gaps(_bounds(whole), avoided):
            aligned = -(-first // size) * size
            if aligned + size - 1 <= last:
                return IPv4Network((aligned, prefixlen))
    return None


def free_ranges(whole: IPv4Network, used: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    """What `used` leaves of `whole`: the fewest networks that cover it, lowest first."""
    return tuple(
        block
        for first, last in _gaps(_bounds(whole), used)
        for block in summarize_address_range(IPv4Address(first), IPv4Address(last))
    )


def mac_address(address: IPv4Address) -> str:
    """The MAC address that GCE gives the interface with this primary address: 42:01 and the
    address's four bytes (10.128.0.2 is 42:01:0a:80:00:02)."""
    return ":".join(f"{byte:02x}" for byte in (0x42, 0x01, *address.packed))


def used_ranges(whole: IPv4Network, used: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    """What `used` takes of `whole`: the fewest networks that cover it, lowest first."""
    return free_ranges(whole, free_ranges(whole, used))


def _bounds(network: IPv4Network) -> tuple[int, int]:
    return int(network[0]), int(network[-1])


def _gaps(whole: tuple[int, int], used: Iterable[IPv4Network]) -> list[tuple[int, int]]:
    """The parts of `whole`, first and last address as numbers, which no network of `used` has."""
    start, end = whole
    gaps = []
    for first, last in sorted(_bounds(network) for network in used):
        if first > end:
            break
        if first > start:
            gaps.append((start, first - 1))
        start = max(start, last + 1)
    if start <= end:
        gaps.append((start, end))
    return gaps

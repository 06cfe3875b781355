"""Spare public addresses: in the external range, in no pool."""

from ipaddress import IPv4Address

import pytest

from tests.support.spare import spare, spare_frontends, spare_range
from tests.unit.steps import two_regions


def test_from_the_top() -> None:
    plan = two_regions()
    assert [str(spare(plan, index)) for index in range(2)] == ["203.0.113.62", "203.0.113.61"]


def test_no_pool_has_one() -> None:
    plan = two_regions()
    pools = [cluster.external_pool for cluster in plan.clusters]
    found = [spare(plan, index) for index in range(31)]
    assert not [address for address in found if any(address in pool for pool in pools)]
    assert found[-1] == IPv4Address("203.0.113.32")
    with pytest.raises(LookupError, match=r"203\.0\.113\.0/26 has 31 addresses"):
        spare(plan, 31)


def test_ranges_that_nobody_has() -> None:
    plan = two_regions()
    found = [spare_range(plan, index) for index in range(16)]
    assert len(set(found)) == 16
    taken = [*plan.made_up_ranges(), *(subnet.primary for subnet in plan.subnets)]
    assert not [n for n in found for other in taken if n.overlaps(other)]
    assert {n.prefixlen for n in found} == {22}
    last = spare_frontends(plan)
    assert last.subnet_of(plan.frontend_range)
    assert last[-1] == plan.frontend_range[-1]

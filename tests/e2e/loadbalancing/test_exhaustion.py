"""A pool without a free address: the Service waits, an event says so, and what becomes free is
given to it.

The pool is the test's own: two addresses that no other pool has, for its namespace alone. Nobody
announces them, so this is about giving, not about packets.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.balancers import balancer, refusal
from tests.support.namespace import Namespace
from tests.support.spare import spare

TWO = (2, 3)  # of the spare addresses
WHERE = "metallb-system"
POOL = "t-exhaustion"  # one name, so that what an interrupted run left is taken over


@pytest.fixture
def pool(namespace: Namespace) -> Iterator[set[str]]:
    """The addresses of the pool."""
    found = {str(spare(namespace.lab.plan, index)) for index in TWO}
    made = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": POOL, "namespace": WHERE},
        "spec": {
            "addresses": [f"{address}/32" for address in sorted(found)],
            "serviceAllocation": {"namespaces": [namespace.name]},
        },
    }
    with namespace.having([made]):
        try:
            yield found
        finally:
            # Before the pool those that have its addresses: a Service whose pool goes would get
            # another.
            namespace.kubectl("delete", "services", "--all", f"--namespace={namespace.name}")


def test_it_is_told_and_ends_when_an_address_is_free(namespace: Namespace, pool: set[str]) -> None:
    """Two Services have the pool's two addresses; the third gets none until one of them goes."""
    wanted = {"metallb.io/address-pool": POOL}
    namespace.apply([balancer(name, annotations=wanted) for name in ("first", "second")])
    given = {name: namespace.address(name) for name in ("first", "second")}
    assert set(given.values()) == pool
    namespace.apply([balancer("third", annotations=wanted)])
    assert f'"{namespace.name}/third"' in refusal(namespace, "third")
    namespace.remove("service", "first")
    assert namespace.address("third") == given["first"]

"""A path whose MTU gets smaller on the way: who sends is told by whom the packet was too long for
(RFC 1191), and pods are told it too."""

from __future__ import annotations

import pytest

from gkelab.topology import Cluster
from tests.support import changes
from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.parse import links
from tests.support.ping import HEADERS, ping
from tests.support.places import Place
from tests.support.say import expect
from tests.support.spare import spare_frontends
from tests.support.vpc.made import VM, Made

FRONTENDS = 1  # of the spare parts of the front ends' range, to which nodes, too, have a way
LESS = 100  # bytes


@pytest.fixture(scope="module")
def hop(made: Made, cluster: Cluster) -> VM:
    """A machine that forwards, which pods may reach."""
    vm = made.vm("hop", forward=True, tags=[made.own("hop")])
    made.firewall(
        {
            "name": made.own("hop"),
            "sourceRanges": [str(cluster.pod_range), str(cluster.subnet.primary)],
            "targetTags": [made.own("hop")],
            "allowed": [{"IPProtocol": "icmp"}],
        }
    )
    return vm


def test_who_forwards_tells_what_is_too_long(
    made: Made, cluster: Cluster, shared: Namespace, hop: VM
) -> None:
    """While the destination is the machine's own the largest packet arrives whole; when the
    machine forwards it on a way with a smaller MTU, a pod and a VM that may not fragment it hear
    so from the machine, with that MTU."""
    destination = spare_frontends(made.lab.plan, FRONTENDS)
    address, name = str(destination[1]), made.own("way")
    to_hop = f"zones/{hop.zone}/instances/{hop.name}"
    said = {"name": name, "network": made.network, "destRange": str(destination)}
    made.insert("routes", "", {**said, "nextHopInstance": to_hop})
    made.applied()
    pod, vm = shared.place("client"), made.vm("asks").place
    (eth0,) = links(hop.place.exec(["ip", "-json", "-details", "link", "show", "eth0"]).stdout)
    largest, smaller = eth0.mtu - HEADERS, eth0.mtu - LESS

    def asked(place: Place) -> None:
        eventually(
            lambda: ping(place, address, payload=largest),
            what=f"{place.name} gets the largest packet to {hop.name}",
        )

    with changes.address(hop.place, f"{address}/32", device="lo"):
        asked(pod)
        asked(vm)
    on = ["via", str(cluster.subnet.gateway), "dev", "eth0", "mtu", str(smaller)]
    with changes.route(hop.place, f"{address}/32", *on):
        for place in (pod, vm):
            answer = ping(place, address, payload=largest)
            expect(answer, outcome=Outcome.TOO_LONG, from_=place.name, to=address)
            assert hop.address in answer.detail, answer.detail
            assert f"mtu = {smaller}" in answer.detail, answer.detail

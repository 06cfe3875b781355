"""Who reaches the API: the host by its loopback, and the lab's own containers beside it. Pods,
nodes, VMs and the client on the internet do not, at whichever of its addresses they try."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from gkelab.containers import CLOUD_PORT
from gkelab.lab import Lab
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.places import HostPlace, Place
from tests.support.probes import Probe, http, probe_many
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Google
from tests.support.vpc.made import Made, internet_of

# A port that is published on loopback alone is nobody's at the host's other addresses.
NOT_REACHED = (Outcome.TIMEOUT, Outcome.UNREACHABLE, Outcome.REFUSED)
HEALTH = "/lab/healthz"


@pytest.fixture(scope="module")
def doors(lab: Lab, google: Google) -> dict[str, tuple[str, int]]:
    """Every address at which the API could be, with its port."""
    (raw,) = lab.docker.inspect([f"{lab.name}-cloud"])
    networks = raw["NetworkSettings"]["Networks"]
    found = {
        f"the cloud on {name}": (net["IPAddress"], CLOUD_PORT) for name, net in networks.items()
    }
    published = urlsplit(google.endpoint).port
    assert published is not None
    bridges = {subnet.docker_network: str(subnet.bridge_address) for subnet in lab.plan.subnets}
    if lab.plan.internet:
        bridges[lab.plan.internet.docker_network] = str(lab.plan.internet.bridge_address)
    bridges |= {f"{name}'s gateway": net["Gateway"] for name, net in networks.items()}
    for name, address in bridges.items():
        for port in (published, CLOUD_PORT):
            found[f"the host on {name}, port {port}"] = (address, port)
    routers = {f"the router in {s.name}": (str(s.gateway), CLOUD_PORT) for s in lab.plan.subnets}
    return found | routers


@pytest.fixture(scope="module")
def places(lab: Lab, made: Made, shared: Namespace) -> dict[str, Place]:
    """Who must not get in."""
    vm = made.vm("vm", public=True)
    made.applied()
    found: dict[str, Place] = {
        "a pod": shared.place("pod"),
        "a node": shared.place("node"),
        "a VM": vm.place,
    }
    return {**found, "the client": internet_of(lab)} if lab.plan.internet else found


def test_the_host_reaches_it_by_loopback(lab: Lab, google: Google) -> None:
    """Over plain HTTP, as Google's client does at this endpoint."""
    assert urlsplit(google.endpoint).hostname == "127.0.0.1"
    answer = http(HostPlace(lab.run), f"{google.endpoint}{HEALTH}")
    assert answer.outcome is Outcome.OK, answer
    assert google.projects.get(project=google.project).name == google.project


def test_the_labs_own_containers_reach_it(
    lab: Lab, made: Made, doors: dict[str, tuple[str, int]]
) -> None:
    """The counterfactual: the very probe that fails below succeeds from the router, which is on
    the management network."""
    address, port = next(iter(doors.values()))
    (answer,) = probe_many(made.router.place, [Probe("http", address, port, path=HEALTH)])
    assert answer.outcome is Outcome.OK, answer
    assert answer.body is not None
    assert answer.body["project"] == lab.plan.project


@pytest.mark.parametrize("who", ["a pod", "a node", "a VM", "the client"])
def test_nobody_else_reaches_it(
    places: dict[str, Place], doors: dict[str, tuple[str, int]], who: str
) -> None:
    """By a named outcome at each of its addresses."""
    if who not in places:
        pytest.skip("this topology declares no internet, and so has no client")
    probes = [
        Probe("http", address, port, path=HEALTH, timeout=TIMEOUTS.short)
        for address, port in doors.values()
    ]
    answers = dict(zip(doors, probe_many(places[who], probes), strict=True))
    wrong = {door: str(a) for door, a in answers.items() if a.outcome not in NOT_REACHED}
    assert not wrong, f"{who} is not kept out: {wrong}"

"""After a write the packet that proves it, and after its undoing the one that proves that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network
from typing import Any

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud import compute_v1

from gkelab.lab import Lab
from gkelab.topology import Cluster
from tests.support import changes
from tests.support.eventually import eventually
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect
from tests.support.spare import spare_frontends, spare_primary, spare_range
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, Google, body, done, message
from tests.support.vpc.made import HTTP, MACHINE, VM, Made, internet_of, vm_of

RANGE = 2  # of the spare ranges
STOPS = 3  # of the spare addresses of the primary range
WRITES = 5  # tries of a write that others get in front of
ALL = [{"IPProtocol": "all"}]


@pytest.fixture(scope="module")
def client(made: Made) -> VM:
    """Who asks."""
    return made.vm("client")


@pytest.fixture(scope="module")
def server(made: Made, client: VM) -> VM:
    """Who answers, if it may: the client is shut out of what has its tag, by a rule."""
    made.firewall(
        {
            "name": made.own("shut"),
            "priority": 500,
            "sourceRanges": [f"{client.address}/32"],
            "targetTags": [made.own("shut")],
            "denied": ALL,
        }
    )
    return made.vm("server")


def asking(client: VM, address: str) -> Callable[[], Answer]:
    """A try at an address, from the client."""
    return lambda: http(client.place, f"http://{address}:{HTTP}/", timeout=TIMEOUTS.short)


def answers(made: Made, client: VM, server: VM, address: str = "") -> None:
    """The server answers the client, and sees its own address."""
    made.applied()
    ask = asking(client, address or server.address)
    eventually(ask, who=server.name, saw=client.address, what=f"{server.name} answers")


def silent(made: Made, client: VM, address: str) -> None:
    """Nobody answers the client there."""
    made.applied()
    eventually(asking(client, address), outcome=Outcome.TIMEOUT, what=f"nobody is at {address}")


def test_tags(made: Made, google: Google, client: VM, server: VM) -> None:
    """setTags: a rule is for an instance as long as it has the rule's tag."""
    where = made.where(f"zones/{server.zone}")

    def set_tags(tags: list[str]) -> None:
        fingerprint = made.instance(server.name, server.zone)["tags"]["fingerprint"]
        resource = message("Tags", {"items": tags, "fingerprint": fingerprint})
        done(google.instances.set_tags(**where, instance=server.name, tags_resource=resource))

    answers(made, client, server)
    set_tags([made.own("shut")])
    silent(made, client, server.address)
    set_tags([])
    answers(made, client, server)


def test_firewalls(made: Made, google: Google, client: VM, server: VM) -> None:
    """insert, patch, update, delete: what the rule says is what packets meet."""
    name, project = made.own("rule"), google.project
    said: Body = {
        "name": name,
        "network": made.network,
        "description": made.description,
        "priority": 100,
        "sourceRanges": [f"{client.address}/32"],
        "destinationRanges": [f"{server.address}/32"],
    }
    answers(made, client, server)
    made.firewall({**said, "denied": ALL})
    silent(made, client, server.address)

    def patch(change: Body) -> None:
        resource = message("Firewall", change)
        done(google.firewalls.patch(project=project, firewall=name, firewall_resource=resource))

    patch({"disabled": True})
    answers(made, client, server)
    patch({"disabled": False})
    silent(made, client, server.address)
    whole = message("Firewall", {**said, "allowed": ALL})
    done(google.firewalls.update(project=project, firewall=name, firewall_resource=whole))
    answers(made, client, server)
    whole = message("Firewall", {**said, "denied": ALL})
    done(google.firewalls.update(project=project, firewall=name, firewall_resource=whole))
    silent(made, client, server.address)
    made.delete("firewalls", "", name)
    answers(made, client, server)


def test_a_rule_of_another_network_is_not_for_this_one(made: Made, client: VM, server: VM) -> None:
    """Rules are a network's own. The counterfactual: the same rule in the lab's network decides."""
    net = made.own("net")
    made.insert("networks", "", {"name": net, "autoCreateSubnetworks": False})
    said: Body = {
        "priority": 1,
        "sourceRanges": [f"{client.address}/32"],
        "destinationRanges": [f"{server.address}/32"],
        "denied": ALL,
    }
    theirs, ours = made.own("theirs"), made.own("ours")
    made.firewall({"name": theirs, "network": f"global/networks/{net}", **said})
    answers(made, client, server)
    made.firewall({"name": ours, **said})
    silent(made, client, server.address)
    made.delete("firewalls", "", ours)
    answers(made, client, server)


def test_an_instance_stops_and_starts(
    made: Made, google: Google, client: VM, cluster: Cluster
) -> None:
    """stop, start, reset, suspend, resume, delete: an instance answers while it runs. Its address
    is one that no other machine is given once it is gone."""
    vm = made.vm("stops", address=str(spare_primary(cluster.subnet, STOPS)))
    where = {**made.where(f"zones/{vm.zone}"), "instance": vm.name}

    def status() -> str:
        return str(made.instance(vm.name, vm.zone)["status"])

    answers(made, client, vm)
    for off, on, while_off in (
        ("stop", "start", "TERMINATED"),
        ("suspend", "resume", "SUSPENDED"),
    ):
        done(getattr(google.instances, off)(**where))
        assert status() == while_off
        silent(made, client, vm.address)
        done(getattr(google.instances, on)(**where))
        assert status() == "RUNNING"
        made.until_serving(vm)
        answers(made, client, vm)
    done(google.instances.reset(**where))
    made.until_serving(vm)
    answers(made, client, vm)
    made.delete("instances", f"zones/{vm.zone}", vm.name)
    silent(made, client, vm.address)


def test_many_at_once(made: Made, google: Google, client: VM) -> None:
    """bulkInsert: each of the instances that one request makes answers, and no other of the
    names that its pattern could give is there."""
    prefix, scope = made.own("many"), f"zones/{made.zone}"
    names = [f"{prefix}-{number}" for number in (1, 2)]
    for name in names:
        made.on_close(name, partial(made.delete, "instances", scope, name))
    said = {
        "count": 2,
        "namePattern": f"{prefix}-#",
        "instanceProperties": {
            "description": made.description,
            "machineType": MACHINE,
            "networkInterfaces": [{"network": made.network}],
        },
    }
    resource = message("BulkInsertInstanceResource", said)
    done(
        google.instances.bulk_insert(
            **made.where(scope), bulk_insert_instance_resource_resource=resource
        )
    )
    listed = google.instances.list(
        compute_v1.ListInstancesRequest(**made.where(scope), filter=f"name:{prefix}-*")
    )
    assert sorted(one.name for one in listed) == names
    for name in names:
        vm = vm_of(made.instance(name, made.zone), made.place(name))
        made.until_serving(vm)
        answers(made, client, vm)
        made.delete("instances", scope, name)


def test_a_static_route(made: Made, google: Google, client: VM) -> None:
    """To an instance that forwards: packets for its destination get there, until it is deleted.
    An instance that may not forward is no next hop."""
    hop = made.vm("hop", forward=True)
    destination = spare_frontends(made.lab.plan)
    address, name = str(destination[1]), made.own("way")
    with changes.address(hop.place, f"{address}/32", device="lo"):
        silent(made, client, address)
        said = {
            "name": name,
            "network": made.network,
            "destRange": str(destination),
            "nextHopInstance": f"zones/{hop.zone}/instances/{hop.name}",
        }
        route = made.insert("routes", "", said)
        assert route["nextHopInstance"].endswith(f"/instances/{hop.name}")
        answers(made, client, hop, address)
        whole = {**made.instance(hop.name, hop.zone), "canIpForward": False}
        done(
            google.instances.update(
                **made.where(f"zones/{hop.zone}"),
                instance=hop.name,
                instance_resource=message("Instance", whole),
            )
        )
        silent(made, client, address)
        warned = body(google.routes.get(project=google.project, route=name))
        codes = [warning["code"] for warning in warned["warnings"]]
        assert codes == ["NEXT_HOP_CANNOT_IP_FORWARD"]
        whole = {**made.instance(hop.name, hop.zone), "canIpForward": True}
        done(
            google.instances.update(
                **made.where(f"zones/{hop.zone}"),
                instance=hop.name,
                instance_resource=message("Instance", whole),
            )
        )
        answers(made, client, hop, address)
        made.delete("routes", "", name)
        silent(made, client, address)


def test_a_reserved_address(made: Made, google: Google, lab: Lab, client: VM) -> None:
    """An external address that was reserved is an instance's, and is what the internet sees; it
    cannot be let go of while it is in use."""
    if lab.plan.internet is None:
        pytest.skip("this topology declares no internet")
    internet: ContainerPlace = internet_of(lab)
    vm = made.vm("public")
    region = vm.zone.rpartition("-")[0]
    name, where = made.own("address"), made.where(f"zones/{vm.zone}")
    reserved = made.insert("addresses", f"regions/{region}", {"name": name})
    assert reserved["status"] == "RESERVED"
    url = f"http://{lab.plan.internet.client}:{HTTP}/"
    nobody = http(vm.place, url, timeout=TIMEOUTS.short)
    expect(nobody, outcome=Outcome.TIMEOUT, from_=vm.name, to="the internet, without an address")
    config = {"name": "External NAT", "type": "ONE_TO_ONE_NAT", "natIP": reserved["address"]}
    nic = {"instance": vm.name, "network_interface": vm.nic}
    resource = message("AccessConfig", config)
    done(google.instances.add_access_config(**where, **nic, access_config_resource=resource))
    made.applied()
    expect(http(vm.place, url), who=internet.name, saw=reserved["address"], from_=vm.name)
    now = google.addresses.get(project=google.project, region=region, address=name)
    assert now.status == "IN_USE"
    done(google.instances.delete_access_config(**where, **nic, access_config="External NAT"))
    made.applied()
    nobody = http(vm.place, url, timeout=TIMEOUTS.short)
    expect(nobody, outcome=Outcome.TIMEOUT, from_=vm.name, to="the internet, without an address")


def test_a_secondary_range(made: Made, google: Google, cluster: Cluster, client: VM) -> None:
    """Added to the lab's own subnet by patch: an alias range out of it is a machine's. It cannot
    be taken away while it is in use, and goes after that."""
    subnet, region = cluster.subnet.name, cluster.region
    where = {**made.where(f"regions/{region}"), "subnetwork": subnet}
    network, range_name = spare_range(made.lab.plan, RANGE), made.own("range")

    def write(change: Callable[[list[Body]], list[Body]]) -> None:
        """With the fingerprint of the moment: others may write to the subnet, too."""
        for attempt in range(WRITES):
            now = body(google.subnetworks.get(**where))
            ranges = change(now.get("secondaryIpRanges", []))
            said = {"secondaryIpRanges": ranges, "fingerprint": now["fingerprint"]}
            resource = message("Subnetwork", said)
            try:
                done(google.subnetworks.patch(**where, subnetwork_resource=resource))
            except PreconditionFailed:
                if attempt == WRITES - 1:
                    raise
            else:
                return

    def without(ranges: list[Body]) -> list[Body]:
        """Nor with what a killed run has left of it."""
        return [one for one in ranges if not network.overlaps(IPv4Network(one["ipCidrRange"]))]

    own = {"rangeName": range_name, "ipCidrRange": str(network)}
    write(without)  # one range cannot be taken away and another that meets it added at once
    write(lambda ranges: [*ranges, own])
    made.on_close(range_name, lambda: write(without))
    alias: Any = {"ipCidrRange": f"{network[9]}/32", "subnetworkRangeName": range_name}
    vm = made.vm("alias", aliases=[alias])
    assert vm.aliases == (str(network[9]),)
    answers(made, client, vm, vm.aliases[0])
    silent(made, client, str(network[10]))
    made.delete("instances", f"zones/{vm.zone}", vm.name)
    silent(made, client, vm.aliases[0])

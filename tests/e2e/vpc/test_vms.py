"""Plain machines of the VPC: they and pods reach each other with their own addresses; an alias
address serves and moves; a public address is the only way to and from the internet."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.capture import capture
from tests.support.eventually import eventually
from tests.support.invoke import invoke
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, Probe, http, probe_many
from tests.support.say import expect
from tests.support.spare import spare_primary
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, done, message
from tests.support.vpc.made import DATAGRAM, HTTP, LINE, VM, Made
from tests.support.vpc.router import Router

ALIAS = 1  # of the spare addresses of the primary range: nobody else is given it while it moves


@pytest.fixture(scope="module")
def vms(made: Made, cluster: Cluster) -> dict[str, VM]:
    """Two that have an address inside alone, one of them with an alias; one with a public one."""
    alias = [{"ipCidrRange": f"{spare_primary(cluster.subnet, ALIAS)}/32"}]
    tag = made.own("vm")
    found = {
        "one": made.vm("one", tags=[tag], aliases=alias, wait=False),
        "two": made.vm("two", tags=[tag], wait=False),
        "public": made.vm("public", tags=[tag], public=True, wait=False),
    }
    for vm in found.values():
        made.until_serving(vm)
    made.applied()
    return found


@pytest.fixture
def pods_may(made: Made, vms: dict[str, VM], cluster: Cluster) -> str:
    """A rule that lets pods in to the VMs: the default network's are for its subnets' primary
    ranges, and pods have others. Its name."""
    name = made.own("pods")
    made.firewall(
        {
            "name": name,
            "sourceRanges": [str(cluster.pod_range)],
            "targetTags": list(vms["one"].tags),
            "allowed": [{"IPProtocol": p} for p in ("tcp", "udp", "icmp")],
        }
    )
    made.applied()
    return name


def test_a_vm_reaches_pods(shared: Namespace, vms: dict[str, VM]) -> None:
    """By the pods' own addresses, on every node; they see the VM's."""
    vm = vms["one"]
    for pod in shared.pods("app=server"):
        probes = [
            Probe("http", pod.ip, HTTP),
            Probe("tcp", pod.ip, LINE),
            Probe("udp", pod.ip, DATAGRAM),
        ]
        for answer in probe_many(vm.place, probes):
            expect(answer, who=pod.name, saw=vm.address, from_=vm.name)


def test_a_vm_reaches_pods_by_their_routes_alone(
    shared: Namespace, made: Made, vms: dict[str, VM]
) -> None:
    """The counterfactual, by the API: a rule that denies this VM its way out to one pod makes
    that pod silent, and no other."""
    vm, (pod, *others) = vms["two"], shared.pods("app=server")
    name = made.own("no-way")
    made.firewall(
        {
            "name": name,
            "direction": "EGRESS",
            "priority": 900,
            "destinationRanges": [f"{pod.ip}/32"],
            "targetTags": list(vm.tags),
            "denied": [{"IPProtocol": "all"}],
        }
    )
    made.applied()
    answer = http(vm.place, f"http://{pod.ip}:{HTTP}/", timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=vm.name, to=pod.name)
    for other in others:
        expect(http(vm.place, f"http://{other.ip}:{HTTP}/"), who=other.name, saw=vm.address)
    made.delete("firewalls", "", name)
    made.applied()
    expect(http(vm.place, f"http://{pod.ip}:{HTTP}/"), who=pod.name, saw=vm.address)


def test_pods_reach_a_vm_with_their_own_address(
    shared: Namespace, made: Made, vms: dict[str, VM], pods_may: str
) -> None:
    """From every node; without the rule that is for the pods' range, no pod does."""
    vm = vms["one"]
    for address in (vm.address, *vm.aliases):
        for pod in shared.pods("app=server"):
            answer = http(shared.place(pod), f"http://{address}:{HTTP}/")
            expect(answer, who=vm.name, saw=pod.ip, from_=pod.name)
    made.delete("firewalls", "", pods_may)
    made.applied()
    pod = shared.pods("app=server")[0]
    answer = http(shared.place(pod), f"http://{vm.address}:{HTTP}/", timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=pod.name, to=vm.name)


def test_a_cluster_ip_is_nothing_to_a_vm(
    shared: Namespace, router: Router, vms: dict[str, VM]
) -> None:
    """A ClusterIP is its own cluster's: a pod reaches it, a VM's packets to it end at the router,
    which counts them."""
    vm, address = vms["one"], shared.service_ip("server")
    pods = shared.pods("app=server")
    answer = http(shared.place(pods[0]), f"http://{address}/")
    expect(answer, who={pod.name for pod in pods})
    before = router.status()
    answer = http(vm.place, f"http://{address}/", timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=vm.name, to=f"the ClusterIP {address}")
    router.until_dropped("nowhere", before)


def set_aliases(made: Made, vm: VM, aliases: list[Body]) -> VM:
    """Give a VM these alias ranges, and no others; as it then is."""
    (nic,) = made.instance(vm.name, vm.zone)["networkInterfaces"]
    wanted = {"aliasIpRanges": aliases, "fingerprint": nic["fingerprint"]}
    done(
        made.google.instances.update_network_interface(
            **made.where(f"zones/{vm.zone}"),
            instance=vm.name,
            network_interface=vm.nic,
            network_interface_resource=message("NetworkInterface", wanted),
        )
    )
    return made.again(vm)


def test_an_alias_address_moves(made: Made, vms: dict[str, VM]) -> None:
    """By updateNetworkInterface: who has it answers there, and only who has it; whoever asks sees
    the alias address."""
    one, two, asks = made.again(vms["one"]), vms["two"], vms["public"]
    (alias,) = one.aliases
    url = f"http://{alias}:{HTTP}/"

    def answers(vm: VM) -> None:
        answer = eventually(
            lambda: http(asks.place, url, timeout=TIMEOUTS.short),
            who=vm.name,
            saw=asks.address,
            what=f"{vm.name} answers at {alias}",
        )
        assert answer.body is not None
        assert answer.body["destination"] == alias

    answers(one)
    set_aliases(made, one, [])
    moved = set_aliases(made, two, [{"ipCidrRange": f"{alias}/32"}])
    assert moved.aliases == (alias,)
    answers(two)
    set_aliases(made, two, [])
    eventually(
        lambda: http(asks.place, url, timeout=TIMEOUTS.short),
        outcome=Outcome.TIMEOUT,
        what=f"nobody has {alias}",
    )
    set_aliases(made, one, [{"ipCidrRange": f"{alias}/32"}])
    answers(one)


def test_ssh(lab: Lab, vms: dict[str, VM]) -> None:
    """`invoke ssh NAME -- words` runs them there; there is no way into what is not there."""
    for vm in vms.values():
        done_ = invoke("ssh", vm.name, f"--lab={lab.name}", "--", "hostname")
        assert done_.stdout.strip() == vm.name
    said = invoke("ssh", vms["one"].name, f"--lab={lab.name}", "--", "ip", "-4", "address")
    assert vms["one"].address in said.stdout
    refused = invoke("ssh", "t-nobody", f"--lab={lab.name}", "--", "hostname", check=False)
    assert refused.code == 1
    assert "There is no machine t-nobody" in refused.stderr


def test_two_of_one_name_are_of_two_zones(lab: Lab, made: Made, vms: dict[str, VM]) -> None:
    """Each is a machine of its own; a person says which by the zone. The second stays what it is
    when the first goes."""
    zone = f"{made.zone.rpartition('-')[0]}-c"
    one = made.vm("twin")
    two = made.vm("twin", zone=zone, wait=False)
    two = replace(two, place=ContainerPlace(lab.docker, f"{one.place.name}.{zone}"))
    made.until_serving(two)
    made.applied()
    asks = vms["one"]

    def reached(vm: VM) -> None:
        answer = http(asks.place, f"http://{vm.address}:{HTTP}/")
        expect(answer, who=vm.name, saw=asks.address, from_=asks.name)
        assert answer.body is not None
        assert answer.body["destination"] == vm.address
        shown = invoke("ssh", f"{vm.name}.{vm.zone}", f"--lab={lab.name}", "--", "ip", "address")
        assert f" {vm.address}/32 " in shown.stdout

    reached(one)
    reached(two)
    refused = invoke("ssh", one.name, f"--lab={lab.name}", "--", "hostname", check=False)
    assert refused.code == 1
    assert f"{one.name} may be " in refused.stderr
    before = lab.docker.container(two.place.name)
    made.delete("instances", f"zones/{one.zone}", one.name)
    until(
        partial(lab.docker.container, one.place.name),
        lambda found: found is None,
        what=f"{one.place.name} is gone",
        timeout=TIMEOUTS.machine,
    )
    reached(two)
    after = lab.docker.container(two.place.name)
    assert before is not None
    assert after is not None
    assert after.id == before.id


def test_a_public_address_is_seen_outside(
    lab: Lab, internet: ContainerPlace, vms: dict[str, VM], router: Router
) -> None:
    """The client sees the VM's public address, at which the VM is; it is translated at the router,
    towards the internet alone. A VM without one gets no answer, and is counted."""
    assert lab.plan.internet is not None
    client = str(lab.plan.internet.client)
    url = f"http://{client}:{HTTP}/"
    public, inside = vms["public"], vms["one"]
    expect(http(public.place, url), who=internet.name, saw=public.public, from_=public.name)
    before = router.status()
    answer = http(inside.place, url, timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=inside.name, to="the client on the internet")
    router.until_dropped("no_public_address", before)


def test_the_client_reaches_a_public_address_if_a_rule_lets_it(
    lab: Lab, made: Made, internet: ContainerPlace, vms: dict[str, VM]
) -> None:
    """The VM sees the client's own address, and takes the packet at its primary one."""
    assert lab.plan.internet is not None
    client, vm = str(lab.plan.internet.client), vms["public"]
    url = f"http://{vm.public}:{HTTP}/"
    answer = http(internet, url, timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_="the client", to=f"{vm.name}, without a rule")
    name = made.own("client")
    made.firewall(
        {
            "name": name,
            "sourceRanges": [f"{client}/32"],
            "targetTags": list(vm.tags),
            "allowed": [{"IPProtocol": "tcp", "ports": [str(HTTP)]}],
        }
    )
    made.applied()
    with capture(vm.place, filter=f"dst host {vm.address} or dst host {vm.public}") as packets:
        answer = http(internet, url)
    expect(answer, who=vm.name, saw=client, from_="the client")
    assert {p.destination for p in packets if p.source == client} == {vm.address}
    made.delete("firewalls", "", name)
    made.applied()
    answer = http(internet, url, timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_="the client", to=vm.name)


def test_a_public_address_comes_and_goes(
    lab: Lab, made: Made, internet: ContainerPlace, vms: dict[str, VM]
) -> None:
    """By addAccessConfig and deleteAccessConfig: a VM is on the internet while it has one."""
    assert lab.plan.internet is not None
    vm = vms["two"]
    url = f"http://{lab.plan.internet.client}:{HTTP}/"
    where = {**made.where(f"zones/{vm.zone}"), "instance": vm.name, "network_interface": vm.nic}
    config = message("AccessConfig", {"name": "External NAT", "type": "ONE_TO_ONE_NAT"})
    done(made.google.instances.add_access_config(**where, access_config_resource=config))
    made.applied()
    now = made.again(vm)
    assert now.public
    expect(http(vm.place, url), who=internet.name, saw=now.public, from_=vm.name)
    done(made.google.instances.delete_access_config(**where, access_config="External NAT"))
    made.applied()
    answer = http(vm.place, url, timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=vm.name, to="the client on the internet")

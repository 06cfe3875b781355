"""The VPC router: a container with an address on every subnet, on the internet, and beside the
cloud, whose agent makes the cloud's state real."""

from __future__ import annotations

from collections.abc import Iterator

from gkelab.cloud.place import recorded
from gkelab.cloud.resources import node_tag
from gkelab.cloud.rest import RestCloud
from gkelab.containers import (
    CLOUD_PORT,
    FIREWALL_LOG,
    STATUS,
    Wanted,
    have_running,
    look,
    name_of,
    told,
)
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.lab_network import SUBNET
from gkelab.wait import until

# Nothing passes until its agent has the rules in place. It sets these itself, too, for each
# interface, for which docker has no words that all of its versions know.
SYSCTLS = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
}
# So that it can: /proc/sys is read-only for a container, and AppArmor's profile of docker's denies
# it once more. What may be written there is then a question of capabilities.
WRITABLE = ("systempaths=unconfined", "apparmor=unconfined")


def start_router(lab: Lab) -> str:
    """Have the router run, and wait until what the cloud says now is in the packets' way.

    Raises LabError when the container is somebody else's.
    """
    name = name_of(lab, "router")
    changed = have_running(lab, router_container(lab), look(lab, name))
    place = recorded(lab.cloud_file)
    cloud = RestCloud(place.endpoint, place.project)
    until(
        lambda: (cloud.generation(), told(lab, "router")),
        lambda seen: seen[0] == seen[1].get("generation"),
        what=f"{name} has applied what the cloud says",
        timeout=lab.timeouts.api_answers,
        interval=0.2,
        describe=lambda seen: f"generation {seen[1].get('generation')} of {seen[0]}",
        tolerant=True,
    )
    return f"{len(lab.plan.subnets)} subnets" if changed else CACHED


def router_container(lab: Lab) -> Wanted:
    """The container: on each subnet it has the gateway's address; to those that come later it is
    connected by what makes them real."""
    connected = {subnet.docker_network: str(subnet.gateway) for subnet in lab.plan.subnets}
    internet = lab.plan.internet
    if internet:
        connected[internet.docker_network] = str(internet.router)
    arguments = ["--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--restart=unless-stopped"]
    arguments += [f"--sysctl={key}={value}" for key, value in SYSCTLS.items()]
    arguments += [f"--security-opt={words}" for words in WRITABLE]
    return Wanted(
        name=name_of(lab, "router"),
        role="router",
        image="router",
        network=lab.plan.management_network,
        arguments=tuple(arguments),
        command=tuple(_command(lab)),
        connected=connected,
        joins=SUBNET,
    )


def _command(lab: Lab) -> Iterator[str]:
    plan = lab.plan
    yield f"--cloud=http://{name_of(lab, 'cloud')}:{CLOUD_PORT}"
    yield f"--project={plan.project}"
    yield "--state=/var/lib/gkelab/state.json"
    yield f"--status={STATUS}"
    yield f"--firewall-log={FIREWALL_LOG}"
    yield "--names=/var/lib/gkelab/names"
    if plan.internet:
        yield f"--internet-range={plan.internet.range}"
    for cluster in plan.clusters:
        for pool in (cluster.external_pool, cluster.internal_pool):
            yield f"--pool={pool}={cluster.subnet.name}={node_tag(plan, cluster)}"
    yield from (f"--made-up={network}" for network in plan.held_inside())
    for latency in plan.latency:
        there_and_back = latency.one_way.total_seconds() * 2000
        yield f"--latency={':'.join(latency.between)}={there_and_back:g}"

"""What cannot be is refused whole, with Compute's code and reason: the refused resource is not
there, what was there is as it was, and what is right where the wrong thing was is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.spare import spare_range
from tests.support.vpc.google import Body, Google, body, done, message, refused
from tests.support.vpc.made import MACHINE, Made

RANGE = 0  # of the spare ranges
INVALID = (400, "invalid")


@dataclass(frozen=True)
class Ground:
    """A network of the test's own with a subnet, an address in that, and a rule."""

    made: Made
    network: str
    subnet: str
    address: str
    rule: str

    @property
    def google(self) -> Google:
        """The client."""
        return self.made.google

    @property
    def region(self) -> str:
        """Where the subnet is."""
        return self.made.lab.plan.subnets[0].region

    @property
    def where(self) -> dict[str, str]:
        """The words of a request about the subnet."""
        return self.made.where(f"regions/{self.region}")

    def firewall(self, **more: Any) -> Body:
        """A rule that is right, with changes; None leaves a field out."""
        said = {
            "name": self.made.own("wrong"),
            "network": f"global/networks/{self.network}",
            "description": self.made.description,
            "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
            **more,
        }
        return {key: value for key, value in said.items() if value is not None}

    def subnetwork(self, index: int, **more: Any) -> Body:
        """A subnet that is right, the index-th /24 of the spare range, with changes."""
        blocks = list(spare_range(self.made.lab.plan, RANGE).subnets(new_prefix=24))
        return {
            "name": self.made.own("wrong"),
            "network": f"global/networks/{self.network}",
            "description": self.made.description,
            "ipCidrRange": str(blocks[index]),
            **more,
        }

    def secondary(self, index: int) -> list[Body]:
        """A secondary range in the index-th /24."""
        blocks = list(spare_range(self.made.lab.plan, RANGE).subnets(new_prefix=24))
        return [{"rangeName": "more", "ipCidrRange": str(blocks[index])}]

    def instance(self, **nic: Any) -> Body:
        """An instance, whose interface is changed so."""
        return {
            "name": self.made.own("wrong"),
            "description": self.made.description,
            "machineType": f"zones/{self.made.zone}/machineTypes/{MACHINE}",
            "networkInterfaces": [
                {"subnetwork": f"regions/{self.region}/subnetworks/{self.subnet}", **nic}
            ],
        }


@pytest.fixture(scope="module")
def ground(made: Made) -> Ground:
    """What the refusals are about."""
    found = Ground(made, made.own("net"), made.own("subnet"), made.own("address"), made.own("rule"))
    scope = f"regions/{found.region}"
    made.insert("networks", "", {"name": found.network, "autoCreateSubnetworks": False})
    said = found.subnetwork(0, name=found.subnet, secondaryIpRanges=found.secondary(1))
    made.insert("subnetworks", scope, said)
    made.insert(
        "addresses",
        scope,
        {
            "name": found.address,
            "addressType": "INTERNAL",
            "subnetwork": f"{scope}/subnetworks/{found.subnet}",
        },
    )
    made.insert("firewalls", "", found.firewall(name=found.rule))
    return found


def add_firewall(ground: Ground, **more: Any) -> object:
    """Insert a rule, changed so."""
    resource = message("Firewall", ground.firewall(**more))
    return ground.google.firewalls.insert(project=ground.google.project, firewall_resource=resource)


def add_subnet(ground: Ground, said: Body) -> object:
    """Insert a subnet."""
    resource = message("Subnetwork", said)
    return ground.google.subnetworks.insert(**ground.where, subnetwork_resource=resource)


def add_instance(ground: Ground, said: Body) -> object:
    """Insert an instance."""
    resource = message("Instance", said)
    where = ground.made.where(f"zones/{ground.made.zone}")
    return ground.google.instances.insert(**where, instance_resource=resource)


def expand(ground: Ground, network: str) -> object:
    """Expand the subnet."""
    resource = message("SubnetworksExpandIpCidrRangeRequest", {"ipCidrRange": network})
    return ground.google.subnetworks.expand_ip_cidr_range(
        **ground.where,
        subnetwork=ground.subnet,
        subnetworks_expand_ip_cidr_range_request_resource=resource,
    )


def patch_subnet(ground: Ground, said: Body) -> object:
    """Patch the subnet, with its own fingerprint unless another is said."""
    now = ground.google.subnetworks.get(**ground.where, subnetwork=ground.subnet)
    resource = message("Subnetwork", {"fingerprint": now.fingerprint, **said})
    return ground.google.subnetworks.patch(
        **ground.where, subnetwork=ground.subnet, subnetwork_resource=resource
    )


def local_route(ground: Ground) -> str:
    """The route that the subnet brought."""
    listed = ground.google.routes.list(project=ground.google.project)
    (found,) = (
        one.name
        for one in listed
        if one.network.endswith(f"/{ground.network}")
        and one.dest_range == ground.subnetwork(0)["ipCidrRange"]
    )
    return str(found)


Try = Callable[[Ground], object]
TCP = {"IPProtocol": "tcp"}
REFUSALS: dict[str, tuple[Try, int, str]] = {
    "a rule of a network that is not there": (
        lambda g: add_firewall(g, network="global/networks/t-nowhere"),
        *(404, "notFound"),
    ),
    "a rule with a name that is taken": (
        lambda g: add_firewall(g, name=g.rule),
        *(409, "alreadyExists"),
    ),
    "a rule with a name that is none": (lambda g: add_firewall(g, name="Not-A-Name"), *INVALID),
    "a rule with a range that is none": (
        lambda g: add_firewall(g, sourceRanges=["10.0.0.0/33"]),
        *INVALID,
    ),
    "a rule with bits of a host": (
        lambda g: add_firewall(g, destinationRanges=["10.0.0.1/8"]),
        *INVALID,
    ),
    "a priority that is too large": (lambda g: add_firewall(g, priority=65536), *INVALID),
    "a priority below zero": (lambda g: add_firewall(g, priority=-1), *INVALID),
    "a protocol that is none": (
        lambda g: add_firewall(g, allowed=[{"IPProtocol": "nothing"}]),
        *INVALID,
    ),
    "a port that is none": (
        lambda g: add_firewall(g, allowed=[{**TCP, "ports": ["65536"]}]),
        *INVALID,
    ),
    "ports the wrong way round": (
        lambda g: add_firewall(g, allowed=[{**TCP, "ports": ["90-80"]}]),
        *INVALID,
    ),
    "ports of a protocol that has none": (
        lambda g: add_firewall(g, allowed=[{"IPProtocol": "icmp", "ports": ["1"]}]),
        *INVALID,
    ),
    "a rule that allows and denies": (
        lambda g: add_firewall(g, denied=[TCP]),
        *(400, "badRequest"),
    ),
    "a rule that does neither": (lambda g: add_firewall(g, allowed=None), *(400, "badRequest")),
    "a rule of egress with source tags": (
        lambda g: add_firewall(g, direction="EGRESS", sourceTags=["a"]),
        *(400, "badRequest"),
    ),
    "a direction that is none": (lambda g: add_firewall(g, direction="SIDEWAYS"), *INVALID),
    "a rule made another direction's": (
        lambda g: g.google.firewalls.patch(
            project=g.google.project,
            firewall=g.rule,
            firewall_resource=message("Firewall", {"direction": "EGRESS"}),
        ),
        *INVALID,
    ),
    "a rule that is not there, patched": (
        lambda g: g.google.firewalls.patch(
            project=g.google.project,
            firewall="t-nothing",
            firewall_resource=message("Firewall", {"priority": 1}),
        ),
        *(404, "notFound"),
    ),
    "a subnet that overlaps another": (lambda g: add_subnet(g, g.subnetwork(0)), *INVALID),
    "a subnet that overlaps a secondary range": (
        lambda g: add_subnet(g, g.subnetwork(1)),
        *INVALID,
    ),
    "a secondary range that overlaps its own subnet": (
        lambda g: add_subnet(g, g.subnetwork(2, secondaryIpRanges=g.secondary(2))),
        *INVALID,
    ),
    "a secondary range that overlaps another's": (
        lambda g: add_subnet(g, g.subnetwork(2, secondaryIpRanges=g.secondary(1))),
        *INVALID,
    ),
    "a secondary range that overlaps, patched in": (
        lambda g: patch_subnet(
            g,
            {
                "secondaryIpRanges": [
                    *g.secondary(1),
                    {"rangeName": "twice", "ipCidrRange": g.subnetwork(1)["ipCidrRange"]},
                ]
            },
        ),
        *INVALID,
    ),
    "a subnet with a range that is none": (
        lambda g: add_subnet(g, g.subnetwork(2, ipCidrRange="10.0.0.0/40")),
        *INVALID,
    ),
    "a subnet that is in use, deleted": (
        lambda g: g.google.subnetworks.delete(**g.where, subnetwork=g.subnet),
        *(400, "resourceInUseByAnotherResource"),
    ),
    "a network that is in use, deleted": (
        lambda g: g.google.networks.delete(project=g.google.project, network=g.network),
        *(400, "resourceInUseByAnotherResource"),
    ),
    "a subnet made smaller": (
        lambda g: expand(g, g.subnetwork(0)["ipCidrRange"].replace("/24", "/25")),
        *INVALID,
    ),
    "a subnet expanded over another range": (
        lambda g: expand(g, g.subnetwork(0)["ipCidrRange"].replace("/24", "/23")),
        *INVALID,
    ),
    "a stale fingerprint": (
        lambda g: patch_subnet(
            g, {"fingerprint": "AAAAAAAAAAA=", "secondaryIpRanges": g.secondary(1)}
        ),
        *(412, "conditionNotMet"),
    ),
    "an instance in a subnet that is not there": (
        lambda g: add_instance(
            g, g.instance(subnetwork=f"regions/{g.region}/subnetworks/t-nowhere")
        ),
        *INVALID,
    ),
    "an instance with an address of another range": (
        lambda g: add_instance(g, g.instance(networkIP="192.0.2.9")),
        *INVALID,
    ),
    "an alias range of a range that is not there": (
        lambda g: add_instance(
            g,
            g.instance(aliasIpRanges=[{"ipCidrRange": "/32", "subnetworkRangeName": "nothing"}]),
        ),
        *INVALID,
    ),
    "an instance with the router's address": (
        lambda g: add_instance(
            g, g.instance(networkIP=g.subnetwork(0)["ipCidrRange"].replace(".0/24", ".1"))
        ),
        *INVALID,
    ),
    "the route of a subnet, deleted": (
        lambda g: g.google.routes.delete(project=g.google.project, route=local_route(g)),
        *(400, "badRequest"),
    ),
    "a public address that is not the lab's": (
        lambda g: g.google.addresses.insert(
            **g.where,
            address_resource=message(
                "Address", {"name": g.made.own("wrong"), "address": "192.0.2.7"}
            ),
        ),
        *INVALID,
    ),
    "a region that is none": (
        lambda g: g.google.subnetworks.list(project=g.google.project, region="moon-1"),
        *INVALID,
    ),
    "a kind that the lab does not have": (
        lambda g: g.google.health_checks.list(project=g.google.project),
        *(501, "notImplemented"),
    ),
}


def everything(ground: Ground) -> dict[str, list[Body]]:
    """All that the test's own network has, and what a refused write would have made."""
    google, project = ground.google, ground.google.project
    own = (ground.made.name, "t-nowhere", "Not-A-Name")
    listed: dict[str, Any] = {
        "firewalls": google.firewalls.list(project=project),
        "networks": google.networks.list(project=project),
        "subnetworks": google.subnetworks.list(**ground.where),
        "addresses": google.addresses.list(**ground.where),
        "instances": google.instances.list(project=project, zone=ground.made.zone),
    }
    return {
        kind: [body(one) for one in found if one.name.startswith(own)]
        for kind, found in listed.items()
    }


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_be(ground: Ground, what: str) -> None:
    """By code and reason, and nothing is another than before."""
    call, code, reason = REFUSALS[what]
    before = everything(ground)
    said = refused(lambda: list_of(call(ground)))
    assert (said.code, said.reason) == (code, reason), said.message
    assert everything(ground) == before


def list_of(answer: Any) -> object:
    """The answer; a list is asked for when it is looked at."""
    return list(answer) if hasattr(answer, "pages") else answer


def test_an_address_is_given_once(ground: Ground) -> None:
    """One that is reserved is not another's as an alias range; let go of, it could be."""
    google, made = ground.google, ground.made
    taken = google.addresses.get(**ground.where, address=ground.address).address
    aliases = [{"ipCidrRange": f"{taken}/32"}]
    said = refused(lambda: add_instance(ground, ground.instance(aliasIpRanges=aliases)))
    assert (said.code, said.reason) == (409, "IP_IN_USE_BY_ANOTHER_RESOURCE")
    again = message(
        "Address",
        {
            "name": made.own("wrong"),
            "addressType": "INTERNAL",
            "subnetwork": f"regions/{ground.region}/subnetworks/{ground.subnet}",
            "address": taken,
        },
    )
    said = refused(lambda: google.addresses.insert(**ground.where, address_resource=again))
    assert (said.code, said.reason) == (409, "IP_IN_USE_BY_ANOTHER_RESOURCE")


def test_the_right_ones_are_taken(ground: Ground) -> None:
    """The counterfactual: what the refused ones are changes of is taken, each as it is said."""
    made, region = ground.made, ground.region
    rule = made.insert("firewalls", "", ground.firewall(name=made.own("right")))
    assert rule["priority"] == 1000
    said = ground.subnetwork(2, name=made.own("right"), secondaryIpRanges=ground.secondary(3))
    subnet = made.insert("subnetworks", f"regions/{region}", said)
    assert subnet["secondaryIpRanges"][0]["ipCidrRange"] == ground.secondary(3)[0]["ipCidrRange"]
    for kind, name in (("subnetworks", said["name"]), ("firewalls", rule["name"])):
        made.delete(kind, f"regions/{region}" if kind == "subnetworks" else "", name)
    now = ground.google.subnetworks.get(**ground.where, subnetwork=ground.subnet)
    done(patch_subnet(ground, {"privateIpGoogleAccess": True, "fingerprint": now.fingerprint}))
    then = ground.google.subnetworks.get(**ground.where, subnetwork=ground.subnet)
    assert then.private_ip_google_access
    assert then.fingerprint != now.fingerprint

"""Each kind of resource by each verb that Compute has for it, through Google's client: made, read,
listed by scope and over all scopes, changed, deleted, and gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.spare import spare_frontends, spare_range
from tests.support.vpc.google import Body, body, done, message, refused
from tests.support.vpc.made import MACHINE, NOUNS, Made

RANGE = 1  # of the spare ranges

Change = tuple[str, Body, Body]


@dataclass(frozen=True)
class Life:
    """A kind's life: what it is made from, and changes (a method, what it says, what is so
    then). `scope` is "", regions or zones."""

    scope: str
    said: Callable[[Made], Body]
    shown: Callable[[Made], Body]
    changes: tuple[Change, ...] = field(default=())


def in_own_network(made: Made) -> str:
    """The network that the file's other resources are in."""
    return f"global/networks/{made.own('net')}"


def subnet_range(made: Made) -> str:
    """The subnet's: half of the spare range, so that it can be expanded."""
    return str(next(spare_range(made.lab.plan, RANGE).subnets(new_prefix=24)))


LIVES: dict[str, Life] = {
    "networks": Life(
        "",
        lambda made: {"autoCreateSubnetworks": False, "mtu": 1400},
        lambda made: {"mtu": 1400, "autoCreateSubnetworks": False},
        (
            (
                "patch",
                {"routingConfig": {"routingMode": "GLOBAL"}},
                {"routingConfig": {"routingMode": "GLOBAL"}},
            ),
        ),
    ),
    "subnetworks": Life(
        "regions",
        lambda made: {"network": in_own_network(made), "ipCidrRange": subnet_range(made)},
        lambda made: {"ipCidrRange": subnet_range(made), "purpose": "PRIVATE"},
        (("patch", {"privateIpGoogleAccess": True}, {"privateIpGoogleAccess": True}),),
    ),
    "firewalls": Life(
        "",
        lambda made: {
            "network": in_own_network(made),
            "sourceTags": ["a"],
            "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
        },
        lambda made: {
            "direction": "INGRESS",
            "priority": 1000,
            "sourceTags": ["a"],
            "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
        },
        (
            ("patch", {"priority": 7}, {"priority": 7, "sourceTags": ["a"]}),
            ("patch", {"disabled": True}, {"disabled": True, "priority": 7}),
            (
                "update",
                {"denied": [{"IPProtocol": "udp"}], "sourceRanges": ["10.0.0.0/8"]},
                {
                    "denied": [{"IPProtocol": "udp"}],
                    "sourceRanges": ["10.0.0.0/8"],
                    "priority": 1000,
                },
            ),
        ),
    ),
    "routes": Life(
        "",
        lambda made: {
            "network": in_own_network(made),
            "destRange": str(spare_frontends(made.lab.plan)),
            "nextHopGateway": "global/gateways/default-internet-gateway",
            "priority": 77,
        },
        lambda made: {"destRange": str(spare_frontends(made.lab.plan)), "priority": 77},
    ),
    "addresses": Life("regions", lambda made: {}, lambda made: {"addressType": "EXTERNAL"}),
    "global_addresses": Life("", lambda made: {}, lambda made: {"addressType": "EXTERNAL"}),
    "instances": Life(
        "zones",
        lambda made: {
            "machineType": f"zones/{made.zone}/machineTypes/{MACHINE}",
            "tags": {"items": ["b", "a"]},
            "networkInterfaces": [
                {
                    "subnetwork": f"regions/{made.lab.plan.clusters[0].region}/subnetworks/"
                    f"{made.lab.plan.clusters[0].subnet.name}"
                }
            ],
        },
        lambda made: {"status": "RUNNING", "canIpForward": None},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def network(made: Made) -> None:
    """A network of the file's own."""
    made.insert("networks", "", {"name": made.own("net"), "autoCreateSubnetworks": False})


def scope_of(made: Made, life: Life) -> str:
    """Where one of a kind is made."""
    if life.scope == "zones":
        return f"zones/{made.zone}"
    return f"regions/{made.lab.plan.clusters[0].region}" if life.scope else ""


def agrees(resource: Body, wanted: Body, what: str) -> None:
    """What is wanted is so; None: it is not said, as it is no."""
    for key, value in wanted.items():
        found = resource.get(key)
        same = not found if value is None else found == value
        assert same or (isinstance(value, dict) and value.items() <= (found or {}).items()), (
            f"{what}: {key} is {found!r}, not {value!r}"
        )


@pytest.mark.parametrize("kind", LIVES)
def test_a_life(made: Made, kind: str) -> None:
    """From its insert to its end."""
    life, (noun, type_) = LIVES[kind], NOUNS[kind]
    scope, name = scope_of(made, life), made.own(f"a-{kind.replace('_', '-')}")
    client, where = getattr(made.google, kind), made.where(scope)
    resource = made.insert(kind, scope, {"name": name, **life.said(made)})
    agrees(resource, {**life.shown(made), "name": name}, kind)
    assert resource["selfLink"].endswith(f"/{kind.removeprefix('global_')}/{name}")
    by_number = body(client.get(**where, **{noun: resource["id"]}))
    assert by_number["name"] == name
    again = {**life.said(made), "name": name}
    said = refused(lambda: client.insert(**where, **{f"{noun}_resource": message(type_, again)}))
    assert (said.code, said.reason) == (409, "alreadyExists")
    listed = [one.name for one in client.list(**where)]
    assert listed.count(name) == 1
    for method, change, then in life.changes:
        now = body(client.get(**where, **{noun: name}))
        signed = {"fingerprint": now["fingerprint"]} if "fingerprint" in now else {}
        whole = {**change, **signed}
        if method == "update":
            whole |= {"name": name, "network": now["network"], "description": made.description}
        call: Any = getattr(client, method)
        done(call(**where, **{noun: name, f"{noun}_resource": message(type_, whole)}))
        after = body(client.get(**where, **{noun: name}))
        agrees(after, then, f"{kind} after {method}")
        assert after["id"] == resource["id"]
    made.delete(kind, scope, name)
    said = refused(lambda: client.get(**where, **{noun: name}))
    assert (said.code, said.reason) == (404, "notFound")
    said = refused(lambda: client.delete(**where, **{noun: name}))
    assert (said.code, said.reason) == (404, "notFound")
    assert name not in [one.name for one in client.list(**where)]


@pytest.mark.parametrize("kind", [kind for kind, life in LIVES.items() if life.scope])
def test_it_is_in_the_aggregated_list(made: Made, kind: str) -> None:
    """While it is there, in its own scope."""
    life = LIVES[kind]
    scope, name = scope_of(made, life), made.own(f"b-{kind}")
    client = getattr(made.google, kind)

    def listed() -> list[str]:
        found = dict(client.aggregated_list(project=made.google.project))[scope]
        return [one.name for one in getattr(found, kind)]

    made.insert(kind, scope, {"name": name, **life.said(made)})
    assert listed().count(name) == 1
    made.delete(kind, scope, name)
    assert name not in listed()


def test_a_subnet_grows(made: Made) -> None:
    """expandIpCidrRange: its range and its route are larger, its gateway stays; secondary ranges
    come and go by patch."""
    google, scope = made.google, scope_of(made, LIVES["subnetworks"])
    name, where = made.own("grows"), made.where(scope)
    whole = spare_range(made.lab.plan, RANGE)
    first, *_, last = whole.subnets(new_prefix=24)
    said = {"network": in_own_network(made), "ipCidrRange": str(first)}
    subnet = made.insert("subnetworks", scope, {"name": name, **said})
    larger = str(first.supernet())
    done(
        google.subnetworks.expand_ip_cidr_range(
            **where,
            subnetwork=name,
            subnetworks_expand_ip_cidr_range_request_resource=message(
                "SubnetworksExpandIpCidrRangeRequest", {"ipCidrRange": larger}
            ),
        )
    )
    now = body(google.subnetworks.get(**where, subnetwork=name))
    assert (now["ipCidrRange"], now["gatewayAddress"]) == (larger, subnet["gatewayAddress"])
    routes = {
        one.dest_range
        for one in google.routes.list(project=google.project)
        if one.network.endswith(f"/{made.own('net')}")
    }
    assert larger in routes
    assert str(first) not in routes
    more = [
        {"rangeName": f"more-{number}", "ipCidrRange": str(half)}
        for number, half in enumerate(last.subnets())
    ]
    # Google's library leaves an empty list out of what it sends: the last range stays.
    for ranges in (more, more[1:]):
        fresh = google.subnetworks.get(**where, subnetwork=name).fingerprint
        change = message("Subnetwork", {"secondaryIpRanges": ranges, "fingerprint": fresh})
        done(google.subnetworks.patch(**where, subnetwork=name, subnetwork_resource=change))
        now = body(google.subnetworks.get(**where, subnetwork=name))
        assert [{k: r[k] for k in more[0]} for r in now["secondaryIpRanges"]] == ranges
    made.delete("subnetworks", scope, name)


def test_what_instances_have_methods_for(made: Made) -> None:
    """setTags, setLabels, setMetadata, setDeletionProtection, each seen in what is read then."""
    google, zone = made.google, made.where(f"zones/{made.zone}")
    name = made.own("methods")
    made.insert("instances", f"zones/{made.zone}", {"name": name, **LIVES["instances"].said(made)})

    def now() -> Body:
        return made.instance(name, made.zone)

    tags = {"items": ["x"], "fingerprint": now()["tags"]["fingerprint"]}
    done(google.instances.set_tags(**zone, instance=name, tags_resource=message("Tags", tags)))
    assert now()["tags"]["items"] == ["x"]
    labels = {"labels": {"a": "b"}, "labelFingerprint": now()["labelFingerprint"]}
    done(
        google.instances.set_labels(
            **zone,
            instance=name,
            instances_set_labels_request_resource=message("InstancesSetLabelsRequest", labels),
        )
    )
    assert now()["labels"] == {"a": "b"}
    metadata = {
        "items": [{"key": "k", "value": "v"}],
        "fingerprint": now()["metadata"]["fingerprint"],
    }
    done(
        google.instances.set_metadata(
            **zone, instance=name, metadata_resource=message("Metadata", metadata)
        )
    )
    assert now()["metadata"]["items"] == [{"key": "k", "value": "v"}]

    def protect(value: bool) -> None:
        request = {
            **zone,
            "resource": name,
            "deletion_protection": value,
        }
        done(google.instances.set_deletion_protection(request))

    protect(True)
    said = refused(lambda: google.instances.delete(**zone, instance=name))
    assert (said.code, said.reason) == (400, "invalidResourceUsage")
    protect(False)
    made.delete("instances", f"zones/{made.zone}", name)


def test_a_machine_type_is_another_while_it_is_stopped(made: Made) -> None:
    """setMachineType, which a running instance refuses."""
    google, scope = made.google, f"zones/{made.zone}"
    name, where = made.own("type"), {**made.where(scope), "instance": made.own("type")}
    made.insert("instances", scope, {"name": name, **LIVES["instances"].said(made)})
    link = f"{scope}/machineTypes/e2-standard-2"
    kind = "InstancesSetMachineTypeRequest"

    def change() -> None:
        resource = message(kind, {"machineType": link})
        done(
            google.instances.set_machine_type(
                **where, instances_set_machine_type_request_resource=resource
            )
        )

    said = refused(change)
    assert (said.code, said.reason) == (400, "badRequest"), said
    assert "must be stopped" in said.message
    done(google.instances.stop(**where))
    change()
    assert made.instance(name, made.zone)["machineType"].endswith(f"/{link}")
    done(google.instances.start(**where))
    made.delete("instances", scope, name)


def test_subnets_that_may_be_used(made: Made) -> None:
    """listUsable: a subnet is in it as long as it is there."""
    google, scope = made.google, scope_of(made, LIVES["subnetworks"])
    name = made.own("usable")

    def usable() -> list[str]:
        found = google.subnetworks.list_usable(project=google.project)
        return [one.subnetwork.rpartition("/")[2] for one in found]

    assert name not in usable()
    made.insert("subnetworks", scope, {"name": name, **LIVES["subnetworks"].said(made)})
    assert usable().count(name) == 1
    made.delete("subnetworks", scope, name)
    assert name not in usable()

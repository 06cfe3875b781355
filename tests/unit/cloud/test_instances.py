"""Instances and addresses, by Google's own client."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.unit.cloud import made
from tests.unit.cloud.servers import EXTERNAL, FRONTEND, PROJECT, REGION, ZONE, Google, Http

VM = {"project": PROJECT, "zone": ZONE, "instance": "vm"}
ROOT = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"
ALIASES = "networkInterfaces__0__aliasIpRanges"


def vm(google: Google) -> compute_v1.Instance:
    return google.instances.get(**VM)


def aliases(instance: compute_v1.Instance) -> list[str]:
    return [alias.ip_cidr_range for alias in instance.network_interfaces[0].alias_ip_ranges]


def pod_range(network: str) -> dict[str, str]:
    return {"ipCidrRange": network, "subnetworkRangeName": "pods"}


def test_an_instance_from_its_insert_to_its_end(google: Google, http: Http) -> None:
    made.base(http)
    wanted = compute_v1.Instance(
        name="vm",
        machine_type=f"zones/{ZONE}/machineTypes/e2-medium",
        can_ip_forward=True,
        tags={"items": ["web", "db", "web"]},
        labels={"team": "net"},
        metadata={"items": [{"key": "a", "value": "1"}]},
        disks=[{"boot": True, "auto_delete": True}],
        scheduling={"preemptible": True},
        network_interfaces=[
            {
                "subnetwork": f"regions/{REGION}/subnetworks/us",
                "alias_ip_ranges": [
                    {"ip_cidr_range": "/26", "subnetwork_range_name": "pods"},
                    {"ip_cidr_range": "10.4.0.0/26", "subnetwork_range_name": "pods"},
                    {"ip_cidr_range": "10.128.0.100"},
                ],
            }
        ],
    )
    google.instances.insert(project=PROJECT, zone=ZONE, instance_resource=wanted).result()
    instance = vm(google)
    nic = instance.network_interfaces[0]
    assert (nic.name, nic.network_i_p) == ("nic0", "10.128.0.2")
    assert nic.network == f"{ROOT}/global/networks/net"
    assert nic.subnetwork == f"{ROOT}/regions/{REGION}/subnetworks/us"
    assert aliases(instance) == ["10.4.0.64/26", "10.4.0.0/26", "10.128.0.100/32"]
    assert instance.machine_type == f"{ROOT}/zones/{ZONE}/machineTypes/e2-medium"
    assert (instance.status, instance.tags.items) == ("RUNNING", ["db", "web"])
    assert instance.disks[0].boot
    assert (instance.scheduling.preemptible, instance.scheduling.automatic_restart) == (True, True)

    google.instances.stop(**VM).result()
    assert (vm(google).status, aliases(vm(google))) == ("TERMINATED", aliases(instance))
    with pytest.raises(exceptions.BadRequest, match="not running"):
        google.instances.reset(**VM)
    google.instances.set_machine_type(
        **VM,
        instances_set_machine_type_request_resource={
            "machine_type": f"zones/{ZONE}/machineTypes/e2-small"
        },
    ).result()
    google.instances.start(**VM).result()
    google.instances.reset(**VM).result()
    google.instances.suspend(**VM).result()
    assert vm(google).status == "SUSPENDED"
    with pytest.raises(exceptions.BadRequest, match="not running"):
        google.instances.suspend(**VM)
    google.instances.resume(**VM).result()
    with pytest.raises(exceptions.BadRequest, match="not suspended"):
        google.instances.resume(**VM)
    assert vm(google).machine_type.endswith("/e2-small")
    with pytest.raises(exceptions.BadRequest, match="must be stopped"):
        google.instances.set_machine_type(
            **VM,
            instances_set_machine_type_request_resource={
                "machine_type": f"zones/{ZONE}/machineTypes/e2-small"
            },
        )
    google.instances.delete(**VM).result()
    with pytest.raises(exceptions.NotFound):
        vm(google)


def test_addresses_are_given_from_the_bottom_and_again(google: Google, http: Http) -> None:
    made.base(http)
    made.make(http, "instances", name="a")
    made.make(http, "instances", name="b", networkInterfaces__0__networkIP="10.128.0.4")
    made.make(http, "addresses", address="10.128.0.3")
    made.make(http, "instances", name="c")
    made.make(http, "addresses", name="next")
    found = {i.name: i.network_interfaces[0].network_i_p for i in listed(google)}
    assert found == {"a": "10.128.0.2", "b": "10.128.0.4", "c": "10.128.0.5"}
    assert http("GET", f"regions/{REGION}/addresses/next")["address"] == "10.128.0.6"
    google.instances.delete(project=PROJECT, zone=ZONE, instance="a")
    made.make(http, "instances", name="d")
    assert {i.name: i for i in listed(google)}["d"].network_interfaces[
        0
    ].network_i_p == "10.128.0.2"


def listed(google: Google) -> list[compute_v1.Instance]:
    return list(google.instances.list(project=PROJECT, zone=ZONE))


def test_a_full_subnet(http: Http) -> None:
    made.base(http)
    made.make(http, "subnetworks", name="small", ipCidrRange="10.9.0.0/29", secondaryIpRanges=[])
    small = [{"subnetwork": f"regions/{REGION}/subnetworks/small"}]
    for name in ("a", "b", "c", "d"):
        made.make(http, "instances", name=name, networkInterfaces=small)
    wanted = made.body("instances", name="e", networkInterfaces=small)
    error = http("POST", f"zones/{ZONE}/instances", wanted)["error"]
    assert (error["code"], error["errors"][0]["reason"]) == (400, "IP_SPACE_EXHAUSTED")


# By the method: the request's field, what to have, and where the fingerprint is.
CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "set_tags": ("tags_resource", {"items": ["b", "a"]}, "tags"),
    "set_labels": (
        "instances_set_labels_request_resource",
        {"labels": {"a": "b"}},
        "label_fingerprint",
    ),
    "set_metadata": ("metadata_resource", {"items": [{"key": "k", "value": "v"}]}, "metadata"),
}


@pytest.mark.parametrize("method", CHANGES)
def test_what_has_a_fingerprint_is_changed_by_who_knows_it(
    google: Google, http: Http, method: str
) -> None:
    field, wanted, where = CHANGES[method]
    made.base(http, "instances")
    before = vm(google)
    call = getattr(google.instances, method)
    name = "label_fingerprint" if where == "label_fingerprint" else "fingerprint"
    known = before.label_fingerprint if name == where else getattr(before, where).fingerprint
    call(**VM, **{field: {**wanted, name: known}}).result()
    after = vm(google)
    assert after.fingerprint != before.fingerprint
    # The other writer, who has seen the state of before.
    for stale in (known, None):
        with pytest.raises(exceptions.PreconditionFailed) as refused:
            call(**VM, **{field: {**wanted, name: stale}})
        assert refused.value.errors[0]["reason"] == "conditionNotMet"
    assert vm(google) == after
    if method == "set_tags":
        assert after.tags.items == ["a", "b"]


def move(google: Google, wanted: list[dict[str, str]], **others: Any) -> None:
    nic = vm(google).network_interfaces[0]
    google.instances.update_network_interface(
        **VM,
        network_interface="nic0",
        network_interface_resource={
            "fingerprint": nic.fingerprint,
            "alias_ip_ranges": [
                {"ip_cidr_range": w["ipCidrRange"], "subnetwork_range_name": "pods"} for w in wanted
            ],
            **others,
        },
    ).result()


def test_an_alias_range_moves_to_another_instance(google: Google, http: Http) -> None:
    made.base(http)
    made.make(http, "instances", name="other", **{ALIASES: [pod_range("10.4.1.0/24")]})
    made.make(http, "instances", **{ALIASES: [pod_range("10.4.2.0/24")]})
    with pytest.raises(exceptions.Conflict, match=r"IP '10\.4\.1\.0/25'"):
        move(google, [pod_range("10.4.1.0/25")])
    assert aliases(vm(google)) == ["10.4.2.0/24"]
    google.instances.delete(project=PROJECT, zone=ZONE, instance="other")
    move(google, [pod_range("10.4.1.0/25"), pod_range("10.4.2.0/24")])
    assert aliases(vm(google)) == ["10.4.1.0/25", "10.4.2.0/24"]
    move(google, [])
    assert aliases(vm(google)) == []


def test_what_an_interface_does_not_change(google: Google, http: Http) -> None:
    made.base(http, "instances")
    stale = vm(google).network_interfaces[0].fingerprint
    move(google, [pod_range("/28")], subnetwork=f"regions/{REGION}/subnetworks/us")
    for wrong in ({"network_i_p": "10.128.0.9"}, {"access_configs": [{"name": "x"}]}):
        with pytest.raises(exceptions.BadRequest, match="Updating this field is not supported"):
            move(google, [], **wrong)
    with pytest.raises(exceptions.PreconditionFailed):
        move(google, [], fingerprint=stale)
    for nic in ("nic1", None):
        with pytest.raises((exceptions.BadRequest, ValueError)):
            google.instances.update_network_interface(
                **VM, network_interface=nic, network_interface_resource={}
            )


def test_update_changes_an_instance_as_a_whole(google: Google, http: Http) -> None:
    made.base(http, "instances")
    wanted = vm(google)
    wanted.can_ip_forward = True
    wanted.tags.items = ["router"]
    google.instances.update(**VM, instance_resource=wanted).result()
    after = vm(google)
    assert (after.can_ip_forward, after.tags.items) == (True, ["router"])
    assert after.network_interfaces == wanted.network_interfaces
    with pytest.raises(exceptions.PreconditionFailed):
        google.instances.update(**VM, instance_resource=wanted)


def test_update_changes_the_machine_type_of_a_stopped_instance(google: Google, http: Http) -> None:
    """As samples do to give an instance more memory."""
    made.base(http)
    made.make(http, "instances", disks=[{"boot": True, "diskSizeGb": "10"}], hostname="vm.lab")
    wanted = vm(google)
    wanted.machine_type = wanted.machine_type.replace("e2-medium", "n2-custom-2-8192")
    with pytest.raises(exceptions.BadRequest, match="must be stopped"):
        google.instances.update(**VM, instance_resource=wanted)
    google.instances.stop(**VM).result()
    wanted = vm(google)
    wanted.machine_type = wanted.machine_type.replace("e2-medium", "n2-huge")
    with pytest.raises(exceptions.BadRequest, match="Machine type with name 'n2-huge' does not"):
        google.instances.update(**VM, instance_resource=wanted)
    wanted.machine_type = wanted.machine_type.replace("n2-huge", "n2-custom-2-8192")
    wanted.service_accounts = [{"email": "default", "scopes": ["a"]}]
    wanted.scheduling.automatic_restart = False
    google.instances.update(**VM, instance_resource=wanted).result()
    after = vm(google)
    assert after.machine_type.endswith(f"/zones/{ZONE}/machineTypes/n2-custom-2-8192")
    assert (after.disks, after.hostname) == (wanted.disks, "vm.lab")
    assert (after.service_accounts[0].email, after.scheduling.automatic_restart) == (
        "default",
        False,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hostname", "other.lab"),
        ("disks", [{"boot": True}, {}]),
        ("networkInterfaces", [{"subnetwork": f"regions/{REGION}/subnetworks/us"}]),
    ],
)
def test_what_update_does_not_change_is_refused(http: Http, field: str, value: Any) -> None:
    made.base(http, "instances")
    path = f"zones/{ZONE}/instances/vm"
    wanted = http("GET", path) | {field: value}
    error = http("PUT", path, wanted)["error"]
    assert error["message"].endswith(
        f"'resource.{field}': ''. Updating this field is not supported."
    )
    del wanted[field]
    assert http("PUT", path, wanted)["status"] == "DONE"


def test_labels_that_can_be(http: Http) -> None:
    """Without a value, and in scripts that have no cases, too."""
    made.base(http)
    labels = {"owner": "", "goog-gke-node": "a_1-b", "\u6240\u6709": "\u7f51"}
    assert made.make(http, "instances", labels=labels)["labels"] == labels
    path = f"{made.PLACES['instances']}/vm/setLabels"
    known = http("GET", f"{made.PLACES['instances']}/vm")["labelFingerprint"]
    wrong = {"labels": {"A": "b"}, "labelFingerprint": known}
    assert "Label key 'A' violates" in http("POST", path, wrong)["error"]["message"]


def test_a_protected_instance_stays(google: Google, http: Http) -> None:
    made.base(http)
    made.make(http, "instances", deletionProtection=True)
    with pytest.raises(exceptions.BadRequest, match="protected against deletion"):
        google.instances.delete(**VM)
    google.instances.set_deletion_protection(
        {"project": PROJECT, "zone": ZONE, "resource": "vm", "deletion_protection": False}
    ).result()
    google.instances.delete(**VM).result()


DEFAULT = "global/networks/default"


def subnet_of(instance: dict[str, Any]) -> str:
    return str(instance["networkInterfaces"][0]["subnetwork"]).partition(f"{ROOT}/")[2]


def on_network(link: str) -> list[dict[str, str]]:
    return [{"network": link}]


def test_a_subnet_of_the_default_network_need_not_be_named(google: Google, http: Http) -> None:
    """As in Google's own samples, which rely on the default network being of auto mode."""
    made.make(http, "networks", name="default")
    made.make(http, "subnetworks", name="us", network=DEFAULT)
    found = made.make(http, "instances", networkInterfaces=on_network(DEFAULT))
    assert found["networkInterfaces"][0]["networkIP"] == "10.128.0.2"
    # Of several the oldest is meant.
    more = {"network": DEFAULT, "ipCidrRange": "10.9.0.0/24", "secondaryIpRanges": []}
    made.make(http, "subnetworks", name="another", **more)
    found = made.make(http, "instances", name="b", networkInterfaces=[{}])
    assert subnet_of(found) == f"regions/{REGION}/subnetworks/us"


def test_a_region_gets_a_subnet_of_the_default_network(http: Http) -> None:
    """When it is first asked for, as auto mode would have made it; with the instance, or not."""
    made.make(http, "networks", name="default")
    path, place = "zones/europe-central2-b/instances", "regions/europe-central2/subnetworks"
    machine = "zones/europe-central2-b/machineTypes/e2-medium"
    refused = made.body("instances", networkInterfaces=[{}], machineType=machine, hostname="a..b")
    wrong = refused | {"hostname": "vm", "networkInterfaces": [{"networkIP": "10.1.1.1"}]}
    for body in (refused, wrong):
        assert http("POST", path, body)["error"]["code"] == 400
    assert "items" not in http("GET", place)
    start = http.state().json()["generation"]
    for name in ("a", "b"):
        body = made.body("instances", name=name, networkInterfaces=[{}], machineType=machine)
        assert http("POST", path, body)["status"] == "DONE"
        assert subnet_of(http("GET", f"{path}/{name}")) == f"{place}/default"
    assert http.state().json()["generation"] == start + 2
    (subnet,) = http("GET", place)["items"]
    assert (subnet["name"], subnet["ipCidrRange"]) == ("default", "10.186.0.0/20")
    assert http("GET", DEFAULT)["subnetworks"] == [subnet["selfLink"]]
    assert "10.186.0.0/20" in [
        route["destRange"] for route in http("GET", "global/routes")["items"]
    ]
    # One that is younger does not take its place.
    more = {"name": "more", "network": DEFAULT, "ipCidrRange": "10.9.0.0/24"}
    http("POST", place, more)
    body = made.body("instances", name="c", networkInterfaces=[{}], machineType=machine)
    assert http("POST", path, body)["status"] == "DONE"
    assert subnet_of(http("GET", f"{path}/c")) == f"{place}/default"


def test_the_subnet_of_auto_mode_is_meant(http: Http) -> None:
    made.make(http, "networks", autoCreateSubnetworks=True)
    made.make(http, "subnetworks", ipCidrRange="10.9.0.0/24", secondaryIpRanges=[])
    found = made.make(http, "instances", networkInterfaces=on_network("global/networks/net"))
    assert subnet_of(found) == f"regions/{REGION}/subnetworks/net"


def test_of_a_custom_mode_network_the_subnet_is_named(http: Http) -> None:
    made.base(http)
    made.make(http, "networks", name="default")
    # It has the name that a subnet of the default network would have here.
    made.make(
        http,
        "subnetworks",
        name="default",
        network="global/networks/net",
        ipCidrRange="10.9.0.0/24",
        secondaryIpRanges=[],
    )
    for link in ("global/networks/net", DEFAULT):
        wanted = made.body("instances", networkInterfaces=on_network(link))
        message = http("POST", made.PLACES["instances"], wanted)["error"]["message"]
        assert "Subnetwork should be specified for custom subnetmode network" in message


def test_external_addresses(google: Google, http: Http) -> None:
    made.base(http)
    access = {"networkInterfaces__0__accessConfigs": [{"name": "External NAT"}]}
    ephemeral = made.make(http, "instances", **access)["networkInterfaces"][0]["accessConfigs"][0]
    assert ephemeral["natIP"] == str(EXTERNAL[0])
    assert (ephemeral["type"], ephemeral["networkTier"]) == ("ONE_TO_ONE_NAT", "PREMIUM")

    where = {"project": PROJECT, "region": REGION}
    reserve = compute_v1.Address(name="mine")
    google.addresses.insert(**where, address_resource=reserve).result()
    mine = google.addresses.get(**where, address="mine")
    assert (mine.address, mine.status, mine.address_type) == (
        str(EXTERNAL[1]),
        "RESERVED",
        "EXTERNAL",
    )
    google.instances.delete_access_config(
        **VM, access_config="External NAT", network_interface="nic0"
    ).result()
    google.instances.add_access_config(
        **VM,
        network_interface="nic0",
        access_config_resource={"nat_i_p": mine.address, "name": "static"},
    ).result()
    used = google.addresses.get(**where, address="mine")
    assert (used.status, used.users) == ("IN_USE", [f"{ROOT}/zones/{ZONE}/instances/vm"])
    with pytest.raises(exceptions.BadRequest) as needed:
        google.addresses.delete(**where, address="mine")
    assert needed.value.errors[0]["reason"] == "resourceInUseByAnotherResource"
    other = made.body(
        "instances", name="b", networkInterfaces__0__accessConfigs=[{"natIP": mine.address}]
    )
    assert http("POST", f"zones/{ZONE}/instances", other)["error"]["code"] == 409
    google.instances.delete(**VM)
    google.addresses.delete(**where, address="mine").result()
    assert list(google.addresses.list(**where)) == []


def test_an_ephemeral_address_is_promoted(google: Google, http: Http) -> None:
    made.base(http)
    made.make(http, "instances", networkInterfaces__0__accessConfigs=[{}])
    promoted = compute_v1.Address(name="mine", address=str(EXTERNAL[0]))
    google.addresses.insert(project=PROJECT, region=REGION, address_resource=promoted).result()
    assert google.addresses.get(project=PROJECT, region=REGION, address="mine").status == "IN_USE"
    again = compute_v1.Address(name="again", address=str(EXTERNAL[0]))
    with pytest.raises(exceptions.Conflict):
        google.addresses.insert(project=PROJECT, region=REGION, address_resource=again)


def test_an_internal_address_is_kept_for_who_asks_for_it(google: Google, http: Http) -> None:
    made.base(http, "addresses")
    kept = http("GET", f"regions/{REGION}/addresses/kept")
    assert (kept["address"], kept["status"], kept["purpose"]) == (
        "10.128.0.2",
        "RESERVED",
        "GCE_ENDPOINT",
    )
    assert (
        made.make(http, "instances", name="a")["networkInterfaces"][0]["networkIP"] == "10.128.0.3"
    )
    taking = {"networkInterfaces__0__networkIP": kept["address"]}
    made.make(http, "instances", **taking)
    assert http("GET", f"regions/{REGION}/addresses/kept")["status"] == "IN_USE"
    second = made.body("instances", name="b", **taking)
    assert http("POST", f"zones/{ZONE}/instances", second)["error"]["code"] == 409
    # And what an instance has already can be reserved for it.
    made.make(http, "addresses", name="later", address="10.128.0.3")
    with pytest.raises(exceptions.BadRequest, match="already being used"):
        google.subnetworks.delete(project=PROJECT, region=REGION, subnetwork="us")


def test_global_addresses(google: Google, http: Http) -> None:
    google.global_addresses.insert(
        project=PROJECT, address_resource=compute_v1.Address(name="front", labels={"a": "b"})
    ).result()
    front = google.global_addresses.get(project=PROJECT, address="front")
    assert (front.address, front.ip_version) == (str(FRONTEND[0]), "IPV4")
    google.global_addresses.set_labels(
        project=PROJECT,
        resource="front",
        global_set_labels_request_resource={"label_fingerprint": front.label_fingerprint},
    ).result()
    assert dict(google.global_addresses.get(project=PROJECT, address="front").labels) == {}
    found = dict(google.addresses.aggregated_list(project=PROJECT))
    assert [address.name for address in found["global"].addresses] == ["front"]
    assert found[f"regions/{REGION}"].warning.code == "NO_RESULTS_ON_PAGE"
    google.global_addresses.delete(project=PROJECT, address="front").result()
    error = http("POST", "global/addresses", {"name": "x", "addressType": "INTERNAL"})["error"]
    assert "peerings" in error["message"]


def test_public_addresses_run_out(http: Http) -> None:
    for index in range(EXTERNAL.num_addresses):
        assert "error" not in http("POST", f"regions/{REGION}/addresses", {"name": f"a{index}"})
    error = http("POST", f"regions/{REGION}/addresses", {"name": "more"})["error"]
    assert error["errors"][0]["reason"] == "IP_SPACE_EXHAUSTED"

"""What Google's samples for its Python client do, one after the other, by that client.

The calls and what they are called with are those of python-docs-samples, compute/client_library.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, REGION, ZONE, Google, Http

ROOT = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"
IN_ZONE = {"project": PROJECT, "zone": ZONE}
VM = {**IN_ZONE, "instance": "vm"}
NAT = "External NAT"


@pytest.fixture
def lab(google: Google, http: Http) -> Google:
    """As a lab is: the network that samples mean, with one subnet in a region."""
    made.make(http, "networks", name="default")
    made.make(http, "subnetworks", name="us", network="global/networks/default")
    return google


def finish(operation: Any) -> Any:
    """Samples wait so for what a write answered, and look at what it has to say."""
    result = operation.result(timeout=300)
    assert not operation.error_code
    assert not operation.warnings
    assert operation.done()
    return result


def boot_disk(image: str, size: int = 10, kind: str = "pd-standard") -> compute_v1.AttachedDisk:
    parameters = compute_v1.AttachedDiskInitializeParams(
        source_image=image, disk_size_gb=size, disk_type=f"zones/{ZONE}/diskTypes/{kind}"
    )
    return compute_v1.AttachedDisk(initialize_params=parameters, auto_delete=True, boot=True)


def newest_debian(google: Google) -> str:
    image = google.images.get_from_family(project="debian-cloud", family="debian-12")
    return str(image.self_link)


def create(google: Google, name: str = "vm", **others: Any) -> compute_v1.Instance:
    """An instance in the samples' usual form: the interface's name is the network's link."""
    usual = {
        "name": name,
        "disks": [boot_disk(newest_debian(google))],
        "machine_type": f"zones/{ZONE}/machineTypes/n1-standard-1",
        "network_interfaces": [compute_v1.NetworkInterface(name="global/networks/default")],
        "scheduling": compute_v1.Scheduling(on_host_maintenance="TERMINATE"),
    }
    request = compute_v1.InsertInstanceRequest(
        zone=ZONE, project=PROJECT, instance_resource=compute_v1.Instance(**{**usual, **others})
    )
    finish(google.instances.insert(request=request))
    return google.instances.get(**IN_ZONE, instance=name)


def test_an_instance_is_made_and_listed(lab: Google) -> None:
    instance = create(
        lab,
        labels={"env": "dev"},
        service_accounts=[
            {"email": "default", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        ],
        metadata={"items": [{"key": "startup-script", "value": "echo"}]},
    )
    assert instance.machine_type == f"{ROOT}/zones/{ZONE}/machineTypes/n1-standard-1"
    assert instance.zone == f"{ROOT}/zones/{ZONE}"
    (nic,) = instance.network_interfaces
    assert (nic.name, nic.network) == ("nic0", f"{ROOT}/global/networks/default")
    assert (instance.scheduling.on_host_maintenance, instance.status) == ("TERMINATE", "RUNNING")
    assert (instance.disks[0].boot, instance.disks[0].disk_size_gb) == (True, 10)
    assert instance.service_accounts[0].email == "default"
    assert instance.metadata.items[0].key == "startup-script"
    assert [one.name for one in lab.instances.list(**IN_ZONE)] == ["vm"]
    request = compute_v1.AggregatedListInstancesRequest(project=PROJECT, max_results=50)
    found = {
        zone: [one.name for one in scoped.instances]
        for zone, scoped in lab.instances.aggregated_list(request=request)
        if scoped.instances
    }
    assert found == {f"zones/{ZONE}": ["vm"]}
    partial = compute_v1.AggregatedListInstancesRequest(project=PROJECT, filter="labels.env = dev")
    assert dict(lab.instances.aggregated_list(request=partial))[f"zones/{ZONE}"].instances
    finish(lab.instances.delete(**VM))
    with pytest.raises(exceptions.NotFound):
        lab.instances.get(**VM)


def test_a_subnet_and_addresses_of_its_own(lab: Google) -> None:
    nic = compute_v1.NetworkInterface(
        name="global/networks/default",
        subnetwork=f"regions/{REGION}/subnetworks/us",
        network_i_p="10.128.0.50",
    )
    nic.access_configs = [
        compute_v1.AccessConfig(
            type_=compute_v1.AccessConfig.Type.ONE_TO_ONE_NAT.name,
            name=NAT,
            network_tier=compute_v1.AccessConfig.NetworkTier.PREMIUM.name,
        )
    ]
    found = create(lab, network_interfaces=[nic]).network_interfaces[0]
    assert found.network_i_p == "10.128.0.50"
    assert found.access_configs[0].nat_i_p.startswith("203.0.113.")
    assert found.access_configs[0].type_ == "ONE_TO_ONE_NAT"


@pytest.mark.parametrize(
    ("zone", "network"),
    [
        ("europe-central2-b", "10.186.0.0/20"),
        ("europe-west1-c", "10.132.0.0/20"),
        ("europe-west2-a", "10.154.0.0/20"),
        ("australia-southeast1-a", "10.152.0.0/20"),
    ],
)
def test_an_instance_in_a_region_of_which_nobody_spoke(
    lab: Google, zone: str, network: str
) -> None:
    """Samples use regions as they like: Google's default network has a subnet in each."""
    instance = compute_v1.Instance(
        name="vm",
        machine_type=f"zones/{zone}/machineTypes/e2-micro",
        network_interfaces=[compute_v1.NetworkInterface(name="default")],
    )
    finish(lab.instances.insert(project=PROJECT, zone=zone, instance_resource=instance))
    region = zone.rpartition("-")[0]
    (nic,) = lab.instances.get(project=PROJECT, zone=zone, instance="vm").network_interfaces
    assert nic.subnetwork == f"{ROOT}/regions/{region}/subnetworks/default"
    subnet = lab.subnetworks.get(project=PROJECT, region=region, subnetwork="default")
    assert subnet.ip_cidr_range == network
    finish(lab.instances.delete(project=PROJECT, zone=zone, instance="vm"))


def test_no_instance_is_where_there_is_no_zone(lab: Google) -> None:
    with pytest.raises(exceptions.BadRequest, match="Unknown zone"):
        lab.instances.insert(
            project=PROJECT, zone="atlantis-west1-a", instance_resource={"name": "vm"}
        )


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"hostname": "host.domain.com"}, "hostname", "host.domain.com"),
        ({"hostname": "instance.512.hostname"}, "hostname", "instance.512.hostname"),
        ({"deletion_protection": True}, "deletion_protection", True),
        ({"scheduling": {"preemptible": True}}, "scheduling.preemptible", True),
        (
            {"scheduling": {"provisioning_model": "SPOT", "instance_termination_action": "STOP"}},
            "scheduling.provisioning_model",
            "SPOT",
        ),
        (
            {"machine_type": f"zones/{ZONE}/machineTypes/n2-custom-8-10240"},
            "machine_type",
            f"{ROOT}/zones/{ZONE}/machineTypes/n2-custom-8-10240",
        ),
        (
            {"machine_type": f"zones/{ZONE}/machineTypes/e2-custom-small-2048"},
            "machine_type",
            f"{ROOT}/zones/{ZONE}/machineTypes/e2-custom-small-2048",
        ),
    ],
)
def test_an_instance_of_a_special_kind(
    lab: Google, fields: dict[str, Any], field: str, value: object
) -> None:
    found: Any = create(lab, **fields)
    for name in field.split("."):
        found = getattr(found, name)
    assert found == value


def test_power(lab: Google) -> None:
    create(lab)
    for method, status in (
        ("stop", "TERMINATED"),
        ("start", "RUNNING"),
        ("reset", "RUNNING"),
        ("suspend", "SUSPENDED"),
        ("resume", "RUNNING"),
    ):
        finish(getattr(lab.instances, method)(**VM))
        assert lab.instances.get(**VM).status == status


def test_deletion_protection(lab: Google) -> None:
    create(lab)
    request = compute_v1.SetDeletionProtectionInstanceRequest(
        project=PROJECT, zone=ZONE, resource="vm", deletion_protection=True
    )
    finish(lab.instances.set_deletion_protection(request))
    with pytest.raises(exceptions.BadRequest, match="protected against deletion"):
        lab.instances.delete(**VM)


def test_another_machine_type(lab: Google) -> None:
    create(lab)
    finish(lab.instances.stop(**VM))
    types = lab.machine_types.list(
        {"project": PROJECT, "zone": ZONE, "filter": "guestCpus = 4 AND name:e2-standard"}
    )
    (chosen,) = types
    request = compute_v1.InstancesSetMachineTypeRequest(
        machine_type=f"projects/{PROJECT}/zones/{ZONE}/machineTypes/{chosen.name}"
    )
    finish(
        lab.instances.set_machine_type(**VM, instances_set_machine_type_request_resource=request)
    )
    assert lab.instances.get(**VM).machine_type == chosen.self_link


def test_a_reserved_address_is_given_and_taken(lab: Google) -> None:
    create(lab)
    where = {"project": PROJECT, "region": REGION}
    reserved = compute_v1.Address(
        name="ip-1", address_type="EXTERNAL", network_tier="STANDARD", region=REGION
    )
    finish(lab.addresses.insert(**where, address_resource=reserved))
    address = lab.addresses.get(**where, address="ip-1")
    assert (address.status, address.network_tier) == ("RESERVED", "STANDARD")
    config = compute_v1.AccessConfig(
        nat_i_p=address.address, type_="ONE_TO_ONE_NAT", name="external-nat"
    )
    finish(
        lab.instances.add_access_config(
            compute_v1.AddAccessConfigInstanceRequest(
                **VM,
                network_interface="nic0",
                access_config_resource=config,
                request_id=str(uuid.uuid4()),
            )
        )
    )
    assert public(lab) == [address.address]
    assert lab.addresses.get(**where, address="ip-1").status == "IN_USE"
    finish(
        lab.instances.delete_access_config(
            compute_v1.DeleteAccessConfigInstanceRequest(
                **VM,
                access_config="external-nat",
                network_interface="nic0",
                request_id=str(uuid.uuid4()),
            )
        )
    )
    assert public(lab) == []
    finish(lab.addresses.delete(**where, address="ip-1"))


def public(google: Google) -> list[str]:
    nics = google.instances.get(**VM).network_interfaces
    return [config.nat_i_p for nic in nics for config in nic.access_configs]


def test_an_ephemeral_address_is_promoted(lab: Google) -> None:
    nic = {"access_configs": [{"name": NAT, "type_": "ONE_TO_ONE_NAT"}]}
    create(lab, network_interfaces=[nic])
    (address,) = public(lab)
    name = f"ip-reserved-{uuid.uuid4()}"
    promoted = compute_v1.Address(
        name=name, region=REGION, address_type="EXTERNAL", address=address
    )
    finish(lab.addresses.insert(project=PROJECT, region=REGION, address_resource=promoted))
    listed = lab.addresses.list(project=PROJECT, region=REGION)
    assert [(one.name, one.status) for one in listed] == [(name, "IN_USE")]
    everywhere = compute_v1.Address(name="anycast", ip_version="IPV4", address_type="EXTERNAL")
    finish(lab.global_addresses.insert(project=PROJECT, address_resource=everywhere))
    assert [one.name for one in lab.global_addresses.list(project=PROJECT)] == ["anycast"]


def test_firewall_rules(lab: Google) -> None:
    rule = compute_v1.Firewall(
        name="web",
        direction="INGRESS",
        allowed=[compute_v1.Allowed(I_p_protocol="tcp", ports=["80", "443"])],
        source_ranges=["0.0.0.0/0"],
        network="global/networks/default",
        target_tags=["web"],
    )
    finish(lab.firewalls.insert(project=PROJECT, firewall_resource=rule))
    changed = compute_v1.Firewall(priority=10)
    finish(lab.firewalls.patch(project=PROJECT, firewall="web", firewall_resource=changed))
    found = lab.firewalls.get(project=PROJECT, firewall="web")
    assert (found.priority, found.allowed[0].ports) == (10, ["80", "443"])
    assert [one.name for one in lab.firewalls.list(project=PROJECT)] == ["web"]
    finish(lab.firewalls.delete(project=PROJECT, firewall="web"))


@pytest.mark.parametrize(
    ("hop", "value"),
    [
        ("next_hop_gateway", f"projects/{PROJECT}/global/gateways/default-internet-gateway"),
        ("next_hop_ip", "10.128.0.9"),
        ("next_hop_instance", f"projects/{PROJECT}/zones/{ZONE}/instances/vm"),
    ],
)
def test_routes(lab: Google, hop: str, value: str) -> None:
    create(lab, can_ip_forward=True)
    route = compute_v1.Route(
        name="way", network="global/networks/default", dest_range="192.0.2.0/24", **{hop: value}
    )
    finish(lab.routes.insert(project=PROJECT, route_resource=route))
    assert getattr(lab.routes.get(project=PROJECT, route="way"), hop).endswith(value)
    assert "way" in [one.name for one in lab.routes.list(project=PROJECT)]
    finish(lab.routes.delete(project=PROJECT, route="way"))


def test_tags_labels_and_metadata(lab: Google) -> None:
    create(lab)
    instance = lab.instances.get(**VM)
    tags = compute_v1.Tags(items=["a", "b"], fingerprint=instance.tags.fingerprint)
    finish(lab.instances.set_tags(**VM, tags_resource=tags))
    labels = compute_v1.InstancesSetLabelsRequest(
        labels={"env": "test"}, label_fingerprint=instance.label_fingerprint
    )
    finish(lab.instances.set_labels(**VM, instances_set_labels_request_resource=labels))
    with pytest.raises(exceptions.PreconditionFailed, match="Labels fingerprint either invalid"):
        lab.instances.set_labels(**VM, instances_set_labels_request_resource=labels)
    metadata = instance.metadata
    metadata.items = [compute_v1.Items(key="enable-oslogin", value="TRUE")]
    finish(lab.instances.set_metadata(**VM, metadata_resource=metadata))
    after = lab.instances.get(**VM)
    assert (after.tags.items, dict(after.labels)) == (["a", "b"], {"env": "test"})
    assert after.metadata.items[0].value == "TRUE"


def waits(google: Google, operation: compute_v1.Operation) -> compute_v1.Operation:
    """By the scope that the operation says it is of, as the sample does."""
    said = {"project": PROJECT, "operation": operation.name}
    if operation.zone:
        zone = operation.zone.rsplit("/", maxsplit=1)[1]
        return google.zone_operations.wait(**said, zone=zone)
    if operation.region:
        region = operation.region.rsplit("/", maxsplit=1)[1]
        return google.region_operations.wait(**said, region=region)
    return google.global_operations.wait(**said)


def test_operations(lab: Google) -> None:
    create(lab)
    writes: Iterator[compute_v1.Operation] = iter(
        (
            lab.instances.stop_unary(**VM),
            lab.addresses.insert_unary(
                project=PROJECT, region=REGION, address_resource={"name": "a"}
            ),
            lab.networks.insert_unary(
                project=PROJECT,
                network_resource={"name": "b", "auto_create_subnetworks": False},
            ),
        )
    )
    for operation in writes:
        done = waits(lab, operation)
        assert (done.name, done.status) == (operation.name, compute_v1.Operation.Status.DONE)
    listed = lab.zone_operations.list(
        {**IN_ZONE, "filter": 'operationType="stop" AND targetLink:instances/vm'}
    )
    assert [one.operation_type for one in listed] == ["stop"]
    preempted = {**IN_ZONE, "filter": 'operationType="compute.instances.preempted"'}
    assert list(lab.zone_operations.list(preempted)) == []


def test_a_request_of_an_id_that_was_used(lab: Google) -> None:
    """As the sample does with disks: the second one is not done, and is no error."""
    requests = [
        compute_v1.InsertFirewallRequest(
            project=PROJECT,
            request_id="9f1b4a5e-5d7c-4a5b-8a53-0a37e0f6d4b1",
            firewall_resource={"name": name, "allowed": [{"I_p_protocol": "tcp"}]},
        )
        for name in ("first", "second")
    ]
    first, second = (lab.firewalls.insert(request) for request in requests)
    finish(first)
    finish(second)
    assert first.name == second.name
    assert [rule.name for rule in lab.firewalls.list(project=PROJECT)] == ["first"]


def test_places(lab: Google) -> None:
    assert lab.projects.get(project=PROJECT).name == PROJECT
    zones = [zone.name for zone in lab.zones.list(project=PROJECT)]
    assert ZONE in zones
    assert lab.zones.get(project=PROJECT, zone=ZONE).region == f"{ROOT}/regions/{REGION}"
    assert lab.regions.get(project=PROJECT, region=REGION).status == "UP"


@pytest.mark.parametrize(
    ("client", "method", "said"),
    [
        ("instance_templates", "list", {"project": PROJECT}),
        ("disks", "list", IN_ZONE),
        ("snapshots", "list", {"project": PROJECT}),
        ("accelerator_types", "list", IN_ZONE),
        ("disk_types", "list", IN_ZONE),
        ("reservations", "list", IN_ZONE),
        ("firewall_policies", "list", {}),
    ],
)
def test_what_is_not_here_is_no_success(
    lab: Google, client: str, method: str, said: dict[str, str]
) -> None:
    create(lab)
    with pytest.raises((exceptions.MethodNotImplemented, exceptions.NotFound)) as refused:
        getattr(getattr(lab, client), method)(said)
    assert refused.value.errors

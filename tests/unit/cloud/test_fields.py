"""The fields that the cloud knows are those of Google's own types."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import compute_v1

from gkelab.cloud.api import operations
from gkelab.cloud.api.fields import ListOf, Message, Type, message
from gkelab.cloud.api.kinds import KINDS, bulk, images

TYPES = {
    "networks": compute_v1.Network,
    "subnetworks": compute_v1.Subnetwork,
    "firewalls": compute_v1.Firewall,
    "routes": compute_v1.Route,
    "instances": compute_v1.Instance,
    "addresses": compute_v1.Address,
    "machineTypes": compute_v1.MachineType,
}


def descriptor(kind: Any) -> Any:
    return kind.pb(kind()).DESCRIPTOR


def compare(message: Message, google: Any, path: str) -> list[str]:
    """Where the two differ. Compute alone writes kind, id and the like, so any message may have
    these."""
    names = {field.json_name for field in google.fields}
    usual = {"kind", "id", "creationTimestamp", "selfLink"}
    wrong = [f"{path}.{name} is not Google's" for name in message.names - names - usual]
    wrong += [f"{path}.{name} is not known" for name in names - message.names]
    types = {Type.STRING: "string", Type.BOOL: "bool", Type.INT: "int"}
    for field in google.fields:
        spec = message.fields.get(field.json_name)
        repeated = field.is_repeated and not is_map(field)
        if spec is None or spec is Type.ANY:
            continue
        if isinstance(spec, ListOf) != repeated:
            wrong.append(f"{path}.{field.json_name} is a list, or none")
        item = spec.item if isinstance(spec, ListOf) else spec
        if isinstance(item, Message):
            wrong += compare(item, field.message_type, f"{path}.{field.json_name}")
        elif isinstance(item, Type) and types[item] != type_of(field):
            wrong.append(f"{path}.{field.json_name} is {type_of(field)}")
    return wrong


def is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def type_of(field: Any) -> str:
    kinds = {field.CPPTYPE_STRING: "string", field.CPPTYPE_BOOL: "bool"}
    return kinds.get(field.cpp_type, "int")


@pytest.mark.parametrize("collection", TYPES)
def test_a_kind_has_the_fields_of_googles_type(collection: str) -> None:
    assert compare(KINDS[collection].message, descriptor(TYPES[collection]), "resource") == []


def test_images_have_the_fields_of_googles_type() -> None:
    assert compare(images.KIND.message, descriptor(compute_v1.Image), "resource") == []


def test_operations_have_the_fields_of_googles_type() -> None:
    names = {field.json_name for field in descriptor(compute_v1.Operation).fields}
    # Of kinds that there are not.
    absent = {
        name
        for name in names
        if name.endswith("OperationMetadata") and not name.startswith("instancesBulkInsert")
    }
    assert names - absent == operations.NAMES


def test_bulk_insert_has_the_fields_of_googles_type() -> None:
    google = descriptor(compute_v1.BulkInsertInstanceResource)
    assert compare(bulk.MESSAGE, google, "resource") == []


def test_the_comparison_sees_what_differs() -> None:
    made_up = message(ints="name", lists="description", strings="colour subnetworks")
    wrong = compare(made_up, descriptor(compute_v1.Network), "resource")
    assert "resource.colour is not Google's" in wrong
    assert "resource.mtu is not known" in wrong
    assert "resource.name is string" in wrong
    assert "resource.description is a list, or none" in wrong
    assert "resource.subnetworks is a list, or none" in wrong


def test_every_kind_is_listed() -> None:
    assert set(TYPES) | {"regions", "zones"} == set(KINDS)

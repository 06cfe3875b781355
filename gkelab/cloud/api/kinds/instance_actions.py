"""What can be done to an instance, method by method."""

from __future__ import annotations

from ipaddress import IPv4Network

from gkelab.cloud.api import errors, ranges
from gkelab.cloud.api.fields import Body, ListOf, message
from gkelab.cloud.api.kinds import firewalls, interfaces, labels, machine_types
from gkelab.cloud.api.kinds.base import (
    Query,
    check_name,
    fingerprint,
    now,
    refuse_fingerprint,
)
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.store import View, Write

TAGS = message(strings="fingerprint", lists="items")
METADATA = message(strings="fingerprint", items=ListOf(message(strings="key value")))
# Kept and shown, but for what it says nothing of.
SCHEDULING = message(
    strings="onHostMaintenance provisioningModel instanceTerminationAction locationHint"
    " terminationTime",
    bools="automaticRestart preemptible exposeHostTopology skipGuestOsShutdown",
    ints="availabilityDomain hostErrorTimeoutSeconds minNodeCpus",
    anys="gracefulShutdown localSsdRecoveryTimeout maxRunDuration nodeAffinities"
    " onInstanceStopAction preemptionNoticeDuration",
)
MOST_TAGS = 64
MACHINE_TYPE = "resource.machineType"
# What updateNetworkInterface may change of one.
NIC_CHANGES = ("aliasIpRanges",)


def signed(body: Body) -> Body:
    """The instance with the fingerprint of its labels, if it has any. ComputeError when they
    cannot be."""
    own = body.get("labels", {})
    labels.check(own)
    left = {key: value for key, value in body.items() if key not in ("labels", "labelFingerprint")}
    return {
        **left,
        **({"labels": own} if own else {}),
        "labelFingerprint": fingerprint(own),
    }


def tags(given: Body, path: str) -> Body:
    """The tags of an instance, by which firewall rules and routes know it."""
    items = given.get("items", [])
    if len(items) > MOST_TAGS:
        raise errors.invalid(f"{path}.items", items, f"At most {MOST_TAGS} tags are possible.")
    for index, tag in enumerate(items):
        check_name(tag, f"{path}.items[{index}]")
    # Compute sorts them.
    unique = sorted(set(items))
    return {**({"items": unique} if unique else {}), "fingerprint": fingerprint(unique)}


def metadata(given: Body, path: str) -> Body:
    """The metadata of an instance: each key once."""
    items = given.get("items", [])
    keys = [item.get("key", "") for item in items]
    for index, key in enumerate(keys):
        if not key or key in keys[:index]:
            raise errors.invalid(f"{path}.items[{index}].key", key, "Must be there, and once.")
    return {
        "kind": "compute#metadata",
        **({"items": items} if items else {}),
        "fingerprint": fingerprint(items),
    }


def set_tags(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Other tags; the fingerprint must be that of the current ones."""
    refuse_fingerprint(wanted.get("fingerprint"), body["tags"]["fingerprint"], "tags")
    return {**body, "tags": tags(wanted, "resource")}


def set_labels(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Other labels; the fingerprint must be that of the current ones."""
    labels.refuse_stale(wanted.get("labelFingerprint"), body["labelFingerprint"])
    return signed({**body, "labels": wanted.get("labels", {})})


def set_metadata(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Other metadata; the fingerprint must be that of the current one."""
    return {**body, "metadata": other_metadata(body["metadata"], wanted)}


def other_metadata(current: Body, wanted: Body) -> Body:
    """The metadata that is to be in place of the current one. ComputeError unless the client has
    seen that."""
    refuse_fingerprint(wanted.get("fingerprint"), current["fingerprint"], "metadata")
    return metadata(wanted, "resource")


def set_machine_type(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Another machine type, of a stopped instance."""
    if "machineType" not in wanted:
        raise errors.required(MACHINE_TYPE)
    return {**body, "machineType": other_machine_type(write, ref, body, wanted["machineType"])}


def other_machine_type(write: Write, ref: Ref, body: Body, value: str) -> str:
    """The link of the machine type that an instance is to have. ComputeError while it runs."""
    refuse_running(body, "its machine type")
    return machine_types.link(value, ref.scope, write.project, MACHINE_TYPE)


def refuse_running(body: Body, what: str) -> None:
    """Raise unless the instance is stopped, as it must be for this of it to be changed."""
    if body["status"] != "TERMINATED":
        raise errors.bad_request(f"Instance must be stopped before {what} is changed.")


def set_deletion_protection(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Whether the instance can be deleted; protected unless the query says no."""
    return {**body, "deletionProtection": query.get("deletionProtection", "true") == "true"}


def start(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Have it run."""
    if body["status"] == "RUNNING":
        return body
    return {**body, "status": "RUNNING", "lastStartTimestamp": now()}


def stop(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Have it stopped; it keeps its addresses."""
    if body["status"] == "TERMINATED":
        return body
    return {**body, "status": "TERMINATED", "lastStopTimestamp": now()}


def reset(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Start it anew."""
    if body["status"] != "RUNNING":
        raise errors.bad_request(f"The resource '{ref.path(write.project)}' is not running.")
    return {**body, "lastStartTimestamp": now()}


def suspend(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Have it stand still."""
    if body["status"] != "RUNNING":
        raise errors.bad_request(f"The resource '{ref.path(write.project)}' is not running.")
    return {**body, "status": "SUSPENDED", "lastSuspendedTimestamp": now()}


def resume(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Have it go on."""
    if body["status"] != "SUSPENDED":
        raise errors.bad_request(f"The resource '{ref.path(write.project)}' is not suspended.")
    return {**body, "status": "RUNNING", "lastStartTimestamp": now()}


def update_interface(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Other alias ranges of an interface. What of Compute's the lab does not change is refused
    where it differs; the fingerprint must be that of the interface as it is."""
    index, nic = _interface(body, query)
    refuse_fingerprint(wanted.get("fingerprint"), nic["fingerprint"], "network interface")
    for field, value in wanted.items():
        if field not in (*NIC_CHANGES, "fingerprint") and not same(value, nic.get(field)):
            raise errors.invalid(f"resource.{field}", "", "Updating this field is not supported.")
    parsed = Ref.parse(nic["subnetwork"])
    subnet = write.get(parsed[1]) if parsed else None
    assert subnet
    used = list(ranges.taken(write, nic["subnetwork"], but=ref))
    used.append(IPv4Network(nic["networkIP"]))
    aliases = interfaces.make_aliases(subnet, wanted.get("aliasIpRanges", []), used, "resource")
    own = {key: value for key, value in nic.items() if key != "aliasIpRanges"}
    return _with(body, index, {**own, **({"aliasIpRanges": aliases} if aliases else {})})


def same(wanted: object, current: object) -> bool:
    """Whether two values are one, or links to one thing, however deep they are."""
    if isinstance(wanted, str) and isinstance(current, str):
        first, second = Ref.parse(wanted), Ref.parse(current)
        return wanted == current or bool(first and second and first[1] == second[1])
    if isinstance(wanted, list) and isinstance(current, list):
        return len(wanted) == len(current) and all(map(same, wanted, current))
    if isinstance(wanted, dict) and isinstance(current, dict):
        return wanted.keys() == current.keys() and all(
            same(value, current[key]) for key, value in wanted.items()
        )
    return wanted == current


def _interface(body: Body, query: Query) -> tuple[int, Body]:
    if "networkInterface" not in query:
        raise errors.required("networkInterface")
    name = query["networkInterface"]
    for index, nic in enumerate(body["networkInterfaces"]):
        if nic["name"] == name:
            return index, nic
    raise errors.invalid("networkInterface", name, "The instance has no such interface.")


def _with(body: Body, index: int, nic: Body) -> Body:
    nics = list(body["networkInterfaces"])
    nics[index] = interfaces.signed(nic)
    return {**body, "networkInterfaces": nics}


def add_access(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Give an interface an external address."""
    index, nic = _interface(body, query)
    if nic.get("accessConfigs"):
        raise errors.invalid(
            "networkInterface", nic["name"], "At most one access config is possible."
        )
    config = interfaces.make_access(write, ref, wanted, "resource", [])
    return _with(body, index, {**nic, "accessConfigs": [config]})


def delete_access(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Take an interface's external address away."""
    index, nic = _interface(body, query)
    _access(nic, "accessConfig", query.get("accessConfig", ""))
    return _with(body, index, {key: v for key, v in nic.items() if key != "accessConfigs"})


def update_access(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Change what is said of an interface's external address, or have it be another one."""
    index, nic = _interface(body, query)
    old = _access(nic, "resource.name", wanted.get("name", interfaces.EXTERNAL_NAME))
    config = interfaces.make_access(write, ref, {**old, **wanted}, "resource", [], had=old["natIP"])
    return _with(body, index, {**nic, "accessConfigs": [config]})


def _access(nic: Body, field: str, name: str) -> Body:
    """The access config of that name. ComputeError unless the interface has it."""
    for config in nic.get("accessConfigs", []):
        if config["name"] == name:
            return dict(config)
    raise errors.invalid(field, name, "The interface has no such access config.")


def effective_firewalls(view: View, ref: Ref, body: Body, _: Body, query: Query) -> Body:
    """The rules that an interface is under, the first to decide first."""
    nic = _interface(body, query)[1]
    own = set(body["tags"].get("items", []))
    rules = [
        rule
        for _, rule in view.all("firewalls")
        if rule["network"] == nic["network"]
        and (not rule.get("targetTags") or own & set(rule["targetTags"]))
    ]
    return {"firewalls": sorted(rules, key=firewalls.rank)}

"""Instances: the VMs of a VPC. In the lab these are nodes of kind and plain VM containers."""

from __future__ import annotations

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body, ListOf, MapOf, check, message
from gkelab.cloud.api.kinds import (
    disks,
    instance_settings,
    interfaces,
    machine_types,
    permissions,
)
from gkelab.cloud.api.kinds import instance_actions as act
from gkelab.cloud.api.kinds.base import Action, Kind, Question, check_name, now
from gkelab.cloud.api.links import Ref, last
from gkelab.cloud.api.store import Write

MESSAGE = message(
    strings="name description machineType minCpuPlatform hostname zone fingerprint"
    " labelFingerprint keyRevocationActionType",
    bools="canIpForward deletionProtection",
    lists="resourcePolicies",
    # Kept and shown: nothing in the lab depends on them.
    anys="serviceAccounts shieldedInstanceConfig"
    " shieldedInstanceIntegrityPolicy confidentialInstanceConfig displayDevice"
    " reservationAffinity advancedMachineFeatures networkPerformanceConfig",
    output="params status statusMessage cpuPlatform startRestricted lastStartTimestamp"
    " lastStopTimestamp lastSuspendedTimestamp resourceStatus satisfiesPzs satisfiesPzi"
    " localSsdEncryptionMode",
    absent="guestAccelerators privateIpv6GoogleAccess sourceMachineImage"
    " sourceMachineImageEncryptionKey instanceEncryptionKey workloadIdentityConfig",
    disks=disks.DISKS,
    labels=MapOf(),
    metadata=act.METADATA,
    tags=act.TAGS,
    networkInterfaces=ListOf(interfaces.NIC),
    scheduling=act.SCHEDULING,
)

SCHEDULING = {
    "onHostMaintenance": "MIGRATE",
    "automaticRestart": True,
    "preemptible": False,
    "provisioningModel": "STANDARD",
}


# Labels with dots between them (docs compute/docs/instances/custom-hostname-vm), which may begin
# with digits, as RFC 1123 has them: Google's own samples name a VM instance.512.hostname.
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
HOSTNAME = rf"{_LABEL}(?:\.{_LABEL})*"
# The kernel's limit, under which a container's is; Compute's is 253.
LONGEST_HOSTNAME = 64


def _create(write: Write, ref: Ref, wanted: Body) -> Body:
    if "machineType" not in wanted:
        raise errors.required("resource.machineType")
    if "zone" in wanted and last(wanted["zone"]) != last(ref.scope):
        raise errors.invalid(
            "resource.zone", wanted["zone"], "Must be the zone of the request's URL."
        )
    if "hostname" in wanted:
        check_name(wanted["hostname"], "resource.hostname", HOSTNAME)
        if len(wanted["hostname"]) > LONGEST_HOSTNAME:
            raise errors.invalid(
                "resource.hostname",
                wanted["hostname"],
                f"The local cloud's VMs have hostnames of at most {LONGEST_HOSTNAME} characters.",
            )
    nics = interfaces.make(write, ref, wanted.get("networkInterfaces", []))
    attached = disks.make(wanted.get("disks", []), write.project)
    return act.signed(
        {
            "description": "",
            "canIpForward": False,
            "deletionProtection": False,
            "startRestricted": False,
            "cpuPlatform": "Unknown CPU Platform",
            **wanted,
            **({"disks": attached} if attached else {}),
            "scheduling": {**SCHEDULING, **wanted.get("scheduling", {})},
            "machineType": machine_types.link(
                wanted["machineType"], ref.scope, write.project, "resource.machineType"
            ),
            "metadata": act.metadata(wanted.get("metadata", {}), "resource.metadata"),
            "tags": act.tags(wanted.get("tags", {}), "resource.tags"),
            "networkInterfaces": nics,
            "status": "RUNNING",
            "lastStartTimestamp": now(),
        }
    )


# What update may change of what the lab keeps and shows.
KEPT = (
    *("minCpuPlatform", "keyRevocationActionType", "resourcePolicies", "serviceAccounts"),
    *("shieldedInstanceConfig", "shieldedInstanceIntegrityPolicy", "confidentialInstanceConfig"),
    *("displayDevice", "reservationAffinity", "advancedMachineFeatures"),
    "networkPerformanceConfig",
)
# What it may not: a request that says another thing is refused.
LASTING = ("hostname", "zone", "disks", "networkInterfaces")


def _change(write: Write, ref: Ref, old: Body, wanted: Body) -> Body:
    """instances.update: what Compute lets change of an instance as a whole (docs
    compute/docs/instances/update-instance-properties), as far as the lab has it."""
    current = check({field: old[field] for field in LASTING if field in old}, MESSAGE, "resource")
    for field in LASTING:
        if field in wanted and not act.same(wanted[field], current.get(field)):
            raise errors.invalid(f"resource.{field}", "", "Updating this field is not supported.")
    left = {key: value for key, value in old.items() if key not in KEPT}
    link = str(wanted.get("machineType", old["machineType"]))
    if not act.same(link, old["machineType"]):
        left["machineType"] = act.other_machine_type(write, ref, old, link)
    return act.signed(
        {
            **left,
            **{field: wanted[field] for field in KEPT if field in wanted},
            "scheduling": {**old["scheduling"], **wanted.get("scheduling", {})},
            "canIpForward": wanted.get("canIpForward", False),
            "deletionProtection": wanted.get("deletionProtection", False),
            "description": wanted.get("description", ""),
            "labels": wanted.get("labels", {}),
            "metadata": act.metadata(wanted.get("metadata", {}), "resource.metadata"),
            "tags": act.tags(wanted.get("tags", {}), "resource.tags"),
        }
    )


def _remove(write: Write, ref: Ref, body: Body) -> None:
    if body["deletionProtection"]:
        raise errors.invalid_usage("Resource cannot be deleted if it's protected against deletion")


KIND = Kind(
    collection="instances",
    noun="instance",
    scopes=("zones",),
    message=MESSAGE,
    create=_create,
    change=_change,
    remove=_remove,
    updates=True,
    fingerprint=True,
    actions={
        "setTags": Action(act.set_tags, act.TAGS),
        "setLabels": Action(act.set_labels, message(strings="labelFingerprint", labels=MapOf())),
        "setMetadata": Action(act.set_metadata, act.METADATA),
        "setMachineType": Action(act.set_machine_type, message(strings="machineType")),
        "setDeletionProtection": Action(act.set_deletion_protection),
        "start": Action(act.start),
        "stop": Action(act.stop),
        "reset": Action(act.reset),
        "suspend": Action(act.suspend),
        "resume": Action(act.resume),
        "updateNetworkInterface": Action(act.update_interface, interfaces.NIC, "PATCH"),
        "addAccessConfig": Action(act.add_access, interfaces.ACCESS),
        "deleteAccessConfig": Action(act.delete_access),
        "updateAccessConfig": Action(act.update_access, interfaces.ACCESS),
        **instance_settings.ACTIONS,
    },
    questions={
        "getEffectiveFirewalls": Question(act.effective_firewalls),
        **instance_settings.QUESTIONS,
        **permissions.TEST,
    },
)

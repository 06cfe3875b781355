"""Methods of instances that change what is kept and shown of one, and what nothing is behind.

No container of the lab is another for its schedule, its service account or its least CPU. What a
VM's serial port would say is its container's log, which this server cannot see; guest attributes
are written by an agent that the lab's VMs have not.
"""

from __future__ import annotations

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body, ListOf, Type, message
from gkelab.cloud.api.kinds import instance_actions as act
from gkelab.cloud.api.kinds.base import Action, Query, Question, check_name
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.store import View, Write

SERIAL_PORTS = ("1", "2", "3", "4")


def _set_scheduling(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """What is said is changed, as by an update."""
    return {**body, "scheduling": {**body["scheduling"], **wanted}}


def _set_service_account(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Another service account of a stopped instance; none without an email."""
    act.refuse_running(body, "its service account")
    left = {key: value for key, value in body.items() if key != "serviceAccounts"}
    return {**left, **({"serviceAccounts": [wanted]} if wanted.get("email") else {})}


def _set_least_cpu(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Another least CPU of a stopped instance; any will do without one."""
    act.refuse_running(body, "its minimum CPU platform")
    left = {key: value for key, value in body.items() if key != "minCpuPlatform"}
    return {
        **left,
        **({"minCpuPlatform": value} if (value := wanted.get("minCpuPlatform")) else {}),
    }


def _set_name(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Another name of a stopped instance; who asks knows the current one."""
    if "name" not in wanted:
        raise errors.required("resource.name")
    if wanted.get("currentName") != ref.name:
        raise errors.condition_not_met("Supplied current name does not match the instance's name.")
    act.refuse_running(body, "its name")
    name = check_name(wanted["name"], "resource.name")
    place = Ref(ref.collection, ref.scope, name)
    if write.get(place) is not None:
        raise errors.already_exists(place.path(write.project))
    write.delete(ref)
    return {**body, "name": name}


def _set_auto_delete(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Whether a disk goes with the instance, by its device's name."""
    for field in ("autoDelete", "deviceName"):
        if field not in query:
            raise errors.required(field)
    name, disks = query["deviceName"], body.get("disks", [])
    if name not in [disk["deviceName"] for disk in disks]:
        raise errors.invalid(
            "deviceName", name, f"No attached disk found with device name '{name}'"
        )
    kept = query["autoDelete"] == "true"
    return {
        **body,
        "disks": [
            {**disk, "autoDelete": kept} if disk["deviceName"] == name else disk for disk in disks
        ],
    }


def _simulate(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """No instance of the lab is moved for its host's maintenance: it stays as it is."""
    return body


def _serial_port(view: View, ref: Ref, body: Body, _: Body, query: Query) -> Body:
    """What the instance wrote to a serial port: nothing."""
    port = query.get("port", SERIAL_PORTS[0])
    if port not in SERIAL_PORTS:
        raise errors.invalid("port", port, f"Must be one of [{', '.join(SERIAL_PORTS)}].")
    return {
        "kind": "compute#serialPortOutput",
        "contents": "",
        "start": "0",
        "next": "0",
        "selfLink": f"{body['selfLink']}/serialPort",
    }


def _guest_attributes(view: View, ref: Ref, body: Body, _: Body, query: Query) -> Body:
    """There are none, which Compute answers as what is not there."""
    asked = query.get("variableKey", query.get("queryPath", ""))
    raise errors.ComputeError(
        404, "notFound", f"The resource '{asked}' of type 'Guest Attribute' was not found."
    )


def _referrers(view: View, ref: Ref, body: Body, _: Body, query: Query) -> Body:
    """Instance groups that the instance is in: there are none."""
    path = f"{ref.path(view.project)}/referrers"
    return {
        "kind": "compute#instanceListReferrers",
        "id": path,
        "selfLink": f"{body['selfLink']}/referrers",
    }


ACTIONS = {
    "setScheduling": Action(_set_scheduling, act.SCHEDULING),
    "setServiceAccount": Action(
        _set_service_account, message(strings="email", scopes=ListOf(Type.STRING))
    ),
    "setMinCpuPlatform": Action(_set_least_cpu, message(strings="minCpuPlatform")),
    "setName": Action(_set_name, message(strings="currentName name")),
    "setDiskAutoDelete": Action(_set_auto_delete),
    "simulateMaintenanceEvent": Action(_simulate),
    # No disk of the lab has a key.
    "startWithEncryptionKey": Action(act.start, message(anys="disks")),
}
QUESTIONS = {
    "serialPort": Question(_serial_port),
    "getGuestAttributes": Question(_guest_attributes),
    "referrers": Question(_referrers),
}

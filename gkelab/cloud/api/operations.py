"""Operations: what Compute answers a write with, and what is left to tell of it."""

from __future__ import annotations

import secrets
import time
import uuid

from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds.base import Made, new_id, now
from gkelab.cloud.api.links import GLOBAL, Ref, scope_link

USER = "lab@gkelab.invalid"
NOUN = "operation"
# What an operation may have, so that filters know its names.
NAMES = message(
    output="name clientOperationId description endTime error httpErrorMessage httpErrorStatusCode"
    " insertTime operationGroupId operationType progress region startTime status statusMessage"
    " targetId targetLink user warnings zone instancesBulkInsertOperationMetadata"
).names


def done(verb: str, target: Ref, target_id: str, project: str, request_id: str) -> tuple[Ref, Body]:
    """The operation of a write that is made so.

    It is DONE when it is answered, as a write takes no time here. It must be: an unmodified
    Python client follows an operation with a client of its own making, which knows nothing of
    the endpoint that it was given, and would ask Google.
    """
    body = {"targetLink": target.link(project), "targetId": target_id}
    return _begun(verb, target.scope or GLOBAL, project, body, request_id)


def of_many(
    verb: str, scope: str, project: str, made: Made, request_id: str
) -> list[tuple[Ref, Body]]:
    """The operations of a batch, which share a group: that of the batch, and the insert of each
    resource. The first says how many were asked for and made."""
    group = {"operationGroupId": str(uuid.uuid4())}
    status = {
        "status": "DONE",
        "targetVmCount": made.asked,
        "createdVmCount": len(made.bodies),
        "deletedVmCount": 0,
        "failedToCreateVmCount": made.asked - len(made.bodies),
    }
    told = {**group, "instancesBulkInsertOperationMetadata": {"perLocationStatus": {scope: status}}}
    found = [_begun(verb, scope, project, told, request_id)]
    for body in made.bodies:
        own = {**group, "targetLink": body["selfLink"], "targetId": body["id"]}
        found.append(_begun("insert", scope, project, own, ""))
    return found


def _begun(verb: str, scope: str, project: str, own: Body, request_id: str) -> tuple[Ref, Body]:
    stamp = f"{time.time_ns() // 1_000_000}-{secrets.token_hex(7)[:13]}"
    name = f"operation-{stamp}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
    ref = Ref("operations", scope, name)
    when = now()
    body: Body = {
        "kind": "compute#operation",
        "id": new_id(),
        "name": name,
        "operationType": verb,
        **own,
        "status": "DONE",
        "user": USER,
        "progress": 100,
        "insertTime": when,
        "startTime": when,
        "endTime": when,
        "selfLink": ref.link(project),
        **({"clientOperationId": request_id} if request_id else {}),
    }
    if ref.scope != GLOBAL:
        body[ref.scope.partition("/")[0][:-1]] = scope_link(ref.scope, project)
    return ref, body

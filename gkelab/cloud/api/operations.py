"""Operations: what Compute answers a write with, and what is left to tell of it."""

from __future__ import annotations

import secrets
import time

from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds.base import new_id, now
from gkelab.cloud.api.links import GLOBAL, Ref, scope_link

USER = "lab@gkelab.invalid"
NOUN = "operation"
# What an operation may have, so that filters know its names.
NAMES = message(
    output="name clientOperationId description endTime error httpErrorMessage httpErrorStatusCode"
    " insertTime operationGroupId operationType progress region startTime status statusMessage"
    " targetId targetLink user warnings zone"
).names


def done(verb: str, target: Ref, target_id: str, project: str, request_id: str) -> tuple[Ref, Body]:
    """The operation of a write that is made so.

    It is DONE when it is answered, as a write takes no time here. It must be: an unmodified
    Python client follows an operation with a client of its own making, which knows nothing of
    the endpoint that it was given, and would ask Google.
    """
    stamp = f"{time.time_ns() // 1_000_000}-{secrets.token_hex(7)[:13]}"
    name = f"operation-{stamp}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
    ref = Ref("operations", target.scope or GLOBAL, name)
    when = now()
    body: Body = {
        "kind": "compute#operation",
        "id": new_id(),
        "name": name,
        "operationType": verb,
        "targetLink": target.link(project),
        "targetId": target_id,
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

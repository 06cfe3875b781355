"""gcloud's `instances bulk create`: many instances of one kind, by one request."""

from __future__ import annotations

import argparse

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import listed, number, text
from gkelab.cloud.gcloud.instance_body import BODY, USUAL_MACHINE, body_of
from gkelab.cloud.gcloud.instance_create import INSTANCES
from gkelab.cloud.gcloud.others import OPERATIONS
from gkelab.cloud.gcloud.session import Answer, Session
from gkelab.cloud.gcloud.usual import ASYNC, Command, filled, places

# What each instance has of its own, and many cannot be given.
_OWN = {"--private-network-ip": "private_network_ip", "--address": "address"}


def _create(session: Session, args: argparse.Namespace) -> Answer:
    scope = session.new_scope(INSTANCES, args, args.name_pattern or ",".join(args.predefined_names))
    zone = scope.partition("/")[2]
    # A machine type is named here, not linked to.
    properties = {"machineType": args.machine_type, **body_of(args, zone)}
    wanted = filled(
        namePattern=args.name_pattern,
        perInstanceProperties={name: {} for name in args.predefined_names},
        count=args.count,
        minCount=args.min_count,
        instanceProperties=properties,
    )
    said = {"bulkInsertInstanceResourceResource": wanted}
    if session.asynchronous:
        operation = session.cloud.call("bulk_insert_unary", INSTANCES.collection, scope, said)
        session.tell(f"Bulk instance creation in progress: {operation['selfLink']}")
        return Answer({"operationGroupId": operation["operationGroupId"]})
    operation = session.cloud.write("bulk_insert", INSTANCES.collection, scope, said)
    return _told(session, scope, operation["operationGroupId"], args)


def _told(session: Session, scope: str, group: str, args: argparse.Namespace) -> Answer:
    """What came of it, by the operations of its group, as gcloud tells it."""
    found = session.cloud.list_of(OPERATIONS.collection, scope, f'operationGroupId = "{group}"')
    made = [one for one in found if one["operationType"] == "insert" and "error" not in one]
    failed = (args.count or len(args.predefined_names)) - len(made)
    session.tell(
        "Bulk create request finished with status message: "
        f"[VM instances created: {len(made)}, failed: {failed}.]"
    )
    return Answer(
        {
            "operationGroupId": group,
            "createdInstanceCount": len(made),
            "failedInstanceCount": failed,
            "instances": sorted((_status(one) for one in made), key=lambda one: str(one["name"])),
        }
    )


def _status(operation: Body) -> Body:
    return {
        "id": operation["targetId"],
        "name": operation["targetLink"].rpartition("/")[2],
        "zone": operation["zone"],
        "selfLink": operation["targetLink"],
    }


COMMANDS = [
    Command(
        "instances bulk create",
        "make many instances at once",
        _create,
        (
            *places(INSTANCES),
            text("--name-pattern", "their names, with # for digits: web-##"),
            listed("--predefined-names", "their names, one by one", default=[]),
            number("--count", "how many"),
            number("--min-count", "how many at least; else none"),
            text("--machine-type", default=USUAL_MACHINE),
            *(flag for flag in BODY if flag.name not in _OWN),
            ASYNC,
        ),
        dict.fromkeys(_OWN.values()),
    ),
]

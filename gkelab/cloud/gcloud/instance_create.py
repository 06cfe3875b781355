"""gcloud's `instances create`: flags in, instances out."""

from __future__ import annotations

import argparse

from gkelab.cloud.gcloud.flags import switch, text
from gkelab.cloud.gcloud.instance_body import BODY, USUAL_MACHINE, body_of
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import ASYNC, NAMES, Command, filled, insert, places

INSTANCES = Group(
    "instances",
    "instances",
    ("zones",),
    "table(name,zone.basename(),machineType.basename():label=MACHINE_TYPE,"
    "scheduling.preemptible.yesno(yes=true,no=''):label=PREEMPTIBLE,"
    "networkInterfaces[].networkIP.list():label=INTERNAL_IP,"
    "networkInterfaces[].accessConfigs[0].natIP.list():label=EXTERNAL_IP,status)",
)


def _create(session: Session, args: argparse.Namespace) -> Answer:
    made = []
    for name in args.names:
        scope = session.new_scope(INSTANCES, args, name)
        zone = scope.partition("/")[2]
        own = filled(
            name=name,
            machineType=f"zones/{zone}/machineTypes/{args.machine_type}",
            deletionProtection=args.deletion_protection,
            hostname=args.hostname,
        )
        made.append(insert(session, INSTANCES, scope, {**own, **body_of(args, zone)}))
    return Answer(made, "none" if session.asynchronous else INSTANCES.table)


CREATE = Command(
    "instances create",
    "make instances",
    _create,
    (
        NAMES,
        *places(INSTANCES),
        text("--machine-type", default=USUAL_MACHINE),
        *BODY,
        switch("--deletion-protection"),
        text("--hostname"),
        ASYNC,
    ),
)

"""The project itself: the one resource of its kind, of which some things can be set.

What is set is kept and shown; of it the network tier alone counts, for addresses that name none.
"""

from __future__ import annotations

from datetime import UTC, datetime

from gkelab.cloud.api import errors, external
from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds import instance_actions as act
from gkelab.cloud.api.kinds.base import Action, Kind, Query
from gkelab.cloud.api.kinds.places import number_of
from gkelab.cloud.api.links import PROJECTS, Ref
from gkelab.cloud.api.store import Write

TIERS = ("PREMIUM", "STANDARD")


def place(project: str) -> Ref:
    """The project's place among resources."""
    return Ref(PROJECTS, "", project)


def body(project: str, created: int) -> Body:
    """The project whose database was made at `created` (microseconds), before anybody set
    anything."""
    when = datetime.fromtimestamp(created / 1e6, UTC).isoformat(timespec="milliseconds")
    return {
        "kind": KIND.kind,
        "id": number_of(project),
        "creationTimestamp": when,
        "name": project,
        "commonInstanceMetadata": act.metadata({}, "resource"),
        "defaultNetworkTier": external.USUAL_TIER,
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "selfLink": place(project).link(project),
    }


def _set_metadata(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Metadata of all instances; the fingerprint must be that of the current one."""
    return {
        **body,
        "commonInstanceMetadata": act.other_metadata(body["commonInstanceMetadata"], wanted),
    }


def _set_usage(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """Where reports of the usage are to go, of which there are none here; nowhere without a
    bucket."""
    left = {key: value for key, value in body.items() if key != "usageExportLocation"}
    return {**left, **({"usageExportLocation": wanted} if wanted.get("bucketName") else {})}


def _set_tier(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    tier = wanted.get("networkTier", "")
    if tier not in TIERS:
        raise errors.invalid("resource.networkTier", tier, f"Must be one of [{', '.join(TIERS)}].")
    return {**body, "defaultNetworkTier": tier}


KIND = Kind(
    collection=PROJECTS,
    noun="project",
    scopes=("",),
    message=message(),
    actions={
        "setCommonInstanceMetadata": Action(_set_metadata, act.METADATA),
        "setUsageExportBucket": Action(_set_usage, message(strings="bucketName reportNamePrefix")),
        "setDefaultNetworkTier": Action(_set_tier, message(strings="networkTier")),
    },
)

"""instances.bulkInsert: many instances of one kind, by one request.

The rules are Google's (docs compute/docs/instances/multiple/create-in-bulk, and the reference of
BulkInsertInstanceResource): names come from a pattern, numbered on from the highest that the zone
has, or one by one; fewer than `count` may be made, but not fewer than `minCount`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body, MapOf, Message, message
from gkelab.cloud.api.kinds import instances, machine_types
from gkelab.cloud.api.kinds.base import Batch, Made, add, check_name
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.store import View, Write

MOST = 1000
MOST_DIGITS = 18
# What instances have and properties of many have not: each its own, or the place.
_OWN = frozenset(
    (
        *("name", "hostname", "zone", "fingerprint", "labelFingerprint", "deletionProtection"),
        *("displayDevice", "shieldedInstanceIntegrityPolicy"),
    )
)
PROPERTIES = Message(
    {name: spec for name, spec in instances.MESSAGE.fields.items() if name not in _OWN},
    absent=frozenset(
        (
            *("guestAccelerators", "localSsdEncryptionMode", "privateIpv6GoogleAccess"),
            *("resourceManagerTags", "workloadIdentityConfig"),
        )
    ),
)
MESSAGE = message(
    strings="namePattern",
    ints="count minCount",
    absent="sourceInstanceTemplate locationPolicy instanceFlexibilityPolicy",
    instanceProperties=PROPERTIES,
    perInstanceProperties=MapOf(message(strings="hostname name")),
)
PROPERTY = "resource.instanceProperties"


def run(write: Write, scope: str, wanted: Body) -> Made:
    """Make the instances in a zone. ComputeError when fewer than `minCount` can be; then there
    are none."""
    count = _count(wanted)
    least = wanted.get("minCount", count)
    if not 1 <= least <= count:
        raise errors.invalid("resource.minCount", least, f"Must be from 1 to {count}.")
    if "instanceProperties" not in wanted:
        raise errors.required(PROPERTY)
    properties = _properties(scope, wanted["instanceProperties"])
    made: list[Body] = []
    for name, own in _named(write, scope, wanted, count):
        ref = Ref(instances.KIND.collection, scope, check_name(name, "resource.namePattern"))
        try:
            made.append(add(write, instances.KIND, ref, {**properties, **own, "name": name}))
        except errors.ComputeError:
            if len(made) < least:
                raise
            break
    return Made(tuple(made), count)


def _count(wanted: Body) -> int:
    given = wanted.get("perInstanceProperties")
    if bool(given) == bool(wanted.get("namePattern")):
        raise errors.bad_request(
            "Exactly one of namePattern and perInstanceProperties must be specified."
        )
    if "count" not in wanted and given:
        return len(given)
    if "count" not in wanted:
        raise errors.required("resource.count")
    count = int(wanted["count"])
    if not 1 <= count <= MOST:
        raise errors.invalid("resource.count", count, f"Must be from 1 to {MOST}.")
    if given and len(given) != count:
        raise errors.invalid(
            "resource.count", count, f"There are {len(given)} names in perInstanceProperties."
        )
    return count


def _properties(scope: str, properties: Body) -> Body:
    """What every instance is made of: a machine type is named here, not linked to."""
    field = f"{PROPERTY}.machineType"
    if "machineType" not in properties:
        raise errors.required(field)
    name = properties["machineType"]
    machine_types.refuse_unknown(name, scope, field, name)
    return {**properties, "machineType": f"{scope}/{machine_types.COLLECTION}/{name}"}


def _named(
    view: View, scope: str, wanted: Body, count: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The names of the instances, each with what it alone has."""
    if "namePattern" not in wanted:
        for name, own in wanted["perInstanceProperties"].items():
            yield name, {key: value for key, value in own.items() if key == "hostname"}
        return
    pattern = wanted["namePattern"]
    match = re.fullmatch(rf"([^#]*)(#{{1,{MOST_DIGITS}}})([^#]*)", pattern)
    if match is None:
        raise errors.invalid(
            "resource.namePattern",
            pattern,
            "Must contain one continuous sequence of placeholder hash characters (#), of at most "
            f"{MOST_DIGITS}.",
        )
    before, hashes, after = match.groups()
    digits = rf"{re.escape(before)}([0-9]{{{len(hashes)}}}){re.escape(after)}"
    taken = [
        int(found[1])
        for ref, _ in view.all(instances.KIND.collection)
        if ref.scope == scope and (found := re.fullmatch(digits, ref.name))
    ]
    first = max(taken, default=0) + 1
    if len(str(first + count - 1)) > len(hashes):
        raise errors.invalid(
            "resource.namePattern", pattern, "It has not enough placeholders for all names."
        )
    for number in range(first, first + count):
        yield f"{before}{number:0{len(hashes)}}{after}", {}


BATCH = Batch("bulkInsert", run, MESSAGE)

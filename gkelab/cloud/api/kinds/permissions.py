"""testIamPermissions: which of some permissions the caller has on a resource.

The lab knows no callers apart: whoever reaches it may do everything.
"""

from __future__ import annotations

from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds.base import Query, Question
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.store import View


def _test(view: View, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    """All those asked for."""
    asked = wanted.get("permissions", [])
    return {"permissions": asked} if asked else {}


TEST = {"testIamPermissions": Question(_test, message(lists="permissions"), "POST")}

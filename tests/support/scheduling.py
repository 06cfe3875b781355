"""What Kubernetes' scheduler says of a pod."""

from __future__ import annotations

from gkelab.tools.kubectl import Object


def unschedulable(pod: Object | None) -> str:
    """Why the scheduler has no node for a pod; "" if it has one, has not looked yet, or if there
    is no pod."""
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    reasons = [c.get("message", "") for c in conditions if c.get("reason") == "Unschedulable"]
    return reasons[0] if reasons else ""

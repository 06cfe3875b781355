"""Query parameters: which there are."""

from __future__ import annotations

from gkelab.cloud.api import errors
from gkelab.cloud.api.kinds.base import Query

# What a query may say: Google's own for every method, lists, repeated requests, and what methods of
# the kinds that there are take. Not all of it changes what is done: how long a stop or a drain may
# last (nothing here takes time), how disruptive an update may be, what more to show.
PARAMETERS = frozenset(
    (
        *("alt", "fields", "key", "prettyPrint", "quotaUser", "userIp", "userProject", "callback"),
        *("access_token", "oauth_token", "uploadType", "upload_protocol"),
        *("filter", "maxResults", "orderBy", "pageToken", "returnPartialSuccess"),
        *("includeAllScopes", "serviceProjectNumber", "serviceProject", "views", "requestId"),
        *("networkInterface", "accessConfig", "networkInterfaceName", "deletionProtection"),
        *("autoDelete", "deviceName", "forceAttach", "forceCreate", "discardLocalSsd"),
        *("minimalAction", "mostDisruptiveAllowedAction", "noGracefulShutdown"),
        *("drainTimeoutSeconds", "withExtendedNotifications", "port", "start"),
        *("queryPath", "variableKey", "optionsRequestedPolicyVersion"),
        *("direction", "peeringName", "region"),
    )
)
# What would make an instance another than its body says, of what is not here.
ABSENT = frozenset(("sourceInstanceTemplate", "sourceMachineImage"))


def refuse_unknown(query: Query) -> None:
    """A parameter that is not understood is refused: what it asks for would not be done."""
    for name in query:
        if name in ABSENT:
            raise errors.invalid(
                name, query[name], "The local cloud does not make this parameter real."
            )
        if name not in PARAMETERS and not name.startswith("$"):
            raise errors.ComputeError(
                400,
                "invalid",
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query '
                f"parameter. Field '{name}' could not be found in request message.",
            )

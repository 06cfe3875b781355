"""A gRPC call as it is on the wire: a POST over HTTP/2 with one message in a frame, answered with
one and the status behind it. The workload's messages are JSON, so that no schema is needed."""

from __future__ import annotations

import struct
from dataclasses import replace

from tests.support.curl import http
from tests.support.outcomes import Answer, Outcome, report
from tests.support.places import Place
from tests.support.timeouts import TIMEOUTS

ASK = "gkelab.Workload/Ask"
_CONTENT = "application/grpc+json"
_LARGEST = 127  # what has its length in one byte below 128, and so is text


def unary(
    place: Place,
    url: str,
    method: str = ASK,
    message: str = "{}",
    *,
    host: str = "",
    timeout: float = TIMEOUTS.probe,
) -> Answer:
    """A unary call at http://ADDRESS, by prior knowledge of HTTP/2; `body` is the answer's message.

    OK is gRPC's status 0 behind a message. Another status, and an answer that is not gRPC's, are
    HTTP_ERROR with gRPC's own words in `detail`; what never came so far keeps its outcome.
    Raises ValueError for a message of more than 127 bytes.
    """
    if len(message.encode()) > _LARGEST:
        raise ValueError(f"a message of more than {_LARGEST} bytes is not for this small client")
    answer = http(
        place,
        f"{url}/{method}",
        method="POST",
        headers={"Content-Type": _CONTENT, "TE": "trailers"},
        host=host,
        stdin=struct.pack("!BI", 0, len(message.encode())).decode() + message,
        timeout=timeout,
        extra=["--http2-prior-knowledge"],
    )
    if answer.outcome is not Outcome.OK:
        return answer
    (status,) = answer.trailers.get("grpc-status") or ("",)
    if status == "0":
        return replace(answer, body=report(answer.text[answer.text.find("{") :]))
    alone = {**answer.headers, **answer.trailers}
    (status,) = alone.get("grpc-status") or ("none",)
    (words,) = alone.get("grpc-message") or ("",)
    detail = f"gRPC status {status}" + (f": {words}" if words else "")
    return replace(answer, outcome=Outcome.HTTP_ERROR, body=None, detail=detail)

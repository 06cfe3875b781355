"""HTTP probes by curl, whose own verdict comes behind a mark on standard output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gkelab.shell import Result
from tests.support.outcomes import Answer, Asked, Outcome, classify_curl
from tests.support.places import Place, no_verdict
from tests.support.timeouts import TIMEOUTS

MARK = "@gkelab-curl@"
# A mark on standard error too, so that each transfer of several has its own errors.
_WRITE_OUT = f'\\n{MARK}{{"curl":%{{json}},"headers":%{{header_json}}}}\\n%{{stderr}}{MARK}\\n'


def http(
    place: Place,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    host: str = "",
    data: str = "",
    stdin: str = "",
    resolve: Sequence[str] = (),
    timeout: float = TIMEOUTS.probe,
    insecure: bool = False,
    cacert: str = "",
    extra: Sequence[str] = (),
) -> Answer:
    """One request by curl, redirects not followed.

    `host` is the Host header; `stdin` is a body that a command line cannot carry (with NUL bytes),
    in place of `data`; `resolve` are "name:port:address" as curl takes them, which set what TLS
    asks for too; `cacert` is a file's path at the place, or PEM text; `extra` are further words
    for curl ("--http2-prior-knowledge"). Raises ValueError for a body and a PEM text together.
    """
    argv, pem = _curl(
        method=method,
        headers={**(headers or {}), **({"Host": host} if host else {})},
        data=data,
        resolve=resolve,
        timeout=timeout,
        insecure=insecure,
        cacert=cacert,
    )
    if stdin:
        if pem:
            raise ValueError("standard input has room for a body or a certificate, not for both")
        argv += ["--data-binary", "@-"]
    return _requests(place, [*argv, *extra], [url], stdin or pem, timeout)[0]


def http_many(
    place: Place,
    url: str,
    count: int,
    *,
    headers: Mapping[str, str] | None = None,
    host: str = "",
    resolve: Sequence[str] = (),
    timeout: float = TIMEOUTS.probe,
    fresh: bool = True,
    extra: Sequence[str] = (),
) -> list[Answer]:
    """The same request `count` times, one after the other, in one exec: for splits and affinity.

    `fresh` asks for a connection of its own for each, without which a layer-4 balancer is asked
    only once.
    """
    close = {"Connection": "close"} if fresh else {}
    heads = {**close, **(headers or {}), **({"Host": host} if host else {})}
    argv, _ = _curl(headers=heads, resolve=resolve, timeout=timeout)
    return _requests(place, [*argv, *extra], [url] * count, None, timeout)


def _curl(
    *,
    headers: Mapping[str, str],
    resolve: Sequence[str],
    timeout: float,
    method: str = "GET",
    data: str = "",
    insecure: bool = False,
    cacert: str = "",
) -> tuple[list[str], str | None]:
    # -q: no ~/.curlrc. --verbose: only there is the reason why a connection was not made.
    argv = ["curl", "-q", "--silent", "--show-error", "--verbose", "--noproxy", "*", "--globoff"]
    argv += ["--max-time", f"{timeout:g}", "--write-out", _WRITE_OUT]
    argv += ["--head"] if method == "HEAD" else ["--request", method]
    argv += [word for name, text in headers.items() for word in ("--header", f"{name}: {text}")]
    argv += [word for entry in resolve for word in ("--resolve", entry)]
    argv += ["--data-raw", data] if data else []
    argv += ["--insecure"] if insecure else []
    inline = cacert.startswith("-----BEGIN")
    argv += ["--cacert", "/dev/stdin" if inline else cacert] if cacert else []
    return argv, cacert if inline else None


def _requests(
    place: Place, argv: Sequence[str], urls: Sequence[str], stdin: str | None, timeout: float
) -> list[Answer]:
    limit = len(urls) * timeout + TIMEOUTS.exec_grace
    done = place.exec([*argv, *urls], input=stdin, timeout=limit)
    answers = list(_transfers(done))
    missing = len(urls) - len(answers)
    answers += [no_verdict(place, done)] * missing
    return [
        replace(answer, asked=Asked(place, url)) for answer, url in zip(answers, urls, strict=False)
    ]


def _transfers(done: Result) -> Iterator[Answer]:
    """An answer for each transfer: its body, the mark, curl's JSON; errors behind stderr's mark."""
    errors = done.stderr.split(MARK)
    start = 0
    for error in errors:
        mark = done.stdout.find(MARK, start)
        if mark < 0:
            return
        try:
            told, end = json.JSONDecoder().raw_decode(done.stdout, mark + len(MARK))
        except ValueError:
            return
        body = done.stdout[start:mark].removesuffix("\n")
        yield _transfer(told, body, error)
        start = end + 1


def _transfer(told: dict[str, Any], body: str, error: str) -> Answer:
    curl = told["curl"]
    answer = classify_curl(curl["exitcode"], curl["http_code"], body, error)
    return replace(
        answer,
        detail=answer.detail or ("" if answer.outcome is Outcome.OK else curl["errormsg"] or ""),
        headers={name.lower(): tuple(values) for name, values in told["headers"].items()},
        trailers=_trailers(error),
        http_version=curl["http_version"] if curl["http_code"] else "",
        local=curl["local_ip"],
        seconds=curl["time_total"],
    )


def _trailers(error: str) -> dict[str, tuple[str, ...]]:
    """The fields behind the body. --verbose alone has them: it marks what was received with `<`,
    and the end of the headers with an empty line of these."""
    received = [line[1:].strip() for line in error.splitlines() if line.startswith("<")]
    last = max((at for at, line in enumerate(received) if not line), default=len(received))
    found: dict[str, tuple[str, ...]] = {}
    for line in received[last + 1 :]:
        name, _, value = line.partition(":")
        found[name.lower()] = (*found.get(name.lower(), ()), value.strip())
    return found

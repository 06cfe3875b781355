"""ping's verdicts, on what iputils 20240905 printed (Debian's, in namespaces with a router whose
far interface has an MTU of 1400)."""

from __future__ import annotations

import pytest

from gkelab.shell import Result
from tests.support.outcomes import Outcome
from tests.support.ping import echoed, ping
from tests.support.places import HostPlace
from tests.support.recorder import Recorder

OK = """\
PING 10.10.0.1 (10.10.0.1) 1372(1400) bytes of data.
1380 bytes from 10.10.0.1: icmp_seq=1 ttl=63 time=0.066 ms

--- 10.10.0.1 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
rtt min/avg/max/mdev = 0.066/0.066/0.066/0.000 ms
"""
NOT_SENT = """\
PING 10.10.0.1 (10.10.0.1) 1473(1501) bytes of data.

--- 10.10.0.1 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

"""
FROM_ROUTER = """\
PING 10.10.0.1 (10.10.0.1) 1472(1500) bytes of data.
From 10.9.0.2 icmp_seq=1 Frag needed and DF set (mtu = 1400)

--- 10.10.0.1 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

"""
UNREACHABLE = """\
PING 10.10.0.9 (10.10.0.9) 56(84) bytes of data.
From 10.9.0.2 icmp_seq=1 Destination Host Unreachable

--- 10.10.0.9 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

"""
SILENCE = """\
PING 10.9.0.7 (10.9.0.7) 1472(1500) bytes of data.

--- 10.9.0.7 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms

"""


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "outcome", "detail"),
    [
        (0, OK, "", Outcome.OK, ""),
        (
            *(1, NOT_SENT, "/usr/bin/ping: sendmsg: Message too long\n"),
            *(Outcome.TOO_LONG, "/usr/bin/ping: sendmsg: Message too long"),
        ),
        (
            *(1, FROM_ROUTER, "", Outcome.TOO_LONG),
            "From 10.9.0.2 icmp_seq=1 Frag needed and DF set (mtu = 1400)",
        ),
        (
            *(1, UNREACHABLE, "", Outcome.UNREACHABLE),
            "From 10.9.0.2 icmp_seq=1 Destination Host Unreachable",
        ),
        (
            *(2, "", "/usr/bin/ping: connect: No route to host\n", Outcome.UNREACHABLE),
            "/usr/bin/ping: connect: No route to host",
        ),
        (
            *(2, "", "/usr/bin/ping: connect: Network is unreachable\n", Outcome.UNREACHABLE),
            "/usr/bin/ping: connect: Network is unreachable",
        ),
        (
            *(1, SILENCE, "", Outcome.TIMEOUT),
            "1 packets transmitted, 0 received, 100% packet loss, time 0ms",
        ),
        (
            *(2, "", "/usr/bin/ping: connect: Invalid argument\n", Outcome.PROBE_BROKEN),
            "no verdict from here, exec ended with 2: /usr/bin/ping: connect: Invalid argument",
        ),
        (
            *(1, "", "/usr/bin/ping: invalid -s value: '65508': out of range\n"),
            Outcome.PROBE_BROKEN,
            "no verdict from here, exec ended with 1: /usr/bin/ping: invalid -s value: '65508': "
            "out of range",
        ),
        (
            *(1, "", "error: unable to upgrade connection: container not found\n"),
            Outcome.PROBE_BROKEN,
            "no verdict from here, exec ended with 1: error: unable to upgrade connection: "
            "container not found",
        ),
    ],
)
def test_words(code: int, stdout: str, stderr: str, outcome: Outcome, detail: str) -> None:
    answer = echoed(HostPlace(Recorder(), "here"), Result(("ping",), code, stdout, stderr))
    assert (answer.outcome, answer.detail) == (outcome, detail)


def test_the_command_line() -> None:
    run = Recorder()
    argv = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1472", "10.9.0.7"]
    run.handle(argv, SILENCE, code=1)
    assert ping(HostPlace(run), "10.9.0.7", payload=1472, timeout=1).outcome is Outcome.TIMEOUT

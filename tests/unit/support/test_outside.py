"""Routes of the client outside: there in the block, gone after it."""

import pytest

from gkelab.tools.docker import Docker
from tests.support.outside import routed
from tests.support.recorder import Recorder

ARGV = ["docker", "exec", "--interactive", "client", "ip", "-batch", "-"]


def test_routes_are_there_for_the_block_alone() -> None:
    run = Recorder()
    run.handle(ARGV)
    with (
        pytest.raises(RuntimeError),
        routed(Docker(run), "client", {"10.4.0.5": "10.128.0.3", "10.4.1.6": "10.128.0.4"}),
    ):
        assert len(run.calls) == 1
        raise RuntimeError
    assert [call.input for call in run.calls] == [
        "route replace 10.4.0.5/32 via 10.128.0.3\nroute replace 10.4.1.6/32 via 10.128.0.4\n",
        "route delete 10.4.0.5/32 via 10.128.0.3\nroute delete 10.4.1.6/32 via 10.128.0.4\n",
    ]

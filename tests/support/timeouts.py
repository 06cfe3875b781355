"""Every time that the tests' tools wait for, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """`probe`: until an unanswered probe is a TIMEOUT. `exec_grace`: what an exec may take beyond
    its probes. `capture_ready`, `capture_stop`: tcpdump's start and end. `capture_settle`: how
    long packets already sent may take into the capture. `capture_limit`: when a capture that
    nobody stops (a killed test run) ends by itself. `hubble`: until a node's Hubble has told of
    its flows, `namespace`: until all is saved of a failed test's namespace.
    """

    probe: float = 3
    exec_grace: float = 20
    capture_ready: float = 20
    capture_stop: float = 10
    capture_settle: float = 3
    capture_limit: float = 600
    hubble: float = 10
    namespace: float = 30


TIMEOUTS = Timeouts()

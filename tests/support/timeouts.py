"""Every time that the tests' tools wait for, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """`probe`: until an unanswered probe is a TIMEOUT; `short` where many are expected to be.
    `exec_grace`: what an exec may take beyond its probes. `datapath`: until what the API was told
    is what packets meet. `failover`: what a load balancer's address may be without an answer after
    its node has died. `capture_ready`, `capture_stop`: tcpdump's start and end.
    `capture_settle`: how long packets already sent may take into the capture. `capture_limit`:
    when a capture that nobody stops (a killed test run) ends by itself. `dialog_end`: until a
    command that was talked to ends after its last line. `hubble`: until a node's Hubble has told
    of its flows, `namespace`: until all is saved of a failed test's namespace. `counted`: until
    the VPC router tells of what it has counted; `machine`: until a VM serves, behind those that
    were asked for before it; `whole`: until a lab in which tests run beside this one has nothing
    to repair.
    """

    probe: float = 3
    short: float = 1
    exec_grace: float = 20
    datapath: float = 45
    dialog_end: float = 3
    failover: float = 30
    capture_ready: float = 20
    capture_stop: float = 20
    capture_settle: float = 3
    capture_limit: float = 600
    hubble: float = 10
    namespace: float = 30
    counted: float = 30
    machine: float = 180
    whole: float = 30


TIMEOUTS = Timeouts()

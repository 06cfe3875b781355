"""A node's own allocator of pod addresses, asked by the Cilium agent's API on its socket."""

from __future__ import annotations

from dataclasses import dataclass

from gkelab.shell import CommandError
from tests.support.places import Place
from tests.support.timeouts import TIMEOUTS

SOCKET = "/var/run/cilium/cilium.sock"
OWNER = "gkelab-test"


@dataclass(frozen=True)
class Said:
    """The agent's answer: HTTP's status, and the body as it came."""

    status: int
    body: str

    @property
    def granted(self) -> bool:
        """Whether the address is the asker's now."""
        return self.status == 200

    @property
    def taken(self) -> bool:
        """Whether it was refused since somebody has it."""
        return self.status == 500 and "already allocated" in self.body


def take(node: Place, address: str) -> Said:
    """Ask for one address of the node's podCIDR; what is granted must be given back. Raises
    CommandError where the agent does not answer."""
    return _ask(node, "POST", f"{address}?owner={OWNER}&pool=default")


def give_back(node: Place, address: str) -> None:
    """Release an address that was granted. Raises CommandError where the agent refuses."""
    _ask(node, "DELETE", f"{address}?pool=default", refused=False)


def _ask(node: Place, method: str, what: str, *, refused: bool = True) -> Said:
    argv = ["curl", "-q", "--silent", "--show-error", "--max-time", f"{TIMEOUTS.exec_grace:g}"]
    argv += ["--unix-socket", SOCKET, "--request", method, "--write-out", "\\n%{http_code}"]
    argv += [f"http://agent/v1/ipam/{what}"]
    done = node.exec(argv, timeout=2 * TIMEOUTS.exec_grace)
    body, _, status = done.stdout.rpartition("\n")
    if done.code or not status.isdigit():
        raise CommandError(done)
    said = Said(int(status), body.strip())
    if not refused and not said.granted:
        raise CommandError(done, f"was refused with status {said.status}")
    return said

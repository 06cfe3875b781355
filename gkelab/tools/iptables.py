"""The host's iptables: which packets of a lab are left alone on their way over its bridges.

Where br_netfilter is on, what crosses a bridge goes through the host's NAT, too, and docker
masquerades what has a network's addresses and leaves by another bridge: a packet that the VPC's
router takes from one subnet to the next would lose its source.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from gkelab.shell import Runner

CHAIN = "PREROUTING"


@dataclass(frozen=True)
class Iptables:
    """The `iptables` program. Methods raise CommandError when it refuses."""

    run: Runner

    def leave_alone(self, lab: str, ways: Iterable[tuple[str, IPv4Network]]) -> int:
        """Have what comes by a bridge from a range be no connection of the host's, so that no NAT
        is done to it: these (bridge, range) and no others of the lab's; how many were changed."""
        wanted = {tuple(_words(lab, bridge, source)) for bridge, source in ways}
        there = {tuple(words) for words in self._own(lab)}
        for words in sorted(there - wanted):
            self.run(["iptables", "-t", "raw", "-D", CHAIN, *words])
        for words in sorted(wanted - there):
            self.run(["iptables", "-t", "raw", "-A", CHAIN, *words])
        return len(wanted ^ there)

    def _own(self, lab: str) -> list[list[str]]:
        shown = self.run(["iptables", "-t", "raw", "-S", CHAIN], check=False).stdout
        rules = [shlex.split(line)[2:] for line in shown.splitlines() if line.startswith("-A ")]
        return [words for words in rules if _comment(lab) in words]


def _comment(lab: str) -> str:
    return f"gkelab.{lab}"


def _words(lab: str, bridge: str, source: IPv4Network) -> list[str]:
    """As `iptables -S` shows them."""
    said = ["-m", "comment", "--comment", _comment(lab)]
    return ["-s", str(source), "-i", bridge, *said, "-j", "CT", "--notrack"]

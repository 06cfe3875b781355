"""The host's nftables, in which a lab has one table: of the family netdev, where what comes in at
interfaces is handed on (cloud.machines.wires)."""

from __future__ import annotations

from dataclasses import dataclass

from gkelab.shell import CommandError, Runner


@dataclass(frozen=True)
class Nft:
    """The `nft` program."""

    run: Runner

    def replace(self, lab: str, chains: str) -> str:
        """Have the lab's table be these chains, at once; "" or what nftables says against it, after
        which it is as it was."""
        return self._load(f"{_gone(lab)}table {_table(lab)} {{\n{chains}}}\n")

    def remove(self, lab: str) -> str:
        """Have no such table; "" or why not, as where the host has no `nft`."""
        return self._load(_gone(lab))

    def _load(self, text: str) -> str:
        try:
            self.run(["nft", "-f", "-"], input=text)
        except CommandError as bad:
            return (bad.result.stderr.strip() or bad.message).splitlines()[0]
        return ""


def _table(lab: str) -> str:
    return f"netdev gkelab-{lab}"


def _gone(lab: str) -> str:
    """What removes the table, whether there is one or not."""
    return f"add table {_table(lab)}\ndelete table {_table(lab)}\n"

"""What the agent tells of itself: a JSON file that `up`, `trace` and tests read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gkelab.cloud.router.agent import Agent
from gkelab.cloud.router.compile import spoof_counter


def status(agent: Agent, cloud: str, problems: Sequence[str]) -> dict[str, Any]:
    """What is applied, what is left out of it and why, what was repaired, what was counted.
    `generation` is the state's that is in the packets' way; `cloud` says whether the cloud is
    there, `problems` what keeps the router from its work."""
    fabric = agent.fabric
    counted = {name: _count(*value) for name, value in sorted(agent.counters.items())}
    spoofed = {nic.instance: counted.pop(spoof_counter(nic), None) for nic in fabric.nics}
    links = agent.interfaces.subnets
    # Names are a region's own: of several, one that is real counts.
    names = {s.name: None for s in fabric.subnets} | {
        s.name: links[s.link] for s in fabric.subnets if s.link in links
    }
    return {
        "generation": agent.generation,
        "cloud": cloud,
        "took": round(agent.took, 3),
        "problems": list(problems),
        "left_out": agent.left_out,
        "repairs": agent.repairs,
        "interfaces": {**names, "internet": agent.interfaces.internet},
        "instances": len(fabric.nics),
        "rules": len(fabric.rules),
        "counters": {
            **{k: v for k, v in counted.items() if not k.startswith("spoofed_")},
            "spoofed": {name: count for name, count in spoofed.items() if count},
        },
    }


def _count(packets: int, size: int) -> dict[str, int]:
    return {"packets": packets, "bytes": size}

"""What Hubble says of a place, for the sentence of a test that failed: drops first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gkelab.diagnosis.bundle import within
from gkelab.tools.cilium import Cilium, Flow
from gkelab.tools.kubectl import Kubectl
from tests.support.outcomes import Asked
from tests.support.places import ContainerPlace, Place, PodPlace
from tests.support.running import running
from tests.support.timeouts import TIMEOUTS

SHOWN = 10  # flows of a sentence
LAST = 100  # flows of a node that are looked at
SINCE = "90s"  # a test may have waited that long before it failed


def hubble_says(asked: Asked | None) -> str:
    """The flows of the place that a probe was made from, "" where nobody can be asked: in no run
    of end-to-end tests, and of a place that Hubble does not know. Raises LabError when Hubble
    does not answer."""
    now = running()
    if asked is None or now is None:
        return ""
    filters = _filters(asked.place)
    clusters = [asked.place.kubectl] if isinstance(asked.place, PodPlace) else now.clusters
    if not filters or not clusters:
        return ""
    return told(f"of {asked.place.name}", _flows(clusters, filters))


def hubble_saw(kubectl: Kubectl, namespace: str) -> str:
    """The last flows of a namespace. Raises LabError when Hubble does not answer."""
    return told(f"in {namespace}", _flows([kubectl], ["--namespace", namespace]))


def told(what: str, flows: Sequence[Flow]) -> str:
    """Flows as lines, drops first, each in time's order; what came several times is one."""
    if not flows:
        return f"Hubble saw nothing {what} in the last {SINCE}"
    drops = [flow for flow in flows if flow.dropped]
    rest = [flow for flow in flows if not flow.dropped]
    lines = list(_counted([*drops, *rest]))
    more = f", {len(lines) - SHOWN} of them not shown" if len(lines) > SHOWN else ""
    head = f"Hubble {what} in the last {SINCE}: {len(drops)} of {len(flows)} flows dropped{more}"
    return "\n".join([head, *(f"  {line}" for line in lines[:SHOWN])])


def _counted(flows: Iterable[Flow]) -> Iterable[str]:
    """The flows' lines without their times, the last of each kept, with how often it came."""
    counts: dict[str, int] = {}
    for flow in flows:
        line = str(flow).partition(" ")[2]
        counts[line] = counts.get(line, 0) + 1
    return (f"{line} (×{count})" if count > 1 else line for line, count in counts.items())


def _flows(clusters: Sequence[Kubectl], filters: Sequence[str]) -> list[Flow]:
    limit = TIMEOUTS.hubble
    found = []
    for kubectl in clusters:
        run = within(kubectl.run, time.monotonic() + 2 * limit, limit)
        cilium = Cilium(replace(kubectl, run=run))
        found += cilium.flows(f"--since={SINCE}", *filters, last=LAST, timeout=limit)
    return found


def _filters(place: Place) -> list[str]:
    if isinstance(place, PodPlace):
        return ["--pod", f"{place.namespace}/{place.pod}"]
    if isinstance(place, ContainerPlace):
        found = place.docker.container(place.name)
        addresses = found.addresses.values() if found else []
        return [word for address in addresses if address for word in ("--ip", address)]
    return []

"""`python -m tests.unit.cloud.measure`: how fast the cloud is with a thousand firewall rules.

The server is a process of its own, as in the lab. Times are milliseconds, over loopback.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, Google, Http, process

RULES = 1000
RUNS = 11


def milliseconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def main() -> dict[str, float]:
    """All figures, by what was done."""
    with tempfile.TemporaryDirectory() as folder, process(Path(folder) / "db") as (_, endpoint):
        http, google = Http(endpoint), Google(endpoint)
        made.base(http)
        writes = []
        for index in range(RULES):
            rule = made.body(
                "firewalls",
                name=f"fw-{index}",
                sourceRanges=[f"10.{index % 250}.0.0/16", f"172.16.{index % 250}.0/24"],
                targetTags=["a", "b"],
            )
            writes.append(milliseconds(partial(http.send, "POST", "global/firewalls", rule)))

        def pages() -> None:
            first = http("GET", "global/firewalls")
            second = http("GET", "global/firewalls", pageToken=first["nextPageToken"])
            assert len(first["items"]) + len(second["items"]) == RULES

        def listed() -> None:
            assert len(list(google.firewalls.list(project=PROJECT))) == RULES

        def filtered() -> None:
            assert http("GET", "global/firewalls", filter="name = fw-999")["items"]

        figures = {
            "insert, median": median(writes),
            "insert, p99": sorted(writes)[int(RULES * 0.99)],
            "list of 1,000 by HTTP, both pages": median(milliseconds(pages) for _ in range(RUNS)),
            "list of 1,000 by Google's client": median(milliseconds(listed) for _ in range(RUNS)),
            "one of 1,000 by a filter": median(milliseconds(filtered) for _ in range(RUNS)),
            "the whole state": median(milliseconds(http.state) for _ in range(RUNS)),
        }
    return {name: round(figure, 1) for name, figure in figures.items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")

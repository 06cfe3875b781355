"""How often a machine that ends by itself is started again, and when what failed is tried anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

# Starts of one machine within this time that are made at once; after those it waits longer and
# longer. Seconds.
WINDOW, AT_ONCE, LONGEST = 60.0, 3, 30.0
AGAIN = 2.0


class Patience:
    """Counts starts by container. `now` is a monotonic clock, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._starts: dict[str, list[float]] = defaultdict(list)
        self._due: float | None = None

    def take(self) -> float | None:
        """The seconds until something should be tried again, told once; None if nothing waits."""
        due, self._due = self._due, None
        return None if due is None else max(0.1, due - self._now())

    def allows(self, name: str) -> bool:
        """Whether a machine may be started now; a start that may be is counted."""
        now = self._now()
        starts = self._starts[name] = [t for t in self._starts[name] if now - t < WINDOW]
        if len(starts) >= AT_ONCE:
            due = starts[-1] + min(LONGEST, 2.0 ** (len(starts) - AT_ONCE + 1))
            if now < due:
                self._later(due)
                return False
        starts.append(now)
        return True

    def failed(self) -> None:
        """Something could not be done: it is tried again soon."""
        self._later(self._now() + AGAIN)

    def soon(self) -> None:
        """What could not be done before may be possible now."""
        self._later(self._now())

    def _later(self, due: float) -> None:
        self._due = due if self._due is None else min(self._due, due)

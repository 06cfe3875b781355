"""Where `invoke test` writes, and the last result of every test, whichever run it was of."""

from __future__ import annotations

from gkelab.supply.pins import ROOT

REPORT = ROOT / "report"

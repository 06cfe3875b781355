"""The fidelity report as a page of its own: no script, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from gkelab.proof import Verdict, counts
from gkelab.results import TestResult

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem;
  color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #c9c9c9; padding: .4rem .6rem; text-align: left; vertical-align: top; }
th { background: #f2f2f2; }
ul { margin: 0; padding-left: 1.1rem; }
li { overflow-wrap: anywhere; }
.proven, .passed { color: #0a6b2b; }
.failed, .error { color: #a40e26; }
.unproven, .skipped, .xfailed, .missing { color: #7a5200; }
.absent { color: #666; }
.state { font-weight: 600; white-space: nowrap; }
"""


def page(verdicts: Sequence[Verdict], at: float) -> str:
    """The whole page; `at` is seconds since the epoch."""
    numbers = "".join(
        f'<li class="{state}">{number} {state}</li>' for state, number in counts(verdicts).items()
    )
    rows = "\n".join(_row(verdict) for verdict in verdicts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>GKE and the lab</title><style>{STYLE}</style></head>
<body>
<h1>GKE and the lab</h1>
<p>What the lab claims of GKE, and the last results of the tests that prove it, as of {_when(at)}.
A claim is proven when every test that it names passed, and unproven while one has not run.</p>
<ul class="counts">{numbers}</ul>
<table>
<thead><tr><th>GKE</th><th>here</th><th>how true</th><th>tests</th><th>state</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _row(verdict: Verdict) -> str:
    claim = verdict.claim
    true = f"{claim.status}: {claim.limits}" if claim.limits else claim.status
    link = f'<a href="{escape(claim.doc)}">{_text(claim.text)}</a>'
    tests = [_result(result) for result in verdict.results]
    tests += [f'<li class="missing">{escape(test)}: no result</li>' for test in verdict.missing]
    listed = f"<ul>{''.join(tests)}</ul>" if tests else ""
    cells = "".join(f"<td>{cell}</td>" for cell in (link, _text(claim.how), _text(true), listed))
    return f'<tr>{cells}<td class="state {verdict.state}">{verdict.state}</td></tr>'


def _result(result: TestResult) -> str:
    lab = f" on {result.lab}" if result.lab else ""
    said = f"{result.outcome}{lab}, {result.seconds:.1f} s, {_when(result.at)}"
    why = f"<br>{escape(_first(result.message))}" if result.message else ""
    return f'<li class="{escape(result.outcome)}">{escape(result.test)}: {escape(said)}{why}</li>'


def _text(text: str) -> str:
    """Escaped, with what stands in backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _first(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else ""


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")

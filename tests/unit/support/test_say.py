"""Sentences of failed expectations."""

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from gkelab.errors import LabError
from tests.support.outcomes import Answer, Outcome, broken
from tests.support.say import expect

GOOD = Answer(Outcome.OK, 200, {"pod": "web-1", "source": "10.0.0.9"})


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as raised:
        call()
    return str(raised.value)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ({}, {"outcome": Outcome.TIMEOUT}),
        ({"status": 200}, {"status": 201}),
        ({"who": "web-1"}, {"who": "web-2"}),
        ({"who": {"web-1", "web-2"}}, {"who": {"web-2"}}),
        ({"who": ["web-1"]}, {"who": []}),
        ({"who": "web-1"}, {"who": "web"}),
        ({"saw": "10.0.0.9"}, {"saw": "10.0.0.90"}),
        ({"saw": IPv4Network("10.0.0.0/28")}, {"saw": IPv4Network("10.0.0.0/29")}),
        ({"saw": ["10.0.0.8", "10.0.0.9"]}, {"saw": ["10.0.0.8"]}),
    ],
)
def test_each_part_counts(right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert expect(GOOD, **right) is GOOD
    failure(lambda: expect(GOOD, **wrong))


def test_a_sentence() -> None:
    said = failure(
        lambda: expect(
            GOOD, who={"web-3", "web-2"}, saw="10.0.0.1", from_="x/a", to="http://web.y/"
        )
    )
    assert said == (
        "from x/a to http://web.y/: expected OK from web-2 or web-3 that sees source 10.0.0.1, "
        "but saw OK with status 200 from web-1 that sees source 10.0.0.9"
    )


def test_a_deny_that_is_none() -> None:
    said = failure(lambda: expect(GOOD, outcome=Outcome.TIMEOUT, to="y/b"))
    assert said.startswith("to y/b: expected TIMEOUT, but saw OK with status 200 from web-1")
    late = Answer(Outcome.TIMEOUT, detail="timed out")
    assert expect(late, outcome=Outcome.TIMEOUT) is late
    assert failure(lambda: expect(late)) == "the probe: expected OK, but saw TIMEOUT (timed out)"
    assert "expected REFUSED, but saw TIMEOUT" in failure(
        lambda: expect(late, outcome=Outcome.REFUSED)
    )


def test_an_answer_that_names_nobody() -> None:
    nobody = Answer(Outcome.OK, 200, text="<html>")
    for part in ({"who": "web-1"}, {"saw": "10.0.0.9"}, {"saw": IPv4Network("0.0.0.0/0")}):
        said = failure(lambda part=part: expect(nobody, **part))  # type: ignore[misc]
        assert "from one that does not say who it is" in said


def test_a_broken_probe_is_never_right() -> None:
    lost = broken("no verdict from x/a")
    for outcome in Outcome:
        if outcome is not Outcome.PROBE_BROKEN:
            said = failure(lambda outcome=outcome: expect(lost, outcome=outcome))  # type: ignore[misc]
            assert said.endswith("but the probe itself broke (no verdict from x/a)")
    with pytest.raises(ValueError, match="cannot be expected"):
        expect(lost, outcome=Outcome.PROBE_BROKEN)


def test_nobody_answers_a_deny() -> None:
    for part in ({"who": "a"}, {"saw": "b"}):
        with pytest.raises(ValueError, match="nobody answers when the outcome is TIMEOUT"):
            expect(GOOD, outcome=Outcome.TIMEOUT, **part)  # type: ignore[arg-type]
    bad = Answer(Outcome.HTTP_ERROR, 503, {"pod": "web-1"})
    assert expect(bad, outcome=Outcome.HTTP_ERROR, status=503, who="web-1") is bad


def test_why_is_asked_only_at_failure_and_hides_nothing() -> None:
    asked: list[str] = []

    def why() -> str:
        asked.append("")
        return "hubble: dropped, policy denied"

    expect(GOOD, why=why)
    assert asked == []
    said = failure(lambda: expect(GOOD, who="web-2", why=why))
    assert said.endswith("10.0.0.9\nhubble: dropped, policy denied")

    def fails() -> str:
        raise LabError("hubble is away")

    said = failure(lambda: expect(GOOD, who="web-2", why=fails))
    assert said.endswith("10.0.0.9\n(no more is known: hubble is away.)")

"""Assertions on an answer that read as one sentence: from whom, to whom, expected, seen, and what
Hubble says of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address

from gkelab.errors import LabError
from tests.support.hubble import hubble_says
from tests.support.outcomes import Answer, Outcome

Names = str | Collection[str]
Sources = str | IPv4Network | IPv6Network | Collection[str]
_PLACES = 3  # that Hubble is asked of


def expect(
    answer: Answer,
    *,
    outcome: Outcome = Outcome.OK,
    status: int | None = None,
    who: Names | None = None,
    saw: Sources | None = None,
    from_: str = "",
    to: str = "",
    why: Callable[[], str] | None = None,
) -> Answer:
    """Return the answer if it is as expected, else raise AssertionError.

    `who` is the pod that shall have answered, `saw` the source address that it shall have seen
    (an address, a network, or several to choose from), `from_` and `to` what the sentence calls
    both ends; by default what the probe itself knows. `why` is called only at failure, for more to
    say; by default it is what Hubble saw of the place that the probe was made from.
    Raises ValueError for an expectation that nothing could meet or miss.
    """
    if outcome is Outcome.PROBE_BROKEN:
        raise ValueError("a broken probe cannot be expected")
    if outcome not in {Outcome.OK, Outcome.HTTP_ERROR} and not (who is None and saw is None):
        raise ValueError(f"nobody answers when the outcome is {outcome}")
    good = (
        answer.outcome is outcome
        and (status is None or answer.status == status)
        and (who is None or _among(answer.who, who))
        and (saw is None or seen_by(answer.saw, saw))
    )
    if good:
        return answer
    wanted = _wanted(outcome, status, who, saw)
    sentence = f"{ends(answer, from_, to)}: expected {wanted}, but {answer}"
    raise AssertionError(sentence + (more(why) if why else hubble_on([answer])))


def _among(value: str | None, wanted: Names) -> bool:
    return value is not None and value in ({wanted} if isinstance(wanted, str) else set(wanted))


def seen_by(value: str | None, wanted: Sources) -> bool:
    """Whether a source address that a server saw is the wanted one, or one of them."""
    if isinstance(wanted, IPv4Network | IPv6Network):
        return value is not None and ip_address(value) in wanted
    return _among(value, wanted)


def ends(answer: Answer, from_: str = "", to: str = "") -> str:
    """From whom to whom; what is not said is what the probe itself knows."""
    if answer.asked is not None:
        from_, to = from_ or answer.asked.place.name, to or answer.asked.to
    words = [f"from {from_}"] * bool(from_) + [f"to {to}"] * bool(to)
    return " ".join(words) or "the probe"


def _wanted(outcome: Outcome, status: int | None, who: Names | None, saw: Sources | None) -> str:
    words = str(outcome)
    words += f" with status {status}" if status is not None else ""
    words += f" from {_either(who)}" if who is not None else ""
    words += f" that sees source {_either(saw)}" if saw is not None else ""
    return words


def _either(wanted: Sources) -> str:
    if isinstance(wanted, str | IPv4Network | IPv6Network):
        return str(wanted)
    return " or ".join(sorted(wanted)) or "nobody"


def hubble_on(answers: Iterable[Answer]) -> str:
    """What Hubble saw of the first places that these were asked from, on lines of its own; "" for
    nothing."""
    asked = {answer.asked.place.name: answer.asked for answer in answers if answer.asked}
    return "".join(more(partial(hubble_says, each)) for each in list(asked.values())[:_PLACES])


def more(why: Callable[[], str]) -> str:
    """What else is known, on a line of its own; "" for nothing."""
    try:
        told = why()
    except LabError as error:  # must not hide the failure that it should explain
        told = f"(no more is known: {error})"
    return f"\n{told}" if told else ""

"""What is wrong with a topology, as data, and how it reaches a person: one sentence."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gkelab.errors import LabError


@dataclass(frozen=True)
class Problem:
    """A field's path, what is wrong with it (follows the path in the sentence), what to do."""

    field: str
    what: str
    remedy: str


def refusal(source: str, problems: Sequence[Problem]) -> LabError:
    """The error of one or more problems: names the file, tells the first, counts the others."""
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return LabError(f"{source}: {first.field} {first.what}{more}", first.remedy)


def refuse(source: str, problems: Iterable[Problem]) -> None:
    """Raise the refusal, if there is a problem at all."""
    found = list(problems)
    if found:
        raise refusal(source, found)


def twice(path: str, names: Sequence[str], remedy: str = "rename one of them") -> Iterator[Problem]:
    """A problem for every name that was there before; `path` has `{}` for the index."""
    for index, name in enumerate(names):
        if (first := names.index(name)) != index:
            yield Problem(path.format(index), f"is {name!r}, as is {path.format(first)}", remedy)


def listing(names: Iterable[str]) -> str:
    """Names for a sentence."""
    return ", ".join(repr(name) for name in names) or "none"


def count(number: int, noun: str, nouns: str = "") -> str:
    """A number of things: 1 node, 2 nodes."""
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or f'{noun}s'}"

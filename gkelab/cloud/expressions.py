"""Filter expressions as a tree: the grammar that Compute's and gcloud's filters share.

Terms (KEY OPERATOR VALUE) are joined by AND, OR, NOT, by standing beside each other, and by
parentheses. Which joins tighter differs: Compute follows AIP-160, where OR is the tightest;
gcloud has AND, then OR, then what stands side by side. What a term means differs too, so a tree
is matched with a function for its terms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# From the tightest to the loosest; "" is standing side by side.
AIP_160 = ("OR", "", "AND")
GCLOUD = ("AND", "OR", "")
DEEPEST = 50


def _pattern(word: str, operator: str) -> re.Pattern[str]:
    return re.compile(
        rf"""\s*(?:
            (?P<punctuation>[(),])
          | (?P<operator>{operator})
          | "(?P<double>(?:[^"\\]|\\.)*)"
          | '(?P<single>(?:[^'\\]|\\.)*)'
          | (?P<word>{word}+)
        )""",
        re.VERBOSE,
    )


# A key may end with a transform: zone.basename().
_BEFORE_OPERATOR = _pattern(r"(?:[^\s()=<>!:~,\"']|\(\))", "!=|<=|>=|!~|=|<|>|:|~")
# A value may hold what would be an operator, as links and ranges do.
_AFTER_OPERATOR = _pattern(r"[^\s(),\"']", "(?!)")


class ExpressionError(ValueError):
    """The text is no expression."""


@dataclass(frozen=True)
class Term:
    """A key compared with a value, or with any of several."""

    key: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Not:
    """What must not hold."""

    item: Node


@dataclass(frozen=True)
class All:
    """What must hold together."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class AnyOf:
    """What must hold at least once."""

    items: tuple[Node, ...]


Node = Term | Not | All | AnyOf


def matches(node: Node, test: Callable[[Term], bool]) -> bool:
    """Whether the tree holds, when `test` says it of a term."""
    if isinstance(node, Term):
        return test(node)
    if isinstance(node, Not):
        return not matches(node.item, test)
    if isinstance(node, All):
        return all(matches(item, test) for item in node.items)
    return any(matches(item, test) for item in node.items)


def terms(node: Node) -> list[Term]:
    """Every term of the tree."""
    if isinstance(node, Term):
        return [node]
    items = (node.item,) if isinstance(node, Not) else node.items
    return [term for item in items for term in terms(item)]


def parse(text: str, precedence: Sequence[str]) -> Node:
    """The tree of an expression. ExpressionError for what is none."""
    parser = _Parser(_tokens(text), precedence)
    node = parser.joined(len(precedence) - 1)
    if parser.peek() is not None:
        raise ExpressionError(f"unexpected {parser.peek()!r}")
    return node


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position, end, listing = 0, len(text.rstrip()), False
    while position < end:
        after = found[-1] if found else _Token("", "")
        if after.kind == "operator":
            listing = text[position:].lstrip().startswith("(")
        elif after.kind == "punctuation" and after.text == ")":
            listing = False
        expected = listing or after.kind == "operator"
        match = (_AFTER_OPERATOR if expected else _BEFORE_OPERATOR).match(text, position)
        if match is None:
            raise ExpressionError(f"cannot be read from {text[position:].strip()!r} on")
        kind = str(match.lastgroup)
        value = match[kind]
        if kind in ("double", "single"):
            kind, value = "quoted", re.sub(r"\\(.)", r"\1", value)
        found.append(_Token(kind, value))
        position = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], precedence: Sequence[str]) -> None:
        self._tokens = tokens
        self._precedence = precedence
        self._at = 0
        self._depth = 0

    def peek(self) -> str | None:
        """The next token's text; None at the end."""
        return self._tokens[self._at].text if self._at < len(self._tokens) else None

    def _next_is(self, kind: str, text: str = "") -> bool:
        if self._at >= len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.kind == kind and text in ("", token.text)

    def _take(self) -> _Token:
        if self._at >= len(self._tokens):
            raise ExpressionError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def joined(self, level: int) -> Node:
        """What is joined at this level of precedence, and all that is tighter."""
        if level < 0:
            return self._factor()
        joint = self._precedence[level]
        items = [self.joined(level - 1)]
        while self._goes_on(joint):
            if joint:
                self._take()
            items.append(self.joined(level - 1))
        if len(items) == 1:
            return items[0]
        return AnyOf(tuple(items)) if joint == "OR" else All(tuple(items))

    def _goes_on(self, joint: str) -> bool:
        if joint:
            return self._next_is("word", joint)
        other = any(self._next_is("word", word) for word in ("AND", "OR"))
        return self.peek() is not None and not other and not self._next_is("punctuation", ")")

    def _factor(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError("it is too deeply nested")
        try:
            return self._plain_factor()
        finally:
            self._depth -= 1

    def _plain_factor(self) -> Node:
        if self._next_is("word", "NOT"):
            self._take()
            return Not(self._factor())
        if self._next_is("punctuation", "("):
            self._take()
            node = self.joined(len(self._precedence) - 1)
            if not self._next_is("punctuation", ")"):
                raise ExpressionError("a parenthesis is not closed")
            self._take()
            return node
        return self._term()

    def _term(self) -> Node:
        token = self._take()
        if token.kind not in ("word", "quoted"):
            raise ExpressionError(f"unexpected {token.text!r}")
        key = token.text
        negative = token.kind == "word" and key.startswith("-") and len(key) > 1
        while key.endswith(".") and self._next_is("quoted"):
            key += self._take().text
        if not self._next_is("operator"):
            raise ExpressionError(f"{key!r} is compared with nothing")
        operator = self._take().text
        term = Term(key.removeprefix("-") if negative else key, operator, self._values())
        return Not(term) if negative else term

    def _values(self) -> tuple[str, ...]:
        if not self._next_is("punctuation", "("):
            return (self._value(),)
        self._take()
        found = []
        while not self._next_is("punctuation", ")"):
            if self._next_is("punctuation", ","):
                self._take()
                continue
            found.append(self._value())
        self._take()
        return tuple(found)

    def _value(self) -> str:
        token = self._take()
        if token.kind not in ("word", "quoted"):
            raise ExpressionError(f"unexpected {token.text!r}")
        return token.text

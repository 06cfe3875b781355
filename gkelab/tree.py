"""Which tests there are, by the code alone: nothing of them is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path


def there(tests: Iterable[str], tree: Path) -> set[str]:
    """Those of these node ids whose tests are in the tree; parameters are not looked at. A module
    or a class is there, too. Of a module that is no Python just now all are."""
    modules: dict[str, set[str] | None] = {}
    found = set()
    for test in tests:
        named = test.partition("[")[0]
        module = named.partition("::")[0]
        if module not in modules:
            modules[module] = _names(tree, module)
        names = modules[module]
        if names is None or named in names:
            found.add(test)
    return found


def _names(tree: Path, module: str) -> set[str] | None:
    try:
        code = ast.parse((tree / module).read_text())
    except OSError:
        return set()
    except SyntaxError:
        return None
    return {module, *_named_in(module, code.body)}


def _named_in(place: str, body: list[ast.stmt]) -> Iterator[str]:
    """The node ids of a module's or a class's tests, and of the classes that have some."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield f"{place}::{node.name}"
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield f"{place}::{node.name}"
            yield from _named_in(f"{place}::{node.name}", node.body)

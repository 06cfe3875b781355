"""From a file to a checked topology; every refusal is one sentence with file and field."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gkelab.errors import LabError
from gkelab.topology.checks import problems
from gkelab.topology.model import Topology
from gkelab.topology.problem import Problem, refusal, refuse


def load(path: Path | str) -> Topology:
    """Read, parse and check a topology file.

    LabError names the file, the field's path, both sides of a conflict and what to do; of
    several problems it tells the first and counts the others.
    """
    source = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LabError(f"{source}: there is no such file", "name one of clusters/*.yaml") from None
    except OSError as error:
        raise LabError(
            f"{source}: cannot be read, {error.strerror}", "name a readable file"
        ) from None
    except UnicodeDecodeError:
        raise LabError(f"{source}: is not UTF-8 text", "name a YAML file") from None
    return parse(_read_yaml(source, text), source)


def parse(data: object, source: str = "topology") -> Topology:
    """Check data of the shape of a topology file. LabError as `load`, naming `source`."""
    if not isinstance(data, Mapping):
        raise LabError(
            f"{source}: holds {_shown(data)}, not a mapping", "start it with `name: my-lab`"
        )
    try:
        topology = Topology.model_validate(data)
    except ValidationError as error:
        found = [_problem(details) for details in error.errors(include_url=False)]
        raise refusal(source, found) from None
    topology._source = source
    refuse(source, problems(topology))
    return topology


def _read_yaml(source: str, text: str) -> object:
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        refuse(source, _duplicate_keys(node, "", set()))
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" on line {mark.line + 1}" if mark else ""
        raise LabError(
            f"{source}: is not YAML{where}, {error.problem or error.context}", "mend the line"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise LabError(f"{source}: is not YAML, {reason}", "name a YAML file") from None
    finally:
        if loader is not None:
            loader.dispose()


def _duplicate_keys(node: yaml.Node, path: str, seen: set[int]) -> Iterator[Problem]:
    """Keys given twice: PyYAML would keep the last and say nothing. `seen`: anchored nodes."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicate_keys(item, f"{path}[{index}]", seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            field = f"{path}.{name}" if path else name
            if name in lines:
                yield Problem(
                    field,
                    f"is given twice, on lines {lines[name]} and {line}",
                    "remove one of them",
                )
            lines.setdefault(name, line)
            yield from _duplicate_keys(value, field, seen)


# Pydantic's types of errors: what follows the field's path, and the remedy. `shown` is the value
# as a sentence takes it; `ge` and `le` are pydantic's own.
_SENTENCES = {
    "refused": ("{what}", "{remedy}"),
    "missing": ("is missing", "add it"),
    "int_type": ("is {shown}, not a whole number", "write it as 3"),
    "string_type": ("is {shown}, not text", "write it as text, in quotes"),
    "tuple_type": ("is {shown}, not a list", "write it as a list"),
    "model_type": ("is {shown}, not a mapping", "write it as a mapping of keys to values"),
    "bool_type": ("is {shown}, not true or false", "write true or false"),
    "literal_error": ("is {shown}, not {expected}", "write it so"),
    "too_short": ("is empty", "give at least one"),
    "too_long": ("has {actual_length} entries, more than {max_length}", "leave some out"),
    "greater_than_equal": ("is {shown}, less than {ge}", "use {ge} or more"),
    "less_than_equal": ("is {shown}, more than {le}", "use {le} or less"),
}


def _problem(error: ErrorDetails) -> Problem:
    location, kind = error["loc"], error["type"]
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown_key(location)
    what, remedy = _SENTENCES.get(kind, ("is {shown}, {msg}", "correct it"))
    words = {"shown": _shown(error["input"]), "msg": error["msg"], **error.get("ctx", {})}
    return Problem(_path(location), what.format(**words), remedy.format(**words))


def _unknown_key(location: tuple[int | str, ...]) -> Problem:
    known = _known_keys(tuple(part for part in location[:-1] if isinstance(part, str)))
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    remedy = f"write it as {near[0]}" if near else f"use one of {', '.join(known)}"
    return Problem(_path(location), "is an unknown key", remedy)


def _known_keys(path: tuple[str, ...]) -> list[str]:
    model: type[BaseModel] = Topology
    for part in path:
        field = next(f for f in model.model_fields.values() if f.alias == part)
        model = next(_models(field.annotation))
    return [field.alias for field in model.model_fields.values() if field.alias]


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _shown(value: object) -> str:
    """A value for a sentence: itself if it is short, else its kind."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."

"""Reading YAML files of settings, with errors that name the line and what to do."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prunescope import inputs
from prunescope.errors import ConfigError, one_of

__all__ = ["Keys", "Place", "Source", "brief", "parse_yaml", "read_text"]

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value."""

Keys = Mapping[str, Sequence[str]]
"""What may stand in each mapping of a file, by the key that it stands under; ``""``: the whole."""

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


@dataclass(frozen=True)
class Source:
    """A YAML document that knows where its values stand.

    Parameters
    ----------
    path : Path
        For messages.
    node : yaml.Node
    """

    path: Path
    node: yaml.Node

    def at(self, place: Sequence[str | int]) -> str:
        """Return ``file:line`` of a value, or of what it would stand in."""
        node, line = self.node, self.node.start_mark.line
        for step in place:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == str(step)]
                if found:
                    line, node = found[-1][0].start_mark.line, found[-1][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                line = node.start_mark.line
        return f"{self.path}:{line + 1}"

    def has(self, place: Place) -> bool:
        """Tell whether a value is given; its line would be another's otherwise."""
        node: yaml.Node | None = self.node
        for step in place:
            if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
            elif isinstance(node, yaml.MappingNode):
                node = {key.value: value for key, value in node.value}.get(str(step))
            else:
                return False
        return node is not None

    @contextmanager
    def located(
        self, keys: Keys, above: Mapping[str, Place] | None = None, others: Place = ()
    ) -> Iterator[None]:
        """Turn what pydantic finds wrong into one error, a line for each, with file and line.

        A field stands in the file below the keys that `above` tells, or below `others`.

        Raises
        ------
        ConfigError
            The block raises pydantic's error.
        """
        try:
            yield
        except ValidationError as error:
            lines = []
            for item in sorted(error.errors(), key=lambda item: item["type"] == "missing"):
                field = str(item["loc"][0]) if item["loc"] else ""
                place = (*(above or {}).get(field, others), *item["loc"])
                lines.append(f"{self.at(place)}: {_problem(item, place, keys)}")
            raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def read_text(path: Path, init: str) -> str:
    """Read the text of a file of settings; `init` is the command that writes one to start from.

    Raises
    ------
    ConfigError
        The file is not there, or is no text.
    """
    try:
        return inputs.read_text(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such file; '{init} {path}' writes one to start from"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}; '{init} {path}' writes one to start from"
        ) from error


def parse_yaml(text: str, path: Path, what: str) -> tuple[dict[str, Any], Source]:
    """Read a file of settings from text: what it says, and where.

    Parameters
    ----------
    text : str
    path : Path
        Where it stands.
    what : str
        What it should hold, for messages.

    Raises
    ------
    ConfigError
        The text is no YAML, no mapping, or has a key twice in one; says file and line.

    Examples
    --------
    >>> parse_yaml("name: a study, splits: ]", Path("study.yaml"), "a study")
    Traceback (most recent call last):
    prunescope.errors.ConfigError: study.yaml:1: not YAML: mapping values are not allowed here
    """
    try:
        node, told = inputs.parse_yaml(text, distinct=False)
    except inputs.YamlError as error:
        line = "" if error.line is None else f":{error.line}"
        hint = "; a * stands in quotes" if error.context == _ALIAS else ""
        raise ConfigError(f"{path}{line}: not YAML: {error}{hint}") from error
    if node is None or not isinstance(told, dict):
        raise ConfigError(f"{path}: expected {what} as lines of 'key: value'")
    if wrong := next(_wrong_keys(node, set()), None):
        key, problem = wrong
        raise ConfigError(f"{path}:{key.start_mark.line + 1}: {brief(key.value)} {problem}")
    return told, Source(path, node)


_ALIAS = "while scanning an alias"


def brief(value: object) -> str:
    """Write a value for a message, cut where it is long."""
    return _SHORT.repr(value)


def _problem(item: Mapping[str, Any], place: Place, keys: Keys) -> str:
    """Word one problem of pydantic's, and what to do about it."""
    names = [str(step) for step in place]
    where = ".".join(names)
    owner = next((name for name in reversed(names[:-1]) if name in keys), "")
    if item["type"] == "extra_forbidden":
        inside = f" in {owner}" if owner else ""
        return one_of(f"key{inside}", names[-1], keys[owner])
    if item["type"] == "missing":
        return f"{where} is missing: expected one of the keys {', '.join(keys[owner])}"
    if item["type"] == "value_error":
        return f"{where}: {str(item['msg']).removeprefix('Value error, ')}"
    return f"{where}: {item['msg']} (got {brief(item['input'])})"


def _wrong_keys(node: yaml.Node, seen: set[int]) -> Iterator[tuple[yaml.Node, str]]:
    """Yield keys that YAML itself lets pass and that nobody means, and what is wrong with them.

    `seen` are nodes that were looked at: one that has several names, or holds itself, is once.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if key.tag not in _KEY_TAGS:
                yield key, "is no name to YAML, which reads it as something else: put it in quotes"
            if key.value in names:
                yield key, "stands twice in one mapping: leave out one of them"
            names.add(key.value)
            yield from _wrong_keys(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _wrong_keys(value, seen)


_KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")

"""Reading ``study.yaml``, with errors that name the line and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prunescope.data import DataConfig
from prunescope.data.backdoors import Backdoor
from prunescope.errors import ConfigError, one_of
from prunescope.study.plan.config import AuditChoices, Grid, StudyConfig

BASE, VARY = "base", "vary"

KEYS: Mapping[str, tuple[str, ...]] = {
    "": (*(name for name in StudyConfig.model_fields if name != "grids"), BASE, VARY),
    BASE: tuple(Grid.model_fields),
    "data": tuple(DataConfig.model_fields),
    "audit": tuple(AuditChoices.model_fields),
    "backdoors": tuple(Backdoor.model_fields),
}
"""What may stand in each mapping of the file."""

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value."""


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


def template() -> str:
    """Return a commented study to start from."""
    return Path(__file__).with_name("template.yaml").read_text("utf-8")


def open_study(path: Path) -> tuple[StudyConfig, Source]:
    """Read the file of a study; return what it says, and where.

    Relative paths of the data start from the file's folder.

    Raises
    ------
    ConfigError
        The file is no YAML, or a key or value of it is not as expected; says file and line.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}; 'prunescope study init {path}' writes one to start "
            "from"
        ) from error
    return parse_study(text, path)


def parse_study(text: str, path: Path) -> tuple[StudyConfig, Source]:
    """Read a study from text; `path` is where it stands.

    Examples
    --------
    >>> parse_study("name: a study, splits: ]", Path("study.yaml"))
    Traceback (most recent call last):
    prunescope.errors.ConfigError: study.yaml:1: not YAML: mapping values are not allowed here
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        told = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or error
        raise ConfigError(f"{path}{line}: not YAML: {problem}") from error
    if node is None or not isinstance(told, dict):
        raise ConfigError(f"{path}: expected a study as lines of 'key: value'")
    source = Source(path, node)
    if repeated := next(_repeated(node), None):
        raise ConfigError(
            f"{path}:{repeated.start_mark.line + 1}: {repeated.value!r} stands twice in one "
            "mapping: leave out one of them"
        )
    return _study(told, source), source


def _study(told: dict[str, Any], source: Source) -> StudyConfig:
    """Put base and what varies together, and check all of it."""
    told = {BASE: {}, VARY: [{}], "data": {}} | told
    for name, kind in ((BASE, dict), (VARY, list), ("data", dict)):
        if not isinstance(told[name], kind) or told[name] == []:
            expected = "lines of 'key: value'" if kind is dict else "a list, entries begin by '- '"
            raise ConfigError(f"{source.at((name,))}: {name}: expected {expected}")
    base, vary = told.pop(BASE), told.pop(VARY)
    grids = []
    for i, entry in enumerate(vary):
        if not isinstance(entry, dict):
            raise ConfigError(
                f"{source.at((VARY, i))}: {entry!r}: expected lines of 'key: value', or {{}} for "
                "the base as it is"
            )
        with _located(source, dict.fromkeys(entry, (VARY, i)), (BASE,)):
            grids.append(Grid(**base | entry))
    data = _from_folder(told.pop("data"), source.path.parent)
    with _located(source, {}, ()):
        return StudyConfig.model_validate(told | {"data": data, "grids": tuple(grids)})


def _from_folder(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths of a data set absolute; relative ones start from the file's folder."""
    paths = {
        name: str((folder / Path(data[name]).expanduser()).absolute())
        for name in ("source", "images", "cache")
        if isinstance(data.get(name), str) and data[name] != "synthetic"
    }
    return data | paths


@contextmanager
def _located(source: Source, above: Mapping[str, Place], others: Place) -> Iterator[None]:
    """Turn what pydantic finds wrong into one error, a line for each, with file and line.

    A field stands in the file below the keys that `above` tells, or below `others`.
    """
    try:
        yield
    except ValidationError as error:
        lines = []
        for item in sorted(error.errors(), key=lambda item: item["type"] == "missing"):
            field = str(item["loc"][0]) if item["loc"] else ""
            place = (*above.get(field, others), *item["loc"])
            lines.append(f"{source.at(place)}: {_problem(item, place)}")
        raise ConfigError("\n".join(lines)) from error
    except ConfigError as error:
        raise ConfigError(f"{source.at(('data',))}: {error}") from error


def _problem(item: Mapping[str, Any], place: Place) -> str:
    """Word one problem of pydantic's, and what to do about it."""
    names = [str(step) for step in place]
    where = ".".join(names)
    owner = next((name for name in reversed(names[:-1]) if name in KEYS), "")
    owner = BASE if names[:1] == [VARY] and not owner else owner
    if item["type"] == "extra_forbidden":
        inside = f" in {owner}" if owner else ""
        return one_of(f"key{inside}", names[-1], KEYS[owner])
    if item["type"] == "missing":
        return f"{where} is missing: expected one of the keys {', '.join(KEYS[owner])}"
    if item["type"] == "value_error":
        return f"{where}: {str(item['msg']).removeprefix('Value error, ')}"
    return f"{where}: {item['msg']} (got {item['input']!r})"


def _repeated(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the keys that stand in one mapping a second time, which YAML itself lets pass."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key
            seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)

"""The place where the bytes of files become values, with limits on what a file may ask for.

What is wrong is raised as `ValueError` (the content) or `OSError` (the file): who asked knows what
the file was for, and words the message.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml
from safetensors import SafetensorError, safe_open

from prunescope.errors import first_line

__all__ = [
    "UNREADABLE",
    "YamlError",
    "check_file",
    "parquet_schema",
    "parse_json",
    "parse_parquet",
    "parse_yaml",
    "read_bytes",
    "read_json",
    "read_safetensors",
    "read_text",
]

LARGEST = 2**28
"""Bytes of a text file: far more than any that people write."""

DEEPEST = 50
"""Levels of lists and mappings in each other."""

LONGEST = 400
"""Digits of a number; more than that no float holds."""

LARGEST_YAML = 2**20
"""Characters of a YAML file, which is read far more slowly than any other."""

MOST = 2**15
"""Values of a YAML file, those that aliases repeat counted each time."""

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, csv.Error, OSError)
"""What reading a table raises from a file that holds none."""


def check_file(path: Path) -> None:
    """Raise unless there is a file: pipes and devices may never end, and folders hold none.

    Raises
    ------
    OSError
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder: expected a file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is a pipe or a device: expected a file", str(path))


def read_bytes(path: Path) -> bytes:
    """Read a file whole."""
    check_file(path)
    return path.read_bytes()


def read_text(path: Path) -> str:
    """Read a text file whole: UTF-8, with or without a mark at its beginning.

    Raises
    ------
    OSError
    ValueError
        It is too large, or no UTF-8.
    """
    check_file(path)
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{size:,} bytes are no text file: at most {LARGEST:,} are read")
    return _decoded(path.read_bytes())


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("the text is UTF-16: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the text is no UTF-8 ({error.reason}): save it as UTF-8") from error


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever it holds
    """Parse JSON whose keys do not repeat.

    Raises
    ------
    ValueError
        It is no JSON, or one that nobody writes: too deep, too many digits, or NaN.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: 'a' is named twice
    """
    try:
        content = json.loads(
            text if isinstance(text, str) else _decoded(text),
            object_pairs_hook=_distinct,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_no_number,
        )
    except RecursionError as error:
        raise ValueError(f"lists and mappings lie more than {DEEPEST} deep") from error
    _check_depth(content)
    return content


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever it holds
    """Read a JSON file; errors are those of `read_text` and `parse_json`."""
    return parse_json(read_text(path))


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of pairs whose keys may not repeat."""
    content = dict(pairs)
    if len(content) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{name!r} is named twice")
    return content


def _whole(digits: str) -> int:
    if len(digits) > LONGEST:
        raise ValueError(f"a number of {len(digits):,} digits: at most {LONGEST} are read")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is more than any number that is computed with")
    return number


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON: write null")


def _check_depth(content: object) -> None:
    """Raise where lists and mappings lie too deep in each other."""
    level: list[Any] = [content]
    for _ in range(DEEPEST):
        inner: Iterable[Any] = (
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        )
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return
    raise ValueError(f"lists and mappings lie more than {DEEPEST} deep")


class YamlError(ValueError):
    """What is wrong with a YAML text, and in which line, from 1, if that is known."""

    def __init__(self, problem: str, line: int | None = None, context: str = "") -> None:
        super().__init__(problem)
        self.line, self.context = line, context


def parse_yaml(text: str, *, distinct: bool = True) -> tuple[yaml.Node | None, Any]:
    """Parse one YAML document of plain values: its nodes, with their lines, and what it says.

    Parameters
    ----------
    text : str
    distinct : bool
        Whether a key that stands twice in a mapping is an error.

    Raises
    ------
    YamlError
        It is no YAML, or one that nobody writes: too large, too deep, too many digits, or aliases
        that hold themselves or repeat very much.

    Examples
    --------
    >>> parse_yaml("a: [1, x]")[1]
    {'a': [1, 'x']}
    >>> parse_yaml("a: &a [*a]")
    Traceback (most recent call last):
    prunescope.inputs.YamlError: an alias holds itself
    """
    try:
        _check_size(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _measure(node, {}, distinct)
        return node, yaml.safe_load(text)
    except YamlError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or first_line(error)
        line = None if mark is None else mark.line + 1
        raise YamlError(problem, line, getattr(error, "context", None) or "") from error
    except RecursionError as error:
        raise YamlError(f"lists and mappings lie more than {DEEPEST} deep") from error
    except Exception as error:  # PyYAML has no error of its own for a date that is none, say
        raise YamlError(f"a value is not what it looks like: {error}") from error


def _check_size(text: str) -> None:
    """Raise where there are too many values, or too deep; reads no further than there."""
    if len(text) > LARGEST_YAML:
        raise YamlError(f"{len(text):,} characters: at most {LARGEST_YAML:,} are read")
    n = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        n += isinstance(event, yaml.NodeEvent)
        if n > MOST:
            raise YamlError(f"more than {MOST:,} values")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise YamlError(f"lists and mappings lie more than {DEEPEST} deep")


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]], distinct: bool) -> tuple[int, int]:
    """Return how many values a YAML node and all in it are, and how deep; raise at the limits."""
    line = node.start_mark.line + 1
    if id(node) not in known:
        known[id(node)] = (0, 0)  # while its parts are measured
        parts = [_measure(part, known, distinct) for part in _parts(node)]
        n, depth = sum(n for n, _ in parts), max((depth for _, depth in parts), default=0)
        known[id(node)] = (n + 1, depth + 1)
    n, depth = known[id(node)]
    if not n:
        raise YamlError("an alias holds itself")
    if n > MOST:
        raise YamlError(f"more than {MOST:,} values, with those that aliases repeat", line)
    if depth > DEEPEST:
        raise YamlError(f"lists and mappings lie more than {DEEPEST} deep", line)
    if isinstance(node, yaml.ScalarNode) and len(node.value) > LONGEST and ":int" in node.tag:
        digits = len(node.value)
        raise YamlError(f"a number of {digits:,} digits: at most {LONGEST} are read", line)
    if isinstance(node, yaml.MappingNode) and distinct:
        times = Counter(str(key.value) for key, _ in node.value)
        if repeated := [key for key, n in times.items() if n > 1]:
            raise YamlError(f"{repeated[0]!r} is named twice", line)
    return n, depth


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the nodes that a node holds."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def read_safetensors(
    path: Path, framework: Literal["np", "pt"]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file: its tensors by name, and the texts in its header.

    Parameters
    ----------
    path : path
    framework : {"np", "pt"}
        Arrays, or tensors of torch on the CPU.

    Raises
    ------
    OSError
    ValueError
        It is none, or a damaged one.
    """
    check_file(path)
    try:
        with safe_open(path, framework) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def parse_parquet(content: bytes) -> pl.DataFrame:
    """Parse a Parquet file.

    Raises
    ------
    ValueError
        It is none, or a damaged one.
    """
    with _refused():
        return pl.read_parquet(io.BytesIO(content))


def parquet_schema(content: bytes) -> pl.Schema:
    """Return the columns of a Parquet file; errors are those of `parse_parquet`."""
    with _refused():
        return pl.Schema(pl.read_parquet_schema(io.BytesIO(content)))


@contextmanager
def _refused() -> Iterator[None]:
    """Make one error of all that polars raises for a file that it cannot read."""
    try:
        yield
    except UNREADABLE as error:
        raise ValueError(first_line(error)) from error

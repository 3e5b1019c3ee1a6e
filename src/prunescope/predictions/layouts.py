"""What columns of another tool may hold, by their names and values: ids, labels, scores."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from prunescope.data.columns import FALSE_WORDS, TRUE_WORDS, whole
from prunescope.data.labels import typed
from prunescope.predictions.cells import numbers

IDS = (
    "id", "image_id", "sample_id", "img_id", "uid", "uuid", "filename", "file_name", "file",
    "image_path", "filepath", "file_path", "path", "image_name", "image", "img", "sample", "name",
    "key", "index", "idx", "unnamed_0", "",
)  # fmt: skip
"""Names of ids, likeliest first; as `plain` writes them."""
PROBABILITIES = (
    "prob", "probs", "proba", "y_prob", "y_proba", "pred_prob", "pred_proba", "y_pred_proba",
    "probability", "p", "conf", "confidence", "sigmoid", "softmax",
)  # fmt: skip
ANSWERS = (
    "pred", "y_pred", "prediction", "predicted", "decision", "answer", "pred_class", "pred_label",
    "predicted_class", "predicted_label", "pred_name", "predicted_name", "top1",
)  # fmt: skip
SCORES = (
    "logit", "logits", "y_logit", "score", "scores", "y_score", "raw", "output", "outputs",
    *PROBABILITIES, *ANSWERS,
)  # fmt: skip
LABELS = (
    "y_true", "true", "label", "labels", "target", "targets", "gt", "ground_truth", "actual",
    "truth", "y",
)  # fmt: skip
LABEL_COLUMNS = (
    *LABELS, "true_label", "true_class", "label_name", "class", "class_name", "category",
)  # fmt: skip

MAX_VALUES = 1000
"""A column with more distinct values holds neither labels nor classes."""
MAX_GROUP_VALUES = 64

_WHOLE_NAMES = {*IDS, *SCORES, *LABEL_COLUMNS}
_SEPARATORS = "_-. :/|"
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Side:
    """Columns that hold one kind of thing, labels say, of several attributes.

    Parameters
    ----------
    pattern : str
        How they are named, with ``*`` for the attribute.
    columns : dict
        Attribute → column.
    word : str
        What tells the kind: ``prob``; empty where nothing does.
    """

    pattern: str
    columns: dict[str, str]
    word: str = ""

    def only(self, stems: Collection[str]) -> Side:
        """Return the columns of some attributes."""
        return replace(self, columns={stem: self.columns[stem] for stem in stems})

    def of(self, names: Collection[str]) -> Side:
        """Return those of the columns that are among `names`."""
        return self.only([stem for stem, name in self.columns.items() if name in names])


def plain(name: str) -> str:
    """Write a name in small letters, with ``_`` between words.

    Examples
    --------
    >>> plain("Unnamed: 0"), plain("File-Name")
    ('unnamed_0', 'file_name')
    """
    return re.sub(r"[-. :/|_]+", "_", name.strip().lower())


def sides(columns: Iterable[str], words: Sequence[str]) -> list[Side]:
    """Find the ways in which columns are named by a word before or behind an attribute.

    Examples
    --------
    >>> sides(["file", "Bald_true", "Hat_true"], LABELS)
    [Side(pattern='*_true', columns={'Bald': 'Bald_true', 'Hat': 'Hat_true'}, word='true')]
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for column in columns:
        if plain(column) in _WHOLE_NAMES:
            continue
        small = column.lower()
        for word in words:
            n = len(word)
            if small.startswith(word) and small[n : n + 1] in tuple(_SEPARATORS):
                stem = column[n:].lstrip(_SEPARATORS)
                pattern = column[: len(column) - len(stem)] + "*"
                found.setdefault((pattern, word), {})[stem] = column
            if small.endswith(word) and small[-n - 1 : -n] in tuple(_SEPARATORS):
                stem = column[:-n].rstrip(_SEPARATORS)
                found.setdefault((f"*{column[len(stem) :]}", word), {})[stem] = column
    return [
        Side(pattern, {stem: column for stem, column in known.items() if stem}, word)
        for (pattern, word), known in found.items()
        if any(known)
    ]


def called(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the columns that have one of the names, likeliest first."""
    places = {name: place for place, name in enumerate(names)}
    return sorted((c for c in columns if plain(c) in places), key=lambda c: places[plain(c)])


@dataclass(frozen=True)
class Look:
    """What a column holds, as far as a guess needs to know.

    Parameters
    ----------
    values : frozenset of str
        Its distinct values; empty for fractions, lists, and more than `MAX_VALUES`.
    is_number : bool
        Numbers, be it as text or with decimal commas.
    is_float, is_nested : bool
    """

    values: frozenset[str]
    is_number: bool
    is_float: bool = False
    is_nested: bool = False

    @property
    def is_binary(self) -> bool:
        """Nothing but 0, 1, true and false, and one of them at least."""
        known = {value.lower() for value in self.values}
        return bool(known) and known <= {*TRUE_WORDS, *FALSE_WORDS}

    @classmethod
    def at(cls, column: pl.Series) -> Look:
        """Look at a column.

        Examples
        --------
        >>> Look.at(pl.Series([1.0, None, 0.0])).is_binary, Look.at(pl.Series(["0,93"])).is_number
        (True, True)
        """
        kind = column.dtype
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            return cls(frozenset(), False, is_nested=kind.is_nested())
        known = whole(column).drop_nulls().unique(maintain_order=True)
        number = kind.is_numeric()
        if kind == pl.String and len(known):
            number = _NUMBER.fullmatch(known[0].strip()) is not None
        if known.dtype.is_float() or len(known) > MAX_VALUES:
            return cls(frozenset(), number, kind.is_float())
        values = typed(known).drop_nulls().cast(pl.String)
        return cls(frozenset(values), number, kind.is_float())


def in_unit_range(columns: Iterable[pl.Series]) -> bool:
    """Tell whether all numbers lie in [0, 1]."""
    return all(
        column.dtype.is_numeric() and bool(((column >= 0) & (column <= 1)).all())
        for column in map(numbers, columns)
    )


def add_up(columns: Iterable[pl.Series]) -> bool:
    """Tell whether columns of numbers add up to 1 in every row, to a thousandth.

    Examples
    --------
    >>> add_up([pl.Series([0.25, 1.0]), pl.Series(["0.75", "0"])])
    True
    """
    read = [numbers(column) for column in columns]
    if not all(column.dtype.is_numeric() for column in read):
        return False
    total = pl.DataFrame({str(at): column for at, column in enumerate(read)}).sum_horizontal()
    return bool(((total - 1).abs() < 1e-3).all())


def id_column(frame: pl.DataFrame) -> str | None:
    """Return the column that most likely holds ids: by its name, or else distinct text."""
    named = called(frame.columns, IDS)
    texts = [column.name for column in frame if column.dtype == pl.String]
    for name in (*named, *texts):
        column = frame[name]
        flat = not column.dtype.is_nested() and not column.has_nulls()
        if flat and column.n_unique() == len(column):
            return name
    return named[0] if named else None


def group_columns(looks: Mapping[str, Look], n_rows: int) -> list[str]:
    """Return the columns with few distinct values that have no other role by their name."""
    words = (*SCORES, *LABELS)
    named = {name for side in sides(looks, words) for name in side.columns.values()}
    named |= {*called(looks, words), *called(looks, IDS)}
    limit = min(MAX_GROUP_VALUES, max(2, n_rows // 2))
    return [
        name for name, look in looks.items() if name not in named and 2 <= len(look.values) <= limit
    ]

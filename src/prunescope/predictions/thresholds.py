"""Thresholds: above which logit an answer is yes, per attribute, from a file."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_args

import polars as pl

from prunescope.errors import ConfigError, DataError, one_of
from prunescope.inputs import UNREADABLE, parse_yaml, read_json, read_text
from prunescope.predictions.reading import read_cells
from prunescope.predictions.scores import Scores

EVERY_MODEL = "*"
"""Stands for all models; a model that is named has the last word."""
Thresholds: TypeAlias = Mapping[str, Mapping[str, float]]
"""Model or ``*`` → attribute → threshold, a logit."""

_SHAPE = "expected {attribute: threshold} or {model: {attribute: threshold}}"


def read_thresholds(path: str | Path, scores: Scores = "logits") -> Thresholds:
    """Read thresholds from JSON, YAML or CSV.

    JSON and YAML hold ``{attribute: threshold}``, which is for all models, or
    ``{model: {attribute: threshold}}``; CSV the columns ``attribute``, ``threshold`` and, if need
    be, ``model``.

    Parameters
    ----------
    path : path
    scores : {"logits", "probability"}
        What the numbers are. Probabilities, in (0, 1), are turned into logits.

    Returns
    -------
    dict
        Model, or ``*`` for all → attribute → threshold, a logit.

    Raises
    ------
    DataError
        The file is absent, has another layout, or holds something else than finite numbers.
    ConfigError
        `scores` is something else.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "thresholds.json"
    >>> _ = path.write_text('{"Bald": 0.2}')
    >>> read_thresholds(path)
    {'*': {'Bald': 0.2}}
    """
    if scores not in get_args(Scores):
        raise ConfigError(one_of("kind of scores", scores, get_args(Scores)))
    path = Path(path)
    kind = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected thresholds as .json, .yaml or .csv")
    try:
        if kind == ".csv":
            content: object = _from_rows(read_cells(path), path)
        elif kind == ".json":
            content = read_json(path)
        elif kind in (".yaml", ".yml"):
            _, content = parse_yaml(read_text(path))
        else:
            raise DataError(f"{path}: expected thresholds as .json, .yaml or .csv")
    except (ValueError, *UNREADABLE) as error:
        raise DataError(f"{path}: cannot be read as {kind[1:]}: {error}") from error
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: {_SHAPE}; found {content!r}")
    return _checked(content, scores, str(path))


def check_thresholds(
    thresholds: Thresholds, models: Collection[str], attributes: Collection[str]
) -> None:
    """Raise a `DataError` with the nearest names where thresholds name what nobody has.

    Examples
    --------
    >>> check_thresholds({"sparse": {"Blad": 0.5}}, ["dense", "sparse"], ["Bald"])
    Traceback (most recent call last):
    prunescope.errors.DataError: thresholds: unknown attribute 'Blad': did you mean Bald? choose one
    of Bald
    """
    for model, named in thresholds.items():
        if model != EVERY_MODEL and model not in models:
            raise DataError(f"thresholds: {one_of('model', model, models)}")
        for attribute in named:
            if attribute not in attributes:
                raise DataError(f"thresholds: {one_of('attribute', attribute, attributes)}")


def _checked(
    content: Mapping[Any, Any], scores: Scores, source: str
) -> dict[str, dict[str, float]]:
    """Turn either layout into model → attribute → logit."""
    nested = [isinstance(value, Mapping) for value in content.values()]
    if any(nested) and not all(nested):
        raise DataError(f"{source}: {_SHAPE}; found both")
    models = content if all(nested) else {EVERY_MODEL: content}
    return {
        _name(model, source): {
            _name(attribute, source): _threshold(value, attribute, scores, source)
            for attribute, value in named.items()
        }
        for model, named in models.items()
    }


def _name(name: object, source: str) -> str:
    """Return a name, which YAML may have taken for something else."""
    if not isinstance(name, str):
        raise DataError(f"{source}: the name {name!r} is no text: write it in quotes")
    return name


def _threshold(value: object, attribute: object, scores: Scores, source: str) -> float:
    """Return a threshold as a logit."""
    where = f"{source}: the threshold of {attribute!r} is {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{where}: expected a finite number")
    if scores == "logits":
        return number
    if not 0 < number < 1:
        raise DataError(
            f"{where}: expected a probability between 0 and 1. If it is a logit, leave out the "
            "option for probabilities"
        )
    return math.log(number) - math.log1p(-number)


def _from_rows(frame: pl.DataFrame, path: Path) -> dict[str, dict[str, object]]:
    """Read the rows of a CSV file."""
    for name in ("attribute", "threshold"):
        if name not in frame.columns:
            raise DataError(
                f"{path}: {one_of('column', name, frame.columns)}. Expected the columns attribute, "
                "threshold and, if need be, model"
            )
    content: dict[str, dict[str, object]] = {}
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        model, attribute, text = row.get("model"), row["attribute"], row["threshold"]
        if attribute is None or text is None:
            raise DataError(f"{path}: row {number} lacks an attribute or its threshold")
        named = content.setdefault(model or EVERY_MODEL, {})
        if attribute in named:
            raise DataError(f"{path}: row {number} names {attribute!r} a second time")
        try:
            named[attribute] = float(text)
        except ValueError:
            named[attribute] = text
    return content

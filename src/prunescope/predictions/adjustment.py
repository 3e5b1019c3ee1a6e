"""Adjustments: what is done to a model's logits before they become answers, from a small file."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from prunescope.data.samples import Group
from prunescope.errors import settings_of
from prunescope.files import replacing
from prunescope.inputs import read_json
from prunescope.predictions.reading import check_name
from prunescope.predictions.scores import Scores
from prunescope.predictions.thresholds import EVERY_MODEL, check_thresholds, read_thresholds

Floats = NDArray[np.floating[Any]]


FLATTEST = 1e-6
"""Least slope of a curve whose knots lie within ±1, of others in proportion: float32 logits that
differ must differ when they are mapped, too."""


class Curve(BaseModel):
    """A rising map of logits: straight between its knots, and on in the same direction beyond.

    Strictly rising, so that no two answers change places: ranking metrics stay as they are.

    Parameters
    ----------
    knots : tuple of float, rising
        Logits that the model gives, two or more.
    values : tuple of float, rising
        What they become.

    Examples
    --------
    >>> Curve(knots=(-1, 1), values=(-0.5, 0.5)).of(np.array([4.0])).tolist()
    [2.0]
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    knots: tuple[float, ...]
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Curve:
        if not len(self.knots) == len(self.values) >= 2:
            raise ValueError("expected as many values as knots, two or more")
        run, rise = np.diff(self.knots), np.diff(self.values)
        least = FLATTEST / max(1.0, *map(abs, self.knots))
        if (run <= 0).any() or (rise < least * run).any():
            raise ValueError(f"expected knots and values that rise, these by {least:.3g} or more")
        return self

    def of(self, z: Floats) -> Floats:
        """Map logits of any shape, in float64."""
        x, y = np.array(self.knots), np.array(self.values)
        z = np.asarray(z, np.float64)
        piece = np.clip(np.searchsorted(x, z, side="right") - 1, 0, len(x) - 2)
        slope = np.diff(y) / np.diff(x)
        return np.asarray(y[piece] + slope[piece] * (z - x[piece]))


class Adjustment(BaseModel):
    """What turns one model's logits into answers.

    An attribute is answered yes where curve(z) > threshold; of classes the one is chosen whose
    curve(z) + offset is highest.

    Parameters
    ----------
    curves : dict
        Attribute → `Curve` that calibrates its logits; others stay as they are.
    thresholds : dict
        Attribute → threshold on the curve's scale; default: 0.
    offsets : dict
        Class → what is added to its logit, on the curve's scale; default: 0. Only their differences
        count; those that are fitted have mean 0.
    group : str, optional
        The group whose value must be known of each sample when it is answered.
    by_value : dict
        The group's value, as text → attribute or class → threshold or offset, in place of that
        above. Samples of another value, or of none, get that above.
    criterion, calibration : str, optional
        How thresholds or offsets, and curves, were found.
    fitted_on : tuple of str
        The `sketch` of the ids of the samples that they were fitted to.

    Examples
    --------
    >>> Adjustment(thresholds={"Bald": -1.0}).needs
    'nothing but the logits'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    curves: dict[str, Curve] = {}
    thresholds: dict[str, float] = {}
    offsets: dict[str, float] = {}
    group: str | None = None
    by_value: dict[str, dict[str, float]] = {}
    criterion: str | None = None
    calibration: str | None = None
    fitted_on: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Adjustment:
        if self.by_value and self.group is None:
            raise ValueError(f"{self.kind} by value need the group's name")
        if self.thresholds and self.offsets:
            raise ValueError("thresholds are for attributes and offsets for classes: expected one")
        return self

    @property
    def kind(self) -> Literal["thresholds", "offsets"]:
        """What it holds, beside curves."""
        return "offsets" if self.offsets else "thresholds"

    @property
    def needs(self) -> str:
        """What must be known of a sample when it is answered, in words."""
        return "nothing but the logits" if self.group is None else f"{self.group} of each sample"

    @property
    def attributes(self) -> list[str]:
        """The attributes, or classes, that it names."""
        by_value = (name for named in self.by_value.values() for name in named)
        return list(dict.fromkeys([*self.curves, *self.thresholds, *self.offsets, *by_value]))

    def limits(
        self, attributes: Collection[str], group: Group | None = None
    ) -> NDArray[np.float64] | None:
        """Return thresholds or offsets: (A,), (N, A) where they depend on a group; None: all 0."""
        named = self.offsets or self.thresholds
        if not named and not self.by_value:
            return None
        usual = np.array([named.get(a, 0.0) for a in attributes])
        if group is None:
            return usual
        table = [
            [
                self.by_value.get(str(value), {}).get(a, t)
                for a, t in zip(attributes, usual, strict=True)
            ]
            for value in group.values
        ]
        return np.array([*table, usual.tolist()])[group.codes]


class Adjustments(BaseModel):
    """The adjustments of one or more models, by the models' names; ``*`` stands for all others.

    History of the format: 1 (0.1.0) first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    adjustments: dict[str, Adjustment]

    def save(self, path: str | Path) -> None:
        """Write JSON, which `read_adjustments` reads back."""
        content = self.model_dump(exclude_defaults=True) | {"format_version": 1}
        with replacing(Path(path)) as beside:
            beside.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def of(self, model: str) -> Adjustment | None:
        """Return the adjustment of a model, if it has one."""
        return self.adjustments.get(model, self.adjustments.get(EVERY_MODEL))

    def check(self, models: Collection[str], attributes: Collection[str]) -> None:
        """Raise a `DataError` with the nearest names where one is named that nobody has."""
        named = {
            model: dict.fromkeys(adjustment.attributes, 0.0)
            for model, adjustment in self.adjustments.items()
        }
        check_thresholds(named, models, attributes)


def read_adjustments(path: str | Path, scores: Scores = "logits") -> Adjustments:
    """Read what `Adjustments.save` wrote, or plain thresholds in the forms of `read_thresholds`.

    Parameters
    ----------
    path : path
    scores : {"logits", "probability"}
        What plain thresholds are. Those of adjustments are always logits.

    Raises
    ------
    DataError
        The file is absent, or holds neither.
    ConfigError
        An adjustment makes no sense.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "thresholds.json"
    >>> _ = path.write_text('{"Bald": 0.2}')
    >>> read_adjustments(path).of("any").thresholds
    {'Bald': 0.2}
    """
    path = Path(path)
    check_name(path)
    content = _content(path)
    if isinstance(content, dict) and "adjustments" in content:
        with settings_of(str(path)):
            return Adjustments(**content)
    read = read_thresholds(path, scores)
    usual = read.get(EVERY_MODEL, {})
    return Adjustments(
        adjustments={name: Adjustment(thresholds={**usual, **of}) for name, of in read.items()}
    )


def _content(path: Path) -> object:
    """Return what a JSON file holds; None for anything else."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    try:
        return read_json(path)
    except (ValueError, OSError):
        return None  # `read_thresholds` says what is wrong

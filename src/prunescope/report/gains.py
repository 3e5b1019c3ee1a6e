"""`read_gain`: sizes and times that `prunescope gain --json` measured, for the trade-off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from prunescope.errors import DataError, reasons
from prunescope.inputs import read_json

COSTS = {
    "bytes_zlib": ("compressed file, MB", 1e-6),
    "ms_batch_1": ("time per image, ms", 1.0),
    "bytes_weights": ("file of weights, MB", 1e-6),
}
"""Column of the gain table → what the report calls it, and the factor to its unit."""


class _Row(BaseModel):
    """What is read of one model."""

    model: str
    bytes_zlib: float | None = None
    ms_batch_1: float | None = None
    bytes_weights: float | None = None


class _File(BaseModel):
    models: list[_Row]


@dataclass(frozen=True)
class Gain:
    """What models cost, by name.

    Parameters
    ----------
    costs : tuple of str
        What was measured, with units.
    figures : dict
        Name of a model → its costs, in that order; None where one is not known.
    """

    costs: tuple[str, ...]
    figures: dict[str, list[float | None]]

    def knows(self, names: Sequence[str]) -> bool:
        """Whether any of some models was measured."""
        return any(name in self.figures for name in names)

    def of(self, names: Sequence[str]) -> list[float | None]:
        """Return the mean costs of those of some models that were measured; None where none was.

        >>> gain = Gain(("time per image, ms",), {"a": [2.0], "b": [4.0]})
        >>> gain.of(["a", "b"]), gain.of(["a", "c"])
        ([3.0], [2.0])
        """
        rows = [self.figures.get(name, [None] * len(self.costs)) for name in names]
        means: list[float | None] = []
        for column in zip(*rows, strict=True):
            known = [value for value in column if value is not None]
            means.append(sum(known) / len(known) if known else None)
        return means


def read_gain(path: str | Path) -> Gain:
    """Read what ``prunescope gain --json`` printed.

    Raises
    ------
    DataError
        The file is absent, no such JSON, or tells no size and no time.
    """
    try:
        told = read_json(Path(path))
        models = _File.model_validate(told).models
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise DataError(f"{path}: {_EXPECTED}, but {reasons(error, 'file')}") from error
    except ValueError as error:
        raise DataError(f"{path}: {_EXPECTED}, but it is no JSON ({error})") from error
    known = [key for key in COSTS if any(getattr(row, key) is not None for row in models)]
    if not known:
        raise DataError(f"{path}: {_EXPECTED}, but it tells no size and no time of any model")
    figures = {row.model: [_scaled(row, key) for key in known] for row in models}
    return Gain(tuple(COSTS[key][0] for key in known), figures)


_EXPECTED = "expected what 'prunescope gain --json' prints"


def _scaled(row: _Row, key: str) -> float | None:
    value = getattr(row, key)
    return None if value is None else value * COSTS[key][1]

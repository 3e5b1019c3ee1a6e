"""How attributes hang together, for people: the pairs that changed most, and triangles to draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from prunescope.audit import Audit
from prunescope.audit.roles import Roles
from prunescope.metrics.statistics import Floats
from prunescope.report.records import CorrelationChange, Correlations, Pair, Triangle
from prunescope.verdict.numbers import CORRELATION, NOISE, counted

MOST_DRAWN = 40
"""Attributes that are drawn at most: those that moved most."""

MOST_PAIRS = 8
DIGITS = 5


class Together:
    """The correlations of an audit, of populations too.

    Of several models, figures are means, and null where one model has none; an interval holds those
    of all models.
    """

    def __init__(self, audit: Audit, cast: Roles) -> None:
        self._audit, self._cast = audit, cast
        dense = [m.name for m in audit.info.models if m.baseline is None]
        self._dense = self._mean(dense)
        self._of = {model.name: self._mean(cast.models_of(model.name)) for model in cast.compressed}
        self._drawn = self._chosen()

    def _mean(self, models: list[str]) -> pl.DataFrame:
        """Put the rows of some models together, a row per pair in the audit's order."""
        rows = self._audit.correlations.filter(pl.col("model").is_in(models))
        complete = pl.col("answers").count() == len(models)
        mean = [pl.when(complete).then(pl.col(name).mean()).alias(name)
                for name in ("answers", "shift", "change")]  # fmt: skip
        low = [pl.col(f"{name}_low").min() for name in ("shift", "change")]
        high = [pl.col(f"{name}_high").max() for name in ("shift", "change")]
        return rows.group_by("attribute", "other", maintain_order=True).agg(
            pl.col("labels").first(), *mean, *low, *high
        )

    def _chosen(self) -> list[str]:
        """Choose the attributes to draw, and put alike ones beside each other."""
        names = list(self._audit.info.attributes)
        if not self._dense.height or len(names) < 2:
            return []
        if len(names) > MOST_DRAWN:
            moved = np.sum(
                [np.nan_to_num(np.abs(_square(names, rows, "change"))).sum(axis=0)
                 for rows in self._of.values()],
                axis=0,
            )  # fmt: skip
            kept = np.sort(np.argsort(-moved, kind="stable")[:MOST_DRAWN])
            names = [names[i] for i in kept]
        apart = 1 - np.nan_to_num(_square(names, self._dense, "labels"))
        return [names[i] for i in neighbours(apart)]

    def shared(self) -> Correlations | None:
        """Return what all models share; None where nothing was correlated."""
        if not self._drawn:
            return None
        return Correlations(
            attributes=self._drawn,
            n_left_out=len(self._audit.info.attributes) - len(self._drawn),
            labels=self._triangle(self._dense, "labels"),
            dense=self._triangle(self._dense, "answers"),
        )

    def of(self, model: str, *, drawn: bool) -> CorrelationChange | None:
        """Return the correlations of one compressed model, or population."""
        rows = self._of[model]
        if not rows.height:
            return None
        changed = rows.filter(pl.col("change").is_not_null())
        by_size = changed.sort(pl.col("change").abs(), descending=True, maintain_order=True)
        return CorrelationChange(
            text=_text(changed),
            pairs=[_pair(row) for row in by_size.head(MOST_PAIRS).to_dicts()],
            n_pairs=rows.height,
            answers=self._triangle(rows, "answers") if drawn else None,
            changes=self._triangle(rows, "change") if drawn else None,
        )

    def _triangle(self, rows: pl.DataFrame, column: str) -> Triangle:
        square = _square(self._drawn, rows, column)
        lower = square[np.tril_indices(len(square), k=-1)]
        return [None if np.isnan(value) else round(float(value), DIGITS) for value in lower]


def neighbours(apart: Floats) -> list[int]:
    """Order things so that those near to each other stand together: the leaves of a tree.

    The two clusters that are nearest on average become one, until one is left (average linkage);
    of the two, the one that was there first stands first. `apart` (n, n) is symmetric; its
    diagonal says nothing.

    >>> neighbours(np.array([[0, 9, 1.0], [9, 0, 8], [1, 8, 0]]))
    [1, 0, 2]
    """
    apart, n = apart.copy(), len(apart)
    np.fill_diagonal(apart, np.inf)
    born, leaves = np.arange(n), [[i] for i in range(n)]
    for k in range(n, 2 * n - 1):
        first, last = sorted(divmod(int(apart.argmin()), n), key=born.__getitem__)
        sizes = len(leaves[first]), len(leaves[last])
        apart[last] = np.average(apart[[first, last]], axis=0, weights=sizes)
        apart[:, last] = apart[last]
        apart[last, last] = apart[first] = apart[:, first] = np.inf
        born[last], leaves[last] = k, leaves[first] + leaves[last]
    return max(leaves, key=len)


def _square(names: Sequence[str], rows: pl.DataFrame, column: str) -> Floats:
    """Lay pairs out as a symmetric matrix of some attributes; NaN where there is no value."""
    place = {name: i for i, name in enumerate(names)}
    square = np.full((len(names), len(names)), np.nan)
    for one, other, value in rows.select("attribute", "other", column).iter_rows():
        if one in place and other in place and value is not None:
            square[place[one], place[other]] = square[place[other], place[one]] = value
    return square


def _pair(row: dict[str, float | str | None]) -> Pair:
    """Describe one pair."""
    answers, change = row.pop("answers"), row["change"]
    dense = None if answers is None or change is None else float(answers) - float(change)
    return Pair.model_validate(row | {"compressed": answers, "dense": dense})


def _text(changed: pl.DataFrame) -> str:
    """Tell how far the correlations moved, and how many of them further from the labels."""
    if not changed.height:
        return "No correlation could be compared with that of the dense model."
    size = changed["change"].abs()
    before = (changed["shift"] - changed["change"]).abs()
    further = (changed["shift"].abs() - before > NOISE).sum()
    return (
        f"Over {counted(changed.height, 'pair')}, the correlation of the answers moved by "
        f"{_size(size.mean())} on average and by {_size(size.max())} at most; in {further:,} of "
        "them it is further from that of the labels than in the dense model."
    )


def _size(value: object) -> str:
    return CORRELATION.bare(float(str(value))).lstrip("+")

"""Figures of the audit's table, laid out for a page: models in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from prunescope.audit.estimates import NOT_APPLICABLE
from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError, one_of
from prunescope.report.structure import Estimate
from prunescope.report.table import estimates_of
from prunescope.report.words import noun_of
from prunescope.verdict.glossary import legend
from prunescope.viewer.collection import Collection, Model


@dataclass(frozen=True)
class Line:
    """One figure of several models; None where a model has no such row."""

    metric: str
    place: str
    cells: list[Estimate | None]


@dataclass(frozen=True)
class Lines:
    """Figures of several models, in columns."""

    models: list[str]
    lines: list[Line]


@dataclass(frozen=True)
class Count:
    """How many answers of an attribute flipped, of how many; or how many images of a class."""

    attribute: str
    harmful: int
    helpful: int
    unlabelled: int
    n: int

    @property
    def flips(self) -> int:
        """All of them."""
        return self.harmful + self.helpful + self.unlabelled


def across(
    collection: Collection,
    *,
    models: Sequence[str] | None = None,
    attribute: str | None = None,
    group: str | None = None,
) -> Lines:
    """Return every figure of one attribute, of one group, or over everything, model by model.

    Raises
    ------
    ConfigError
        The audit has no such group.
    """
    table = collection.audit.table
    if group is not None and group not in (known := table["group"].drop_nulls().unique()):
        raise ConfigError(one_of("group", group, sorted(known)))
    names = list(models or collection.models)
    told = list(legend(noun_of(collection.audit)))
    rows = table.filter(
        pl.col("model").is_in(names),
        pl.col("metric").is_in(told),
        pl.col("attribute").eq_missing(pl.lit(attribute, pl.String)),
        pl.col("group").eq_missing(pl.lit(group, pl.String)),
    )
    found: dict[tuple[str, str], dict[str, Estimate]] = {}
    for estimate in _estimates(collection, rows):
        value = "" if estimate.metric in BETWEEN else estimate.group_value
        place = f"{group} = {value}" if value else ""
        found.setdefault((place, estimate.metric), {})[estimate.model] = estimate
    order = {metric: place for place, metric in enumerate(told)}
    lines = [
        Line(metric, place, [of_model.get(name) for name in names])
        for (place, metric), of_model in sorted(
            found.items(), key=lambda one: (one[0][0], order[one[0][1]])
        )
        if any(cell.status != NOT_APPLICABLE for cell in of_model.values())
    ]
    return Lines(names, lines)


BETWEEN = (
    "demographic_parity_difference", "equal_opportunity_difference",
    "equalized_odds_difference", "accuracy_difference", "ece_difference", "worst_group_accuracy",
)  # fmt: skip
"""Metrics that compare the values of a group; the value that they name is the worst one."""


def group_rows(
    collection: Collection, attribute: str | None, model: str, group: str | None = None
) -> list[Estimate]:
    """Return how a model's answers lean: of one attribute by group, or of all to one group."""
    rows = collection.audit.table.filter(
        pl.col("model") == model,
        pl.col("metric") == "bias_amplification",
        pl.col("attribute").is_not_null() & pl.col("group").is_not_null(),
        pl.lit(True) if attribute is None else pl.col("attribute") == attribute,
        pl.lit(True) if group is None else pl.col("group") == group,
    )
    return sorted(
        _estimates(collection, rows),
        key=lambda row: (row.delta is None, -abs(row.delta or 0)),
    )


def _estimates(collection: Collection, rows: pl.DataFrame) -> Iterator[Estimate]:
    return estimates_of(rows, collection.audit.info.settings.alpha)


def flip_counts(collection: Collection, dense: Model, compressed: Model) -> list[Count]:
    """Count the flips of every attribute, the most harmful ones first.

    Of a class, count those of its images alone: others are counted as of their own class.
    """
    labels = collection.samples.labels
    flipped = dense.yes != compressed.yes
    known = labels != UNKNOWN
    n = np.full(labels.shape[1], len(labels))
    if collection.samples.task == "multiclass":
        flipped, n = flipped & (labels != 0), (labels == 1).sum(axis=0)
    harmful = (flipped & known & (dense.yes == (labels == 1))).sum(axis=0)
    helpful = (flipped & known & (compressed.yes == (labels == 1))).sum(axis=0)
    unlabelled = (flipped & ~known).sum(axis=0)
    numbers = zip(*(one.tolist() for one in (harmful, helpful, unlabelled, n)), strict=True)
    counts = [
        Count(name, *of_attribute)
        for name, of_attribute in zip(collection.samples.attributes, numbers, strict=True)
    ]
    return sorted(counts, key=lambda one: (-one.harmful, -one.flips))


def crossed(
    collection: Collection, dense: Model, compressed: Model, column: int
) -> list[tuple[str, list[tuple[str, str, int]]]]:
    """Count an attribute's answers by label, dense and compressed answer.

    Returns
    -------
    list of (label, list of (dense, compressed, count))
        For ``yes``, ``no`` and, where there are any, ``unlabelled``.
    """
    labels = collection.samples.labels[:, column]
    before, after = dense.yes[:, column], compressed.yes[:, column]
    told = []
    for name, code in (("yes", 1), ("no", 0), ("unlabelled", UNKNOWN)):
        of_label = labels == code
        if code == UNKNOWN and not of_label.any():
            continue
        cells = [
            (a, b, int((of_label & (before == (a == "yes")) & (after == (b == "yes"))).sum()))
            for a in ("yes", "no")
            for b in ("yes", "no")
        ]
        told.append((name, cells))
    return told


def differences(collection: Collection, one: Model, other: Model) -> list[tuple[str, int, float]]:
    """Count, attribute by attribute, where two models answer differently; the most first.

    Returns
    -------
    list of (attribute, count, mean absolute difference of probability)
    """
    differ = (one.yes != other.yes).sum(axis=0)
    moved = np.abs(one.probability - other.probability).mean(axis=0)
    rows = zip(collection.samples.attributes, differ.tolist(), moved.tolist(), strict=True)
    return sorted(rows, key=lambda row: (-row[1], -row[2]))

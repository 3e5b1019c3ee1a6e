"""Scores that rank the wrong way round: of "no" in place of "yes", or against labels that are."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from prunescope.audit.estimates import OK
from prunescope.errors import shorten

CHANCE, CLEARLY = 0.5, 0.4
"""AUC of scores that know nothing, and what its interval lies below where they are inverted."""

CHECK = {
    "multilabel": "does 1 mean yes in the labels, and are the scores those of yes, not of no?",
    "multiclass": "do labels and scores name their classes in the same order, and are the scores "
    "higher the likelier a class is?",
}
"""Task → what to look at."""


def inverted(table: pl.DataFrame, models: Collection[str], task: str) -> list[str]:
    """Say whose scores rank true below false, surely: the interval of the AUC lies below 0.4.

    Turned round, such scores would have an AUC above 0.6. Rows of too little support, or without
    an interval, tell nothing.

    Parameters
    ----------
    table : polars.DataFrame
        An audit's.
    models : collection of str
        Those to look at, which populations are not.
    task : {"multilabel", "multiclass"}

    Returns
    -------
    list of str
        One line for all models in which it is the same attributes, or classes.
    """
    rows = table.filter(
        pl.col("model").is_in(list(models)),
        pl.col("attribute").is_not_null() & pl.col("group").is_null(),
        pl.col("metric") == "auc",
        pl.col("status") == OK,
        pl.col("high") < CLEARLY,
    )
    of_model = rows.group_by("model", maintain_order=True).agg("attribute", "value")
    alike: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for model, attributes, values in of_model.iter_rows():
        alike.setdefault(tuple(attributes), []).append((model, max(values)))
    return [
        f"{shorten(model for model, _ in found)}: the scores of {shorten(attributes)} rank the "
        f"wrong way round (AUC up to {max(auc for _, auc in found):.2f}, chance is {CHANCE}): "
        f"{CHECK[task]}"
        for attributes, found in alike.items()
    ]

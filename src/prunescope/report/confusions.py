"""Confusions gained: which class's images are called another class more often than before.

Of the images of class X, some were called Y before and no more, others are now. If neither
is likelier, their numbers are as of heads and tails: McNemar's exact test, of every pair of
classes with any change, corrected by Benjamini-Hochberg. It takes independent images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from prunescope.audit import Audit
from prunescope.audit.intervals.significance import benjamini_hochberg, mcnemar
from prunescope.report.structure import Finding
from prunescope.report.words import confusions_gained


def gained(audit: Audit, model: str, seeds: Sequence[str]) -> Iterator[Finding]:
    """Tell which confusions a model gained beyond chance; of several seeds, in how many.

    Nothing is told of images in clusters, or where no class is chosen.
    """
    if audit.info.settings.cluster is not None:
        return
    alpha = audit.info.settings.alpha
    found = [
        rows_of(audit.confusions.filter(model=seed)).filter(
            pl.col("q_value") <= alpha, pl.col("more") > 0
        )
        for seed in seeds
    ]
    rows = (
        pl.concat(found)
        .group_by("label", "called", maintain_order=True)
        .agg(pl.col("more").max(), n_seeds=pl.len())
        .sort("more", "label", "called", descending=[True, False, False])
    )
    if rows.height:
        text, clause = confusions_gained(rows.rows(), len(seeds))
        yield Finding(model=model, severity="note", metric=None, text=text, clause=clause)


def rows_of(confusions: pl.DataFrame) -> pl.DataFrame:
    """Count how many more images of one class are called another than before, and test that.

    Takes `label`, `dense`, `compressed` and `n` of one model's samples whose answer changed;
    returns `label`, `called`, `more` (after minus before), `p_value` and `q_value`.

    >>> rows = {"label": ["newt", "newt"], "dense": ["newt", "cat"], "compressed": ["cat", "newt"]}
    >>> rows_of(pl.DataFrame(rows | {"n": [9, 1]})).select("label", "called", "more").rows()
    [('newt', 'cat', 8)]
    """
    known = confusions.filter(pl.col("label").is_not_null())
    sides = [
        known.select("label", called=side, gain=gain, lost=lost)
        for side, gain, lost in (
            ("compressed", pl.col("n"), pl.lit(0, pl.Int64)),
            ("dense", pl.lit(0, pl.Int64), pl.col("n")),
        )
    ]
    pairs = (
        pl.concat(sides, how="vertical_relaxed")
        .filter(pl.col("called") != pl.col("label"))
        .group_by("label", "called", maintain_order=True)
        .agg(pl.col("gain").sum(), pl.col("lost").sum())
    )
    p_values = mcnemar(pairs["gain"].to_numpy(), pairs["lost"].to_numpy())
    q_values = benjamini_hochberg(p_values)
    return pairs.select(
        "label",
        "called",
        more=pl.col("gain") - pl.col("lost"),
        p_value=pl.Series(p_values),
        q_value=pl.Series(q_values),
    )

"""Compression-identified exemplars in the audit: how many there are, whom they gather in, which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from prunescope.audit.enrichment import GROUP_METRIC, RARE_METRIC
from prunescope.audit.flips import share_of_exemplars
from prunescope.audit.given import Given
from prunescope.audit.intervals.jackknife import jackknife
from prunescope.audit.table import SCHEMA, Columns

NOT_LISTED = (
    "files were read a part at a time, so that exemplars are counted but not kept: read them at "
    "once to see whom they gather in"
)


def exemplars(
    given: Given, members: Sequence[int]
) -> tuple[list[Columns], dict[str, pl.DataFrame]]:
    """Compare a compressed population with the dense models, answer by answer.

    Parameters
    ----------
    given : Given
    members : sequence of int
        The compressed models.

    Returns
    -------
    list of Columns, dict
        Rows of the audit's table; and, where samples are held, the list of exemplars as ``cies``.
    """
    rate = share_of_exemplars(given.ground, jackknife(given.evidence.exemplars(members)))
    counted = [given.rows(one) for one in given.ground.with_mean(rate).shown()]
    if given.samples is None:
        reasons = [given.row_without_value(one, NOT_LISTED) for one in (GROUP_METRIC, RARE_METRIC)]
        return [*counted, *reasons], {}
    found = given.samples.exemplars(
        members,
        given.subject.population_name(members),
        given.measurer.leanings.prevalence,
        given.subject.settings,
    )
    return [*counted, _odds_ratio_rows(found.gathered)], {"cies": found.listed}


def _odds_ratio_rows(table: pl.DataFrame) -> Columns:
    """Lay out odds ratios as rows of the audit's table; the reason tells the two shares."""
    shares = table.select("share_inside", "share_outside", "reason").iter_rows()
    told = [
        why if inside is None else f"{inside:.2%} inside, {outside:.2%} outside"
        + (f"; {why}" if why else "")
        for inside, outside, why in shares
    ]  # fmt: skip
    table = table.with_columns(pl.Series("reason", told, dtype=pl.String))
    return {name: np.array(table[name].to_list(), object if table[name].dtype == pl.String else
            float) for name in table.columns if name in SCHEMA}  # fmt: skip

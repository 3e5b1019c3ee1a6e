"""Compression-identified exemplars in the audit: how many there are, whom they gather in, which."""

from __future__ import annotations

import numpy as np
import polars as pl

from prunescope.audit.estimates import summarize
from prunescope.audit.evidence import Evidence
from prunescope.audit.measure import Measurer
from prunescope.audit.subject import Subject
from prunescope.audit.table import SCHEMA, Columns, rows


def exemplars(
    subject: Subject, evidence: Evidence, measurer: Measurer, members: list[int], name: str
) -> tuple[list[Columns], pl.DataFrame]:
    """Compare a compressed population with the dense models, answer by answer.

    Parameters
    ----------
    subject : Subject
    evidence : Evidence
    measurer : Measurer
    members : list of int
        The compressed models.
    name : str
        What to call them.

    Returns
    -------
    list of Columns, polars.DataFrame
        Rows of the audit's table, and the list of exemplars.
    """
    settings, dense = subject.settings, list(range(subject.n_dense))
    counted = measurer.exemplars(evidence.exemplars(dense, members))
    mean = summarize(counted, counted.ok, evidence.sizes(), measurer.slice_support)
    listed = evidence.listed(
        dense,
        members,
        name,
        measurer.leanings.prevalence,
        settings.min_support,
        settings.confidence,
    )
    parts = [
        *(rows(one, subject.layout.slices, settings.confidence) for one in (counted, mean)),
        _odds_ratio_rows(listed.gathered),
    ]
    return parts, listed.cies


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

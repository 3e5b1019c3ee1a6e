"""A forecast of attributes and groups: what is expected of each, sparsity by sparsity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from prunescope.audit.leaning import Leanings
from prunescope.forecast.criteria import ATTRIBUTE_SCHEMA, expected_rows
from prunescope.forecast.outlook import Outlook, margins
from prunescope.forecast.scorers import BEST, SCORERS, Case
from prunescope.metrics import Slices
from prunescope.metrics.statistics import Floats

CURVE = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Sparsities at which attributes and groups are looked at, beside the planned one."""

MOST_IN_CURVE = 20_000
"""Samples, drawn by the seed, that the curve is made from."""


def attribute_rows(
    case: Case, leanings: Leanings, name: str, outlook: Outlook, seed: int
) -> pl.DataFrame:
    """Tell what attributes and groups are in for: as planned, and along the curve."""
    dense = case.dense
    best = BEST["A"]
    planned = (name, outlook) if outlook.mean is not None else (best, SCORERS[best].look(case))
    parts = [
        _signed(
            expected_rows(dense.samples, dense.decisions, leanings, [(case.sparsity, planned[1])]),
            planned[0],
        )
    ]
    few = dense
    if len(dense.samples) > MOST_IN_CURVE:
        drawn = np.random.default_rng(seed).permutation(len(dense.samples))[:MOST_IN_CURVE]
        few = dense.take(np.sort(drawn))
    looks = [
        (sparsity, SCORERS[best].look(replace(case, dense=few, sparsity=sparsity)))
        for sparsity in CURVE
        if sparsity != case.sparsity
    ]
    slices = Slices.of(few.samples, leanings.slices.group_names())
    along = expected_rows(few.samples, few.decisions, replace(leanings, slices=slices), looks)
    return pl.concat([*parts, _signed(along, best)]).select(list(ATTRIBUTE_SCHEMA))


def _signed(rows: pl.DataFrame, scorer: str) -> pl.DataFrame:
    return rows.with_columns(scorer=pl.lit(scorer), tier=pl.lit(SCORERS[scorer].tier, pl.String))


def expected_margins(case: Case, outlook: Outlook) -> Floats | None:
    """Return the signed margins (N, A) that are expected, if any are."""
    if outlook.mean is None:
        return None
    mean = np.broadcast_to(outlook.mean, outlook.risk.shape)
    return margins(case.dense, mean) if case.of_classes else mean

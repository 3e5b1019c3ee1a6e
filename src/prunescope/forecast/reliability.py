"""Whether probabilities of flipping are what they say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from prunescope.forecast.happened import Happened
from prunescope.forecast.outlook import given

RELIABILITY_SCHEMA: dict[str, pl.DataType] = {
    "population": pl.String(),
    "bin": pl.Int64(),
    "n": pl.Int64(),
    "predicted": pl.Float64(),
    "observed": pl.Float64(),
}
"""Columns of the reliability: answers in order of their probability, in bins that grow finer to the
top; the mean probability and the share that flipped, over all runs of a population. Bin 0 holds all
answers."""

EDGES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 1.0)
"""Shares of the answers at which bins end."""


def reliability_rows(happened: Happened) -> pl.DataFrame:
    """Lay out predicted against observed shares of flips; empty where nothing is calibrated."""
    return pl.DataFrame(list(_rows(happened)), schema=RELIABILITY_SCHEMA)


def _rows(happened: Happened) -> Iterator[dict[str, Any]]:
    if happened.probability is None:
        return
    p = given(happened.probability, happened.dense).ravel().astype(np.float64)
    order = np.argsort(p, kind="stable")
    ends = [round(edge * len(p)) for edge in EDGES]
    bins = [order, *(order[a:b] for a, b in pairwise(ends))]
    for population in happened.populations:
        flips = np.mean(
            [given(run.flips, happened.dense).ravel() for run in population.runs], axis=0
        )
        for number, members in enumerate(bins):
            if len(members):
                yield {
                    "population": population.name,
                    "bin": number,
                    "n": len(members),
                    "predicted": float(p[members].mean()),
                    "observed": float(flips[members].mean()),
                }

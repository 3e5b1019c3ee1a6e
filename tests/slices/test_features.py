"""What is over-represented in a slice: what is told, and what chance would have."""

import numpy as np
import polars as pl

from prunescope.data.samples import Group
from prunescope.slices.features import shares_within
from prunescope.slices.rules import Feature


def column(values):
    return Group.from_series(pl.Series(values))


def test_a_trait_is_more_than_chance_would_have():
    rng = np.random.default_rng(0)
    members = rng.random(2000) < 0.1
    columns = {
        Feature(kind="label", name="young"): column(rng.random(2000) < 0.5),
        Feature(kind="label", name="rare"): column(rng.random(2000) < 0.02),
        Feature(kind="group", name="hat"): column(members | (rng.random(2000) < 0.2)),
        # Of so many persons some have two images in the slice.
        Feature(kind="group", name="person"): column([f"p{i}" for i in rng.integers(0, 400, 2000)]),
        Feature(kind="metadata", name="city"): column(
            np.where(members & (rng.random(2000) < 0.4), "Bern", "Rome").tolist()
        ),
        Feature(kind="answer", name="hat"): column(members),
    }
    told = shares_within(columns, members)
    assert [words for _, words, _, _ in told] == ["city Bern", "hat"]
    _, _, inside, outside = told[1]
    assert inside == 1
    assert outside == np.mean(columns[Feature(kind="group", name="hat")].codes[~members])


def test_everybody_or_nobody_has_no_traits():
    columns = {Feature(kind="label", name="young"): column([True, False, None] * 50)}
    assert shares_within(columns, np.ones(150, bool)) == []
    assert shares_within(columns, np.zeros(150, bool)) == []

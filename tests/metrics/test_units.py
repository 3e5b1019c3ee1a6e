"""How many independent units stand behind figures, against sets."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data.samples import Group
from prunescope.metrics import Slices
from prunescope.metrics.units import Held, UnitCounts, held
from prunescope.predictions.batch import Batch

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, n=50, a=2):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (a, n)).astype(np.uint8)
    told = [["x", "y", None][i] for i in rng.integers(0, 3, n)]
    groups = {"g": Group.from_series(pl.Series("g", told))}
    slices = Slices.of_values({"g": groups["g"].values}, frozenset({"g"}))
    ids = pl.Series([str(i) for i in range(n)])
    return Batch(ids, labels, groups, ()), slices, told, rng.integers(0, 12, n)


@given(SEEDS)
def test_units_are_counted_as_sets(seed):
    batch, slices, told, units = drawn(seed)
    found = UnitCounts.of(held(batch, slices, units, 12))
    for s, value in enumerate(slices.values):
        inside = [i for i in range(batch.n) if value is None or told[i] == value]
        for a, labels in enumerate(batch.labels):
            for counts, kinds in (
                (found.samples, (0, 1, 2)),
                (found.labelled, (0, 1)),
                (found.positives, (1,)),
                (found.negatives, (0,)),
            ):
                assert counts[s, a] == len({units[i] for i in inside if labels[i] in kinds})


@given(SEEDS, st.integers(0, 50))
def test_units_of_two_parts_are_the_union(seed, cut):
    batch, slices, _, units = drawn(seed)

    def part(rows):
        some = Batch(
            batch.ids[rows],
            batch.labels[:, rows],
            {"g": Group(batch.groups["g"].codes[rows], batch.groups["g"].values)},
            (),
        )
        return Held(np.stack(list(held(some, slices, units[rows], 12))))

    both = part(slice(0, cut)) + part(slice(cut, 50))
    assert np.array_equal(both.held, part(slice(0, 50)).held)


@pytest.mark.parametrize("n", [1, 40, 1000, 16_384, 60_000])
def test_hashed_units_are_told_to_within_two_percent(n):
    bits = 1 << 14
    rng = np.random.default_rng(n)
    sets = np.zeros((1, 1, 3, bits), bool)
    sets[0, 0, 1, rng.integers(0, bits, n)] = True
    found = UnitCounts.of(iter(sets), hashed=True)
    assert found.positives.item() == pytest.approx(n, rel=0.02, abs=1)
    assert found.positives.item() == found.samples.item()
    assert found.negatives.item() == 0

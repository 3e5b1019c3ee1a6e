"""How many independent units estimates rest on, against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit.support import (
    LABELLED,
    NEGATIVES,
    POSITIVES,
    RARER,
    SAMPLES,
    Support,
    Supports,
)
from prunescope.metrics.units import UnitCounts

SEEDS = st.integers(0, 2**32 - 1)


def test_each_sample_is_a_unit_by_default():
    found = Support.of(np.array([[2.0, 0], [3, 0], [0, 7]]))
    assert found.units.tolist() == found.effective.tolist() == [5, 7]
    assert found.blocks.tolist() == [2, 1]
    assert found.limit.tolist() == [1, 0]
    assert not found.clustered
    few = Support.of_samples(np.array([3.0, 40.0]), 10)
    assert (few.blocks.tolist(), few.limit.tolist()) == ([3, 10], [2, 9])


@given(st.lists(st.integers(1, 300), min_size=1, max_size=30))
def test_clusters_of_unequal_size_say_as_much_as_fewer_equal_ones(sizes):
    """Each in a block of its own: (Σn)² / Σn²."""
    found = Support.of(np.array([*map(float, sizes), 0.0]), np.array(float(len(sizes))))
    wanted = sum(sizes) ** 2 / sum(n * n for n in sizes)
    assert found.units == len(sizes)
    assert found.effective == pytest.approx(wanted)
    assert found.limit == pytest.approx(min(wanted, len(sizes)) - 1)


def test_clusters_that_share_blocks_by_chance_are_taken_apart():
    """Thousands of clusters of unequal size, dealt into 200 blocks."""
    rng = np.random.default_rng(0)
    sizes = 1 + rng.geometric(0.1, 5000)
    wanted = sizes.sum() ** 2 / (sizes**2).sum()
    found = [
        Support.of(
            np.bincount(rng.integers(0, 200, 5000), sizes, 200).astype(float), np.array(5000.0)
        ).effective
        for _ in range(40)
    ]
    assert np.median(found) == pytest.approx(wanted, rel=0.15)
    assert max(found) <= 5000


def test_sides_are_chosen_cell_by_cell():
    first = Support(np.array([3.0, 9.0]), np.array([2.5, 8.0]), np.array([3.0, 4.0]), True)
    other = Support(np.array([5.0, 1.0]), np.array([4.0, 1.0]), np.array([2.0, 1.0]), True)
    found = first.smaller(other)
    assert found.units.tolist() == [3, 1]
    assert found.effective.tolist() == [2.5, 1]
    assert found.blocks.tolist() == [3, 1]
    assert found.clustered
    last = first.where(np.array([False, True]), other).take(slice(1, None))
    assert (last.units.tolist(), last.clustered) == ([9], True)


def planted(seed, clustered):
    """Samples in blocks and slices, by label; the slices are all samples and two that split them.

    Returns `Supports` and what they were counted from.
    """
    rng = np.random.default_rng(seed)
    n, k = 60, 8
    label, block = rng.integers(0, 3, n), rng.integers(0, k, n)
    who = block * 10 + rng.integers(0, 2, n)  # clusters lie in one block
    side = np.array([w % 3 == 0 for w in who], int)  # and in one group
    rows = [np.ones(n, bool), side == 0, side == 1]
    counts = np.zeros((k, 3, 1, 3, 2))
    for i in range(n):
        for s in range(3):
            counts[block[i], s, 0, label[i], rng.integers(0, 2)] += rows[s][i]

    def units(kind):
        return np.array([[len(set(who[row & kind]))] for row in rows], float)

    found = UnitCounts(units(label < 3), units(label < 2), units(label == 1), units(label == 0))
    return Supports(counts, found if clustered else None), label, rows, who, block


@given(SEEDS, st.booleans())
def test_each_kind_of_estimate_rests_on_its_own_samples(seed, clustered):
    supports, label, rows, who, block = planted(seed, clustered)
    kinds = {
        SAMPLES: label < 3, LABELLED: label < 2, POSITIVES: label == 1, NEGATIVES: label == 0,
    }  # fmt: skip
    for basis, kind in kinds.items():
        found = supports.of(basis)
        for s, row in enumerate(rows):
            mine = row & kind
            wanted = len(set(who[mine])) if clustered else mine.sum()
            assert found.units[s, 0] == wanted
            assert found.blocks[s, 0] == len(set(block[mine]))
        assert found.clustered == clustered
    fewer = np.minimum(supports.of(POSITIVES).units, supports.of(NEGATIVES).units)
    assert np.array_equal(supports.of(RARER).units, fewer)
    for prevalence, basis in ((0.2, POSITIVES), (0.5, POSITIVES), (0.8, NEGATIVES)):
        rare = supports.of_rarer_value(np.array([prevalence]))
        assert np.array_equal(rare.units, supports.of(basis).units)


@given(SEEDS, st.booleans(), st.integers(0, 1))
def test_the_smaller_side_of_a_group_is_counted_in_units(seed, clustered, side):
    supports, label, rows, who, _ = planted(seed, clustered)
    found = supports.of_sides(slice(1, 3), np.array([side]))
    sides = [
        len(set(who[rows[s] & (label == 1)])) if clustered else (rows[s] & (label == 1)).sum()
        for s in (1, 2)
    ]
    assert found.units.tolist() == [min(sides)]

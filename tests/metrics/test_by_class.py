"""Classes are counted as attributes would be, each against all others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.metrics import Counter, Layout, Slices
from prunescope.predictions.batch import Batch

SEEDS = st.integers(0, 2**32 - 1)
BLOCKS = 4


def drawn(build, seed, n, k, models=2, unlabelled=0.2):
    rng = np.random.default_rng(seed)
    labels = np.eye(k, dtype=int)[rng.integers(0, k, n)]
    labels[rng.random(n) < unlabelled] = -1
    groups = {
        "g": rng.choice(["x", "y", None], n).tolist(),
        "h": rng.integers(0, 3, n).tolist(),
    }
    found = [
        build(
            labels,
            np.round(3 * rng.normal(size=(n, k)) + 2 * (labels == 1)).astype(np.float32),
            groups=groups,
            task="multiclass",
            name=str(i),
        )
        for i in range(models)
    ]
    return found, rng.integers(0, BLOCKS, n)


def counter_of(models, blocks, **options):
    layout = Layout(Slices.of(models[0].samples), BLOCKS, **options)
    batch = Batch.of(models)
    return Counter(batch, layout, blocks), batch.models


def cells(models, blocks):
    """Yield block, slice, row, class and label code."""
    samples = models[0].samples
    for s, rows in enumerate(Slices.of(samples).members(samples)):
        for row in rows:
            for c, label in enumerate(samples.labels[row]):
                yield blocks[row], s, row, c, 2 if label < 0 else label


@settings(max_examples=20)
@given(
    seed=SEEDS,
    n=st.integers(1, 40),
    k=st.integers(1, 5),
    n_bins=st.sampled_from([1, 3, 10]),
    band=st.sampled_from([(0.1, 0.9), (0.0, 0.5), (0.4, 1.0)]),
    at_once=st.sampled_from([1, 20, 1 << 17]),
)
def test_statistics_equal_a_loop(build, seed, n, k, n_bins, band, at_once):
    models, blocks = drawn(build, seed, n, k, models=1)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("metrics.by_class", "predictions.batch"):
            patch.setattr(f"prunescope.{module}.CELLS", at_once)
        counter, (answers,) = counter_of(models, blocks, n_bins=n_bins, band=band)
        found = counter.statistics(answers)
    counts, in_band = np.zeros(found.counts.shape), np.zeros(found.in_band.shape)
    gaps = np.zeros(found.gaps.shape)
    for b, s, row, c, label in cells(models, blocks):
        p = models[0].probabilities[row, c]
        counts[b, s, c, label, int(models[0].decisions[row, c])] += 1
        in_band[b, s, c] += band[0] < p < band[1]
        if label != 2:
            gaps[b, s, c, min(int(p * n_bins), n_bins - 1)] += p - label
    assert np.array_equal(found.counts, counts)
    assert np.array_equal(found.in_band, in_band)
    assert np.allclose(found.gaps, gaps, rtol=0, atol=1e-12)
    assert found.pairs.shape == (BLOCKS, 0, 0)


@settings(max_examples=20)
@given(seed=SEEDS, n=st.integers(1, 40), k=st.integers(1, 5))
def test_transitions_equal_a_loop(build, seed, n, k):
    models, blocks = drawn(build, seed, n, k)
    counter, answers = counter_of(models, blocks)
    found = counter.transitions(*answers).counts
    wanted = np.zeros(found.shape)
    for b, s, row, c, label in cells(models, blocks):
        before, after = (int(model.decisions[row, c]) for model in models)
        wanted[b, s, c, label, before, after] += 1
    assert np.array_equal(found, wanted)


@settings(max_examples=20)
@given(seed=SEEDS, n=st.integers(1, 30), sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_exemplars_equal_a_loop(build, seed, n, sizes):
    models, blocks = drawn(build, seed, n, 3, models=sum(sizes))
    counter, answers = counter_of(models, blocks)
    found = counter.exemplars(answers[: sizes[0]], answers[sizes[0] :]).counts
    wanted = np.zeros(found.shape)
    sides = models[: sizes[0]], models[sizes[0] :]
    for b, s, row, c, label in cells(models, blocks):
        votes = [np.mean([model.decisions[row, c] for model in side]) for side in sides]
        compared = votes[0] != 0.5 and votes[1] != 0.5
        differs = compared and (votes[0] > 0.5) != (votes[1] > 0.5)
        wanted[b, s, c, label, int(compared), int(differs)] += 1
    assert np.array_equal(found, wanted)


def test_pairs_of_classes_are_not_counted(build):
    models, blocks = drawn(build, 0, 20, 3)
    counter, _ = counter_of(models, blocks)
    assert [part.shape for part in counter.labels().arrays()] == [(BLOCKS, 0, 0)] * 3

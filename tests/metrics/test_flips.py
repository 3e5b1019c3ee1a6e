import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.metrics import (
    Counter,
    Layout,
    Slices,
    flip_rate,
    harmful_flip_rate,
    helpful_flip_rate,
)
from prunescope.predictions.batch import Batch


def transitions(before, after):
    batch = Batch.of([before, after])
    counter = Counter(batch, Layout(Slices.of(before.samples, [])))
    return counter.transitions(*batch.models).total().counts[0]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40))
def test_flips_equal_a_loop(draw, seed, n):
    before, after = draw(seed, n=n, models=2)
    table = transitions(before, after)
    labels = before.samples.labels
    for a in range(3):
        flips = harmful = helpful = labelled = 0
        for row in range(n):
            was, now = before.decisions[row, a], after.decisions[row, a]
            flips += was != now
            if labels[row, a] >= 0:
                labelled += 1
                harmful += was == labels[row, a] and now != labels[row, a]
                helpful += was != labels[row, a] and now == labels[row, a]
        assert flip_rate(table).value[a] == pytest.approx(flips / n)
        assert flip_rate(table).support[a] == n
        for metric, wanted in ((harmful_flip_rate, harmful), (helpful_flip_rate, helpful)):
            assert metric(table).support[a] == labelled
            value = wanted / labelled if labelled else np.nan
            assert metric(table).value[a] == pytest.approx(value, nan_ok=True)


def test_a_model_never_differs_from_itself(draw):
    model = draw(1)
    table = transitions(model, model)
    assert flip_rate(table).value.tolist() == [0, 0, 0]


def test_harm_and_help_by_hand(build):
    before = build([[1], [1], [0], [0], [-1]], [[1], [-1], [1], [-1], [1]])
    after = build([[1], [1], [0], [0], [-1]], [[-1], [1], [1], [1], [-1]])
    table = transitions(before, after)
    assert flip_rate(table).value.tolist() == [4 / 5]
    assert harmful_flip_rate(table).value.tolist() == [2 / 4]
    assert helpful_flip_rate(table).value.tolist() == [1 / 4]

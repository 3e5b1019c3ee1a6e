import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.predictions.batch import Answers, Batch


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30), k=st.integers(1, 6))
def test_classes_are_answered_as_predictions_are(build, seed, n, k):
    rng = np.random.default_rng(seed)
    labels = np.eye(k, dtype=int)[rng.integers(0, k, n)]
    labels[rng.random(n) < 0.2] = -1
    logits = np.round(rng.normal(size=(n, k)) * rng.choice([1, 10, 200]))
    predictions = build(labels, logits.astype(np.float32), task="multiclass")
    batch = Batch.of([predictions])
    for answers in (batch.models[0], Answers(list(predictions.logits.T), "multiclass")):
        assert np.array_equal(answers.decisions, predictions.decisions.T)
        rows = rng.integers(0, n, 3)
        assert answers.shares(rows) == pytest.approx(predictions.probabilities[rows], abs=1e-15)
        for c in range(k):
            assert answers.probabilities(c) == pytest.approx(predictions.probabilities[:, c])
            assert answers.log_odds[c] == pytest.approx(predictions.log_odds[:, c], abs=1e-10)
        some = answers.log_odds[1:3]
        assert len(some) == len(range(k)[1:3])
        assert all(np.array_equal(one, answers.log_odds[c]) for c, one in enumerate(some, 1))
        assert len(answers.log_odds) == k
    assert batch.truth.tolist() == [row.argmax() if row[0] >= 0 else -1 for row in labels]


def test_log_odds_of_classes_keep_their_digits():
    """Where 1 - p is 0 in double precision, and where exp underflows."""
    answers = Answers([np.array([40.0, 2000.0]), np.array([0.0, 0.0])], "multiclass")
    assert answers.log_odds[0].tolist() == [40, 2000]
    assert answers.log_odds[1].tolist() == [-40, -2000]
    assert answers.probabilities(0).tolist() == [1, 1]

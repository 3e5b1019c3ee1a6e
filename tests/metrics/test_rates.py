import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from prunescope.metrics import (
    Slices,
    accuracy,
    balanced_accuracy,
    count,
    false_negative_rate,
    false_positive_rate,
    precision,
    rare_value_ratio,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)

SEEDS = st.integers(0, 2**32 - 1)


def scikit(name, y, decided):
    """The value by scikit-learn, NaN where there is nothing to divide by; and the support."""
    positive, negative = int((y == 1).sum()), int((y == 0).sum())
    cells = sk.confusion_matrix(y, decided, labels=[0, 1]) if len(y) else None
    match name:
        case "accuracy":
            return (sk.accuracy_score(y, decided) if len(y) else np.nan), len(y)
        case "balanced_accuracy":
            both = positive and negative
            return (sk.balanced_accuracy_score(y, decided) if both else np.nan), min(
                positive, negative
            )
        case "tpr":
            return (sk.recall_score(y, decided) if positive else np.nan), positive
        case "fnr":
            return (1 - sk.recall_score(y, decided) if positive else np.nan), positive
        case "tnr":
            return (sk.recall_score(y, decided, pos_label=0) if negative else np.nan), negative
        case "fpr":
            return (cells[0, 1] / negative if negative else np.nan), negative
        case "precision":
            called = decided.any()
            return (sk.precision_score(y, decided) if called else np.nan), len(y)
    raise AssertionError(name)


METRICS = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "tpr": true_positive_rate,
    "fnr": false_negative_rate,
    "tnr": true_negative_rate,
    "fpr": false_positive_rate,
    "precision": precision,
}


@settings(max_examples=15)
@given(seed=SEEDS, n=st.integers(1, 40))
def test_rates_agree_with_scikit_learn_in_every_slice(draw, seed, n):
    predictions = draw(seed, n=n)
    slices = Slices.of(predictions.samples, ["Male"])
    counts = count(predictions, slices).counts
    for name, metric in METRICS.items():
        measure = metric(counts)
        for s, rows in enumerate(slices.members(predictions.samples)):
            for a in range(3):
                y = predictions.samples.labels[rows, a]
                known = y >= 0
                wanted = scikit(name, y[known], predictions.decisions[rows, a][known])
                found = measure.value[s, a], measure.support[s, a]
                assert found == pytest.approx(wanted, nan_ok=True, abs=1e-12), name


@given(seed=SEEDS, n=st.integers(1, 40))
def test_selection_rate_counts_the_unlabelled_too(draw, seed, n):
    predictions = draw(seed, n=n)
    slices = Slices.of(predictions.samples)
    measure = selection_rate(count(predictions, slices).counts)
    for s, rows in enumerate(slices.members(predictions.samples)):
        decided = predictions.decisions[rows]
        assert (measure.support[s] == len(rows)).all()
        if len(rows):
            assert measure.value[s].tolist() == pytest.approx(decided.mean(axis=0).tolist())
        else:
            assert np.isnan(measure.value[s]).all()


@given(seed=SEEDS, n=st.integers(1, 40))
def test_rare_value_ratio_equals_a_loop(draw, seed, n):
    predictions = draw(seed, n=n)
    prevalence = np.random.default_rng(seed).choice([0.0, 0.2, 0.5, 0.500001, 1.0, np.nan], 3)
    slices = Slices.of(predictions.samples)
    measure = rare_value_ratio(count(predictions, slices).counts, prevalence)
    for s, rows in enumerate(slices.members(predictions.samples)):
        for a in range(3):
            rare = 1 if prevalence[a] <= 0.5 else 0
            n_true = n_predicted = 0
            for row in rows:
                label = predictions.samples.labels[row, a]
                if label >= 0:
                    n_true += label == rare
                    n_predicted += int(predictions.decisions[row, a]) == rare
            assert measure.support[s, a] == n_true
            if np.isnan(prevalence[a]) or n_true == 0:
                assert np.isnan(measure.value[s, a])
            else:
                assert measure.value[s, a] == pytest.approx(n_predicted / n_true)


def test_rare_value_ratio_by_hand():
    # 20 true (3 found, 1 false alarm) of 100
    counts = np.array([[[79, 1], [17, 3], [5, 6]]])
    assert rare_value_ratio(counts, np.array([0.5])).value.tolist() == [4 / 20]
    assert rare_value_ratio(counts, np.array([0.51])).value.tolist() == [96 / 80]


def test_nothing_gives_no_value_and_no_warning():
    nothing = np.zeros((2, 3, 2))
    for metric in (*METRICS.values(), selection_rate):
        measure = metric(nothing)
        assert np.isnan(measure.value).all()
        assert (measure.support == 0).all()


def test_replicates_are_leading_axes():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (4, 5, 2, 3, 2)).astype(float)
    for metric in (*METRICS.values(), selection_rate):
        whole = metric(counts)
        for r in range(4):
            assert np.array_equal(whole.value[r], metric(counts[r]).value, equal_nan=True)

"""Climbing by classes, against every cut tried by hand and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from prunescope.mitigate.climb import _Tops, climb, total
from prunescope.mitigate.offsets import CLASS_CRITERIA

SCORES = {"macro-recall": recall_score, "macro-f1": f1_score}


def drawn(seed, n=60, k=3, whole=False):
    """Return logits, and a class of each of n images; none lacks images."""
    rng = np.random.default_rng(seed)
    true = np.append(np.arange(k), rng.choice(k, n - k, p=rng.dirichlet(np.ones(k))))
    z = rng.normal(0, 1, (n, k)) + 2 * np.eye(k)[true] + rng.normal(0, 1.5, k)
    return (z.round() if whole else z), true


def by_hand(criterion, true, answers):
    """Return the figure that the criterion raises, as another library tells it."""
    k = true.max() + 1
    if criterion in SCORES:
        return SCORES[criterion](true, answers, labels=range(k), average="macro", zero_division=0)
    rates = (np.bincount(one, minlength=k) / len(one) for one in (true, answers))
    return -abs(np.subtract(*rates)).sum() / k


@pytest.mark.parametrize("criterion", ["prevalence", "macro-recall", "macro-f1"])
@settings(max_examples=30)
@given(st.integers(0, 10_000), st.booleans(), st.integers(2, 4))
def test_no_cut_of_one_class_alone_is_better(criterion, seed, whole, k):
    z, true = drawn(seed, n=25, k=k, whole=whole)
    score = CLASS_CRITERIA[criterion].score(np.bincount(true))
    b = climb(z, true, score, np.zeros(k), np.arange(k))
    reached = by_hand(criterion, true, (z + b).argmax(axis=1))
    assert reached >= by_hand(criterion, true, z.argmax(axis=1)) - 1e-12
    assert total(score, (z + b).argmax(axis=1), true, k) / k == pytest.approx(reached)
    for one in range(k):
        gaps = np.unique(np.delete(z + b, one, axis=1).max(axis=1) - z[:, one])
        for cut in [gaps[0] - 1, *((gaps[1:] + gaps[:-1]) / 2), gaps[-1] + 1]:
            moved = b.copy()
            moved[one] = cut
            assert by_hand(criterion, true, (z + moved).argmax(axis=1)) <= reached + 1e-9


def test_what_is_best_already_stays():
    z, true = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([0, 1])
    score = CLASS_CRITERIA["macro-recall"].score(np.bincount(true))
    start = np.array([0.7, -0.1])
    assert climb(z, true, score, start, np.arange(2)).tolist() == start.tolist()


def test_of_equal_cuts_the_nearest_is_taken():
    # class 0 should have the first image alone: its offset may lie between -3 and 4
    z = np.array([[0.0, -3.0], [0.0, 4.0]])
    true = np.array([0, 1])
    score = CLASS_CRITERIA["macro-recall"].score(np.bincount(true))
    assert climb(z, true, score, np.array([-7.0, 0.0]), np.arange(2)).tolist() == [0.5, 0.0]
    # class 0 should have the first of four, or the first three: one mistake either way
    z = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    true = np.array([0, 1, 0, 1])
    for now, nearest in ((0.0, 1.5), (9.0, 3.5)):
        assert climb(
            z,
            true,
            CLASS_CRITERIA["macro-recall"].score(np.array([2, 2])),
            np.array([now, 0.0]),
            np.arange(2),
        ).tolist() == [nearest, 0.0]


@pytest.mark.parametrize("k", [2, 5])
def test_a_search_that_ends_early_finds_the_same_cuts(monkeypatch, k):
    """Of the mean recall: the others lose more than one class can gain, and never win it back."""
    z, true = drawn(3, n=400, k=k)
    score = CLASS_CRITERIA["macro-recall"].score(np.bincount(true))
    whole = climb(z, true, score, np.zeros(k), np.arange(k))
    monkeypatch.setattr("prunescope.mitigate.climb.FIRST", 2)
    assert climb(z, true, score, np.zeros(k), np.arange(k)).tolist() == whole.tolist()
    assert whole.any()


@pytest.mark.parametrize("whole", [False, True])
def test_the_two_highest_are_known_after_every_move(whole):
    z, true = drawn(5, n=200, k=5, whole=whole)
    rng, b = np.random.default_rng(0), np.zeros(5)
    tops = _Tops(z, true, b)
    for k in rng.integers(0, 5, 30):
        b[k] = np.round(rng.normal(0, 3), 0 if whole else 9)
        tops.move(int(k), b)
        afresh = _Tops(z, true, b)
        for name in ("first", "second", "high", "next", "given", "hits"):
            assert getattr(tops, name).tolist() == getattr(afresh, name).tolist(), name
    assert tops.first.tolist() == (z + b).argmax(axis=1).tolist()

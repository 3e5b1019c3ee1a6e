"""Cuts, criteria and floors, against scikit-learn and every threshold tried by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import balanced_accuracy_score, f1_score

from prunescope.errors import ConfigError
from prunescope.mitigate.thresholds import CRITERIA, Cuts, Floor, counts_at

LOGITS = hnp.arrays(np.float64, st.integers(1, 12), elements=st.integers(-3, 3).map(float))


@given(LOGITS, st.randoms(use_true_random=False))
def test_counts_are_those_of_every_threshold(z, random):
    labels = np.array([random.choice((1, 0, -1)) for _ in z], np.int8)
    cuts = Cuts.of(z, labels)
    assert len(cuts.at) == len(np.unique(z)) + 1
    assert (np.diff(cuts.at) < 0).all()
    for at, counts in zip(cuts.at, cuts.counts, strict=True):
        assert counts.tolist() == counts_at(z, labels, at).tolist()
    assert cuts.counts[0, :, 1].sum() == 0
    assert cuts.counts[-1, :, 0].sum() == 0


def choose(criterion, z, labels, target=None, floors=(), now=0.0):
    counts = counts_at(z, labels, now)
    return Cuts.of(z, labels).best(CRITERIA[criterion], target, now, floors, counts)


@pytest.mark.parametrize(
    ("criterion", "score"), [("f1", f1_score), ("balanced-accuracy", balanced_accuracy_score)]
)
def test_the_highest_is_scikit_learns_highest(criterion, score):
    rng = np.random.default_rng(3)
    labels = (rng.random(300) < 0.2).astype(np.int8)
    z = labels * 1.5 + rng.normal(0, 1, 300) - 3
    found = score(labels, z > choose(criterion, z, labels))
    tried = [score(labels, z > at, **({"zero_division": 0} if criterion == "f1" else {}))
             for at in np.linspace(-7, 3, 2001)]  # fmt: skip
    assert found >= max(tried) - 1e-12


def test_as_many_yes_as_labels_say():
    z, labels = np.array([3.0, 1, 0, -1, -2, -4]), np.array([0, 1, 0, 0, 1, -1], np.int8)
    assert (
        choose("prevalence", z, labels, target=2 / 5, now=2.0) == 0.5
    )  # unlabelled ones do not count


def test_of_equals_the_nearest_to_the_old_threshold_is_taken():
    z, labels = np.array([4.0, -4.0]), np.array([1, 0], np.int8)
    assert choose("balanced-accuracy", z, labels, now=3.0) == 3.0  # as good as any
    assert choose("balanced-accuracy", z, labels, now=6.0) == 0.0
    flat = np.array([0, 0], np.int8)
    assert choose("prevalence", z, flat, target=0.0, now=0.0) == 5.0
    two = np.array([1.0, 1, -1, -1]), np.array([1, 0, 1, 0], np.int8)
    # any threshold has a balanced accuracy of one half: the one between is the nearest
    assert choose("balanced-accuracy", *two, now=0.3) == 0.3
    assert choose("balanced-accuracy", *two, now=-7.0) == -7.0


def test_a_floor_rules_out_what_falls_below_it():
    z = np.array([3.0, 2, 1, 0, -1, -2])
    labels = np.array([1, 0, 1, 0, 1, 0], np.int8)
    assert choose("prevalence", z, labels, target=0.5, now=-3) == 0.5
    kept = (Floor.parse("tpr >= -0"),)  # all are found now
    assert choose("prevalence", z, labels, target=0.5, now=-3, floors=kept) == -1.5
    steep = (Floor.parse("tpr >= 1"), Floor.parse("tnr >= 1"))
    assert choose("prevalence", z, labels, target=0.5, floors=steep) is None


def test_a_change_of_what_is_not_defined_is_no_floor():
    z, unlabelled = np.array([1.0, -1.0]), np.array([-1, -1], np.int8)
    cuts, now = Cuts.of(z, unlabelled), counts_at(z, unlabelled, 0.0)
    assert Floor.parse("tpr >= -0").holds(cuts.counts, now).all()
    assert not Floor.parse("tpr >= 0.5").holds(cuts.counts, now).any()


def test_equal_means_within_one_sample_of_the_others_value():
    # balanced accuracy is 0.75 at 1.5 and, far away, within a hair of 0.75 again
    z = np.concatenate([[2.0, 2.0], np.linspace(-9, -1, 100)])
    labels = np.zeros(102, np.int8)
    labels[[0, 50]] = 1
    target = 0.745
    assert choose("equal-balanced-accuracy", z, labels, target=target, now=0.0) > -2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tpr >= 0.8", Floor("tpr", 0.8, False)),
        (" tnr>=+0 ", Floor("tnr", 0.0, True)),
        ("f1 >= -.5", Floor("f1", -0.5, True)),
        ("tnr >= 1e-3", Floor("tnr", 0.001, False)),
    ],
)
def test_floors_are_read(text, expected):
    assert Floor.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tpr <= 0.8", "expected 'METRIC >= NUMBER'"),
        ("recall >= 0.8", "unknown metric 'recall'"),
        ("tpr >= high", "expected 'METRIC >= NUMBER'"),
        ("tpr >= 80", "tpr is a share of at most 1"),
        ("tpr[Male] >= 0.8", "expected 'METRIC >= NUMBER'"),
    ],
)
def test_what_is_no_floor_says_what_is(text, message):
    with pytest.raises(ConfigError, match=message):
        Floor.parse(text)

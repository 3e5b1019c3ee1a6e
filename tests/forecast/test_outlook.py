from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from prunescope.forecast.choice import chances
from prunescope.forecast.outlook import Outlook, margins
from prunescope.forecast.outlook import given as answers_given


def test_margins_of_attributes_are_measured_from_their_thresholds(build):
    found = build([[1, 0]], [[2.0, -1.0]])
    assert margins(found).tolist() == [[2.0, -1.0]]
    moved = replace(found, thresholds=np.array([0.5, -3.0]))
    assert margins(moved).tolist() == [[1.5, 2.0]]
    assert ((margins(moved) > 0) == moved.decisions).all()


def test_margins_of_other_logits_are_of_the_same_task(build):
    found = build([[0, 1, 0]], [[0.0, 1.0, 3.0]], task="multiclass")
    assert margins(found, np.array([[5.0, 1.0, 3.0]])).tolist() == [[2.0, -4.0, -2.0]]


@given(st.lists(st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3), min_size=1))
def test_a_class_is_above_its_rivals_by_its_margin(logits):
    z = np.array(logits, np.float32)
    told = SimpleNamespace(samples=SimpleNamespace(task="multiclass"), logits=z)
    found = margins(told)
    for row, margin in zip(z, found, strict=True):
        for c in range(3):
            assert margin[c] == pytest.approx(row[c] - max(np.delete(row, c)), abs=1e-5)


def test_risk_is_the_expected_margin_on_the_wrong_side_in_spreads():
    yes = np.array([[True, False], [True, False]])
    mean = np.array([[2.0, -2.0], [-1.0, 1.0]])
    found = Outlook.expecting(yes, mean, np.array([2.0, 0.5]))
    assert found.risk.tolist() == [[-1.0, -4.0], [0.5, 2.0]]
    assert found.flip_probability == pytest.approx(norm.cdf([[-1.0, -4.0], [0.5, 2.0]]))


def test_a_scorer_that_only_ranks_has_no_probabilities():
    assert Outlook(np.zeros((2, 2))).flip_probability is None


def test_of_classes_the_named_one_flips_where_any_other_is_chosen():
    named = np.array([[True, False, False], [False, False, True]])
    mean = np.array([[1.0, 0.8, -1.0], [2.0, 0.0, 1.0]])
    found = Outlook.choosing(named, mean, np.array([0.5, 1.0, 0.7]))
    p = chances(mean, np.array([0.5, 1.0, 0.7]))
    turns = found.flip_probability
    assert turns[~named] == pytest.approx(p[~named], abs=1e-15)
    assert turns[named] == pytest.approx(1 - p[named], abs=1e-12)
    assert norm.cdf(found.risk) == pytest.approx(turns, abs=1e-6)
    assert (found.risk.argmax(axis=1) == named.argmax(axis=1)).all()
    assert found.risk[1, 2] > 0 > found.risk[0, 0]  # the second image will rather change


@pytest.mark.parametrize("side", [1, -1])
def test_images_that_are_all_but_sure_keep_their_order(side):
    """Of flips too rare, or too certain, to have a probability that is not 0 or 1."""
    ahead = np.array([3.0, 30.0, 60.0, 90.0])
    mean = np.stack([side * ahead, np.zeros(4), np.full(4, -90.0)], axis=1)
    named = np.array([[True, False, False]] * 4)
    risk = Outlook.choosing(named, mean, np.float32(1.0)).risk
    assert np.isfinite(risk).all()
    assert (np.diff(side * risk[:, 0]) < 0).all()
    assert risk[:, 0] == pytest.approx(-side * ahead / np.sqrt(2), rel=0.01)


def test_of_two_classes_the_risk_is_that_of_one_attribute():
    gap = np.linspace(-40, 40, 81)
    yes = gap > 0
    named = np.stack([~yes, yes], axis=1)
    two = Outlook.choosing(named, np.stack([-gap / 2, gap / 2], axis=1), np.array([1.2, 0.5]))
    one = Outlook.expecting(yes[:, None], gap[:, None], np.float32(1.3))
    assert two.risk == pytest.approx(np.repeat(one.risk, 2, axis=1), rel=1e-4, abs=1e-6)
    assert two.flip_probability == pytest.approx(
        np.repeat(one.flip_probability, 2, axis=1), abs=1e-6
    )


def test_an_image_gives_one_answer_where_classes_are_chosen(build):
    table = np.arange(6).reshape(2, 3)
    labels, logits = [[0, 1, 0], [1, 0, 0]], [[0.0, 1.0, 3.0], [5.0, 1.0, 3.0]]
    assert answers_given(table, build(labels, logits, task="multiclass")).tolist() == [[2], [3]]
    assert answers_given(table, build(labels, logits)) is table

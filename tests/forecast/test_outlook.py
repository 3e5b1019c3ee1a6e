from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from prunescope.forecast.outlook import Outlook, margins


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

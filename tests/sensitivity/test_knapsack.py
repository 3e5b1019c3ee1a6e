"""The choice within a budget is the best of all choices, tried one by one."""

from itertools import product

import numpy as np
import pytest

from prunescope.sensitivity.knapsack import cheapest


@pytest.mark.parametrize("case", range(20))
def test_none_is_better(case):
    rng = np.random.default_rng(case)
    costs = rng.integers(0, 30, (5, 4)).tolist()
    losses = rng.random((5, 4)).round(2).tolist()
    budget = int(rng.integers(sum(map(min, costs)), 120))
    picked = cheapest(losses, costs, budget)
    sums = [
        sum(row[i] for row, i in zip(losses, choice, strict=True))
        for choice in product(range(4), repeat=5)
        if sum(row[i] for row, i in zip(costs, choice, strict=True)) <= budget
    ]
    assert sum(row[i] for row, i in zip(costs, picked, strict=True)) <= budget
    assert sum(row[i] for row, i in zip(losses, picked, strict=True)) == pytest.approx(min(sums))


def test_a_choice_of_uneven_costs_is_never_above_the_budget():
    rng = np.random.default_rng(0)
    costs, losses = rng.random((30, 6)) * 1e6, rng.random((30, 6))
    budget = 0.4 * costs.sum() / 6
    picked = cheapest(losses.tolist(), costs.tolist(), budget)
    assert costs[np.arange(30), picked].sum() <= budget


def test_too_little_is_told():
    assert cheapest([[0, 1]], [[4, 3]], 2) is None
    assert cheapest([[0, 1]], [[4, 3]], 3) == [1]

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunescope.training import Recipe, learning_rate_at


def rates(total, **settings):
    recipe = Recipe(steps=total, learning_rate=settings.pop("learning_rate", 2.0), **settings)
    return [learning_rate_at(recipe, step, total) for step in range(total)]


def test_constant():
    assert rates(4, schedule="constant", warmup=0.0) == [2.0] * 4


def test_constant_after_a_warm_up():
    assert rates(8, schedule="constant", warmup=0.5) == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0]


def test_a_warm_up_that_ends_between_steps_does_not_overshoot():
    assert rates(5, schedule="constant", warmup=0.5) == pytest.approx([0.8, 1.6, 2.0, 2.0, 2.0])


def test_cosine():
    half = math.sqrt(0.5)
    assert rates(4, schedule="cosine", warmup=0.0) == pytest.approx([2.0, 1 + half, 1.0, 1 - half])


def test_cosine_after_a_warm_up():
    expected = [1.0, 2.0, 2.0, 1.5, 0.5]
    assert rates(5, schedule="cosine", warmup=0.4) == pytest.approx(expected)


def test_multi_step():
    expected = [2.0, 2.0, 2.0, 0.2, 0.2, 0.2, 0.2, 0.02, 0.02, 0.02]
    found = rates(10, schedule="multi-step", milestones=(0.3, 0.7), gamma=0.1, warmup=0.0)
    assert found == pytest.approx(expected)


def test_multi_step_after_a_warm_up():
    found = rates(10, schedule="multi-step", milestones=(0.5,), gamma=0.5, warmup=0.2)
    assert found == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize(("total", "warmup"), [(10, 0.3), (100, 0.25), (37, 0.5), (7, 0.2)])
def test_one_cycle_agrees_with_torch(total, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2.0, total_steps=total, pct_start=warmup, cycle_momentum=False
    )
    expected = []
    for _ in range(total):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < total:
            scheduler.step()
    assert rates(total, schedule="one-cycle", warmup=warmup) == pytest.approx(expected)


@given(
    st.sampled_from(["constant", "cosine", "multi-step", "one-cycle"]),
    st.integers(1, 50),
    st.floats(0.01, 0.99),
)
def test_a_rate_is_positive_and_at_most_the_peak(schedule, total, warmup):
    found = rates(total, schedule=schedule, warmup=warmup, learning_rate=0.7)
    assert all(0 < rate <= 0.7 * (1 + 1e-12) for rate in found)


@given(st.sampled_from(["constant", "cosine", "multi-step"]), st.integers(1, 20))
def test_schedules_scale_with_the_number_of_steps(schedule, factor):
    """Three steps of a long training are where one step of a short one is."""
    short = Recipe(steps=20, schedule=schedule, warmup=0.0)
    for step in range(20):
        assert learning_rate_at(short, step * factor, 20 * factor) == pytest.approx(
            learning_rate_at(short, step, 20)
        )

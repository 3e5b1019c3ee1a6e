from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import ConfigError
from prunescope.pruning import Alternating, Gradual, OneShot
from prunescope.pruning.methods.gradual import FROM_SCRATCH as RI
from prunescope.pruning.methods.gradual import FROM_TRAINED as PT

PAPER = Alternating(Fraction(10, 100), Fraction(5, 100), Fraction(75, 100), Fraction(85, 100))


def test_one_shot_is_one_update_before_the_first_step():
    assert OneShot().updates(0.9, 50) == {0: 0.9}


def test_papers_epochs_with_one_step_per_epoch():
    assert list(RI.updates(0.95, 100)) == [10, 20, 30, 40, 50, 60, 70, 80]
    assert list(PT.updates(0.95, 80)) == list(range(1, 58, 4))


def test_cubic_by_hand():
    schedule = Gradual(Fraction(0), Fraction(1, 2), n_updates=3, initial=0.1)
    # 0.9 − 0.8 · (1, 1/8, 0)
    assert schedule.updates(0.9, 8) == pytest.approx({0: 0.1, 2: 0.8, 4: 0.9})


@given(st.integers(20, 10**6), st.floats(0, 0.999))
@pytest.mark.parametrize("schedule", [RI, PT])
def test_cubic_rises_to_exactly_the_target_ever_more_slowly(schedule, n_steps, sparsity):
    table = schedule.updates(sparsity, n_steps)
    steps, values = list(table), list(table.values())
    assert len(table) == schedule.n_updates
    assert steps == sorted(steps)
    assert steps[0] >= 0
    assert steps[-1] < n_steps
    assert values == sorted(values)
    assert values[0] == pytest.approx(min(0.05, sparsity))
    assert values[-1] == sparsity
    rises = [b - a for a, b in pairwise(values)]
    assert all(a >= b - 1e-12 for a, b in pairwise(rises))
    for i, step in enumerate(steps):
        share = schedule.first + (schedule.last - schedule.first) * Fraction(
            i, schedule.n_updates - 1
        )
        assert abs(step - share * n_steps) <= Fraction(1, 2)


@pytest.mark.parametrize(("schedule", "n_needed"), [(RI, 10), (PT, 20)])
def test_training_too_short(schedule, n_needed):
    assert len(schedule.updates(0.9, n_needed)) == schedule.n_updates
    with pytest.raises(ConfigError, match=f"{n_needed - 1} steps .* at least {n_needed} steps"):
        schedule.updates(0.9, n_needed - 1)


@pytest.mark.parametrize("arguments", [(0.5, 0.5, 3), (0.2, 1, 3), (0, 0.5, 1), (-0.1, 0.5, 4)])
def test_schedule_that_makes_no_sense(arguments):
    with pytest.raises(ConfigError, match="makes no sense"):
        Gradual(*arguments)


def test_linear_by_hand():
    schedule = Gradual(Fraction(0), Fraction(1, 2), n_updates=3, power=1, initial=0.1)
    assert schedule.updates(0.9, 8) == pytest.approx({0: 0.1, 2: 0.5, 4: 0.9})


def test_phases_take_turns_in_the_papers_epochs():
    table = PAPER.updates(0.9, 100)
    assert list(table) == [*range(10, 76, 5), 85]
    assert [table[epoch] for epoch in range(10, 75, 10)] == [0.9] * 7
    assert [table[epoch] for epoch in range(15, 76, 10)] == [0] * 7
    assert table[85] == 0.9


@given(st.integers(20, 10**6))
def test_phases_keep_their_order_at_any_length(n_steps):
    table = PAPER.updates(0.8, n_steps)
    assert len(table) == 15
    assert list(table) == sorted(table)
    assert list(table.values()) == [0.8, 0] * 7 + [0.8]


def test_training_too_short_for_the_phases():
    with pytest.raises(ConfigError, match=r"19 steps .* at least 20 steps"):
        PAPER.updates(0.9, 19)

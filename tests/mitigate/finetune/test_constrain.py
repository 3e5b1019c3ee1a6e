"""Multipliers and weights on outcomes that are written down by hand."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch

from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate.finetune import Constrain, Constraint
from prunescope.training import Batch, Processes

HOW = Constraint(tolerance=0.1, rate=0.5, buffer=8, min_support=1)


def samples_of(labels, sides, task="multilabel", attributes=("Bald",)):
    return Samples(
        pl.Series([str(i) for i in range(len(labels))]),
        attributes,
        np.array(labels, np.int8),
        groups={"side": Group.from_series(pl.Series("side", sides, dtype=pl.String))},
        task=task,
    )


def step(callback, samples, logits, positions=None):
    """Hand one batch to the callback and return the loss and its gradient by the logits."""
    positions = np.arange(len(samples)) if positions is None else np.array(positions)
    labels = torch.from_numpy(samples.labels[positions])
    state = SimpleNamespace(dataset=SimpleNamespace(samples=samples))
    z = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    loss = callback.transform_loss(state, z.sum() * 0, z, Batch(None, labels, positions))
    loss.backward()
    return float(loss.detach()), z.grad


@pytest.fixture
def four():
    """Two of a, two of b, all bald; the dense model is right about all."""
    samples = samples_of([[1]] * 4, list("aabb"))
    return samples, Constrain(samples, np.ones((4, 1)), ("side",), HOW)


def test_multipliers_rise_by_rate_times_what_is_above_the_tolerance(four):
    samples, callback = four
    # a: 2 of 2 right, gap 0; b: 1 of 2, gap 1/2; average 1/4: excess -1/4 and +1/4.
    step(callback, samples, [[1.0], [1.0], [1.0], [-1.0]])
    assert callback.excess().T.tolist() == [[-0.25, 0.25]]
    assert callback.multipliers.T.tolist() == [[0.0, pytest.approx(0.5 * (0.25 - 0.1))]]
    # Four outcomes in b's buffer now, 1 of 4 right: gap 3/4; average 3/8.
    step(callback, samples, [[1.0], [1.0], [-1.0], [-1.0]])
    assert callback.multipliers[1].item() == pytest.approx(0.075 + 0.5 * (0.375 - 0.1))


def test_multipliers_fall_and_never_below_zero(four):
    samples, callback = four
    callback.multipliers[1] = 0.08
    step(callback, samples, [[1.0]] * 4)  # no gap: λ moves by -0.5 · 0.1
    assert callback.multipliers.T.tolist() == [[0.0, pytest.approx(0.03)]]
    step(callback, samples, [[1.0]] * 4)
    assert callback.multipliers.T.tolist() == [[0.0, 0.0]]


def test_without_multipliers_the_loss_is_as_it_was(four):
    samples, callback = four
    loss, gradient = step(callback, samples, [[1.0], [1.0], [1.0], [-1.0]])
    assert loss == 0.0
    assert not gradient.any()


def test_the_loss_is_the_lagrangian():
    """Σ λ · (mean loss in the cell − mean loss), over the A units, where batch = training split."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (12, 2))
    samples = samples_of(labels, list("aaaaaaaabbbb"), attributes=("Bald", "Young"))
    callback = Constrain(samples, rng.normal(0, 1, (12, 2)), ("side",), HOW)
    callback.multipliers = torch.tensor([[0.1, 0.0], [0.2, 0.3]])
    multipliers = callback.multipliers.clone()
    logits = rng.normal(0, 2, (12, 2))
    loss, _ = step(callback, samples, logits)
    cells = np.log1p(np.exp(logits)) - labels * logits
    side = np.array([0] * 8 + [1] * 4)
    expected = sum(
        float(multipliers[g, u]) * (cells[side == g, u].mean() - cells[:, u].mean())
        for g in (0, 1)
        for u in (0, 1)
    )
    assert loss == pytest.approx(expected / 2, abs=1e-6)


def test_no_label_is_trained_to_be_wrong(four):
    samples, callback = four
    callback.multipliers[1] = 5.0  # weights 1 + 0 − 5 for a, 1 + 10 − 5 for b
    _, gradient = step(callback, samples, [[0.0]] * 4)
    # What is added to the loss: (w − 1) · (σ(0) − 1) / 4, with w = 0 for a and 6 for b.
    assert gradient.T.tolist() == [[0.125, 0.125, -0.625, -0.625]]


def test_several_groups_have_multipliers_of_their_own_and_unknown_values_none():
    base = samples_of([[1]] * 4, ["a", "a", "b", None])
    town = Group.from_series(pl.Series("town", ["x", "y", "x", "y"]))
    samples = Samples(
        base.ids, base.attributes, base.labels, groups=dict(base.groups) | {"town": town}
    )
    callback = Constrain(samples, np.ones((4, 1)), ("side", "town"), HOW)
    assert callback.cells.values == (("side", "a"), ("side", "b"), ("town", "x"), ("town", "y"))
    assert callback.cells.support.T.tolist() == [[2, 1, 2, 2]]
    # side: a right, b wrong, average gap 1/3 over the three who are known; town: x 1/2, y 0.
    step(callback, samples, [[1.0], [1.0], [-1.0], [1.0]])
    assert callback.excess().T.tolist() == [pytest.approx([-1 / 3, 2 / 3, 0.25, -0.25])]


def test_classes_have_one_constraint_per_group_value():
    samples = samples_of(np.eye(3)[[0, 1, 2, 0]], list("aabb"), "multiclass", ("x", "y", "z"))
    dense = 5 * np.eye(3)[[0, 1, 2, 0]]
    callback = Constrain(samples, dense, ("side",), HOW)
    step(callback, samples, 5 * np.eye(3)[[0, 1, 1, 0]])  # one of b's is wrong
    assert callback.excess().T.tolist() == [[-0.25, 0.25]]


def test_cells_with_few_labels_have_no_constraint_and_are_named():
    samples = samples_of([[1]] * 5, list("aaaab"))
    callback = Constrain(samples, np.ones((5, 1)), ("side",), HOW.model_copy(
        update={"min_support": 2}))  # fmt: skip
    for _ in range(3):  # b's buffer then holds the outcomes of three epochs, all wrong
        step(callback, samples, [[1.0]] * 4 + [[-1.0]])
    assert callback.excess()[1] > 0.5
    assert callback.multipliers.T.tolist() == [[0.0, 0.0]]
    assert "fewer than 2 labels are in the training split: Bald, side=b" in callback.notes()[0]


def test_a_multiplier_waits_for_enough_outcomes():
    samples = samples_of([[1]] * 6, list("aaabbb"))
    how = HOW.model_copy(update={"min_support": 3})
    callback = Constrain(samples, np.ones((6, 1)), ("side",), how)
    step(callback, samples, [[1.0], [1.0], [-1.0], [-1.0]], [0, 1, 3, 4])
    assert not callback.multipliers.any()
    step(callback, samples, [[1.0], [-1.0]], [2, 5])
    assert callback.multipliers[1] > 0


def test_dense_accuracy_counts_known_labels_alone():
    samples = samples_of([[1], [0], [-1], [1]], list("aaab"))
    callback = Constrain(samples, [[1.0], [1.0], [1.0], [1.0]], ("side",), HOW)
    step(callback, samples, [[1.0], [-1.0], [9.0], [1.0]])  # dense 1/2 and 1, sparse 1 and 1
    assert callback.excess().T.tolist() == [pytest.approx([-0.5 + 1 / 3, 1 / 3])]


def test_logits_of_other_samples_and_several_processes_are_refused(four, monkeypatch):
    samples, callback = four
    with pytest.raises(DataError, match=r"dense logits of shape \(3, 1\)"):
        Constrain(samples, np.ones((3, 1)), ("side",), HOW)
    state = SimpleNamespace(dataset=samples, device=torch.device("cpu"))
    monkeypatch.setattr(Processes, "current", lambda: Processes(0, 2))
    with pytest.raises(ConfigError, match="several processes share: train in one"):
        callback.on_train_start(state)
    with pytest.raises(ConfigError, match="constraints on 4 samples, and 2 are trained on"):
        callback.on_train_start(SimpleNamespace(dataset=[0, 1], device=state.device))

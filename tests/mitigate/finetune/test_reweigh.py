"""Weights against loops over labels."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate.finetune import Reweigh, balance_groups, balance_labels
from prunescope.training import Distill, Distillation, Recipe, train


def drawn(seed, n=40, classes=False):
    rng = np.random.default_rng(seed)
    if classes:
        labels = np.eye(3, dtype=np.int8)[rng.choice(3, n, p=[0.7, 0.2, 0.1])]
        labels[rng.random(n) < 0.1] = -1
    else:
        labels = (rng.random((n, 3)) < [0.1, 0.5, 1.0]).astype(np.int8)
        labels[rng.random((n, 3)) < 0.1] = -1
    sides = [["a", "b", "c", None][i] for i in rng.choice(4, n, p=[0.6, 0.25, 0.1, 0.05])]
    return Samples(
        pl.Series([str(i) for i in range(n)]), ("x", "y", "z"), labels,
        groups={"side": Group.from_series(pl.Series("side", sides, dtype=pl.String))},
        task="multiclass" if classes else "multilabel",
    )  # fmt: skip


def known_of(samples):
    known = samples.labels != -1
    return known[:, :1] if samples.task == "multiclass" else known


@given(st.integers(0, 999), st.booleans())
def test_group_values_have_the_same_total_weight(seed, classes):
    samples = drawn(seed, classes=classes)
    weights, known = balance_groups(samples, ["side"]).numpy(), known_of(samples)
    codes = samples.groups["side"].codes
    assert not weights[~known].any()
    for u in range(known.shape[1]):
        assert weights[known[:, u], u].mean() == pytest.approx(1, abs=1e-5)
        totals = [weights[known[:, u] & (codes == g), u].sum() for g in range(codes.max() + 1)]
        of_values = [total for total in totals if total > 0]
        assert of_values == pytest.approx([of_values[0]] * len(of_values), rel=1e-4)
        within = {g: set(weights[known[:, u] & (codes == g), u].tolist()) for g in range(3)}
        assert all(len(values) <= 1 for values in within.values())


def test_two_groups_multiply_and_unknown_values_count_as_one():
    samples = Samples(
        pl.Series(list("1234")), ("x",), np.array([[1], [0], [1], [1]], np.int8),
        groups={
            "side": Group.from_series(pl.Series(["a", "a", "a", "b"])),
            "town": Group.from_series(pl.Series(["p", "p", "q", None])),
        },
    )  # fmt: skip
    side, town = np.array([2 / 3, 2 / 3, 2 / 3, 2]), np.array([3 / 4, 3 / 4, 3 / 2, 1])
    expected = side * town / (side * town).mean()
    assert balance_groups(samples, ["side", "town"])[:, 0].tolist() == pytest.approx(expected)


@given(st.integers(0, 999), st.booleans(), st.sampled_from([1.0, 2.5, 1e9]))
def test_rare_labels_have_the_same_total_weight_up_to_a_ratio(seed, classes, ratio):
    samples = drawn(seed, classes=classes)
    weights, known = balance_labels(samples, ratio).numpy(), known_of(samples)
    for u in range(known.shape[1]):
        column = samples.labels.argmax(1) if classes else samples.labels[:, u]
        by_value = {v: weights[known[:, u] & (column == v), u] for v in (0, 1, 2)}
        by_value = {v: found for v, found in by_value.items() if len(found)}
        counts = {v: len(found) for v, found in by_value.items()}
        most = max(counts.values())
        loop = {v: min(most / count, ratio) for v, count in counts.items()}
        scale = sum(counts.values()) / sum(loop[v] * counts[v] for v in counts)
        for v, found in by_value.items():
            assert found.tolist() == pytest.approx([loop[v] * scale] * len(found), rel=1e-5)


def state_loss(planted, pruned, callbacks):
    history = train(
        pruned[0], planted, Recipe(steps=1, batch_size=len(planted), flip=False, warmup=0.0),
        callbacks=callbacks, device="cpu",
    )  # fmt: skip
    return history.epochs[0].loss


def test_the_weighted_loss_replaces_the_label_loss_and_is_mixed_by_distillation(
    planted, pruned, oracle
):
    import copy

    weights = balance_labels(planted.samples)
    with torch.no_grad():  # no to Rare, so that the few who are weigh
        pruned[0].head.bias.copy_(torch.tensor([0.0, -3.0]))
    logits = pruned[0](torch.from_numpy(planted.pixels) / 255).detach()
    labels = torch.from_numpy(planted.samples.labels).float()
    cells = torch.log1p(logits.exp()) - labels * logits
    weighted, plain = float((weights * cells).mean()), float(cells.mean())
    assert abs(weighted - plain) > 0.01

    def loss(*callbacks):
        return state_loss(planted, copy.deepcopy(pruned), callbacks)

    taught = Distillation(oracle, Distill(weight=0.25))
    apart = (loss(taught) - 0.75 * plain) / 0.25
    assert loss(Reweigh(weights)) == pytest.approx(weighted, rel=1e-5)
    assert loss(Reweigh(weights), taught) == pytest.approx(0.75 * weighted + 0.25 * apart, rel=1e-5)


def test_bad_input_is_refused(planted, pruned):
    with pytest.raises(ConfigError, match=f"weights of 3 samples for {len(planted)}"):
        state_loss(planted, pruned, [Reweigh(torch.ones(3, 2))])
    with pytest.raises(ConfigError, match=r"ratio of weights of 0\.5"):
        balance_labels(planted.samples, 0.5)
    alone = Samples(
        pl.Series(["1"]), ("x",), np.ones((1, 1), np.int8),
        groups={"side": Group.from_series(pl.Series(["a"]))},
    )  # fmt: skip
    with pytest.raises(DataError, match="group 'side' has 1 value"):
        balance_groups(alone, ["side"])

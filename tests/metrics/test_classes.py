"""Figures of classes and over classes, slice by slice, against scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from torchmetrics.functional.classification import multiclass_calibration_error

from prunescope.metrics import (
    Counter,
    Layout,
    Slices,
    expected_calibration_error,
    f1,
    macro_f1,
    macro_recall,
    precision,
    present,
    true_positive_rate,
)
from prunescope.metrics.topone import (
    as_attribute,
    changes,
    top_one_accuracy,
    top_one_flip_rate,
    top_one_harmful_flip_rate,
    top_one_helpful_flip_rate,
)
from prunescope.predictions.batch import Batch

SEEDS = st.integers(0, 2**32 - 1)
N, K, BLOCKS = 120, 5, 6


class Drawn:
    """Two models of five classes with two groups, counted in blocks; one class is rare."""

    def __init__(self, build, seed):
        rng = np.random.default_rng(seed)
        self.truth = rng.choice(K, N, p=[0.4, 0.3, 0.2, 0.08, 0.02])
        labels = np.eye(K, dtype=int)[self.truth]
        unlabelled = rng.random(N) < 0.1
        labels[unlabelled] = -1
        self.truth[unlabelled] = -1
        groups = {
            "g": rng.choice(["x", "y", None], N, p=[0.5, 0.4, 0.1]).tolist(),
            "h": rng.integers(0, 3, N).tolist(),
        }
        models = [
            build(
                labels,
                np.round(rng.normal(size=(N, K)) + 1.5 * (labels == 1), 1).astype(np.float32),
                groups=groups,
                task="multiclass",
                name=name,
            )
            for name in ("d", "s")
        ]
        samples = models[0].samples
        self.slices, self.blocks = Slices.of(samples), rng.integers(0, BLOCKS, N)
        self.members = list(self.slices.members(samples))
        self.batch = Batch.of(models)
        self.layout = Layout(self.slices, BLOCKS)
        self.logits = [model.logits for model in models]
        self.answers = [model.logits.argmax(axis=1) for model in models]

    def statistics(self, model):
        return Counter(self.batch, self.layout, self.blocks).statistics(self.batch.models[model])

    def of_top(self, model):
        one = as_attribute(self.batch, model)
        return Counter(one, self.layout, self.blocks).statistics(one.models[0])

    def of_changes(self):
        moved = changes(self.batch, 0, 1)
        return Counter(moved, self.layout, self.blocks).transitions(*moved.models)

    def parts(self):
        """Yield the place of each slice, and of each block of it, and its labelled rows."""
        for s, rows in enumerate(self.members):
            yield (s,), rows
            for k in range(BLOCKS):
                yield (k, s), rows[self.blocks[rows] == k]


def at(measure, whole, place):
    """Return the value of a slice, of all blocks or of one."""
    return (whole if len(place) == 1 else measure).value[place]


@settings(max_examples=15)
@given(seed=SEEDS)
def test_figures_of_classes_agree_with_scikit_learn(build, seed):
    drawn = Drawn(build, seed)
    by_block = drawn.statistics(1).counts
    whole = by_block.sum(axis=0)
    for ours, theirs in (
        (true_positive_rate, recall_score),
        (precision, precision_score),
        (f1, f1_score),
    ):
        found = ours(by_block), ours(whole)
        for place, rows in drawn.parts():
            rows = rows[drawn.truth[rows] >= 0]
            if not len(rows):
                assert np.isnan(at(*found, place)).all()
                continue
            wanted = theirs(
                drawn.truth[rows],
                drawn.answers[1][rows],
                labels=range(K),
                average=None,
                zero_division=np.nan,
            )
            assert at(*found, place) == pytest.approx(wanted, nan_ok=True)


@settings(max_examples=15)
@given(seed=SEEDS, at_least=st.sampled_from([1, 5]))
def test_figures_over_classes_agree_with_scikit_learn(build, seed, at_least):
    drawn = Drawn(build, seed)
    by_block = drawn.statistics(1).counts
    whole = by_block.sum(axis=0)
    classes = present(whole, at_least)
    for ours, theirs in ((macro_recall, recall_score), (macro_f1, f1_score)):
        found = ours(whole, classes)
        for s, rows in enumerate(drawn.members):
            truth = drawn.truth[rows]
            n_true = np.bincount(truth[truth >= 0], minlength=K)
            over = np.flatnonzero(n_true >= at_least)
            assert classes[s].nonzero()[0].tolist() == over.tolist()
            known = truth >= 0
            answers = drawn.answers[1][rows][known]
            wanted = (
                theirs(truth[known], answers, labels=over, average="macro", zero_division=np.nan)
                if len(over)
                else np.nan
            )
            assert found.value[s].item() == pytest.approx(wanted, nan_ok=True)
            assert found.support[s].item() == n_true[over].sum()
    held = present(by_block)
    recall = macro_recall(by_block, classes).value
    for k, s in np.ndindex(recall.shape[:2]):
        rows = drawn.members[s][drawn.blocks[drawn.members[s]] == k]
        shares = [
            (drawn.answers[1][rows][drawn.truth[rows] == c] == c).mean()
            for c in np.flatnonzero(classes[s] & held[k, s])
        ]
        wanted = np.mean(shares) if shares else np.nan
        assert recall[k, s].item() == pytest.approx(wanted, nan_ok=True)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_the_top_answer_is_counted_in_every_slice_and_block(build, seed):
    drawn = Drawn(build, seed)
    right = (
        top_one_accuracy(drawn.of_top(1).counts),
        top_one_accuracy(drawn.of_top(1).total().counts),
    )
    moved = drawn.of_changes()
    before, after = drawn.answers
    changed = [
        (rate(moved.counts), rate(moved.total().counts))
        for rate in (top_one_flip_rate, top_one_harmful_flip_rate, top_one_helpful_flip_rate)
    ]
    for place, rows in drawn.parts():
        known = rows[drawn.truth[rows] >= 0]
        truth, was, now = drawn.truth[known], before[known], after[known]
        wanted = accuracy_score(truth, now) if len(known) else np.nan
        assert at(*right, place).item() == pytest.approx(wanted, nan_ok=True)
        wanted = (before[rows] != after[rows]).mean() if len(rows) else np.nan
        assert at(*changed[0], place).item() == pytest.approx(wanted, nan_ok=True)
        for found, (good, bad) in zip(changed[1:], ((was, now), (now, was)), strict=True):
            share = ((good == truth) & (bad != truth)).mean() if len(known) else np.nan
            assert at(*found, place).item() == pytest.approx(share, nan_ok=True)


def test_the_calibration_of_the_top_label_agrees_with_torchmetrics_in_every_slice(build):
    drawn = Drawn(build, 4)
    found = expected_calibration_error(drawn.of_top(1).total())
    p = torch.softmax(torch.tensor(drawn.logits[1]).double(), 1)
    for s, rows in enumerate(drawn.members):
        rows = rows[drawn.truth[rows] >= 0]
        wanted = multiclass_calibration_error(
            p[rows], torch.tensor(drawn.truth[rows]), num_classes=K, n_bins=10
        )
        assert found.value[s].item() == pytest.approx(wanted.item(), abs=1e-5)

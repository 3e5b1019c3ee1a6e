"""The one answer of a multi-class model, against loops and torchmetrics."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from prunescope.audit import audit

SEEDS = st.integers(0, 2**32 - 1)


def models_of(build, seed, n=80, k=4, unlabelled=0.1):
    rng = np.random.default_rng(seed)
    truth = np.eye(k, dtype=int)[rng.integers(0, k, n)]
    truth[rng.random(n) < unlabelled] = -1
    options = {"task": "multiclass", "groups": {"g": rng.choice(["x", "y"], n).tolist()}}
    return [
        build(truth, np.round(rng.normal(size=(n, k)) + 2 * (truth == 1), 1), name=name, **options)
        for name in ("d", "s")
    ]


@settings(max_examples=10)
@given(seed=SEEDS)
def test_top_answers_equal_a_loop(build, seed):
    dense, sparse = models_of(build, seed)
    result = audit(dense, sparse, replicates=100, min_support=1)
    table = result.table.filter(pl.col("model") == "s")
    truth = np.where(
        (dense.samples.labels < 0).all(axis=1), -1, (dense.samples.labels == 1).argmax(axis=1)
    )
    before, after = (model.logits.argmax(axis=1) for model in (dense, sparse))
    groups = np.array(dense.samples.groups["g"].to_series("g").to_list())
    for name, rows in ((None, np.ones(80, bool)), ("x", groups == "x"), ("y", groups == "y")):
        known = rows & (truth >= 0)

        def value(metric, name=name):
            some = table.filter(metric=metric).filter(pl.col("group_value").eq_missing(name))
            return some["value"].item()

        assert value("top1_accuracy") == pytest.approx((after == truth)[known].mean())
        assert value("top1_flip_rate") == pytest.approx((before != after)[rows].mean())
        harmful = (before == truth) & (after != truth)
        helpful = (before != truth) & (after == truth)
        assert value("top1_harmful_flip_rate") == pytest.approx(harmful[known].mean())
        assert value("top1_helpful_flip_rate") == pytest.approx(helpful[known].mean())
    counted = {row[:3]: row[3] for row in result.confusions.drop("model").iter_rows()}
    names = [*dense.attributes, None]
    loop = {}
    for t, b, a in zip(truth, before, after, strict=True):
        if b != a:
            key = (names[t], names[b], names[a])
            loop[key] = loop.get(key, 0) + 1
    assert counted == loop


def test_calibration_of_the_top_label_agrees_with_torchmetrics(build):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 2000)
    logits = rng.normal(0, 1.5, (2000, 5)) + 1.5 * np.eye(5)[truth]
    models = [build(np.eye(5)[truth], logits, name=name, task="multiclass") for name in ("d", "s")]
    table = audit(*models, replicates=100).table.filter(model="d", metric="top_label_ece")
    p = torch.softmax(torch.tensor(logits), 1)
    wanted = multiclass_calibration_error(p, torch.tensor(truth), num_classes=5, n_bins=10)
    assert table["value"].item() == pytest.approx(wanted.item(), abs=1e-5)


def test_accuracy_of_the_top_answer_is_compared_by_mcnemar(build):
    truth = np.eye(3)[np.zeros(60, int)]
    wrong = np.eye(3)[np.array([1] * 9 + [0] * 51)]
    dense, sparse = (
        build(truth, logits, name=name, task="multiclass")
        for name, logits in (("d", truth), ("s", wrong))
    )
    row = audit(dense, sparse, replicates=100).table.filter(model="s", metric="top1_accuracy")
    assert row["p_value"].item() == pytest.approx(2 * 0.5**9)
    assert row["verdict"].item() == "worse"

"""Scores that rank the wrong way round are told of, from memory and from files alike."""

import numpy as np
import polars as pl
import pytest

from prunescope.audit import SCHEMA, audit
from prunescope.audit.inverted import inverted
from prunescope.audit.large_files.streaming import audit_files
from prunescope.predictions import Predictions
from prunescope.predictions.shards import Shards

SETTINGS = {"replicates": 100}
ROUND = "rank the wrong way round"


def planted(build, rng, n=300, turned=(), name="m", flipped=(), noise=1.5):
    """Answer four attributes well, but for those that are turned round, in scores or in labels."""
    truth = (rng.random((n, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(int)
    truth[:2] = [[0] * 4, [1] * 4]
    logits = 4.0 * truth - 2 + rng.normal(0, noise, truth.shape)
    logits[:, list(turned)] *= -1
    truth[:, list(flipped)] = 1 - truth[:, list(flipped)]
    return build(truth, logits, name=name)


def told(audited):
    return [text for text in audited.info.warnings if ROUND in text]


def both_ways(dense, compressed, folder):
    """Audit from memory and a part at a time: both say the same."""
    files = []
    for one in (dense, compressed):
        one.save(folder / f"{one.name}.parquet")
        files.append(Shards.scan(folder / f"{one.name}.parquet"))
    found = told(audit(dense, compressed, **SETTINGS))
    streamed = told(audit_files(files[:1], files[1:], rows=64, **SETTINGS))
    assert streamed == found
    return found


def of_another(model, logits, name):
    return Predictions(model.samples, logits, model.metadata.model_copy(update={"name": name}))


def test_scores_of_no_in_a_compressed_file(build, tmp_path):
    dense = planted(build, np.random.default_rng(0), name="dense")
    logits = dense.logits * [1, -1, 1, -1]
    [text] = both_ways(dense, of_another(dense, logits, "int8"), tmp_path)
    assert text.startswith("int8: the scores of a1, a3 rank the wrong way round (AUC up to 0.0")
    assert text.endswith(
        "does 1 mean yes in the labels, and are the scores those of yes, not of no?"
    )


def test_labels_that_are_the_other_way_round_are_told_once_for_all_models(build, tmp_path):
    dense = planted(build, np.random.default_rng(1), name="dense", flipped=[2])
    noisy = dense.logits + np.random.default_rng(2).normal(0, 1, dense.logits.shape)
    [text] = both_ways(dense, of_another(dense, noisy, "pruned"), tmp_path)
    assert text.startswith("dense, pruned: the scores of a2 rank the wrong way round")


def test_classes_in_another_order(build, tmp_path):
    rng = np.random.default_rng(3)
    truth = np.eye(2, dtype=int)[rng.integers(0, 2, 200)]
    logits = 3.0 * truth + rng.normal(0, 1, truth.shape)
    dense = build(truth, logits, name="dense", task="multiclass", names=("cat", "dog"))
    [text] = both_ways(dense, of_another(dense, logits[:, ::-1], "onnx"), tmp_path)
    assert text.startswith("onnx: the scores of cat, dog rank the wrong way round")
    assert "name their classes in the same order" in text


def test_hardly_any_attribute_of_small_audits_without_damage_is_told(build):
    """As many attributes as 200 audits of four, half of them answered by chance: the hardest."""
    rng = np.random.default_rng(4)
    found = []
    for n in rng.integers(20, 120, 20):
        truth = (rng.random((n, 40)) < np.linspace(0.05, 0.5, 40)).astype(int)
        logits = 4.0 * truth - 2 + rng.normal(0, 1.5, truth.shape)
        logits[:, ::2] = rng.normal(0, 1, (n, 20))
        dense = build(truth, logits, name="dense")
        other = of_another(dense, logits + rng.normal(0, 0.5, truth.shape), "pruned")
        for text in told(audit(dense, other, n_affected=0, **SETTINGS)):
            models, attributes = (part.split(", ") for part in text.split(": the scores of "))
            found += [(model, one) for model in models for one in attributes]
    assert len(found) <= 1600 / 400, found


@pytest.mark.parametrize(
    "change",
    [
        {"high": 0.41},
        {"high": None},
        {"status": "insufficient_support"},
        {"group": "Male"},
        {"attribute": None},
        {"model": "prune (2 seeds)"},
        {"metric": "average_precision"},
    ],
)
def test_rows_that_tell_nothing(change):
    row = {"model": "m", "metric": "auc", "attribute": "Bald", "value": 0.2, "high": 0.3}
    row |= {"status": "ok"}
    assert len(inverted(pl.DataFrame([row], SCHEMA), ["m"], "multilabel")) == 1
    assert inverted(pl.DataFrame([row | change], SCHEMA), ["m"], "multilabel") == []

"""Files of planted truth, audited and judged by the shipped criteria."""

import numpy as np
import polars as pl
import pytest

import prunescope as ps
from prunescope.audit import Audit
from prunescope.verdict import Policy, shipped, template


def scores(labels, rng, noise=1.0):
    return np.where(labels, 2.0, -2.0) + rng.normal(0, noise, labels.shape)


def of(audit, model="sparse"):
    """Return criterion → what is said of it."""
    return {one.criterion: one for one in shipped().judge(audit).of(model).criteria}


@pytest.mark.parametrize(("n", "wrong"), [(12, 0), (12, 1), (40, 0), (40, 3)])
def test_few_images_never_ship(build, n, wrong):
    """12 images of which one is lost: accuracy may have fallen by 30 points."""
    rng = np.random.default_rng(n)
    labels = rng.random((n, 2)) < 0.5
    dense = np.where(labels, 2.0, -2.0)
    sparse = dense.copy()
    sparse[:wrong] *= -1
    found = ps.audit(build(labels, dense, name="dense"), build(labels, sparse, name="sparse"))
    verdict = shipped().judge(found)
    assert (verdict.answer, verdict.passed) == ("unknown", False)
    accuracy = of(found)["Accuracy falls"]
    assert accuracy.state == "open"
    assert accuracy.rows[0].reach > wrong / n
    assert accuracy.rows[0].more > 100


def test_random_scores_that_flip_half_of_the_answers_do_not_ship(build):
    """Accuracy is the same, 50%; every other right answer is lost."""
    rng = np.random.default_rng(0)
    labels = rng.random((200, 3)) < 0.5
    made = [build(labels, rng.normal(0, 1, (200, 3)), name=name) for name in ("dense", "sparse")]
    found = ps.audit(*made)
    assert shipped().judge(found).answer == "stop"
    assert of(found)["Right answers are lost"].severity == "severe"


def test_random_scores_of_two_dense_models_are_told_by_their_churn(build):
    """Flips like those between dense seeds are no damage of pruning."""
    rng = np.random.default_rng(0)
    labels = rng.random((5000, 3)) < 0.5
    dense = [build(labels, rng.normal(0, 1, (5000, 3)), name=f"dense-{s}", seed=s) for s in (0, 1)]
    sparse = build(labels, rng.normal(0, 1, (5000, 3)), name="sparse", seed=0)
    assert of(ps.audit(dense, sparse))["Right answers are lost"].state == "held"


def test_a_gate_in_which_nothing_can_be_judged_is_not_passed(build):
    rng = np.random.default_rng(1)
    labels = rng.random((12, 2)) < 0.5
    groups = {"g": rng.random(12) < 0.5}
    dense = np.where(labels, 2.0, -2.0)
    sparse = dense.copy()
    sparse[:2] *= -1
    found = ps.audit(
        build(labels, dense, groups=groups, name="dense"),
        build(labels, sparse, groups=groups, name="sparse"),
    )
    told = [
        {"metric": "rare_value_ratio", "attribute": "*", "gte": 0.5},
        {"metric": "bias_amplification", "attribute": "*", "group": "g", "lte": 0.5},
    ]
    for decides in (True, False):
        policy = Policy(version=2, criteria=[{**one, "decides": decides} for one in told])
        verdict = policy.judge(found)
        assert {one.state for one in verdict.models[0].criteria} == {"not judged"}
        assert (verdict.answer, verdict.passed) == ("unknown", False)
    for text in (template(), template(found)):
        assert not Policy.parse(text).judge(found).passed


def classes(build, name, truth, logits, n_classes, **more):
    labels = (truth[:, None] == np.arange(n_classes)).astype(np.int8)
    return build(labels, logits, name=name, task="multiclass", **more)


def test_classes_that_are_ruined_do_not_ship_though_one_against_the_rest_hardly_moves(build):
    """200 classes, top-1 accuracy from about 70 to 30%."""
    rng = np.random.default_rng(2)
    n, k = 3000, 200
    truth = rng.integers(0, k, n)
    made = []
    for name, signal in (("dense", 3.35), ("sparse", 2.2)):
        logits = rng.normal(0, 1, (n, k))
        logits[np.arange(n), truth] += signal
        made.append(classes(build, name, truth, logits, k, groups={"g": np.arange(n) % 2 == 0}))
    found = ps.audit(*made, replicates=100)
    for policy in (shipped(), Policy.parse(template()), Policy.parse(template(found))):
        verdict = policy.judge(found)
        assert (verdict.answer, verdict.passed) == ("stop", False)
    fell = of(found)["Accuracy falls"]
    assert (fell.metric, fell.severity) == ("top1_accuracy", "severe")
    assert fell.rows[0].damage > 0.3


def test_half_of_the_classes_are_given_up(build):
    truth, places = np.arange(4000) % 200, np.arange(200)
    dense, lost = (
        classes(build, name, truth, np.where(given[:, None] == places, 9.0, -9.0), 200)
        for name, given in (("dense", truth), ("lost", truth % 100))
    )
    copy = classes(build, "copy", truth, dense.logits, 200)
    for compressed, answer in ((lost, "stop"), (copy, "ship")):
        found = ps.audit(dense, compressed, replicates=100)
        verdict = shipped().judge(found)
        assert verdict.answer == answer
        told = {one.criterion: one for one in verdict.models[0].criteria}
        assert told["Accuracy falls"].state == ("held" if answer == "ship" else "broken")
        if answer == "stop":
            gone = told["Classes are lost"]
            assert (gone.severity, gone.n_rows, gone.n_broken) == ("severe", 200, 100)
            assert {row.value for row in gone.rows} == {0.0}


@pytest.mark.parametrize("n_classes", [None, 4])
def test_without_groups_the_shipped_criteria_judge_the_rest(build, n_classes):
    rng = np.random.default_rng(3)
    if n_classes:
        truth = rng.integers(0, n_classes, 600)
        labels = truth[:, None] == np.arange(n_classes)
        made = [
            classes(build, name, truth, scores(labels, rng), n_classes)
            for name in ("dense", "sparse")
        ]
    else:
        labels = rng.random((600, 2)) < 0.5
        made = [build(labels, scores(labels, rng), name=name) for name in ("dense", "sparse")]
    found = ps.audit(*made)
    for one in shipped().judge(found).models[0].criteria:
        about = next(c for c in shipped().criteria if c.title == one.criterion)
        assert (one.state == "absent") == (about.group is not None)


def test_a_copy_of_the_dense_model_ships(build):
    rng = np.random.default_rng(4)
    labels = rng.random((5000, 4)) < [0.2, 0.3, 0.4, 0.5]
    logits, groups = scores(labels, rng), {"g": rng.random(5000) < 0.5}
    made = [build(labels, logits, groups=groups, name=name) for name in ("dense", "sparse")]
    verdict = shipped().judge(ps.audit(*made))
    assert verdict.text == "Ship."
    assert {one.state for one in verdict.models[0].criteria} <= {"held", "absent"}


def pair(build, n=400, shared=400):
    """A dense model, and a copy of it that lacks all images but `shared`."""
    rng = np.random.default_rng(5)
    labels = rng.random((n, 2)) < 0.5
    logits = scores(labels, rng)
    dense = build(labels, logits, name="dense")
    return dense, build(labels[:shared], logits[:shared], name="sparse")


@pytest.mark.parametrize(("shared", "told"), [(400, None), (380, "absent"), (379, "not judged")])
def test_files_must_share_95_percent_of_their_samples(build, shared, told):
    dense, sparse = pair(build, shared=shared)
    found = ps.audit(dense, sparse)
    assert found.info.shared == shared / 400
    common = of(found).get("Samples in common")
    assert (common and common.state) == told
    if told == "not judged":
        assert f"share {shared} of 400 samples" in common.text
        assert any(f"{400 - shared} of 400 samples left out" in note for note in found.info.notes)
        assert shipped().judge(found).answer == "unknown"
        allowed = ps.audit(dense, sparse, allow_missing=True)
        assert of(allowed)["Samples in common"].text.endswith("which --allow-missing allows")
    lenient = Policy.of(["accuracy >= -0.5"])
    assert lenient.judge(found).passed == (told != "not judged")
    assert lenient.judge(ps.audit(dense, sparse, allow_missing=True)).passed


def test_samples_that_only_the_compressed_model_answers_count_too(build):
    dense, sparse = pair(build, shared=132)
    found = ps.audit(sparse, dense)
    assert found.info.shared == 0.33
    assert shipped().judge(found).answer == "unknown"


def test_a_damaged_table_never_passes(build):
    """Of every figure, NaN and infinity in turn, with status ok."""
    rng = np.random.default_rng(6)
    labels = rng.random((5000, 3)) < 0.4
    logits, groups = scores(labels, rng), {"g": rng.random(5000) < 0.5}
    made = [build(labels, logits, groups=groups, name=name) for name in ("dense", "sparse")]
    found = ps.audit(*made)
    assert shipped().judge(found).passed
    whole = (
        pl.col("attribute").is_null() & pl.col("group").is_null() & (pl.col("model") == "sparse")
    )
    for figure in (float("nan"), float("inf"), float("-inf")):
        for column in ("value", "delta", "delta_low", "delta_high"):
            damaged = pl.when(whole & (pl.col("metric") == "accuracy")).then(pl.lit(figure))
            table = found.table.with_columns(damaged.otherwise(column).alias(column))
            verdict = shipped().judge(Audit(table, found.info))
            assert verdict.answer == "unknown"
            assert "damaged" in verdict.models[0].criteria[0].text

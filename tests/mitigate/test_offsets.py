"""Offsets of classes, in a world whose best answers are known, against every offset of a grid."""

from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from scipy.special import log_softmax
from sklearn.metrics import f1_score, recall_score

from prunescope.audit import audit
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate import (
    CALIBRATIONS,
    CLASS_CRITERIA,
    CRITERIA,
    Scene,
    compare,
    fit_adjustment,
)
from prunescope.predictions import adjust, read_adjustments

NAMES = ("owl", "cat", "dog", "emu")
SHARES = np.array([0.05, 0.6, 0.25, 0.1])
LOST = np.array([2.0, -0.5, 0.5, 1.0])
"""By how much pruning lowers each class's logit."""
APART = 2.0
"""How far the classes' means are from 0, each on an axis of its own."""


@pytest.fixture(scope="session")
def world(build):
    """Return a function that draws a dense and a pruned model, and the true classes, on a split.

    The dense model's logits are the true log-probabilities of the classes, as the world is a
    mixture of normal distributions; the pruned one's are less by `LOST`, and by `gap` times as much
    where town is b.
    """

    def draw(split, n=4000, gap=0.0):
        rng = np.random.default_rng([11, len(split)])
        true = rng.choice(4, n, p=SHARES)
        x = rng.normal(0, 1, (n, 4)) + APART * np.eye(4)[true]
        z = log_softmax(np.log(SHARES) + APART * x, axis=1)
        town = rng.random(n) < 0.5
        common = {
            "names": NAMES,
            "task": "multiclass",
            "ids": [f"{split}-{i}" for i in range(n)],
            "groups": {"town": np.where(town, "b", "a")},
        }
        labels, pruned = np.eye(4)[true], z - LOST * (1 + gap * town[:, None])
        return (
            build(labels, z, name="dense", **common),
            build(labels, pruned, name="sparse", **common),
            true,
        )

    return draw


def chosen(model):
    return model.decisions.argmax(axis=1)


def rates(model):
    return model.decisions.mean(axis=0)


def offsets(found):
    return np.array([found.adjustment.offsets[name] for name in NAMES])


def recall(true, model):
    return recall_score(true, chosen(model), average="macro")


def test_matching_dense_rates_undoes_a_shift_of_the_logits_to_the_last_answer(world):
    dense, sparse, _ = world("val")
    found = fit_adjustment(sparse, criterion="dense-rate", dense=dense)
    assert (chosen(sparse) != chosen(dense)).mean() > 0.05
    assert (chosen(found.apply(sparse)) == chosen(dense)).all()
    np.testing.assert_allclose(offsets(found), LOST - LOST.mean(), atol=0.03)
    dense_test, sparse_test, _ = world("test")
    assert (chosen(found.apply(sparse_test)) != chosen(dense_test)).mean() < 0.005


def test_matching_prevalence_is_exact_where_fitted_and_near_elsewhere(world):
    (_, sparse, true), (_, sparse_test, true_test) = world("val"), world("test")
    found = fit_adjustment(sparse, criterion="prevalence")
    assert chosen(found.apply(sparse)).tolist() != true.tolist()
    assert (rates(found.apply(sparse)) == np.bincount(true) / len(true)).all()
    there = np.bincount(true_test) / len(true_test)
    assert abs(rates(sparse_test) - there).max() > 0.1
    assert abs(rates(found.apply(sparse_test)) - there).max() < 0.02


def test_the_highest_mean_recall_is_that_of_bayes(world):
    """With every class as common as another the best offsets are - log share + what was lost."""
    (_, sparse, true), (_, sparse_test, true_test) = world("val"), world("test")
    found = fit_adjustment(sparse, criterion="macro-recall")
    best = adjust(sparse_test, found.adjustment.model_copy(
        update={"offsets": dict(zip(NAMES, LOST - np.log(SHARES), strict=True))}
    ))  # fmt: skip
    assert recall(true_test, found.apply(sparse_test)) > recall(true_test, sparse_test) + 0.15
    assert recall(true_test, found.apply(sparse_test)) > recall(true_test, best) - 0.015
    whole = found.table.filter(pl.col("attribute").is_null()).row(0, named=True)
    assert whole["before"] == pytest.approx(recall(true, sparse))
    assert whole["value"] == pytest.approx(recall(true, found.apply(sparse)))
    assert (whole["n"], whole["status"]) == (len(true), "ok")


def test_the_highest_mean_f1_is_higher_on_other_data_too(world):
    (_, sparse, true), (_, sparse_test, true_test) = world("val"), world("test")
    found = fit_adjustment(sparse, criterion="macro-f1")
    before, after = (f1_score(true_test, chosen(one), average=None)
                     for one in (sparse_test, found.apply(sparse_test)))  # fmt: skip
    assert after.mean() > before.mean() + 0.05
    told = found.table.filter(pl.col("attribute").is_not_null())["value"].to_list()
    assert told == pytest.approx(f1_score(true, chosen(found.apply(sparse)), average=None))


def highest(criterion, true, z, grid):
    """Return the highest figure of any offsets of a grid (G, K)."""
    answers = (z + grid[:, None]).argmax(axis=2)
    figures = []
    for k in range(z.shape[1]):
        of, given = true == k, answers == k
        hits = given[:, of].sum(axis=1)
        below = of.sum() if criterion == "macro-recall" else (of.sum() + given.sum(axis=1)) / 2
        figures.append(hits / below)
    return np.mean(figures, axis=0).max()


@pytest.mark.parametrize(
    ("criterion", "score", "hard"),
    [("macro-recall", recall_score, (55, 272)), ("macro-f1", f1_score, (128, 231))],
)
def test_few_offsets_of_a_grid_are_better(build, criterion, score, hard):
    """All offsets of three classes tried: the climb ends as high, or within a sample or two.

    Of the hard ones one is reached from no offsets alone, the other from those of prevalence alone.
    """
    steps = np.linspace(-6, 6, 41)
    grid = np.array([(0, u, v) for u, v in product(steps, repeat=2)])
    short = []
    for seed in (*range(20), *hard):
        rng = np.random.default_rng(seed)
        true = np.append(np.arange(3), rng.choice(3, 40, p=rng.dirichlet(np.ones(3))))
        z = rng.normal(0, 1, (43, 3)) + 2 * np.eye(3)[true] + rng.normal(0, 1.5, 3)
        model = build(np.eye(3)[true], z, task="multiclass", name="m")
        found = fit_adjustment(model, criterion=criterion, min_support=1)
        mine, before = (score(true, chosen(one), average="macro", zero_division=0)
                        for one in (found.apply(model), model))  # fmt: skip
        assert mine >= before
        short.append(highest(criterion, true, z, grid) - mine)
    assert max(short) < 0.02
    assert np.mean(short) <= 0


def test_rates_that_match_already_leave_the_logits_as_they_are(world):
    dense, _, _ = world("val", n=500)
    mine = replace(dense, metadata=dense.metadata.model_copy(update={"name": "sparse"}))
    found = fit_adjustment(mine, criterion="dense-rate", dense=dense)
    assert offsets(found).tolist() == [0.0] * 4
    assert (chosen(found.apply(mine)) == chosen(dense)).all()


@pytest.mark.parametrize("criterion", CLASS_CRITERIA)
def test_the_order_of_the_classes_does_not_matter_and_the_choice_is_the_same_again(
    world, build, criterion
):
    dense, sparse, true = world("val", n=1500)
    order = np.array([2, 0, 3, 1])
    mixed = [
        build(np.eye(4)[true][:, order], one.logits[:, order], task="multiclass", name=one.name,
              names=tuple(np.array(NAMES)[order]), ids=one.samples.ids.to_list())
        for one in (dense, sparse)
    ]  # fmt: skip
    found = fit_adjustment(sparse, criterion=criterion, dense=dense)
    again = fit_adjustment(mixed[1], criterion=criterion, dense=mixed[0])
    assert fit_adjustment(sparse, criterion=criterion, dense=dense).adjustment == found.adjustment
    np.testing.assert_allclose(offsets(again), offsets(found), atol=1e-9)
    assert offsets(found).mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("prevalence", "prevalence"), ("dense-rate", "dense-rate"), ("macro-recall",
     "balanced-accuracy")],
)  # fmt: skip
@pytest.mark.parametrize("whole", [False, True])
def test_two_classes_are_one_attribute(build, mine, theirs, whole):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        labels = (rng.random(300) < 0.2).astype(int)
        z = rng.normal(0, 1, (300, 2)) + np.stack([1 - labels, labels], axis=1) - [0, 1.5]
        z = z.round() if whole else z
        dense = z + rng.normal(0, 0.5, z.shape) + [0, 1]
        pair = [build(np.eye(2)[labels], one, task="multiclass", name="m") for one in (z, dense)]
        alone = [build(labels[:, None], (one[:, 1] - one[:, 0])[:, None], name="m")
                 for one in (z, dense)]  # fmt: skip
        offset = fit_adjustment(pair[0], criterion=mine, dense=pair[1]).adjustment.offsets
        threshold = fit_adjustment(alone[0], criterion=theirs, dense=alone[1]).adjustment.thresholds
        assert offset["a0"] - offset["a1"] == pytest.approx(threshold["a0"], abs=1e-9)
        assert offset["a0"] == pytest.approx(-offset["a1"])


def test_a_class_without_images_keeps_its_logit_and_is_named(build, world):
    _, sparse, true = world("val")
    labels = np.insert(np.eye(4)[true], 1, 0, axis=1)
    labels[:3] = (0, 1, 0, 0, 0)
    z = np.insert(sparse.logits, 1, -4.0, axis=1)
    wide = build(labels, z, task="multiclass", name="m", names=("owl", "yak", *NAMES[1:]))
    found = fit_adjustment(wide, criterion="prevalence")
    row = found.table.filter(attribute="yak").row(0, named=True)
    assert (row["status"], row["reason"]) == ("insufficient_support", "3 of at least 10 samples")
    assert found.adjustment.offsets["yak"] == 0.0
    assert offsets(found).mean() == pytest.approx(0, abs=1e-12)
    known = build(np.eye(4)[true[3:]], sparse.logits[3:], task="multiclass", name="m", names=NAMES)
    alone = fit_adjustment(known, criterion="prevalence")
    np.testing.assert_allclose(offsets(found), offsets(alone), atol=1e-9)
    few = fit_adjustment(wide.take(np.arange(20)), criterion="macro-f1")
    assert set(few.adjustment.offsets.values()) == {0.0}
    assert few.table["status"].unique().to_list() == ["insufficient_support"]
    assert few.table["reason"][0] == "fewer than two classes have 10 samples"


def test_a_class_that_is_left_aside_may_not_take_what_the_others_gain(build):
    """The yak has one image and stands just below the cat: where cats are lowered it takes them."""
    rng = np.random.default_rng(0)
    true = np.append(rng.choice(2, 400, p=[0.8, 0.2]), 2)
    cat = rng.normal(0, 1, 401) + 2.5 * (true == 0) + 1
    dog = rng.normal(0, 1, 401) + 2.5 * (true == 1)
    z = np.stack([cat, dog, cat - 0.001], axis=1)
    model = build(np.eye(3)[true], z, task="multiclass", name="m", names=("cat", "dog", "yak"))
    found = fit_adjustment(model, criterion="macro-recall")
    whole = found.table.row(0, named=True)
    assert whole["value"] >= whole["before"] == pytest.approx(recall_score(
        true, chosen(model), labels=[0, 1], average="macro"
    ))  # fmt: skip
    assert whole["status"] == "no_threshold"
    assert set(found.adjustment.offsets.values()) == {0.0}


def test_images_without_a_label_do_not_count(build, world):
    dense, sparse, true = world("val", n=1000)
    labels = np.eye(4)[true]
    labels[::2] = -1
    half = build(labels, sparse.logits, task="multiclass", name="sparse", names=NAMES)
    for criterion in ("prevalence", "macro-recall"):
        found = fit_adjustment(half, criterion=criterion)
        alone = fit_adjustment(sparse.take(np.arange(1, 1000, 2)), criterion=criterion)
        assert found.adjustment.offsets == alone.adjustment.offsets
    bare = replace(half, samples=replace(half.samples, labels=np.full_like(labels, -1, np.int8)))
    with pytest.raises(DataError, match=r"has no labels of owl, cat, dog, emu: macro-f1 fits to"):
        fit_adjustment(bare, criterion="macro-f1")
    other = replace(dense, samples=replace(dense.samples, ids=bare.samples.ids, labels=bare.samples.
                                           labels, groups={}))  # fmt: skip
    found = fit_adjustment(bare, criterion="dense-rate", dense=other)
    assert (chosen(found.apply(bare)) == chosen(other)).all()


def test_offsets_by_group_undo_the_shift_of_each(world):
    dense, sparse, _ = world("val", gap=1.0)
    once = fit_adjustment(sparse, criterion="dense-rate", dense=dense)
    found = fit_adjustment(sparse, criterion="dense-rate", dense=dense, group="town", floors=[])
    assert (chosen(once.apply(sparse)) != chosen(dense)).mean() > 0.01
    assert (chosen(found.apply(sparse)) == chosen(dense)).all()
    of = found.adjustment.by_value
    for value, times in (("a", 1), ("b", 2)):
        fitted = np.array([of[value][name] for name in NAMES])
        np.testing.assert_allclose(fitted, times * (LOST - LOST.mean()), atol=0.1)
    assert found.adjustment.needs == "town of each sample"
    assert found.table.height == 3 * 5


def test_classes_that_a_group_value_lacks_keep_the_offset_for_all(world):
    _, sparse, true = world("val")
    b = sparse.samples.groups["town"].codes == 1
    few = np.flatnonzero(~(b & (true == 0)))
    found = fit_adjustment(sparse.take(few), criterion="prevalence", group="town", floors=[])
    of = found.adjustment
    assert of.by_value["b"]["owl"] == of.offsets["owl"]
    assert of.by_value["a"]["owl"] != of.offsets["owl"]
    # of the others the mean is what it is for all samples, so that the kept one stands right
    others = [np.mean([one[name] for name in NAMES[1:]]) for one in (of.by_value["b"], of.offsets)]
    assert others[0] == pytest.approx(others[1])


def test_floors_stop_offsets_on_their_way(world):
    _, sparse, true = world("val")
    free = fit_adjustment(sparse, criterion="macro-recall")
    before, after = (recall_score(true, chosen(one), average=None)
                     for one in (sparse, free.apply(sparse)))  # fmt: skip
    assert (after - before).min() < -0.1
    now = (chosen(sparse) == true).mean()
    for floor, holds in (
        ("tpr >= -0.05", lambda recalls, _: (recalls - before).min() >= -0.05),
        ("top1_accuracy >= -0.01", lambda _, right: right >= now - 0.01),
    ):
        bound = fit_adjustment(sparse, criterion="macro-recall", floors=[floor])
        part = offsets(bound)[0] / offsets(free)[0]
        np.testing.assert_allclose(offsets(bound), part * offsets(free), atol=1e-9)
        for share in (part, part + 1 / 20):
            answers = (sparse.logits + share * offsets(free)).argmax(axis=1)
            kept = holds(recall_score(true, answers, average=None), (answers == true).mean())
            assert kept == (share == part), floor
        assert bound.table["reason"][0] == f"{part:.2f} of the way keeps all floors, and no more"
    none = fit_adjustment(sparse, criterion="prevalence", floors=["precision >= 1"])
    assert none.table["status"].unique().to_list() == ["no_threshold"]
    assert set(none.adjustment.offsets.values()) == {0.0}


def test_no_value_of_a_group_loses_mean_recall_unless_told_otherwise(build):
    """Prevalence wants more of a class that is told worse than at random."""
    rng = np.random.default_rng(4)
    true = rng.choice(3, 1200, p=[0.2, 0.4, 0.4])
    z = rng.normal(0, 1, (1200, 3)) + 1.5 * np.eye(3)[true]
    z[:, 0] -= 2 + 2.5 * (true == 0)
    model = build(np.eye(3)[true], z, task="multiclass", name="m",
                  groups={"town": rng.choice(["a", "b"], 1200)})  # fmt: skip
    free = fit_adjustment(model, criterion="prevalence", group="town", floors=[]).apply(model)
    kept = fit_adjustment(model, criterion="prevalence", group="town").apply(model)
    for code in (0, 1):
        rows = model.samples.groups["town"].codes == code
        now, lost, held = (recall(true[rows], one.take(rows)) for one in (model, free, kept))
        assert lost < now - 0.01
        assert held >= now - 1e-12


def test_temperature_comes_before_offsets_and_moves_no_answer(world):
    dense, sparse, _ = world("val")
    hot = replace(sparse, logits=sparse.logits * 2.0)
    plain = fit_adjustment(hot, criterion="dense-rate", dense=dense)
    both = fit_adjustment(hot, criterion="dense-rate", dense=dense, calibration="temperature")
    assert (chosen(both.apply(hot)) == chosen(plain.apply(hot))).all()
    [curve] = set(both.adjustment.curves.values())
    np.testing.assert_allclose(offsets(both), curve.of(offsets(plain)), atol=1e-9)


def test_adjusted_logits_are_the_models_logits(world):
    """Probabilities are their softmax; one-vs-rest AUC follows, and moves."""
    dense, sparse, _ = world("val")
    found = fit_adjustment(sparse, criterion="dense-rate", dense=dense)
    after = found.apply(sparse)
    np.testing.assert_allclose(after.logits, sparse.logits + offsets(found), atol=1e-12)
    np.testing.assert_allclose(after.probabilities, dense.probabilities, atol=0.02)
    before, then = (audit(dense, one, replicates=0).table.filter(metric="auc", model="sparse")
                    ["value"].drop_nulls().to_numpy() for one in (sparse, after))  # fmt: skip
    assert abs(before - then).max() > 1e-3


def test_a_file_applies_it(world, tmp_path):
    (dense, sparse, _), (_, sparse_test, _) = world("val", gap=1.0), world("test", gap=1.0)
    found = fit_adjustment(
        sparse, criterion="dense-rate", dense=dense, calibration="temperature", group="town"
    )
    found.file().save(tmp_path / "a.json")
    again = adjust(sparse_test, read_adjustments(tmp_path / "a.json").of("sparse"))
    assert (again.logits == found.apply(sparse_test).logits).all()
    with pytest.raises(DataError, match="sparse is adjusted already"):
        adjust(again, found.adjustment)
    with pytest.raises(ConfigError, match="sparse is adjusted already: fit to the logits"):
        fit_adjustment(again, criterion="prevalence")
    assert repr(found) == "FittedAdjustment('sparse': 12 offsets)"


def test_what_is_not_for_classes_names_what_is(world, planted):
    dense, sparse, _ = world("val", n=200)
    for criterion in set(CRITERIA) - set(CLASS_CRITERIA):
        with pytest.raises(
            DataError, match=rf"criterion {criterion} is for attributes: use"
        ) as told:
            fit_adjustment(sparse, criterion=criterion, dense=dense, group="town")
        assert str(told.value).split(": use ")[1].split(",")[0] in CLASS_CRITERIA
    for calibration in set(CALIBRATIONS) - {"temperature"}:
        with pytest.raises(DataError, match=r"multiclass.*use calibration temperature"):
            fit_adjustment(sparse, calibration=calibration)
    with pytest.raises(ConfigError, match="follows the dense model: give its predictions"):
        fit_adjustment(sparse, criterion="dense-rate")
    with pytest.raises(ConfigError, match=r"unknown metric 'tnr'.*macro_recall"):
        fit_adjustment(sparse, criterion="prevalence", floors=["tnr >= 0.5"])
    with pytest.raises(ConfigError, match="did you mean macro-recall"):
        fit_adjustment(sparse, criterion="macro-recal")
    _, attributes = planted("val")
    for criterion in set(CLASS_CRITERIA) - set(CRITERIA):
        with pytest.raises(DataError, match=f"criterion {criterion} is for classes: use") as told:
            fit_adjustment(attributes, criterion=criterion)
        assert str(told.value).split(": use ")[1] in CRITERIA
    with pytest.raises(ConfigError, match="unknown metric 'macro_recall'"):
        fit_adjustment(attributes, criterion="f1", floors=["macro_recall >= 0.5"])


def test_measures_of_classes_stand_side_by_side(world):
    (dense, sparse, _), (dense_test, sparse_test, _) = world("val"), world("test")
    scene = Scene(dense, sparse, dense_test, sparse_test, group="town")
    found = compare(scene, replicates=100)
    told = {one.name: one for one in found.info.measures}
    assert {"prevalence", "dense-rate", "macro-recall", "macro-f1", "group-prevalence"} <= set(told)
    assert "f1" not in told
    assert told["dense-rate"].better > told["dense-rate"].worse
    rows = found.table.filter(measure="dense-rate", metric="top1_accuracy")
    assert rows["undone"][0] == pytest.approx(1, abs=0.05)
    with pytest.raises(ConfigError, match="measure f1 is not for a multiclass task; for it are"):
        compare(scene, ["f1"], replicates=100)

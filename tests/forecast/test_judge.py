"""Scores of forecasts, where what happened is planted."""

import numpy as np
import polars as pl
import pytest
from scipy.special import logit
from sklearn.metrics import average_precision_score, roc_auc_score

from prunescope.data.samples import Group
from prunescope.errors import ConfigError, DataError
from prunescope.forecast import SCORE_SCHEMA, Score, forecast, score
from prunescope.metrics.agreement import TIED, Population

FAST = {"replicates": 100}


@pytest.fixture(scope="module")
def world(planted):
    """Three pruned seeds that share a drift, another dense seed, and the forecast."""
    world = planted(1500)
    rng = np.random.default_rng(5)
    prior = logit([world.rates.prevalence[a] for a in world.dense.attributes])
    drift = 0.65 * world.z + 0.35 * prior
    world.sparse = [
        world.pruned(drift + rng.normal(0, 0.5, world.z.shape), f"s{k}", seed=k) for k in range(3)
    ]
    world.seed = world.pruned(
        world.z + rng.normal(0, 0.7, world.z.shape), "dense-2", sparsity=0.0, method="dense"
    )
    world.forecast = forecast(world.dense, sparsity=0.95, scorer="prior-shrink")
    world.score = score(world.forecast, world.sparse, dense_seeds=[world.seed], **FAST)
    return world


def value(world, target, measure, scorer, average="pooled"):
    rows = world.score.table.filter(target=target, measure=measure, scorer=scorer, average=average)
    assert rows.height == 1
    return rows["value"][0]


def test_it_is_one_tidy_table(world):
    assert world.score.table.schema == pl.Schema(SCORE_SCHEMA)
    key = ["population", "target", "measure", "average", "scorer"]
    assert world.score.table.select(key).is_unique().all()
    assert world.score.info.runs == {"gmp-pt 95%": ["s0", "s1", "s2"]}


def test_flips_are_those_of_each_run_on_average(world):
    risks = {
        "prior-shrink": world.forecast.risk,
        "margin": -abs(world.z),
        "floor": np.zeros_like(world.z),
    }
    for name, risk in risks.items():
        want = [
            average_precision_score((m.logits > 0).ravel() != (world.z > 0).ravel(), risk.ravel())
            for m in world.sparse
        ]
        assert value(world, "flips", "average_precision", name) == pytest.approx(np.mean(want))


def test_the_ceiling_is_the_mean_of_the_other_runs(world):
    sign = np.where(world.z > 0, -1, 1)
    want = []
    for k, model in enumerate(world.sparse):
        others = np.mean([m.logits for j, m in enumerate(world.sparse) if j != k], axis=0)
        flips = (model.logits > 0) != (world.z > 0)
        want.append(roc_auc_score(flips.ravel(), (sign * others).ravel()))
    assert value(world, "flips", "auroc", "ceiling") == pytest.approx(np.mean(want))


def test_the_gap_closed_is_a_share_of_the_way(world):
    ap = {
        name: value(world, "flips", "average_precision", name)
        for name in ("prior-shrink", "margin", "ceiling")
    }
    want = (ap["prior-shrink"] - ap["margin"]) / (ap["ceiling"] - ap["margin"])
    rows = world.score.table.filter(target="flips", measure="gap_closed", average="pooled")
    assert rows["value"].to_list() == pytest.approx([want])
    assert rows["low"][0] < want < rows["high"][0]
    assert want > 0.5


def test_harmful_flips_are_of_right_answers_with_a_label(world):
    labels = world.dense.samples.labels == 1
    right = (world.z > 0) == labels
    want = [
        average_precision_score(
            (((m.logits > 0) != (world.z > 0)) & right).ravel(), -abs(world.z).ravel()
        )
        for m in world.sparse
    ]
    assert value(world, "harmful_flips", "average_precision", "margin") == pytest.approx(
        np.mean(want)
    )


def test_exemplars_compare_the_commonest_answers(world):
    votes = np.sum([m.logits > 0 for m in world.sparse], axis=0)
    dense = (world.z > 0) & (world.seed.logits > 0)
    tied = (world.z > 0) != (world.seed.logits > 0)  # two dense seeds that disagree
    known = ~tied
    want = roc_auc_score((votes[known] >= 2) != dense[known], -abs(world.z)[known])
    assert value(world, "cies", "auroc", "margin") == pytest.approx(want)


def test_churn_is_forecast_worse_than_flips(world):
    flips = roc_auc_score(
        ((world.seed.logits > 0) != (world.z > 0)).ravel(), world.forecast.risk.ravel()
    )
    assert value(world, "churn", "auroc", "prior-shrink") == pytest.approx(flips)
    over = value(world, "flips", "auroc_over_churn", "prior-shrink")
    assert over == pytest.approx(value(world, "flips", "auroc", "prior-shrink") - flips)
    assert over > value(world, "flips", "auroc_over_churn", "margin")


def test_intervals_hold_their_values(world):
    rows = world.score.table.filter(pl.col("status") == "ok")
    assert (rows["low"] <= rows["value"] + 1e-9).all()
    assert (rows["high"] >= rows["value"] - 1e-9).all()


def test_expected_changes_are_ranked_against_those_that_were_seen(world):
    levels = world.score.levels
    flips = levels.filter(metric="flip_rate")
    assert set(flips["status"]) == {"insufficient_support"}  # of four attributes
    assert "8 are needed" in flips["reason"][0]


def test_routing_by_the_oracle_leaves_the_fewest_flips(world):
    left = {
        row["order"]: row["flip_rate"]
        for row in world.score.routing.filter(pl.col("routed") == 0.05).to_dicts()
    }
    assert left["oracle"] <= left["forecast"] < left["margin"] < left["random"]
    start = world.score.routing.filter(pl.col("routed") == 0.0)["flip_rate"]
    assert start.max() == pytest.approx(start.min())
    flips = np.mean([((m.logits > 0) != (world.z > 0)).mean() for m in world.sparse])
    assert start[0] == pytest.approx(flips)
    assert left["random"] == pytest.approx(0.95 * flips)
    assert left["oracle"] == pytest.approx(max(0, flips - 0.05), abs=1e-6)


def test_routing_everything_back_restores_the_dense_model(world, monkeypatch):
    monkeypatch.setattr("prunescope.forecast.routing.SHARES", (1.0,))
    found = score(world.forecast, world.sparse, **FAST).routing
    from prunescope.audit import audit

    table = audit(world.dense, world.sparse, replicates=0).table.filter(
        pl.col("attribute").is_null(), model="dense"
    )
    ratio = table.filter(pl.col("group").is_null(), metric="rare_value_ratio")["value"][0]
    lean = table.filter(metric="bias_amplification", group="Male")["value"][0]
    for row in found.to_dicts():
        assert row["flip_rate"] == 0
        assert row["rare_value_ratio"] == pytest.approx(ratio, abs=1e-6)
        assert row["bias_amplification"] == pytest.approx(lean, abs=1e-6)


def test_reliability_counts_flips_by_bins_of_probability(world):
    rows = world.score.reliability
    whole = rows.filter(pl.col("bin") == 0).to_dicts()[0]
    assert whole["n"] == world.z.size
    assert whole["predicted"] == pytest.approx(world.forecast.probability.mean(), rel=1e-5)
    parts = rows.filter(pl.col("bin") > 0)
    assert parts["n"].sum() == world.z.size
    assert (parts["n"] * parts["observed"]).sum() == pytest.approx(whole["n"] * whole["observed"])
    assert parts["predicted"].is_sorted()


def test_one_pruned_model_has_no_ceiling_and_no_exemplars(world):
    found = score(world.forecast, world.sparse[0], **FAST).table
    assert set(found["scorer"]) == {"prior-shrink", "margin", "floor"}
    assert set(found["target"]) == {"flips", "harmful_flips"}
    assert "gap_closed" not in set(found["measure"])


@pytest.mark.parametrize("parents", [(None, None), ("other", "other"), ("ours", "other")])
def test_other_runs_are_a_ceiling_only_if_all_were_made_from_the_dense_model(world, parents):
    ours = world.dense.metadata.weights
    runs = [
        world.pruned(m.logits, f"s{k}", parent=ours if parent == "ours" else parent)
        for k, (m, parent) in enumerate(zip(world.sparse, parents, strict=False))
    ]
    found = score(world.forecast, runs, **FAST)
    assert set(found.table["scorer"]) == {"prior-shrink", "margin", "floor", "another training"}
    assert "gap_closed" not in set(found.table["measure"])
    assert "the others are another training and no ceiling" in found.info.notes[-1]
    siblings = [world.pruned(m.logits, f"s{k}") for k, m in enumerate(world.sparse[:2])]
    beside = score(world.forecast, siblings, **FAST).table
    for measure in ("average_precision", "auroc", "recall_at_5%"):
        same = beside.filter(scorer="ceiling", measure=measure)["value"].to_list()
        other = found.table.filter(scorer="another training", measure=measure)["value"].to_list()
        assert other == same, measure


def test_a_ceiling_below_the_margin_leaves_the_gap_undefined(world):
    rng = np.random.default_rng(1)
    odd = [
        world.pruned(world.z + rng.normal(0, 3, world.z.shape) * (k + 1), f"odd{k}")
        for k in range(2)
    ]
    odd[1] = world.pruned(-odd[1].logits, "odd1")
    rows = score(world.forecast, odd, **FAST).table.filter(measure="gap_closed", target="flips")
    assert set(rows["status"]) == {"undefined"}
    assert set(rows["reason"]) == {"the ceiling does not lie above the margin"}
    assert rows["value"].null_count() == rows.height


def test_a_model_that_flips_nothing_gives_a_reason_and_no_number(world):
    same = [world.pruned(world.z * (1 + 0.1 * k), f"same{k}") for k in range(3)]
    flips = score(world.forecast, same, **FAST).table.filter(target="flips")
    assert set(flips["measure"]) >= {"gap_closed", "auroc"}
    assert set(flips["status"]) == {"undefined"}
    assert set(flips["reason"]) == {"it happened to no answer, or to all"}
    assert flips["value"].null_count() == flips.height


def test_samples_are_joined_by_id(world):
    shuffled = [m.take(np.random.default_rng(0).permutation(1500)[:1200]) for m in world.sparse]
    found = score(world.forecast, shuffled, **FAST)
    assert found.info.n_samples == 1200
    assert "300 of 1500 samples left out" in found.info.notes[0]
    rows = np.isin(world.dense.samples.ids.to_numpy(), shuffled[0].samples.ids.to_numpy())
    # a shuffled file has the ids of the others only where all have them
    shared = set.intersection(*(set(m.samples.ids.to_list()) for m in shuffled))
    keep = np.array([one in shared for one in world.dense.samples.ids])
    assert rows.sum() == keep.sum() == 1200
    flips = [(m.take(keep).logits > 0) != (world.z[keep] > 0) for m in world.sparse]
    want = [average_precision_score(f.ravel(), world.forecast.risk[keep].ravel()) for f in flips]
    got = found.of("flips", "average_precision").filter(scorer="prior-shrink")["value"][0]
    assert got == pytest.approx(np.mean(want))


def test_it_is_saved_and_loaded_without_loss(world, tmp_path):
    world.score.save(tmp_path)
    again = Score.load(tmp_path)
    assert again.info == world.score.info
    for name in ("table", "levels", "reliability", "routing"):
        assert getattr(again, name).equals(getattr(world.score, name))
    assert "prior-shrink on gmp-pt 95%" in repr(again)
    assert "ceiling" in again._repr_html_()
    (tmp_path / "levels.parquet").unlink()
    with pytest.raises(DataError, match="holds no score"):
        Score.load(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"replicates": 10}, "at least 100"),
        ({"confidence": 95}, "share in"),
        ({"cluster": "person"}, "person"),
    ],
)
def test_bad_settings_get_one_clear_error(world, given, message):
    with pytest.raises(ConfigError, match=message):
        score(world.forecast, world.sparse, **{**FAST, **given})


def test_models_of_other_data_are_refused(world, build):
    other = build([[1] * 4] * 5, [[1.0] * 4] * 5, names=world.dense.attributes, name="other")
    with pytest.raises(DataError, match="share no sample"):
        score(world.forecast, other, **FAST)


def test_two_models_of_one_name_are_refused(world):
    with pytest.raises(ConfigError, match="two models are called s0"):
        score(world.forecast, [world.sparse[0], world.sparse[0]], **FAST)


def test_commonest_answers_and_ties(build):
    models = [build([[1]] * 3, [[z] for z in row]) for row in ([1, 1, -1], [1, -1, -1])]
    found = Population(models).modal_answers
    answers, tied = found == 1, found == TIED
    assert answers[:, 0].tolist() == [True, False, False]
    assert tied[:, 0].tolist() == [False, True, False]


def test_of_classes_the_commonest_is_what_most_models_name(build):
    named = ([0, 0, 0, 0], [0, 1, 1, 0], [0, 2, 1, 1], [0, 0, 2, 1])
    models = [
        build(np.eye(3, dtype=int)[[0] * 4], np.eye(3)[list(row)], task="multiclass")
        for row in named
    ]
    found = Population(models).modal_answers
    answers, tied = found == 1, found == TIED
    assert answers.argmax(axis=1)[[0]].tolist() == [0]
    assert tied.all(axis=1).tolist() == [False, False, False, True]
    assert answers[1].tolist() == [True, False, False]
    assert answers[2].tolist() == [False, True, False]
    assert not answers[3].any()


def test_two_files_of_one_model_are_refused(world):
    twin = world.pruned(world.sparse[0].logits, "twin")
    with pytest.raises(DataError, match="s0 and twin hold the same logits"):
        score(world.forecast, [world.sparse[0], twin], **FAST)


def test_files_that_do_not_tell_how_they_were_pruned_stand_for_themselves(world):
    untold = [
        world.pruned(m.logits, f"csv{k}", sparsity=0.0, method="dense")
        for k, m in enumerate(world.sparse)
    ]
    found = score(world.forecast, untold, **FAST)
    assert list(found.info.runs) == ["csv0 95%", "csv1 95%", "csv2 95%"]
    assert "does not tell how the model was pruned" in found.info.notes[-1]
    assert "ceiling" not in set(found.table["scorer"])
    assert set(found.levels["expected_at"].drop_nulls()) <= {0.95}


def test_runs_of_one_request_are_one_population_and_told_by_what_was_counted(world):
    """Seeds of which channels were removed differ in the weights that are left."""
    runs = [
        world.pruned(m.logits, f"s{k}", sparsity=0.8, method="structured", kept=0.049 + k / 1000)
        for k, m in enumerate(world.sparse)
    ]
    found = score(world.forecast, runs, **FAST)
    assert list(found.info.runs) == ["structured 95.1%"]
    assert set(found.table["sparsity"].drop_nulls()) == {0.951}


def test_groups_that_were_not_forecast_are_left_out(world):
    from dataclasses import replace

    people = pl.Series([f"p{i // 3}" for i in range(1500)])
    groups = {**world.dense.samples.groups, "person": Group.from_series(people)}
    samples = replace(world.dense.samples, groups=groups)
    told = forecast(replace(world.dense, samples=samples), sparsity=0.95, identity=["Male"])
    runs = [replace(model, samples=samples) for model in world.sparse]
    found = score(told, runs, cluster="person", **FAST)
    assert set(found.routing["group"]) == {"Male"}


def test_thresholds_on_one_side_alone_are_told(world):
    from dataclasses import replace

    raised = replace(world.dense, thresholds=np.full(4, 0.5))
    told = forecast(raised, sparsity=0.95)
    assert told.info.thresholds == dict.fromkeys(world.dense.attributes, 0.5)
    notes = score(told, world.sparse[0], **FAST).info.notes
    assert any("do not both have thresholds" in note for note in notes)
    same = replace(world.sparse[0], thresholds=np.full(4, 0.5))
    found = score(told, same, **FAST)
    assert not any("thresholds" in note for note in found.info.notes)
    flips = ((same.logits > 0.5) != (world.z > 0.5)).sum()
    assert found.of("flips", "auroc")["n"][0] == flips


def test_an_answer_on_the_threshold_is_not_a_flip(world):
    """A margin that is not 0 in the logits' own digits stays so."""
    from dataclasses import replace

    logits = world.z.astype(np.float64)
    logits[:, 0] = np.float32(0.3)
    dense = replace(world.dense, logits=logits.astype("f4"), thresholds=np.full(4, 0.3))
    assert dense.decisions[:, 0].all()  # float32(0.3) lies above 0.3
    told = forecast(dense, sparsity=0.95)
    copy = replace(dense, metadata=world.sparse[0].metadata)
    assert score(told, copy, **FAST).of("flips", "auroc")["n"].to_list() == [0, 0, 0]


def test_nothing_to_score_against_is_an_error(world):
    with pytest.raises(ConfigError, match="no pruned model"):
        score(world.forecast, [], **FAST)


@pytest.fixture(scope="module")
def chosen(classes):
    """Three pruned seeds of a model of classes, another dense seed, and the forecast."""
    world = classes(1500)
    rng = np.random.default_rng(5)
    drift = 0.7 * world.z + 0.3 * np.log(
        [world.rates.prevalence[c] for c in world.dense.attributes]
    )
    world.sparse = [
        world.pruned(drift + rng.normal(0, 0.5, world.z.shape), f"s{k}") for k in range(3)
    ]
    noisy = world.z + rng.normal(0, 0.7, world.z.shape)
    world.seed = world.pruned(noisy, "dense-2", sparsity=0.0, method="dense")
    world.forecast = forecast(world.dense, sparsity=0.95, scorer="prior-shrink")
    world.score = score(world.forecast, world.sparse, dense_seeds=[world.seed], **FAST)
    world.top = world.z.argmax(axis=1)
    world.changed = [m.logits.argmax(axis=1) != world.top for m in world.sparse]
    world.risk = world.forecast.risk[np.arange(1500), world.top]
    return world


def test_of_classes_a_flip_is_a_change_of_an_images_answer(chosen):
    best, second = np.sort(chosen.z, axis=1)[:, :-3:-1].T
    for name, risk in (("prior-shrink", chosen.risk), ("margin", second - best)):
        want = [average_precision_score(flips, risk) for flips in chosen.changed]
        assert value(chosen, "flips", "average_precision", name) == pytest.approx(np.mean(want))
    rows = chosen.score.of("flips", "average_precision")
    assert set(rows["n"]) == {sum(flips.sum() for flips in chosen.changed)}
    floor = value(chosen, "flips", "average_precision", "floor")
    assert floor == pytest.approx(np.mean(chosen.changed))


def test_of_classes_means_are_over_the_classes_that_are_named(chosen):
    want = [
        np.mean([roc_auc_score(flips[chosen.top == c], chosen.risk[chosen.top == c])
                 for c in range(4)])
        for flips in chosen.changed
    ]  # fmt: skip
    found = value(chosen, "flips", "auroc", "prior-shrink", "macro")
    assert found == pytest.approx(np.mean(want))


def test_of_classes_harm_churn_and_exemplars_are_of_images(chosen):
    right = chosen.dense.samples.labels[np.arange(1500), chosen.top] == 1
    want = [roc_auc_score(flips & right, chosen.risk) for flips in chosen.changed]
    assert value(chosen, "harmful_flips", "auroc", "prior-shrink") == pytest.approx(np.mean(want))
    other = chosen.seed.logits.argmax(axis=1)
    found = chosen.score.of("churn", "auroc").filter(scorer="prior-shrink")
    assert found["value"].to_list() == pytest.approx(
        [roc_auc_score(other != chosen.top, chosen.risk)]
    )
    assert found["n"].to_list() == [(other != chosen.top).sum()]
    votes = np.sum([np.eye(4)[m.logits.argmax(axis=1)] for m in chosen.sparse], axis=0)
    known = (votes.max(axis=1) >= 2) & (other == chosen.top)
    differ = votes.argmax(axis=1) != chosen.top
    assert value(chosen, "cies", "auroc", "prior-shrink") == pytest.approx(
        roc_auc_score(differ[known], chosen.risk[known])
    )


def test_of_classes_exemplars_need_not_be_about_the_class_that_the_first_model_names(chosen):
    """Where two other dense seeds outvote the first, theirs is the commonest answer."""
    rng = np.random.default_rng(8)
    other = chosen.z + rng.normal(0, 0.7, chosen.z.shape)
    seeds = [
        chosen.pruned(other + shift, f"d{k}", sparsity=0.0, method="dense")
        for k, shift in enumerate((0, 1e-4))
    ]
    found = score(chosen.forecast, chosen.sparse, dense_seeds=seeds, **FAST)
    votes = np.sum([np.eye(4)[m.logits.argmax(axis=1)] for m in chosen.sparse], axis=0)
    known = votes.max(axis=1) >= 2
    differ = (votes.argmax(axis=1) != other.argmax(axis=1))[known]
    [want] = found.of("cies", "auroc").filter(scorer="prior-shrink").to_dicts()
    assert want["n"] == differ.sum()
    assert want["value"] == pytest.approx(roc_auc_score(differ, chosen.risk[known]))


def test_of_classes_reliability_and_routing_count_images(chosen):
    [whole] = chosen.score.reliability.filter(bin=0).to_dicts()
    p = chosen.forecast.probability[np.arange(1500), chosen.top]
    assert whole["n"] == 1500
    assert whole["predicted"] == pytest.approx(p.mean(dtype=float), rel=1e-6)
    assert whole["observed"] == pytest.approx(np.mean(chosen.changed))
    rows = chosen.score.routing.filter(routed=0.05)
    left = dict(rows.select("order", "flip_rate").rows())
    kept = np.argsort(-chosen.risk, kind="stable")[75:]
    assert left["forecast"] == pytest.approx(
        np.mean([f[kept].sum() / 1500 for f in chosen.changed])
    )
    assert left["random"] == pytest.approx(0.95 * np.mean(chosen.changed))
    oracle = np.mean([max(0, flips.mean() - 0.05) for flips in chosen.changed])
    assert left["oracle"] == pytest.approx(oracle, abs=1e-6)


def test_how_far_the_margin_is_beaten_is_told_on_the_same_answers(chosen, world):
    for one in (chosen, world):
        for average in ("pooled", "macro"):
            mine, margin = (
                value(one, "flips", "average_precision", name, average)
                for name in ("prior-shrink", "margin")
            )
            [row] = one.score.of("flips", "over_margin", average).to_dicts()
            assert row["value"] == pytest.approx(mine - margin)
            assert row["low"] < row["value"] < row["high"]
    alone = forecast(world.dense, sparsity=0.95, scorer="margin")
    assert "over_margin" not in set(score(alone, world.sparse, **FAST).table["measure"])

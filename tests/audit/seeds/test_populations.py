"""Several seeds of dense and compressed models, pooled."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit import audit
from prunescope.audit.estimates import estimate
from prunescope.audit.intervals.jackknife import Spread
from prunescope.audit.seeds.moderation import SeedMean, moderate
from prunescope.audit.seeds.populations import Pooled, means_of
from prunescope.audit.seeds.prior import FREEDOMS, fit_prior
from prunescope.audit.support import Support
from prunescope.metrics import Measure
from prunescope.predictions import Compression

FAST = {"replicates": 400, "n_affected": 0}
POOLED = "gmp 0.9 (3 seeds)"


@pytest.fixture(scope="module")
def pooled(build):
    """Three dense and three compressed seeds on 600 samples; the compressed ones differ a lot."""
    rng = np.random.default_rng(0)
    labels = (rng.random((600, 2)) < [0.4, 0.2]).astype(int)
    groups = {"g": rng.choice(["x", "y"], 600).tolist()}
    models = []
    for kind, shifts in (("dense", (0.0, 0.05, -0.05)), ("gmp", (-0.9, 0.0, 0.9))):
        for seed, shift in enumerate(shifts):
            how = Compression() if kind == "dense" else Compression(method="gmp", sparsity=0.9)
            logits = 3.0 * labels - 1.5 + rng.normal(0, 1.2, labels.shape) + shift
            models.append(
                build(labels, logits, groups=groups, name=f"{kind}{seed}", seed=seed,
                      compression=how)
            )  # fmt: skip
    return models, audit(models[:3], models[3:], **FAST)


def row_of(table, **about):
    columns = {"group": None, **about}
    rows = table.filter(*(pl.col(k).eq_missing(pl.lit(v)) for k, v in columns.items()))
    [row] = rows.iter_rows(named=True)
    return row


def test_seeds_are_pooled_under_a_name_of_their_own(pooled):
    _, result = pooled
    told = [(p.name, p.baseline, p.members) for p in result.info.populations]
    assert told == [
        ("dense (3 seeds)", None, ["dense0", "dense1", "dense2"]),
        (POOLED, "dense (3 seeds)", ["gmp0", "gmp1", "gmp2"]),
    ]
    assert result.table.filter(model=POOLED)["seed"].null_count() > 0


@pytest.mark.parametrize(
    ("parents", "beside"),
    [
        (("a", "a", "a"), ["dense0"] * 3),  # three recipes from one dense model
        (("b", "a", "c"), ["dense1", "dense0", "dense2"]),  # whatever their seeds are
        ((None, "elsewhere", "b"), ["dense0", "dense1", "dense1"]),  # else by seed
    ],
)
def test_a_model_is_compared_with_the_one_that_it_was_made_from(build, parents, beside):
    rng = np.random.default_rng(0)
    labels = (rng.random((100, 1)) < 0.4).astype(int)
    logits = [rng.normal(0, 1, labels.shape) for _ in range(6)]
    dense = [
        build(labels, logits[k], name=f"dense{k}", seed=k, weights=weights)
        for k, weights in enumerate("abc")
    ]
    gmp = [
        build(labels, logits[3 + k], name=f"gmp{k}", seed=k, parent=parent,
              compression=Compression(method="gmp", sparsity=0.9))
        for k, parent in enumerate(parents)
    ]  # fmt: skip
    result = audit(dense, gmp, **FAST)
    told = {model.name: model.baseline for model in result.info.models}
    assert [told[f"gmp{k}"] for k in range(3)] == beside
    for k, name in enumerate(beside):
        found = row_of(result.table, model=f"gmp{k}", metric="flip_rate", attribute="a0")
        flips = (logits[3 + k] > 0) != (logits[int(name[-1])] > 0)
        assert found["value"] == pytest.approx(flips.mean())


@pytest.mark.parametrize("metric", ["accuracy", "selection_rate", "auc", "flip_rate"])
def test_the_value_is_the_mean_and_the_interval_holds_the_seeds(pooled, metric):
    _, result = pooled
    mean = row_of(result.table, model=POOLED, metric=metric, attribute="a0")
    each = [row_of(result.table, model=f"gmp{s}", metric=metric, attribute="a0") for s in range(3)]
    values = [row["value"] for row in each]
    assert mean["value"] == pytest.approx(np.mean(values))
    assert mean["baseline"] == pytest.approx(np.mean([row["baseline"] for row in each]))
    assert mean["delta"] == pytest.approx(np.mean([row["delta"] for row in each]))
    error = np.std(values, ddof=1) / np.sqrt(3)
    alone = np.mean([row["high"] - row["low"] for row in each])
    if 4 * error > alone:
        assert mean["high"] - mean["low"] > 3 * error
    else:  # seeds that share their samples alone: at least as if they shared nothing
        assert mean["high"] - mean["low"] > 0.9 * alone / np.sqrt(3)


def test_what_the_seeds_do_not_agree_on_is_no_evidence(pooled):
    """Answers rise by as much in one seed as they fall in another."""
    _, result = pooled
    rate = row_of(result.table, model=POOLED, metric="selection_rate", attribute="a0")
    assert rate["p_value"] > 0.1
    alone = row_of(result.table, model="gmp0", metric="selection_rate", attribute="a0")
    assert alone["p_value"] < 1e-6


def test_churn_is_beside_every_flip_rate(pooled):
    models, result = pooled
    flips = np.mean(
        [
            np.mean(models[i].decisions[:, 0] != models[j].decisions[:, 0])
            for i, j in ((0, 1), (0, 2), (1, 2))
        ]
    )
    churn = row_of(result.table, model="gmp1", metric="churn", attribute="a0")
    assert churn["value"] == pytest.approx(flips)
    for model in ("gmp0", POOLED):
        row = row_of(result.table, model=model, metric="flip_rate", attribute="a0")
        assert row["baseline"] == pytest.approx(flips)
        assert row["delta"] == pytest.approx(row["value"] - flips)


def test_exemplars_are_counted_listed_and_told_of(pooled):
    models, result = pooled
    votes = [sum(m.decisions[:, 1].astype(int) for m in side) for side in (models[:3], models[3:])]
    differs = (votes[0] >= 2) != (votes[1] >= 2)
    row = row_of(result.table, model=POOLED, metric="cie_rate", attribute="a1")
    assert row["value"] == pytest.approx(differs.mean())
    modal = result.cies.filter(definition="modal", attribute="a1")
    assert set(modal["id"]) == {f"s{i}" for i in np.flatnonzero(differs)}
    ratios = result.table.filter(metric="cie_rare_odds_ratio", attribute="a1")
    assert ratios["n"].item() == differs.sum()
    alone = result.table.filter(model="gmp0", metric="cie_rate")
    assert alone["reason"].to_list() == ["it takes several dense and several compressed seeds"]


def test_models_without_a_seed_or_of_unknown_making_are_not_pooled(pooled):
    models, _ = pooled
    silent = [
        model.__class__(model.samples, model.logits, model.metadata.model_copy(update=update))
        for model, update in zip(
            models[3:],
            ({"seed": None}, {"seed": None}, {"compression": Compression()}),
            strict=True,
        )
    ]
    result = audit(models[0], silent, replicates=0)
    assert result.info.populations == []


def test_a_seed_without_a_value_leaves_the_mean_without_one(build):
    labels = np.array([[1], [0]] * 20)
    dense = [build(labels, labels * 2.0 - 1, name=f"d{s}", seed=s) for s in range(2)]
    how = Compression(method="gmp", sparsity=0.5)
    sparse = [
        build(labels, logits, name=f"s{s}", seed=s, compression=how)
        for s, logits in enumerate((labels * 2.0 - 1, labels * 0.0 - 1))
    ]
    table = audit(dense, sparse, replicates=100).table
    row = row_of(table, model="gmp 0.5 (2 seeds)", metric="precision", attribute="a0")
    assert (row["status"], row["value"]) == ("undefined", None)
    assert row["reason"] == "1 of 2 seeds have a value: nothing was predicted positive"


def test_a_mean_never_hides_what_is_beyond_doubt_in_a_seed(pooled):
    """Its own verdict is "no evidence"; beside it stands what each seed says."""
    _, result = pooled
    table = result.table
    rate = {"metric": "selection_rate", "attribute": "a0"}
    assert row_of(table, model=POOLED, **rate)["verdict"] == "no evidence"
    told = row_of(table, model=POOLED, metric="accuracy", attribute="a0")
    each = [row_of(table, model=f"gmp{s}", metric="accuracy", attribute="a0") for s in range(3)]
    worse = sum(row["verdict"] == "worse" for row in each)
    assert worse == 2
    assert told["reason"] == "worse in 2 of 3 seeds"


def test_every_row_of_a_population_counts_its_seeds(pooled):
    _, result = pooled
    table, key = result.table, ["metric", "attribute", "group", "group_value"]
    seeds = table.filter(pl.col("model").is_in(["gmp0", "gmp1", "gmp2"]))
    for row in table.filter(model=POOLED).iter_rows(named=True):
        some = key[:3] if row["metric"].startswith("worst_group") else key
        mine = seeds.filter(*(pl.col(name).eq_missing(pl.lit(row[name])) for name in some))
        for verdict in ("worse", "better"):
            n = mine["verdict"].eq(verdict).sum()
            said = f"{verdict} in {n} of 3 seeds"
            assert (said in (row["reason"] or "")) == (n > 0), row


RANGES = {"bias_amplification": -1, "excess_accuracy_gap": -1}
ABOVE_ONE = ["rare_value_ratio", "correlation_shift", "cie_odds_ratio", "cie_rare_odds_ratio"]


def test_intervals_over_seeds_lie_in_the_range_and_have_a_width(pooled):
    _, result = pooled
    told = result.table.filter(pl.col("low").is_not_null(), pl.col("model").str.ends_with("seeds)"))
    assert told.height > 100
    for row in told.iter_rows(named=True):
        assert row["low"] >= RANGES.get(row["metric"], 0) - 1e-9, row
        assert row["high"] <= 1 + 1e-9 or row["metric"] in ABOVE_ONE, row
        assert row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9, row
        assert row["low"] < row["high"], row
    changed = told.filter(pl.col("delta").is_not_null())
    assert (changed["delta_low"] < changed["delta_high"]).all()
    assert (changed["delta_low"] - 1e-9 <= changed["delta"]).all()
    assert (changed["delta"] <= changed["delta_high"] + 1e-9).all()


def test_perfect_seeds_are_not_known_without_doubt(build):
    """AUC and accuracy of 1 in both seeds of 60 samples: not [1, 1], and none above."""
    labels = np.array([[1], [0]] * 30)
    how = Compression(method="gmp", sparsity=0.5)
    models = [
        build(labels, labels * 2.0 - 1, name=f"{kind}{s}", seed=s, compression=made)
        for kind, made in (("d", Compression()), ("s", how))
        for s in range(2)
    ]
    table = audit(models[:2], models[2:], **FAST).table
    for metric in ("accuracy", "auc", "tpr", "fpr"):
        row = row_of(table, model="gmp 0.5 (2 seeds)", metric=metric, attribute="a0")
        assert (row["value"], row["delta"]) == (1 - (metric == "fpr"), 0)
        assert 0 <= row["low"] < row["high"] <= 1, row
        assert 0.03 < row["high"] - row["low"] < 0.2, row
        assert row["delta_low"] < 0 < row["delta_high"]
        assert row["p_value"] == 1


def seeds_of(values, variance=1e-9):
    """A mean over seeds whose figures are known but for a given variance."""
    mean = SeedMean()
    for value in values:
        value = np.asarray(value, float)
        signs = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None]
        mean.add(value, value + signs * np.sqrt(variance / 39), np.full(value.shape, variance))
    return mean


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_a_mean_over_seeds_is_numpys(m, seed):
    values = np.random.default_rng(seed).normal(size=(m, 3))
    mean = seeds_of(values)
    assert mean.m == m
    assert mean.value == pytest.approx(values.mean(axis=0))
    assert mean.variance == pytest.approx(values.var(axis=0, ddof=1))
    assert mean.mean_replicates.mean(axis=0) == pytest.approx(values.mean(axis=0))


def test_what_is_apart_is_the_variance_that_answers_on_the_same_samples_give():
    """Seeds whose samples' figures share a part: the variance of the rest, of a planted model."""
    rng = np.random.default_rng(0)
    n, m = 4000, 3
    shared, own = rng.normal(0, 1, n), rng.normal(0, 0.5, (m, n))
    x = shared + own
    mean = SeedMean()
    for one in x:
        without = (one.sum() - one) / (n - 1)
        mean.add(np.array([one.mean()]), without[:, None], np.array([one.var(ddof=1) / n]))
    of_mean = x.mean(axis=0).var(ddof=1) / n
    assert mean.apart(np.array([of_mean])) == pytest.approx(0.25 / n, rel=0.1)


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("d0", [3.0, 12.0])
def test_a_planted_prior_is_found(m, d0):
    """Variances over seeds are scaled inverse chi-square about a line; the prior is their mean."""
    rng = np.random.default_rng(int(10 * m + d0))
    metrics = []
    for level, slope in ((2.0, 1.0), (0.5, 0.5)):
        v = np.exp(rng.normal(-6, 1, 1500))
        prior = level * v**slope
        truth = prior * d0 / rng.chisquare(d0, 1500)
        metrics.append((truth * rng.chisquare(m - 1, 1500) / (m - 1), v, prior))
    found = fit_prior(m, [one[0] for one in metrics], [one[1] for one in metrics])
    assert d0 / 2 <= found.df <= d0 * 2
    for mine, (_, _, prior) in zip(found.variance, metrics, strict=True):
        ratio = np.log(mine / (prior * d0 / (d0 - 2)))
        assert abs(np.median(ratio)) < 0.25
        assert np.abs(ratio).max() < 0.8


def test_rows_that_differ_by_no_more_than_chance_have_one_variance():
    s2 = np.random.default_rng(0).chisquare(1, 2000) * 4
    found = fit_prior(2, [s2], [np.ones(2000)])
    assert found.df == pytest.approx(FREEDOMS[-1], rel=1e-3)  # never taken for more
    assert found.variance[0] == pytest.approx(np.full(2000, 4), rel=0.1)


def test_rows_without_a_variance_have_no_prior():
    s2, v = np.array([0.1, np.nan, 0.0, 0.2]), np.array([0.1, 0.1, 0.1, 0.0])
    found = fit_prior(2, [s2, s2 * np.nan], [v, v])
    assert np.isfinite(found.variance[0]).tolist() == [True, True, True, False]
    assert np.isnan(found.variance[1]).all()
    nothing = fit_prior(2, [s2 * np.nan], [v])
    assert np.isnan(nothing.variance[0]).all()
    assert nothing.df == 0


SEEDS_APART = [[0.1, 0.5], [0.3, 0.5], [0.2, 0.5]]


def sampling_of(variance):
    return Spread(*(np.full(2, x) for x in (variance, 30.0, 0.0, 0.0)))


def test_an_endless_prior_replaces_the_variance_over_seeds():
    found = moderate(seeds_of(SEEDS_APART), sampling_of(1e-12), np.full(2, 0.04), 1e9)
    assert found.variance == pytest.approx(np.full(2, 0.04 / 3), rel=1e-3)
    assert (found.df > 1e6).all()


def test_without_a_prior_the_variance_is_that_of_the_seeds_alone():
    for prior, df in ((np.full(2, np.nan), 5.0), (np.full(2, 0.04), 0.0)):
        found = moderate(seeds_of(SEEDS_APART), sampling_of(1e-12), prior, df)
        assert found.variance == pytest.approx([0.01 / 3, 0], abs=1e-6)
        assert found.df[0] == pytest.approx(2, rel=1e-3)


def test_a_moderated_variance_lies_between_prior_and_seeds():
    """(d₀ s₀² + (m - 1) s²) / (d₀ + m - 1), as in limma."""
    found = moderate(seeds_of(SEEDS_APART), sampling_of(1e-12), np.full(2, 0.04), 4.0)
    wanted = np.array([(4 * 0.04 + 2 * 0.01) / 6, (4 * 0.04 + 0) / 6]) / 3
    assert found.variance == pytest.approx(wanted, rel=1e-3)
    assert found.df == pytest.approx([6, 6], rel=1e-3)


def test_what_the_samples_tell_adds_to_what_the_seeds_do():
    """Seeds that answer alike: the variance is that of the samples, with their freedom."""
    mean = seeds_of([[0.5, 0.5]] * 3, variance=0.01)
    found = moderate(mean, sampling_of(0.01), np.full(2, np.nan), 0.0)
    assert found.variance == pytest.approx(np.full(2, 0.01))
    assert found.df == pytest.approx(np.full(2, 30))
    # seeds whose samples have nothing in common: at least v / m
    apart = moderate(mean, sampling_of(0.01 / 3), np.full(2, np.nan), 0.0)
    assert apart.variance == pytest.approx(np.full(2, 0.01 / 3))


@pytest.mark.parametrize("m", [2, 3])
def test_intervals_over_seeds_hold_what_the_recipe_does(m):
    """Rates of 30 attributes: samples and seeds vary; 95% intervals cover, on average."""
    rng = np.random.default_rng(m)
    n, a, covered = 500, 30, []
    for _ in range(40):
        truth = rng.uniform(0.3, 0.7, a)
        seeds = truth + rng.normal(0, 0.04, (m, a))
        shared = rng.random((n, a))
        mixed = rng.random((m, n, a)) < 0.3
        draws = np.where(mixed, rng.random((m, n, a)), shared) < seeds[:, None]
        seeds = [
            estimate(
                "auc",
                tuple(map(str, range(a))),
                Measure(one.mean(axis=0), np.full(a, float(n))),
                (one.sum(axis=0) - one) / (n - 1),
                min_support=1,
                basis="samples",
                undefined="no samples",
                rests=Support.of(np.ones((n, a))),
            )
            for one in draws.astype(float)
        ]
        pooled = Pooled(seeds[0])
        for made in seeds:
            pooled.add(made, None)
        [(mean, nothing)] = means_of([pooled])
        assert nothing is None
        low, high = mean.interval(0.95)
        covered.append(np.mean((low <= truth) & (truth <= high)))
    assert 0.92 <= np.mean(covered) <= 0.98


def test_seeds_are_pooled_by_what_was_asked_for_and_told_by_what_was_counted(build):
    """Channels were removed by rank over all layers, so that seeds differ in their weights."""
    rng = np.random.default_rng(1)
    labels = (rng.random((60, 1)) < 0.5).astype(int)
    dense = build(labels, 3.0 * labels - 1.5, name="dense")
    kept = (0.251, 0.248)
    pruned = [
        build(labels, rng.normal(0, 1, labels.shape), name=f"s{seed}", seed=seed,
              compression=Compression(method="structured", sparsity=0.5, weights_kept=share))
        for seed, share in enumerate(kept)
    ]  # fmt: skip
    found = audit(dense, pruned, replicates=0, n_affected=0)
    assert [p.name for p in found.info.populations] == ["structured 0.5 (2 seeds)"]
    told = dict(found.table.select("model", "sparsity").unique().rows())
    assert (told["s0"], told["s1"], told["dense"]) == (0.749, 0.752, 0.0)

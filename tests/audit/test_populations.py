"""Several seeds of dense and compressed models, pooled."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit import audit
from prunescope.audit.populations import SeedMean, students
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
    # Student's t with two degrees of freedom reaches 4.3 standard errors to both sides
    if 4 * error > alone:
        assert mean["high"] - mean["low"] > 5 * error
    else:
        assert mean["high"] - mean["low"] > 0.8 * alone


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


@given(m=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_the_spread_of_a_mean_is_that_of_samples_and_of_seeds(m, seed):
    rng = np.random.default_rng(seed)
    mean = SeedMean()
    values = rng.normal(0, 2, m)
    for value in values:
        mean.add(np.array([value]), (value + rng.normal(0, 1, (4000, 1))).astype(np.float32))
    assert mean.value == pytest.approx(values.mean())
    assert mean.error == pytest.approx(values.std(ddof=1) / np.sqrt(m))
    draws = students(m, 4000, 0)
    drawn = mean.drawn(draws)[:, 0]
    # quartiles: Student's t with two degrees of freedom has no variance
    noise = rng.normal(0, 1 / np.sqrt(m), 4000) + draws * mean.error
    wanted = np.subtract(*np.quantile(noise, [0.75, 0.25]))
    assert np.subtract(*np.quantile(drawn, [0.75, 0.25])) == pytest.approx(wanted, rel=0.1)


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

"""A share of a model's own answers (bias amplification, precision) rests on as many as it gives."""

import numpy as np
import polars as pl
import pytest

import prunescope as ps
from prunescope.audit.intervals.ends import of_shares_apart
from prunescope.data.samples import TrainRates

N, DENSE, ATTRIBUTES = 2_000, 80, 6
NAMES = [f"a{a}" for a in range(ATTRIBUTES)]
RATES = TrainRates(
    dict.fromkeys(NAMES, 0.05),
    {"man": {"1": dict.fromkeys(NAMES, 0.06), "0": dict.fromkeys(NAMES, 0.04)}},
)


def world(rng, keep, share=0.6):
    """Of 2,000 samples a dense model answers "yes" for 80; `keep` says for which one still does."""
    man = np.arange(N) % 2
    labels, dense, kept = np.zeros((3, N, ATTRIBUTES), int)
    for a in range(ATTRIBUTES):
        men = rng.binomial(DENSE, share)
        said = [
            rng.choice(np.flatnonzero(man == side), n, replace=False)
            for side, n in ((1, men), (0, DENSE - men))
        ]
        labels[rng.random(N) < 0.05, a] = 1
        for side in said:
            labels[side, a] = rng.random(len(side)) < share
        dense[np.concatenate(said), a] = 1
        kept[keep(rng, *said), a] = 1
    return man, labels, dense, kept


def any_of(k):
    return lambda rng, men, women: rng.choice(np.concatenate([men, women]), k, replace=False)


def judged(drawn, **settings):
    man, labels, *answers = drawn
    told = ps.audit(
        *(np.where(of_model == 1, 2.0, -2.0) for of_model in answers),
        labels=labels,
        groups={"man": man, **settings.pop("groups", {})},
        attributes=NAMES,
        train_rates=RATES,
        replicates=100,
        n_affected=0,
        **settings,
    ).table
    return told.filter(pl.col("model") != told["model"][0])


def of(table, metric, group=None):
    """Return the rows of single attributes."""
    where = pl.col("attribute").is_not_null(), pl.col("group").eq_missing(group)
    return table.filter(*where, metric=metric)


METRICS = [("bias_amplification", "man"), ("precision", None)]


@pytest.mark.parametrize("k", [1, 9])
def test_fewer_answers_than_the_least_support_say_nothing(k):
    table = judged(world(np.random.default_rng(k), any_of(k)))
    for metric, group in METRICS:
        rows = of(table, metric, group)
        assert set(rows["status"]) == {"insufficient_support"}
        said = f"{k} predicted positive{'s' * (k > 1)}: at least 10 are needed"
        assert set(rows["reason"]) == {said}
        assert rows["delta"].null_count() == len(rows)


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_ten_answers_kept_at_random_are_no_finding(share):
    rng = np.random.default_rng(8)
    table = pl.concat(judged(world(rng, any_of(10), share)) for _ in range(6))
    for metric, group in METRICS:
        rows = of(table, metric, group)
        assert set(rows["status"]) == {"ok"}
        assert (rows["p_value"] <= 0.05).sum() <= 5  # of 36, in expectation 1.8: more in 1 of 100
        assert not (rows["q_value"] <= 0.05).any()
        assert ((rows["delta_low"] <= 0) & (rows["delta_high"] >= 0)).mean() >= 31 / 36


def test_a_model_that_keeps_the_answers_of_men_alone_is_found():
    rows = of(
        judged(world(np.random.default_rng(3), lambda rng, men, women: men[:12])), *METRICS[0]
    )
    assert (rows["q_value"] <= 0.05).all()
    assert (rows["delta_low"] > 0).all()


def test_answers_of_few_persons_are_few_however_many_they_are():
    person = np.arange(N) // 2 // 10 * 2 + np.arange(N) % 2  # of ten images each, of one sex
    pages = {"person": person}

    def two_persons(rng, men, women):
        return np.flatnonzero(np.isin(person, [2, 3]))

    drawn = world(np.random.default_rng(5), two_persons)
    rows = of(judged(drawn, groups=pages, cluster="person"), *METRICS[0])
    assert set(rows["reason"]) == {
        "20 predicted positives, which come from 2 clusters: at least 10 are needed"
    }
    alone = of(judged(drawn), *METRICS[0])
    assert set(alone["status"]) == {"ok"}


def test_an_attribute_of_one_answer_leaves_the_mean_as_sure_as_it_was():
    rng = np.random.default_rng(1)
    man, labels, dense, kept = world(rng, any_of(60))
    whole = judged((man, labels, dense, kept))
    kept[:, 0] = 0
    kept[np.flatnonzero(dense[:, 0])[0], 0] = 1
    less = judged((man, labels, dense, kept))
    mean = pl.col("attribute").is_null(), pl.col("group") == "man"
    before, after = (
        table.filter(*mean, metric="bias_amplification").row(0, named=True)
        for table in (whole, less)
    )
    assert after["reason"] == "mean over 5 of 6 attributes"
    width = [row["delta_high"] - row["delta_low"] for row in (before, after)]
    assert width[1] < 1.5 * width[0]


@pytest.mark.parametrize(("share", "dropped", "chance"), [(0.95, 4, True), (0.6, 12, False)])
def test_the_mean_of_few_dropped_answers(share, dropped, chance):
    """All that are dropped are men's: of 24 such by 0.95^24 = 29%, of 72 by 0.6^72 = 1e-16."""

    def few_less(rng, men, women):
        return np.concatenate([men[dropped:], women])

    table = judged(world(np.random.default_rng(7), few_less, share))
    where = pl.col("attribute").is_null(), pl.col("group") == "man"
    mean = table.filter(*where, metric="bias_amplification").row(0, named=True)
    assert mean["delta"] < 0
    assert (mean["p_value"] > 0.05) is chance
    assert (mean["delta_high"] > 0) is chance


def test_the_same_answers_have_not_changed():
    rows = of(judged(world(np.random.default_rng(2), any_of(DENSE))), *METRICS[0])
    assert (rows["delta"] == 0).all()
    assert (rows["delta_high"] < 0.1).all()


def test_variance_of_two_shares_apart():
    # apart: p (1 - p) (1/m + 1/n), with p as Agresti and Coull shrink it
    everyone = np.array([[0, 30], [20, 0]])
    p = (10 + 12 + 1.959964**2 / 2) / (50 + 1.959964**2)
    apart = of_shares_apart(everyone, np.array([[0, 12], [10, 0]]))
    assert apart == pytest.approx(p * (1 - p) * (1 / 20 + 1 / 30), rel=1e-6)
    # the same samples: nothing
    assert of_shares_apart(np.array([[5, 0], [0, 9]]), np.array([[5, 0], [0, 9]])) == 0
    assert np.isnan(of_shares_apart(np.array([[5, 0], [9, 0]]), np.array([[5, 0], [9, 0]])))


def test_variance_of_two_shares_apart_is_that_of_draws():
    # 12 of 40 samples, drawn without a look at what 24 of them are
    rng = np.random.default_rng(0)
    kind = np.arange(40) < 24
    moved = [kind[rng.choice(40, 12, replace=False)].mean() - kind.mean() for _ in range(20_000)]
    everyone, inside = np.array([[0, 0], [28, 12]]), np.array([[0, 0], [17, 7]])
    assert of_shares_apart(everyone, inside) == pytest.approx(np.var(moved), rel=0.08)

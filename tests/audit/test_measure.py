"""Every row of an audit against plain loops and scikit-learn, on awkward data."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.metrics import average_precision_score, roc_auc_score

from prunescope.audit import Settings, audit
from prunescope.audit.evidence import InMemory
from prunescope.audit.flips import flips
from prunescope.audit.ground import Ground
from prunescope.audit.intervals.bootstrap import blocks_of
from prunescope.audit.intervals.jackknife import jackknife
from prunescope.audit.measure import Measurer
from prunescope.audit.subject import Subject
from prunescope.audit.support import Supports
from prunescope.data.samples import TrainRates
from prunescope.metrics import Layout, Slices
from prunescope.predictions.batch import Batch

SEEDS = st.integers(0, 2**32 - 1)
LEAST = 3
CHANGES = {"flip_rate", "harmful_flip_rate", "helpful_flip_rate", "excess_accuracy_gap"}


def share(hits, n):
    return hits / n if n else None


def of_slice(metric, y, d, p, rare):
    """(value or None, support) of one metric of one attribute, from labels, decisions, p."""
    n, known = len(y), [i for i in range(len(y)) if y[i] >= 0]
    true, false = [i for i in known if y[i] == 1], [i for i in known if y[i] == 0]
    tpr, tnr = share(sum(d[true]), len(true)), share(sum(~d[false]), len(false))
    match metric:
        case "accuracy":
            return share(sum(d[i] == y[i] for i in known), len(known)), len(known)
        case "tpr":
            return tpr, len(true)
        case "fnr":
            return None if tpr is None else 1 - tpr, len(true)
        case "tnr":
            return tnr, len(false)
        case "fpr":
            return None if tnr is None else 1 - tnr, len(false)
        case "balanced_accuracy":
            both = None if tpr is None or tnr is None else (tpr + tnr) / 2
            return both, min(len(true), len(false))
        case "precision":
            called = sum(d[known])  # without any it is undefined, whatever it rests on
            return share(sum(d[true]), called), min(len(known), called or len(known))
        case "selection_rate":
            return share(sum(d), n), n
        case "uncertainty":
            return share(sum(abs(p - 0.5) < 0.4), n), n
        case "ece":
            gaps = np.zeros(10)
            for i in known:
                gaps[min(int(p[i] * 10), 9)] += p[i] - y[i]
            return share(sum(abs(gaps)), len(known)), len(known)
        case "rare_value_ratio":
            rare_true = true if rare else false
            return share(sum(d[i] == rare for i in known), len(rare_true)), len(rare_true)
        case "auc":
            both = true and false
            return (
                roc_auc_score(y[known], p[known]) if both else None,
                min(len(true), len(false)),
            )
        case "average_precision":
            return (average_precision_score(y[known], p[known]) if true else None), len(true)
        case "interdependence":
            raise AssertionError
    return None


def judged(value, support):
    """Return the status, and the value if it may be told."""
    if support < LEAST:
        return "insufficient_support", None
    return ("undefined", None) if value is None else ("ok", value)


class Oracle:
    """What the rows of a model should say, computed slice by slice."""

    def __init__(self, model, prevalence):
        self.model, self.prevalence = model, prevalence
        self.y, self.d, self.p = model.samples.labels, model.decisions, model.probabilities

    def rows(self, group, value):
        """The samples in a slice."""
        if group is None:
            return np.arange(len(self.y))
        told = self.model.samples.groups[group].to_series("g").to_list()
        return np.array([i for i, v in enumerate(told) if v is not None and str(v) == value], int)

    def values(self, group):
        return [str(value) for value in self.model.samples.groups[group].values]

    def slice(self, metric, a, group, value):
        rows = self.rows(group, value)
        rare = self.prevalence[a] <= 0.5
        return judged(*of_slice(metric, self.y[rows, a], self.d[rows, a], self.p[rows, a], rare))

    def difference(self, parts, a, group):
        """The largest gap over the values for which every part may be told."""
        told = [[self.slice(part, a, group, v)[1] for part in parts] for v in self.values(group)]
        kept = [values for values in told if None not in values]
        if len(kept) < 2:
            return "insufficient_support", None
        return "ok", max(max(column) - min(column) for column in zip(*kept, strict=True))

    def worst(self, a, group):
        told = {v: self.slice("accuracy", a, group, v)[1] for v in self.values(group)}
        kept = {v: accuracy for v, accuracy in told.items() if accuracy is not None}
        if len(kept) < 2:
            return "insufficient_support", None, None
        worst = min(kept, key=kept.get)
        return "ok", kept[worst], worst

    def interdependence(self, a):
        """R² by least squares on the answers to the other attributes."""
        y, others = self.d[:, a].astype(float), np.delete(self.d, a, axis=1)
        if len(y) < LEAST:
            return "insufficient_support", None
        if len(set(y)) == 1 or all(len(set(column)) == 1 for column in others.T):
            return "undefined", None
        design = np.column_stack([np.ones(len(y)), others])
        residual = y - design @ np.linalg.lstsq(design, y)[0]
        return "ok", 1 - residual @ residual / ((y - y.mean()) @ (y - y.mean()))

    def bias_amplification(self, a, group, rates):
        name = self.model.attributes[a]
        known = {v: rates[group][v][name] for v in self.values(group)}
        low, high = min(known.values()), max(known.values())
        if high == low or high - low < 0.1 * low:
            return "not_applicable", None, None
        side = max(known, key=known.get)
        inside = self.rows(group, side)
        everyone = np.concatenate([self.rows(group, v) for v in known])
        everyone = everyone[self.y[everyone, a] >= 0]
        inside = np.intersect1d(inside, everyone)
        true, called = (self.y[:, a] == 1), self.d[:, a]
        smaller = min(sum(true[inside]), sum(true[everyone]) - sum(true[inside]))
        before = share(sum(true[inside]), sum(true[everyone]))
        after = share(sum(called[inside]), sum(called[everyone]))
        value = None if before is None or after is None else after - before
        return *judged(value, min(smaller, sum(called[everyone]) or smaller)), side


DIFFERENCES = {
    "demographic_parity_difference": ["selection_rate"],
    "equal_opportunity_difference": ["tpr"],
    "equalized_odds_difference": ["tpr", "fpr"],
    "accuracy_difference": ["accuracy"],
    "ece_difference": ["ece"],
}


def expected(oracle, row, rates, before=None):
    """(status, value) that a row with an attribute should have."""
    a = oracle.model.attributes.index(row["attribute"])
    metric, group = row["metric"], row["group"]
    if metric in DIFFERENCES:
        return oracle.difference(DIFFERENCES[metric], a, group)
    if metric == "worst_group_accuracy":
        return oracle.worst(a, group)[:2]
    if metric == "interdependence":
        return oracle.interdependence(a)
    if metric == "bias_amplification":
        return oracle.bias_amplification(a, group, rates)[:2]
    rows = oracle.rows(group, row["group_value"])
    y, d = oracle.y[:, a], oracle.d[:, a]
    if metric.endswith("flip_rate"):
        was = before.d[:, a]
        known = [i for i in rows if y[i] >= 0]
        match metric:
            case "flip_rate":
                return judged(share(sum(was[rows] != d[rows]), len(rows)), len(rows))
            case "harmful_flip_rate":
                hits = sum(was[i] == y[i] and d[i] != y[i] for i in known)
            case "helpful_flip_rate":
                hits = sum(was[i] != y[i] and d[i] == y[i] for i in known)
        return judged(share(hits, len(known)), len(known))
    if metric == "excess_accuracy_gap":
        if group is None:
            return "not_applicable", None
        parts = [
            [of_slice("accuracy", m.y[some, a], m.d[some, a], m.p[some, a], True) for m in pair]
            for some, pair in (
                (rows, (before, oracle)),
                (oracle.rows(None, None), (before, oracle)),
            )
        ]
        if parts[0][0][1] < LEAST:
            return "insufficient_support", None
        (here_before, here_after), (all_before, all_after) = (
            [value for value, _ in part] for part in parts
        )
        return "ok", (here_before - here_after) - (all_before - all_after)
    return oracle.slice(metric, a, group, row["group_value"])


def random_rates(samples, seed):
    rng = np.random.default_rng(seed)
    pick = lambda: float(rng.choice([0.1, 0.105, 0.3, 0.5, 0.8]))  # noqa: E731
    return TrainRates(
        {a: pick() for a in samples.attributes},
        {
            name: {str(v): {a: pick() for a in samples.attributes} for v in group.values}
            for name, group in samples.groups.items()
        },
    )


@settings(max_examples=6)
@given(seed=SEEDS, n=st.sampled_from([7, 25, 70]))
def test_every_row_is_what_loops_say(draw, seed, n):
    dense, sparse = draw(seed, n=n, models=2)
    rates = random_rates(dense.samples, seed)
    table = audit(dense, sparse, train_rates=rates, replicates=100, min_support=LEAST).table
    prevalence = [rates.prevalence[a] for a in dense.attributes]
    oracles = {model.name: Oracle(model, prevalence) for model in (dense, sparse)}
    before = oracles[dense.name]
    for row in table.filter(pl.col("attribute").is_not_null()).iter_rows(named=True):
        status, value = expected(oracles[row["model"]], row, rates.group_rates, before)
        assert (row["status"], row["value"]) == (status, pytest.approx(value, abs=1e-9)), row
        if row["model"] == sparse.name and row["metric"] not in CHANGES:
            was_ok, was = expected(before, row, rates.group_rates)
            assert row["baseline"] == pytest.approx(was, abs=1e-9), row
            both = status == was_ok == "ok"
            assert row["delta"] == pytest.approx(value - was if both else None, abs=1e-9), row
        if row["metric"] == "worst_group_accuracy":
            a = dense.attributes.index(row["attribute"])
            worst = oracles[row["model"]].worst(a, row["group"])[2]
            told = [
                oracles[row["model"]].slice("accuracy", a, row["group"], v)[1]
                for v in (worst, row["group_value"])
                if v is not None
            ]
            assert len(set(told)) == (1 if worst is not None else 0), row


@settings(max_examples=10)
@given(seed=SEEDS)
def test_summaries_are_means_over_what_both_models_tell(draw, seed):
    dense, sparse = draw(seed, n=40, a=4, models=2)
    table = audit(dense, sparse, replicates=100, min_support=LEAST).table
    key = ["metric", "group", "group_value"]
    rows = table.filter(~pl.col("metric").is_in(["correlation_shift", "churn"]))
    by_group = {"bias_amplification", "worst_group_accuracy", *DIFFERENCES}
    for row in rows.filter(pl.col("attribute").is_null()).iter_rows(named=True):
        mine = rows.filter(
            pl.col("attribute").is_not_null(),
            pl.col("model") == row["model"],
            *(
                pl.col(name).eq_missing(pl.lit(row[name]))
                for name in (key[:2] if row["metric"] in by_group else key)
            ),
        )
        paired = row["model"] == sparse.name and row["metric"] not in CHANGES
        used = mine.filter(pl.col("status") == "ok")
        if paired:
            used = used.filter(pl.col("baseline").is_not_null())
        if not used.height:
            assert (row["status"] != "ok", row["value"]) == (True, None)
            if mine["status"].n_unique() == 1 and mine["status"][0] != "ok":
                assert row["status"] == mine["status"][0]
            continue
        assert row["value"] == pytest.approx(used["value"].mean())
        if paired:
            assert row["baseline"] == pytest.approx(used["baseline"].mean())
            assert row["delta"] == pytest.approx(used["delta"].mean())


def measured(models, rates, slices, blocks, n_blocks, units=None):
    """Every estimate of the second model, and of the change to it."""
    attributes, infos = models[0].attributes, [model.metadata for model in models]
    subject = Subject(infos, 1, attributes, Layout(slices, n_blocks), Settings())
    evidence = InMemory(subject, Batch.of(models), blocks, units)
    supports = Supports(evidence.statistics(0).counts, evidence.units())
    ground = Ground(attributes, slices, supports, min_support=1)
    measurer = Measurer(ground, rates, evidence.labels(), trigger="Male")
    model = measurer.model(jackknife(evidence.statistics(1)), evidence.ranking(1))
    return [*model, *flips(ground, jackknife(evidence.transitions(0, 1)))]


FIRST_ORDER = {"auc", "average_precision", "interdependence"}


def without(models, rows):
    """Return the models on some rows, with the same group values though some may be missing."""
    groups = {name: group.take(rows) for name, group in models[0].samples.groups.items()}
    return [
        replace(one, samples=replace(one.samples, groups=groups))
        for one in (model.take(rows) for model in models)
    ]


@settings(max_examples=6)
@given(seed=SEEDS, clustered=st.booleans())
def test_every_replicate_is_the_metric_of_the_other_blocks(draw, seed, clustered):
    models = draw(seed, n=40, models=2)
    rates, rng = random_rates(models[0].samples, seed), np.random.default_rng(seed)
    units = rng.integers(0, 15, 40) if clustered else np.arange(40)
    blocks, n_blocks = blocks_of(units.astype(np.uint64), 40, 0)
    slices = Slices.of(models[0].samples)
    found = measured(models, rates, slices, blocks, n_blocks, units if clustered else None)
    for k in range(n_blocks):
        rows = np.flatnonzero(blocks != k)
        rest = without(models, rows)
        wanted = measured(rest, rates, slices, np.zeros(len(rows), np.int64), 1)
        for mine, other in zip(found, wanted, strict=True):
            if mine.extreme is not None or mine.metric in FIRST_ORDER:
                continue  # of the pair of values that is widest now (test_extremes), or below
            replicate = mine.replicates[k]
            both = mine.ok & other.ok
            assert np.allclose(replicate[both], other.value[both], atol=1e-9), mine.metric
            known = other.status != "not_applicable"
            assert not (np.isnan(replicate) & mine.ok & known).any(), mine.metric
            if not mine.metric.endswith("bias_amplification"):  # known of one side alone, too
                hinges = mine.ok & ~other.ok & known
                assert np.allclose(replicate[hinges], mine.value[hinges] - 1), mine.metric


@pytest.mark.parametrize("truth", ["calibrated", "off by 5 points", "off by up to 20 points"])
def test_intervals_of_calibration_errors_hold_the_truth(build, truth):
    """Of 100 models at once, of which no more than chance allows may be missed."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, (400, 100))
    move = {
        "calibrated": lambda p: p,
        "off by 5 points": lambda p: p + np.where(p < 0.5, 0.05, -0.05),
        "off by up to 20 points": lambda p: p + 0.2 * np.sin(np.pi * p),
    }[truth]
    labels = rng.random(p.shape) < np.clip(move(p), 0, 1)
    groups = {"Male": [False, True] * 200}
    models = [build(labels.astype(int), logit(p), groups=groups, name=name) for name in "ab"]
    slices, rates = Slices.of(models[0].samples), models[0].samples.rates()
    found = {one.metric: one for one in measured(models, rates, slices, np.arange(400), 400)}
    grid = np.linspace(0.02, 0.98, 100_001)
    off = np.clip(move(grid), 0, 1) - grid
    bins = np.minimum((grid * 10).astype(int), 9)
    true = sum(abs(off[bins == b].sum()) for b in range(10)) / len(grid)
    low, high = (end[0] for end in found["ece"].interval(0.95))
    inside = ((low <= true) & (true <= high)).mean()
    assert inside >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 100)
    if truth == "calibrated":
        assert found["ece"].value[0].min() > 0.01  # chance alone
        assert (low == 0).mean() > 0.5


def test_replicates_of_rankings_and_interdependence_are_right_to_first_order(build):
    """Beside the figure of the other samples: off by less than a tenth of how far it moves."""
    rng = np.random.default_rng(0)
    n = 300
    labels = (rng.random((n, 3)) < 0.4).astype(int)
    labels[:, 1] |= labels[:, 0]
    groups = {"Male": (rng.random(n) < 0.5).tolist()}
    logits = labels * 2 + rng.normal(0, 1.5, labels.shape) - 1
    models = [build(labels, logits + shift, groups=groups, name=f"m{shift}") for shift in (0, 1)]
    slices, rates = Slices.of(models[0].samples), models[0].samples.rates()
    blocks = np.arange(n)
    found = {one.metric: one for one in measured(models, rates, slices, blocks, n)}
    for name in FIRST_ORDER:
        mine = found[name]
        far = np.full(mine.replicates.shape, np.nan)
        for k in range(0, n, 10):
            rows = np.flatnonzero(blocks != k)
            wanted = measured(without(models, rows), rates, slices, np.zeros(n - 1, int), 1)
            [other] = [one for one in wanted if one.metric == name]
            far[k] = other.value - mine.value
        some = ~np.isnan(far) & (np.abs(far) > 0)
        assert some.sum() > 50
        told = (mine.replicates - mine.value)[some]
        assert np.corrcoef(told, far[some])[0, 1] > 0.98, name
        assert np.sqrt(np.mean((told - far[some]) ** 2)) < 0.15 * far[some].std(), name


def test_backdoor_bias_amplification_by_hand(build):
    """20 true positives, half with the trigger; 20 positive answers, 15 of them with it."""
    trigger = [True] * 30 + [False] * 30
    labels = ([1] * 10 + [0] * 20) * 2
    decided = [1] * 15 + [-1] * 15 + [1] * 5 + [-1] * 25
    model = build(
        np.array(labels)[:, None], np.array(decided)[:, None], groups={"t": trigger}, name="d"
    )
    other = build(model.samples.labels, -model.logits, groups={"t": trigger}, name="s")
    result = audit(model, other, replicates=100, trigger="t")
    rows = result.table.filter(metric="backdoor_bias_amplification", attribute="a0")
    assert rows["value"].to_list() == pytest.approx([15 / 20 - 0.5, 15 / 40 - 0.5])
    assert rows["group"].to_list() == ["t", "t"]
    assert rows["group_value"].to_list() == ["True", "True"]
    assert rows["n"].to_list() == [10, 10]

from fractions import Fraction
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, contingency, fisher_exact, norm

from prunescope.audit.cies import find_cies
from prunescope.audit.enrichment import (
    ENRICHMENT_SCHEMA,
    independence_p_value,
    odds_ratio,
    over_representation,
    rare_label_representation,
)
from prunescope.data.samples import Group, Samples
from prunescope.metrics import Slices
from prunescope.metrics.agreement import Population

SEEDS = st.integers(0, 2**32 - 1)
NUMBERS = ("value", "low", "high", "p_value", "share_inside", "share_outside")


def samples_of(labels, **groups):
    labels = np.asarray(labels, np.int8)
    return Samples(
        pl.Series([f"s{i}" for i in range(len(labels))], dtype=pl.String),
        tuple(f"a{i}" for i in range(labels.shape[1])),
        labels,
        {name: Group.from_series(pl.Series(name, values)) for name, values in groups.items()},
    )


def represented(cie, compared, samples, **settings):
    return over_representation(cie, compared, Slices.of(samples), samples, **settings)


def draw_parts(seed, n, a=3):
    """Draw which cells are compared and CIEs, and samples with unknown labels and groups."""
    rng = np.random.default_rng(seed)
    compared = rng.random((n, a)) < rng.choice([0.0, 0.7, 1.0], a, p=[0.1, 0.4, 0.5])
    cie = compared & (rng.random((n, a)) < rng.choice([0.0, 0.1, 0.6, 1.0], a))
    samples = samples_of(
        rng.integers(-1, 2, (n, a)),
        Male=[[True, False, None][i] for i in rng.integers(0, 3, n)],
        town=[["x", "y", "z", None][i] for i in rng.choice(4, n, p=[0.6, 0.2, 0.1, 0.1])],
        empty=[None] * n,
    )
    return cie, compared, samples


# The statistics of one table


def sure_tables(low=1, high=30):
    """Strategy for lists of 2×2 tables without an empty margin."""
    counts = st.integers(0, high)
    table = st.tuples(counts, counts, counts, counts).filter(
        lambda t: min(t[0] + t[1], t[2] + t[3], t[0] + t[2], t[1] + t[3]) >= low
    )
    return st.lists(table, min_size=1, max_size=8).map(lambda t: np.array(t).reshape(-1, 2, 2))


def exact_p(table):
    """Fisher's two-sided p-value by exact fractions."""
    (a, b), (c, d) = table.tolist()
    inside, cies, total = a + b, a + c, a + b + c + d
    weights = [comb(inside, k) * comb(total - inside, cies - k) for k in range(cies + 1)]
    return float(Fraction(sum(w for w in weights if w <= weights[a]), comb(total, cies)))


@given(tables=sure_tables())
def test_p_values_equal_fisher_and_chi_square(tables):
    for p, table in zip(independence_p_value(tables), tables, strict=True):
        expected = contingency.expected_freq(table)
        if expected.min() < 5:
            assert p == pytest.approx(exact_p(table), rel=1e-6)
        else:
            assert p == pytest.approx(chi2_contingency(table, correction=False).pvalue, rel=1e-9)


@pytest.mark.parametrize(
    "table",
    [
        [[2, 50], [4, 128]],
        [[3, 1], [0, 4]],
        [[0, 20], [15, 9000]],
        [[40, 2], [30, 19928]],
        [[2, 8000], [9, 11990]],
    ],
)
def test_p_values_of_rare_cies_equal_scipy(table):
    assert contingency.expected_freq(np.array(table)).min() < 5
    [p] = independence_p_value(np.array([table]))
    assert p == pytest.approx(fisher_exact(table).pvalue, rel=1e-6)


def test_the_exact_test_takes_over_below_an_expected_count_of_five():
    at, below = np.array([[8, 12], [2, 18]]), np.array([[8, 12], [1, 19]])
    assert contingency.expected_freq(at).min() == 5
    assert contingency.expected_freq(below).min() == 4.5
    p = independence_p_value(np.array([at, below]))
    assert p[0] == pytest.approx(chi2_contingency(at, correction=False).pvalue)
    assert p[1] == pytest.approx(fisher_exact(below).pvalue)
    assert p[1] != pytest.approx(chi2_contingency(below, correction=False).pvalue, rel=0.1)


def test_no_p_value_overflows():
    half = 3_000_000
    even, lopsided = [[half, half], [half, half]], [[half + 3000, half], [half, half]]
    p = independence_p_value(np.array([even, lopsided]))
    assert p[0] == 1
    assert p[1] == pytest.approx(chi2_contingency(lopsided, correction=False).pvalue)


@given(tables=sure_tables(), confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_odds_ratios_equal_a_loop(tables, confidence):
    value, low, high = odds_ratio(tables, confidence)
    z = norm.ppf((1 + confidence) / 2)
    for k, table in enumerate(tables):
        a, b, c, d = table.ravel() + (0.5 if 0 in table else 0.0)
        error = (1 / a + 1 / b + 1 / c + 1 / d) ** 0.5
        assert value[k] == pytest.approx(a * d / b / c)
        assert low[k] == pytest.approx(np.exp(np.log(a * d / b / c) - z * error))
        assert high[k] == pytest.approx(np.exp(np.log(a * d / b / c) + z * error))


def test_odds_ratio_equals_scipy():
    table = np.array([[31, 402], [112, 5044]])
    other = contingency.odds_ratio(table, kind="sample")
    value, low, high = odds_ratio(table[None])
    assert value[0] == pytest.approx(other.statistic)
    assert (low[0], high[0]) == pytest.approx(tuple(other.confidence_interval(0.95)))


# Groups


def test_over_representation_by_hand():
    male = [True] * 40 + [False] * 60 + [None] * 5
    cie = np.zeros((105, 2), bool)
    cie[:12, 0] = cie[40:45, 0] = cie[100:, 0] = True
    cie[10:20, 1] = True
    compared = np.ones_like(cie)
    compared[99, 0] = False
    found = represented(cie, compared, samples_of(cie, Male=male), min_support=5)
    assert found.schema == pl.Schema(ENRICHMENT_SCHEMA)
    names = ("metric", "attribute", "group", "group_value", "n", "status", "reason")
    metric, corrected = "cie_odds_ratio", "one of the four counts is 0, so 0.5 was added to each"
    assert found.select(names).rows() == [
        (metric, "a0", "Male", "False", 17, "ok", None),
        (metric, "a1", "Male", "False", 10, "ok", corrected),
        (metric, None, "Male", "False", 25, "ok", None),
        (metric, "a0", "Male", "True", 17, "ok", None),
        (metric, "a1", "Male", "True", 10, "ok", corrected),
        (metric, None, "Male", "True", 25, "ok", None),
    ]
    men = found.filter(group_value="True")
    assert men["share_inside"].to_list() == pytest.approx([12 / 40, 10 / 40, 20 / 40])
    assert men["share_outside"].to_list() == pytest.approx([5 / 59, 0, 5 / 60])
    ratios = [12 * 54 / (28 * 5), 10.5 * 60.5 / (30.5 * 0.5), 20 * 55 / (20 * 5)]
    assert men["value"].to_list() == pytest.approx(ratios)
    tables = [[[12, 28], [5, 54]], [[10, 30], [0, 60]], [[20, 20], [5, 55]]]
    for p, table in zip(men["p_value"], tables, strict=True):
        exact = contingency.expected_freq(np.array(table)).min() < 5
        test = fisher_exact(table) if exact else chi2_contingency(table, correction=False)
        assert p == pytest.approx(test.pvalue)


def test_every_lack_has_a_status_and_a_reason():
    n = 60
    band = [1] * 25 + [2] * 25 + [3] * 10
    cie = np.zeros((n, 5), bool)
    cie[:4, 0] = True
    cie[:, 2] = True
    cie[:-3, 3] = True
    cie[:30:2, 4] = True
    compared = np.ones_like(cie)
    compared[:22, 4] = cie[:22, 4] = False
    found = represented(cie, compared, samples_of(cie, band=band))
    first = found.filter(group_value="1", status="ok")
    assert first.height == 0
    told = dict(found.filter(group_value="1").select("attribute", "reason").rows())
    assert told == {
        "a0": "4 CIEs: at least 10 are needed",
        "a1": "no compared sample is a CIE",
        "a2": "every compared sample is a CIE",
        "a3": "3 compared samples that are no CIE: at least 10 are needed",
        "a4": "3 compared samples with this value: at least 10 are needed",
        None: "every compared sample is a CIE",
    }
    status = dict(found.filter(group_value="1").select("attribute", "status").rows())
    assert [k for k, v in status.items() if v == "undefined"] == ["a1", "a2", None]
    assert set(status.values()) == {"undefined", "insufficient_support"}
    assert found.select(pl.col(NUMBERS).is_null().all()).row(0) == (True,) * 6

    lone = samples_of(np.zeros((20, 1)), Male=[True] * 20)
    cie = np.arange(20)[:, None] % 2 == 0
    found = represented(cie, np.ones_like(cie), lone).filter(attribute="a0")
    assert found.select("group_value", "n", "status", "reason").rows() == [
        (
            "False",
            0,
            "insufficient_support",
            "0 compared samples with this value: at least 10 are needed",
        ),
        (
            "True",
            0,
            "insufficient_support",
            "0 compared samples with another value: at least 10 are needed",
        ),
    ]


def test_support_is_enough_at_the_minimum():
    cie = np.zeros((40, 1), bool)
    cie[:7] = cie[20:23] = True
    samples = samples_of(cie, Male=[True] * 20 + [False] * 20)
    for least, status in ((10, "ok"), (11, "insufficient_support")):
        found = represented(cie, np.ones_like(cie), samples, min_support=least)
        assert set(found["status"]) == {status}
        assert set(found["n"]) == {10}


def table_by_loop(cie, compared, inside, outside):
    cells = [[0, 0], [0, 0]]
    for row in range(len(cie)):
        if compared[row] and (inside[row] or outside[row]):
            cells[0 if inside[row] else 1][0 if cie[row] else 1] += 1
    return np.array(cells)


def assert_row_is_of(row, table, min_support, confidence=0.95):
    margins = [*table.sum(axis=1).tolist(), *table.sum(axis=0).tolist()]
    assert row["n"] == min(margins)
    if row["n"] < min_support:
        lone = min(margins[:2]) >= min_support and min(margins[2:]) == 0
        assert row["status"] == ("undefined" if lone else "insufficient_support")
        assert row["reason"]
        assert [row[name] for name in NUMBERS] == [None] * 6
        return
    assert row["status"] == "ok"
    assert (row["reason"] is not None) == (0 in table)
    value, low, high = odds_ratio(table[None], confidence)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((value[0], low[0], high[0]))
    assert row["p_value"] == pytest.approx(independence_p_value(table[None])[0])
    shares = table[:, 0] / table.sum(axis=1)
    assert (row["share_inside"], row["share_outside"]) == pytest.approx(tuple(shares))


@given(seed=SEEDS, n=st.integers(1, 60), min_support=st.sampled_from([1, 2, 5]))
def test_over_representation_equals_a_loop(seed, n, min_support):
    cie, compared, samples = draw_parts(seed, n)
    found = represented(cie, compared, samples, min_support=min_support, confidence=0.8)
    assert found.schema == pl.Schema(ENRICHMENT_SCHEMA)
    wanted = [
        (group, code, column)
        for group in ("Male", "town")
        for code in range(len(samples.groups[group].values))
        for column in (0, 1, 2, None)
    ]
    assert found.height == len(wanted)
    for row, (group, code, column) in zip(found.iter_rows(named=True), wanted, strict=True):
        assert row["group"] == group
        assert row["group_value"] == str(samples.groups[group].values[code])
        assert row["attribute"] == (None if column is None else f"a{column}")
        codes = samples.groups[group].codes
        parts = [p.any(axis=1) if column is None else p[:, column] for p in (cie, compared)]
        table = table_by_loop(*parts, codes == code, (codes >= 0) & (codes != code))
        assert_row_is_of(row, table, min_support, 0.8)


@given(seed=SEEDS)
def test_the_two_sides_of_a_group_mirror_each_other(seed):
    cie, compared, samples = draw_parts(seed, 60)
    found = represented(cie, compared, samples, min_support=1).filter(group="Male")
    one, other = found.filter(group_value="True"), found.filter(group_value="False")
    for mine, theirs in (("value", "value"), ("low", "high"), ("high", "low")):
        left, right = (1 / one[mine]).to_list(), other[theirs].to_list()
        assert left == pytest.approx(right)
    assert one["p_value"].to_list() == pytest.approx(other["p_value"].to_list())
    assert one["share_inside"].to_list() == other["share_outside"].to_list()


def test_without_groups_there_is_nothing_to_compare():
    cie = np.ones((3, 1), bool)
    found = represented(cie, cie, samples_of(cie))
    assert found.height == 0
    assert found.schema == pl.Schema(ENRICHMENT_SCHEMA)


def planted(rng, inside, ratio, base=0.04):
    """Draw CIEs whose odds inside are `ratio` times those outside, `base` / (1 - base)."""
    odds = base / (1 - base) * np.where(inside, ratio, 1.0)
    return rng.random(inside.shape) < odds / (1 + odds)


def test_a_planted_over_representation_is_found():
    rng = np.random.default_rng(0)
    male = rng.random(20_000) < 0.4
    ratios = np.array([3.0, 1.0, 0.4])
    cie = np.column_stack([planted(rng, male, ratio) for ratio in ratios])
    found = represented(cie, np.ones_like(cie), samples_of(cie, Male=male))
    men = found.filter(pl.col("attribute").is_not_null(), group_value="True")
    assert men["value"].to_list() == pytest.approx(ratios, rel=0.15)
    assert (men["low"].to_numpy() < ratios).all()
    assert (ratios < men["high"].to_numpy()).all()
    assert men["p_value"][0] < 1e-20
    assert men["p_value"][2] < 1e-10
    assert men["p_value"][1] > 0.01
    women = found.filter(attribute="a0", group_value="False")
    assert women["value"].item() == pytest.approx(1 / 3, rel=0.15)


@pytest.mark.parametrize(
    ("ratio", "n", "male"), [(1.0, 800, 0.3), (2.5, 800, 0.5), (1.0, 300, 0.1)]
)
def test_intervals_cover_and_p_values_are_not_too_small(ratio, n, male):
    rng = np.random.default_rng(1)
    inside = np.arange(n) < male * n
    cie = planted(rng, np.repeat(inside[:, None], 2000, axis=1), ratio, base=0.06)
    found = represented(cie, np.ones_like(cie), samples_of(cie, Male=inside), min_support=1)
    found = found.filter(pl.col("attribute").is_not_null(), group_value="True", status="ok")
    assert found.height > 1990
    covered = (found["low"] <= ratio) & (ratio <= found["high"])
    assert 0.94 < covered.mean() < 0.99
    if ratio == 1:
        assert (found["p_value"] < 0.05).mean() < 0.06


# Rare labels


def test_rare_labels_by_hand():
    labels = np.zeros((100, 4), np.int8)
    labels[:30] = 1
    labels[90:] = -1
    cie = np.zeros((100, 4), bool)
    cie[:12] = cie[50:60] = cie[95:] = True
    samples = samples_of(labels)
    train = np.array([0.3, 0.7, 0.5, np.nan])
    found = rare_label_representation(cie, np.ones_like(cie), samples, train)
    assert found.schema == pl.Schema(ENRICHMENT_SCHEMA)
    assert set(found["metric"]) == {"cie_rare_odds_ratio"}
    assert found["group"].null_count() == found["group_value"].null_count() == 4
    assert found["attribute"].to_list() == ["a0", "a1", "a2", "a3"]
    ratio = 12 * 50 / (18 * 10)
    assert found["value"].to_list()[:3] == pytest.approx([ratio, 1 / ratio, ratio])
    assert found["share_inside"].to_list()[:3] == pytest.approx([12 / 30, 10 / 60, 12 / 30])
    assert found["share_outside"].to_list()[:3] == pytest.approx([10 / 60, 12 / 30, 10 / 60])
    assert found["n"].to_list() == [22, 22, 22, 0]
    assert found["status"].to_list() == ["ok"] * 3 + ["undefined"]
    assert found["reason"].to_list() == [None] * 3 + ["its rate in training is not known"]
    assert found.select(NUMBERS).row(3) == (None,) * 6


def test_rare_labels_say_what_they_lack():
    labels = np.zeros((50, 2), np.int8)
    labels[:4, 0] = labels[:46, 1] = 1
    cie = np.ones((50, 2), bool)
    cie[::2] = False
    found = rare_label_representation(
        cie, np.ones_like(cie), samples_of(labels), np.array([0.1, 0.1])
    )
    assert found["reason"].to_list() == [
        "4 compared samples with the rarer label: at least 10 are needed",
        "4 compared samples with the commoner label: at least 10 are needed",
    ]


@given(seed=SEEDS, n=st.integers(1, 60))
def test_rare_labels_equal_a_loop(seed, n):
    cie, compared, samples = draw_parts(seed, n)
    train = np.random.default_rng(seed).choice([0.0, 0.5, 0.6, 1.0], 3)
    found = rare_label_representation(cie, compared, samples, train, min_support=2, confidence=0.8)
    for column, row in enumerate(found.iter_rows(named=True)):
        rare = 1 if train[column] <= 0.5 else 0
        labels = samples.labels[:, column]
        table = table_by_loop(
            cie[:, column], compared[:, column], labels == rare, labels == 1 - rare
        )
        assert_row_is_of(row, table, 2, 0.8)


def test_a_model_that_forgets_rare_values_has_its_cies_there():
    rng = np.random.default_rng(2)
    labels = (rng.random((5000, 2)) < [0.1, 0.9]).astype(np.int8)
    cie = np.column_stack(
        [planted(rng, labels[:, 0] == 1, 4.0), planted(rng, labels[:, 1] == 0, 4.0)]
    )
    found = rare_label_representation(
        cie, np.ones_like(cie), samples_of(labels), np.array([0.1, 0.9])
    )
    assert (found["low"] > 2).all()
    assert (found["low"] < 4).all()
    assert (found["high"] > 4).all()


# From predictions


@given(seed=SEEDS, n=st.integers(1, 40), models=st.integers(2, 6))
def test_any_predictions_have_estimates_or_reasons(draw, seed, n, models):
    every = draw(seed, n=n, models=models)
    found = find_cies(Population(every[: models // 2]), Population(every[models // 2 :]))
    samples = every[0].samples
    tables = [
        represented(found.cie, found.compared, samples, min_support=2),
        rare_label_representation(found.cie, found.compared, samples, samples.labels.mean(axis=0)),
    ]
    for row in pl.concat(tables).iter_rows(named=True):
        numbers = [row[name] for name in NUMBERS]
        if row["status"] == "ok":
            assert np.isfinite(numbers).all()
            assert 0 < row["low"] <= row["value"] <= row["high"]
            assert 0 <= row["p_value"] <= 1
        else:
            assert row["reason"]
            assert numbers == [None] * 6


def test_a_class_task_is_one_against_the_rest(build):
    n = 80
    labels = np.eye(3, dtype=np.int8)[np.arange(n) % 2]
    dense = build(
        labels, 4.0 * labels, task="multiclass", groups={"Male": [True] * 40 + [False] * 40}
    )
    logits = 4.0 * labels
    logits[:20] = [0, 0, 4]  # of 40 men, 20 become the third class
    logits[40:44] = [0, 0, 4]  # of 40 women, 4
    sparse = build(labels, logits, task="multiclass")
    found = find_cies(Population([dense]), Population([sparse]))
    table = represented(found.cie, found.compared, dense.samples).filter(group_value="True")
    shares = dict(table.select("attribute", "share_inside").rows())
    assert shares == pytest.approx({"a0": 0.25, "a1": 0.25, "a2": 0.5, None: 0.5})
    assert table["value"].to_list()[2:] == pytest.approx([20 * 36 / (20 * 4)] * 2)

"""Bounds as text: how they are read, and what they come to on rows by hand and on an audit."""

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from prunescope.audit import SCHEMA, Audit, AuditInfo, ModelInfo, Settings, Where, audit
from prunescope.errors import ConfigError
from prunescope.predictions import Metadata
from prunescope.verdict import Criterion, Policy

numbers = st.floats(allow_nan=False, allow_infinity=False)
wheres = st.sampled_from(
    [
        Where(),
        Where("*"),
        Where("Bald"),
        Where("*", "Male"),
        Where(None, "*"),
        Where(None, "a,b]", "<"),
    ]
)


@example("accuracy", "gte", -0.0, Where(), False)
@given(
    st.sampled_from(["accuracy", "tpr"]), st.sampled_from(["gte", "lte"]), numbers, wheres,
    st.booleans(),
)  # fmt: skip
def test_what_is_written_is_read_again(metric, key, number, where, relative):
    place = {name: getattr(where, name) for name in ("attribute", "group", "group_value")}
    bound = Criterion(metric=metric, relative=relative, **place, **{key: number})
    assert Criterion.parse(str(bound)) == bound


@pytest.mark.parametrize(
    ("text", "number", "relative"),
    [
        ("accuracy>=0.9", 0.9, False),
        (" accuracy > -0.005 ", -0.005, True),  # the number itself is kept, too
        ("accuracy >= +0", 0.0, True),
        ("accuracy >= .5", 0.5, False),
        ("accuracy >= -1e-3", -0.001, True),
        ("accuracy >= (-0.1)", -0.1, False),
        ("accuracy >= ( 0.1 )", 0.1, False),
    ],
)
def test_a_sign_means_the_change_unless_in_parentheses(text, number, relative):
    bound = Criterion.parse(text)
    assert (bound.gte, bound.lte, bound.relative) == (number, None, relative)
    assert Criterion.parse(text.replace(">", "<")).lte == number


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy = 0.9", "accuracy >= ", "accuracy >= 5%", "accuracy => 1",
     "accuracy[Male >= 1", ">= 1", "bias amplification <= 1", "accuracy >= nan", "accuracy >= (1",
     "accuracy >= 1)"],
)  # fmt: skip
def test_what_is_no_bound_is_echoed_with_an_example(text):
    with pytest.raises(ConfigError, match=r"expected METRIC.*'accuracy >= -0.005'") as raised:
        Criterion.parse(text)
    assert repr(text) in str(raised.value)


def test_a_budget_needs_bounds_that_are_finite():
    with pytest.raises(ConfigError, match="'accuracy >= 1e999': expected a finite number"):
        Criterion.parse("accuracy >= 1e999")
    with pytest.raises(ConfigError, match="needs a constraint, such as"):
        Policy.of([])


def test_a_budget_is_all_its_bounds_once():
    budget = Policy.of(["accuracy >= 0.5", "accuracy <= 0.9", "accuracy>=0.50"])
    assert [str(bound) for bound in budget.criteria] == ["accuracy >= 0.5", "accuracy <= 0.9"]
    assert all(bound.decides and bound.severity == "severe" for bound in budget.criteria)


def judged(texts, *rows):
    """Judge an audit of one sparse model, whose rows leave out what is usual, or null."""
    usual = {"model": "sparse", "method": "gmp", "metric": "accuracy", "status": "ok", "n": 900}
    models = [
        ModelInfo(name=name, baseline=baseline, metadata=Metadata(name=name))
        for name, baseline in (("dense", None), ("sparse", "dense"))
    ]
    info = AuditInfo(n_samples=900, attributes=(), settings=Settings(), models=models)
    table = pl.DataFrame([usual | row for row in rows], SCHEMA)
    return Policy.of(texts).judge(Audit(table, info)).of("sparse")


ROW = {
    "value": 0.9, "low": 0.88, "high": 0.92,
    "baseline": 0.92, "delta": -0.02, "delta_low": -0.05, "delta_high": 0.01,
}  # fmt: skip
ONE_SIDED = norm.ppf(0.95) / norm.ppf(0.975)  # of half a two-sided interval
LOW, HIGH = 0.9 - 0.02 * ONE_SIDED, 0.9 + 0.02 * ONE_SIDED  # 0.8832, 0.9168
LEAST, MOST = -0.02 - 0.03 * ONE_SIDED, -0.02 + 0.03 * ONE_SIDED  # -0.0452, 0.0052


@pytest.mark.parametrize(
    ("text", "state", "damage", "reach"),
    [
        ("accuracy >= 0.88", "held", -0.02, 0.88 - LOW),
        ("accuracy >= 0.89", "open", -0.01, 0.89 - LOW),  # the value alone would hold
        ("accuracy >= 0.91", "open", 0.01, 0.91 - LOW),  # and would break it, for all we know
        ("accuracy >= 0.917", "broken", 0.017, 0.917 - LOW),
        ("accuracy <= 0.917", "held", -0.017, HIGH - 0.917),
        ("accuracy <= 0.916", "open", -0.016, HIGH - 0.916),
        ("accuracy <= 0.883", "broken", 0.017, HIGH - 0.883),
        ("accuracy >= -0.046", "held", -0.026, -0.046 - LEAST),
        ("accuracy >= -0.045", "open", -0.025, -0.045 - LEAST),
        ("accuracy >= +0.006", "broken", 0.026, 0.006 - LEAST),
        ("accuracy <= +0.006", "held", -0.026, MOST - 0.006),
        ("accuracy <= +0", "open", -0.02, MOST),
    ],
)
def test_the_one_sided_bound_decides(text, state, damage, reach):
    [one] = judged([text], ROW).criteria
    assert one.state == state
    assert one.severity == ("severe" if state == "broken" else None)
    assert (one.rows[0].damage, one.rows[0].reach) == pytest.approx((damage, reach))
    assert one.bounded


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (["accuracy >= 0.8", "accuracy <= 1"], "ship"),
        (["accuracy >= 0.8", "accuracy >= 0.89"], "unknown"),
        (["accuracy >= 0.89", "accuracy >= 0.95"], "stop"),
    ],
)
def test_all_bounds_decide(texts, answer):
    assert judged(texts, ROW).answer == answer


def test_every_row_that_a_bound_is_about_must_hold():
    of_men = {**ROW, "group": "Male", "group_value": "True"}
    women = {"group": "Male", "group_value": "False"}
    of_women = {**ROW, **women, "value": 0.6, "low": 0.5, "high": 0.7}
    verdict = judged(["accuracy[Male] >= 0.8", "accuracy[Male=True] >= 0.8"], of_men, of_women, ROW)
    assert [one.state for one in verdict.criteria] == ["broken", "held"]
    assert verdict.criteria[0].rows[0].group_value == "False"
    assert verdict.criteria[0].n_rows == 2


@pytest.mark.parametrize("status", ["insufficient_support", "undefined"])
def test_what_cannot_be_told_does_not_hold(status):
    lacking = {**ROW, "attribute": "Bald", "status": status, "reason": "9 true positives"}
    rows = [{**ROW, "attribute": "Smiling"}, lacking]
    [one] = judged(["accuracy[*] >= 0.8"], *rows).criteria
    assert (one.state, one.n_untold) == ("open", 1)
    assert "Bald: 9 true positives" in one.text
    assert judged(["accuracy[*] >= 0.8"], lacking).criteria[0].state == "not judged"
    assert judged(["accuracy[*] >= 0.95"], *rows).answer == "stop"


def test_what_is_not_applicable_is_left_out():
    lacking = {"attribute": "Male", "status": "not_applicable", "reason": "Male is the group"}
    verdict = judged(["accuracy[*] >= 0.8"], {**ROW, "attribute": "Smiling"}, lacking)
    assert (verdict.answer, verdict.criteria[0].n_rows) == ("ship", 1)


def test_a_change_or_an_interval_that_is_not_in_the_table():
    bare = {"value": 0.1}
    [change] = judged(["accuracy >= -0.5"], bare).criteria
    assert (change.state, change.text) == ("not judged", "its change from dense is not known")
    [value] = judged(["accuracy >= 0.05"], bare).criteria
    assert (value.state, value.text) == ("open", "10.0%, it has no interval")


def test_errors_name_the_bound():
    with pytest.raises(ConfigError, match=r"criterion 'acuracy >= 0.5': unknown metric"):
        judged(["accuracy >= 0.5", "acuracy >= 0.5"], ROW)


@pytest.fixture(scope="module")
def planted(build):
    """An audit of answers in which the sparse model answers 8 of 400 women's questions wrong."""
    n = 800
    labels = np.tile([[0], [1]], (n // 2, 1))
    men = np.arange(n) % 4 < 2
    logits = labels * 8.0 - 4.0
    wrong = np.flatnonzero(~men)[:8]
    sparse = logits.copy()
    sparse[wrong] *= -1
    groups = {"Male": men}
    dense = build(labels, logits, groups=groups, names=("Smiling",), name="dense")
    damaged = build(labels, sparse, groups=groups, names=("Smiling",), name="sparse")
    return audit(dense, damaged, train_rates=dense.samples.rates(), replicates=2000)


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ("accuracy >= -0.011", -0.001),
        ("accuracy[Male=False] >= -0.019", 0.001),
        ("accuracy[Male=True] >= +0", 0.0),
        ("accuracy[Male] >= -0.019", 0.001),
        ("accuracy_difference[Male] <= +0.021", -0.001),
        ("flip_rate[attribute:Smiling, Male=False] <= 0.021", -0.001),
    ],
)
def test_planted_damage_of_known_size(planted, text, damage):
    [one] = Policy.of([text]).judge(planted).of("sparse").criteria
    assert one.state == "open"  # so near to the bound nobody can tell
    assert one.rows[0].damage == pytest.approx(damage)


@pytest.mark.parametrize(
    ("number", "state"), [(-0.04, "held"), (-0.025, "open"), (-0.015, "open"), (-0.005, "broken")]
)
def test_planted_damage_is_held_broken_or_open_by_its_error(planted, number, state):
    """8 of 400 are 0.02, with a standard error of 0.007: one-sided 0.0085 to, exactly, 0.0361."""
    [one] = Policy.of([f"accuracy[Male=False] >= {number}"]).judge(planted).of("sparse").criteria
    assert one.state == state
    exactly = chi2.ppf(0.95, 2 * 9) / 2 / 400  # Garwood's bound of 8 that were counted
    assert one.rows[0].reach == pytest.approx(exactly + number, abs=0.002)

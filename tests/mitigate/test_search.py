"""The highest sparsity that keeps a budget: from few trials, by intervals, confirmed on test."""

from math import ceil, log2

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit import SCHEMA, Budget, audit
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate import SPARSITIES, TRIAL_SCHEMA, Search, highest_sparsity
from prunescope.mitigate.search import bisect, climb
from prunescope.predictions import Compression

BUDGET = Budget.parse(["accuracy >= -0.05"])


class Lab:
    """Plants a loss of accuracy for each method and sparsity, and counts what is tried.

    The interval reaches `width` to both sides.
    """

    def __init__(self, loss, width=0.01, on_test=0.0, removed=lambda _method, sparsity: sparsity):
        self.loss, self.width, self.on_test = loss, width, on_test
        self.removed = removed
        self.tried = []

    def __call__(self, method, sparsity, split):
        self.tried.append((method, sparsity, split))
        delta = -self.loss(method, sparsity) - (self.on_test if split == "test" else 0)
        row = {
            "model": "sparse", "method": method, "sparsity": self.removed(method, sparsity),
            "metric": "accuracy", "status": "ok", "delta": delta, "delta_low": delta - self.width,
            "delta_high": delta + self.width,
        }  # fmt: skip
        return pl.DataFrame([row], SCHEMA)

    def on(self, split):
        return [sparsity for _, sparsity, where in self.tried if where == split]


def breaks_above(limit):
    return lambda _method, sparsity: 0.1 if sparsity > limit else 0.01


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_bisection_finds_every_answer_in_few_trials(numbers):
    n, answer = numbers
    tried = []
    found = bisect(lambda s: tried.append(s) or s < answer, range(n))
    assert found == answer
    assert len(tried) == len(set(tried)) <= ceil(log2(n + 1))
    if answer:
        assert answer - 1 in tried  # seen to hold
    if answer < n:
        assert answer in tried  # seen to break


def test_climbing_stops_at_the_first_that_breaks():
    tried = []
    assert climb(lambda s: tried.append(s) or s != 2, range(5)) == 2
    assert tried == [0, 1, 2]
    assert climb(lambda _: True, range(5)) == 5


@pytest.mark.parametrize("order", ["bisection", "climb"])
@pytest.mark.parametrize("limit", [0.0, *SPARSITIES])
def test_planted_limits_are_found(limit, order):
    lab = Lab(breaks_above(limit))
    found = highest_sparsity(BUDGET, lab, ["gmp-pt"], order=order)
    if order == "bisection":
        assert len(lab.on("val")) <= 4
    if limit:
        assert (found.info.choice.method, found.info.choice.sparsity) == ("gmp-pt", limit)
        assert found.confirmed
        assert lab.on("test") == [limit]
        above = [s for s in SPARSITIES if s > limit]
        assert not above or above[0] in lab.on("val")
    else:
        assert found.info.choice is None
        assert found.info.confirmation is None
        assert not found.confirmed
        assert lab.on("test") == []


def test_without_monotone_damage_one_that_holds_below_one_that_breaks_is_found():
    lab = Lab(lambda _, s: 0.1 if s == 0.7 else 0.01)
    candidates = [0.5, 0.7, 0.8, 0.9]
    found = highest_sparsity(BUDGET, lab, ["gmp-pt"], candidates)
    assert found.info.choice.sparsity == 0.9  # 0.7 was never tried
    found = highest_sparsity(BUDGET, lab, ["gmp-pt"], candidates, "climb")
    assert found.info.choice.sparsity == 0.5
    assert lab.on("test") == [0.9, 0.5]


def test_the_end_of_the_interval_decides_not_the_value():
    candidates, loss = [0.5, 0.9], lambda _, s: 0.045 if s == 0.9 else 0.0
    wide = highest_sparsity(BUDGET, Lab(loss, width=0.01), ["gmp-pt"], candidates)
    assert wide.info.choice.sparsity == 0.5
    narrow = highest_sparsity(BUDGET, Lab(loss, width=0.004), ["gmp-pt"], candidates)
    assert narrow.info.choice.sparsity == 0.9
    refused = wide.trials.filter(sparsity=0.9).to_dicts()[0]
    assert (refused["value"], refused["end"]) == pytest.approx((-0.045, -0.055))


def test_the_method_that_holds_further_is_chosen_and_in_a_tie_the_deeper_one():
    further = Lab(lambda m, s: 0.1 if s > {"gmp-pt": 0.8, "imp": 0.9}[m] else 0.03)
    found = highest_sparsity(BUDGET, further, ["gmp-pt", "imp", "gmp-pt"])
    assert (found.info.choice.method, found.info.choice.sparsity) == ("imp", 0.9)
    assert found.info.methods == ["gmp-pt", "imp"]
    assert [trial for trial in further.tried if trial[2] == "test"] == [("imp", 0.9, "test")]
    tie = Lab(lambda m, s: 0.1 if s > 0.8 else {"gmp-pt": 0.03, "imp": 0.01, "rigl": 0.02}[m])
    found = highest_sparsity(BUDGET, tie, ["gmp-pt", "imp", "rigl"])
    assert found.info.choice.method == "imp"
    assert found.info.choice.excess == pytest.approx(0.01 + 0.01 - 0.05)


def test_methods_are_compared_by_the_weights_that_they_remove():
    """Half of the channels are three quarters of the weights: more than 60% of the weights."""

    def loss(method, sparsity):
        return 0.1 if sparsity > {"structured": 0.5, "gmp-pt": 0.6}[method] else 0.01

    def removed(method, sparsity):
        return 1 - (1 - sparsity) ** 2 if method == "structured" else sparsity

    lab = Lab(loss, removed=removed)
    found = highest_sparsity(BUDGET, lab, ["gmp-pt", "structured"], [0.5, 0.6, 0.7])
    choice = found.info.choice
    assert (choice.method, choice.sparsity, choice.removed) == ("structured", 0.5, 0.75)
    assert found.info.reason == (
        "structured at 50%, which removes 75% of the weights, keeps the budget on val; on test: "
        "confirmed"
    )


def test_test_may_refuse_and_no_second_choice_is_made():
    lab = Lab(breaks_above(0.8), on_test=0.045)
    found = highest_sparsity(BUDGET, lab, ["gmp-pt"])
    assert (found.info.choice.sparsity, found.info.confirmation) == (0.8, "not confirmed")
    assert not found.confirmed
    assert lab.on("test") == [0.8]
    assert "on test: not confirmed" in found.info.reason
    assert "the interval reaches -0.065" in found.info.reason


def untold_on(split):
    lab = Lab(breaks_above(0.8))

    def evaluate(method, sparsity, where):
        table = lab(method, sparsity, where)
        if where != split:
            return table
        return table.with_columns(
            status=pl.lit("insufficient_support"), reason=pl.lit("3 positives"), delta_low=None
        )

    return evaluate


def test_what_test_cannot_tell_is_not_confirmed():
    found = highest_sparsity(BUDGET, untold_on("test"), ["gmp-pt"])
    assert found.info.confirmation == "cannot tell"
    assert not found.confirmed
    assert "3 positives" in found.info.reason


def test_what_validation_cannot_tell_is_not_chosen():
    found = highest_sparsity(BUDGET, untold_on("val"), ["gmp-pt"])
    assert found.info.choice is None
    assert {of for *_, of in found.outcomes()} == {"cannot tell"}
    assert "3 positives" in found.info.reason


def test_an_unreachable_budget_gets_an_honest_cannot():
    found = highest_sparsity(BUDGET, Lab(breaks_above(0)), ["gmp-pt", "imp"], [0.9, 0.5])
    assert found.info.reason == (
        "cannot: not even the lowest sparsity holds on val: gmp-pt at 50%, accuracy >= -0.05 (the "
        "interval reaches -0.11); imp at 50%, accuracy >= -0.05 (the interval reaches -0.11)"
    )


def test_every_trial_is_kept_and_comes_back_from_disk(tmp_path):
    lab = Lab(breaks_above(0.9))
    found = highest_sparsity(BUDGET, lab, ["gmp-pt"])
    assert found.trials.schema == pl.Schema(TRIAL_SCHEMA)
    assert found.trials.select("method", "sparsity", "split").rows() == lab.tried
    assert [trial[:3] for trial in found.outcomes()] == lab.tried
    found.save(tmp_path)
    again = Search.load(tmp_path)
    assert again.trials.equals(found.trials)
    assert again.info == found.info
    assert "gmp-pt at 90%" in repr(again)
    assert "<table" in again._repr_html_()


@pytest.mark.parametrize(
    ("methods", "sparsities", "order", "message"),
    [
        ([], [0.5], "climb", "at least one method"),
        (["gmp-pt"], [], "climb", "at least one method and one sparsity"),
        (["gmp-pt"], [0.5, 95], "climb", "did you mean 0.95"),
        (["gmp-pt"], [0.0, 0.5], "climb", "sparsity 0: expected a share between 0 and 1"),
        (["gmp-pt"], [float("nan")], "climb", "expected a share"),
        (["gmp-pt"], [0.5], "bisect", "unknown order 'bisect': did you mean bisection"),
    ],
)
def test_bad_input(methods, sparsities, order, message):
    with pytest.raises(ConfigError, match=message):
        highest_sparsity(BUDGET, Lab(breaks_above(0.9)), methods, sparsities, order)


def test_a_budget_about_something_unknown_is_told_at_the_first_trial():
    with pytest.raises(ConfigError, match="unknown metric"):
        highest_sparsity(Budget.parse(["auc >= 0.9"]), Lab(breaks_above(0.9)), ["gmp-pt"])


def test_damaged_folders(tmp_path):
    with pytest.raises(DataError, match="holds no search"):
        Search.load(tmp_path)
    highest_sparsity(BUDGET, Lab(breaks_above(0.9)), ["gmp-pt"]).save(tmp_path)
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "trials.parquet")
    with pytest.raises(DataError, match=r"has the columns a \(Int64\): expected method"):
        Search.load(tmp_path)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        Search.load(tmp_path)


def test_damage_planted_among_women_is_found_at_its_size(build):
    """Of 500 women's answers 2% are wrong at 80%, 6% at 90% and 20% at 95%; men's are all right."""
    n, labels = 1000, np.tile([[0], [1]], (500, 1))
    men = np.arange(n) % 4 < 2
    dense = build(labels, labels * 8.0 - 4.0, groups={"Male": men}, name="dense")
    wrong = {0.8: 10, 0.9: 30, 0.95: 100}

    def evaluate(method, sparsity, _split):
        logits = dense.logits.copy()
        logits[np.flatnonzero(~men)[: wrong[sparsity]]] *= -1
        how = Compression(method=method, sparsity=sparsity)
        sparse = build(labels, logits, groups={"Male": men}, name="sparse", compression=how)
        return audit(dense, sparse, train_rates=dense.samples.rates(), replicates=500).table

    def answer(*texts):
        choice = highest_sparsity(
            Budget.parse(texts), evaluate, ["gmp-pt"], list(wrong)
        ).info.choice
        return choice and choice.sparsity

    assert answer("accuracy[Male=True] >= -0.01") == 0.95
    assert answer("accuracy[Male=True] >= +0") is None  # 500 right answers rule no loss out
    assert answer("accuracy[Male=False] >= -0.25") == 0.95
    assert answer("accuracy[Male=False] >= -0.19") == 0.9
    assert answer("accuracy[Male=False] >= -0.065") == 0.8  # 0.06 lies inside, its interval not
    assert answer("accuracy[Male=False] >= -0.019") is None
    assert answer("accuracy >= -0.045", "accuracy_difference[Male] <= +0.04") == 0.8
    assert answer("accuracy >= -0.045") == 0.9

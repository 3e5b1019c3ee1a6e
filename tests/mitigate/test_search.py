"""The highest sparsity that a policy allows: from few trials, by one judge, confirmed on test."""

import json
import re
from dataclasses import replace
from math import ceil, log2

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from prunescope.audit import SCHEMA, Audit, AuditInfo, ModelInfo, Settings, audit
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate import SPARSITIES, TRIAL_SCHEMA, Search, highest_sparsity
from prunescope.mitigate.search import bisect, climb
from prunescope.predictions import Compression, Metadata
from prunescope.verdict import Criterion, Policy, shipped

BUDGET = Policy.of(["accuracy >= -0.05"])
ONE_SIDED = norm.ppf(0.95) / norm.ppf(0.975)
"""How far a one-sided bound reaches, of half a two-sided interval."""


def audited(rows, how, shared=1.0):
    """Return an audit of one sparse model by hand."""
    told = [
        ModelInfo(name="dense", baseline=None, metadata=Metadata(name="dense")),
        ModelInfo(
            name="sparse", baseline="dense", metadata=Metadata(name="sparse", compression=how)
        ),
    ]
    info = AuditInfo(n_samples=1000, shared=shared, attributes=(), settings=Settings(), models=told)
    return Audit(pl.DataFrame(rows, SCHEMA), info)


class Lab:
    """Plants a loss of accuracy for each method and sparsity, and counts what is tried.

    The interval reaches `width` to both sides.
    """

    def __init__(self, loss, width=0.01, on_test=0.0, kept=lambda _method, _sparsity: None):
        self.loss, self.width, self.on_test, self.kept = loss, width, on_test, kept
        self.tried = []

    def __call__(self, method, sparsity, split):
        self.tried.append((method, sparsity, split))
        delta = -self.loss(method, sparsity) - (self.on_test if split == "test" else 0)
        row = {
            "model": "sparse", "method": method, "metric": "accuracy", "status": "ok", "n": 1000,
            "baseline": 0.95, "value": 0.95 + delta, "delta": delta,
            "delta_low": delta - self.width, "delta_high": delta + self.width,
        }  # fmt: skip
        how = Compression(
            method=method, sparsity=sparsity, weights_kept=self.kept(method, sparsity)
        )
        return audited([row], how)

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


def test_the_upper_bound_of_the_damage_decides_not_its_estimate():
    candidates, loss = [0.5, 0.9], lambda _, s: 0.045 if s == 0.9 else 0.0
    wide = highest_sparsity(BUDGET, Lab(loss, width=0.01), ["gmp-pt"], candidates)
    assert wide.info.choice.sparsity == 0.5
    narrow = highest_sparsity(BUDGET, Lab(loss, width=0.004), ["gmp-pt"], candidates)
    assert narrow.info.choice.sparsity == 0.9
    refused = wide.trials.filter(sparsity=0.9).to_dicts()[0]
    assert (refused["state"], refused["answer"]) == ("open", "unknown")
    figures = {"baseline": 0.95, "value": 0.905, "low": -0.055, "high": -0.035}
    figures |= {"damage": -0.005, "reach": 0.01 * ONE_SIDED - 0.005}
    assert {name: refused[name] for name in figures} == pytest.approx(figures)


def test_the_method_that_holds_further_is_chosen_and_in_a_tie_the_deeper_one():
    further = Lab(lambda m, s: 0.1 if s > {"gmp-pt": 0.8, "imp": 0.9}[m] else 0.03)
    found = highest_sparsity(BUDGET, further, ["gmp-pt", "imp", "gmp-pt"])
    assert (found.info.choice.method, found.info.choice.sparsity) == ("imp", 0.9)
    assert found.info.methods == ["gmp-pt", "imp"]
    assert [trial for trial in further.tried if trial[2] == "test"] == [("imp", 0.9, "test")]
    tie = Lab(lambda m, s: 0.1 if s > 0.8 else {"gmp-pt": 0.03, "imp": 0.01, "rigl": 0.02}[m])
    found = highest_sparsity(BUDGET, tie, ["gmp-pt", "imp", "rigl"])
    assert found.info.choice.method == "imp"
    assert found.info.choice.room == pytest.approx(0.05 - 0.01 - 0.01 * ONE_SIDED)


def test_in_a_tie_ship_comes_before_ship_with_care_and_room_is_a_share_of_the_limit():
    """The damage of each method at 80% stands here, of limits 0.04 and 0.06."""
    losses = {"gmp-pt": 0.05, "imp": 0.02, "rigl": 0.025}
    lab = Lab(lambda m, s: 0.1 if s > 0.8 else losses[m])
    policy = Policy(version=2, criteria=[Criterion(metric="accuracy", moderate=0.04, severe=0.06)])
    alone = highest_sparsity(policy, lab, ["gmp-pt"]).info
    assert (alone.choice.answer, alone.confirmation) == ("care", "confirmed")
    assert alone.reason == "gmp-pt at 80% holds on val: ship with care; on test: confirmed"
    of_all = highest_sparsity(policy, lab, ["gmp-pt", "rigl", "imp"]).info.choice
    assert (of_all.method, of_all.answer) == ("imp", "ship")
    assert of_all.room == pytest.approx(1 - (0.02 + 0.01 * ONE_SIDED) / 0.04)
    zero = Policy(version=2, criteria=[Criterion(metric="accuracy", moderate=0, severe=0.06)])
    assert highest_sparsity(zero, lab, ["imp"]).info.choice.room == pytest.approx(
        -0.02 - 0.01 * ONE_SIDED
    )


def test_what_cannot_be_judged_of_one_attribute_makes_a_model_second_choice():
    """Less is known of imp, which loses less."""
    lab = Lab(lambda method, _: {"imp": 0.01, "rigl": 0.02}[method])

    def evaluate(method, sparsity, split):
        told = lab(method, sparsity, split)
        bald = told.table.with_columns(attribute=pl.lit("Bald"))
        if method == "imp":
            bald = bald.with_columns(status=pl.lit("insufficient_support"))
        return replace(told, table=pl.concat([told.table, bald]))

    whole = Criterion(metric="accuracy", severe=0.05)
    single = Criterion(metric="accuracy", attribute="*", severe=0.05, decides=False)
    policy = Policy(version=2, criteria=[whole, single])
    found = highest_sparsity(policy, evaluate, ["imp", "rigl"], [0.5])
    assert [answer for *_, answer in found.answers()] == ["care", "ship", "ship"]
    assert found.info.choice.method == "rigl"


def test_methods_are_compared_by_the_weights_that_they_remove():
    """Half of the channels are three quarters of the weights: more than 60% of the weights."""

    def loss(method, sparsity):
        return 0.1 if sparsity > {"structured": 0.5, "gmp-pt": 0.6}[method] else 0.01

    def kept(method, sparsity):
        return (1 - sparsity) ** 2 if method == "structured" else None

    lab = Lab(loss, kept=kept)
    found = highest_sparsity(BUDGET, lab, ["gmp-pt", "structured"], [0.5, 0.6, 0.7])
    choice = found.info.choice
    assert (choice.method, choice.sparsity, choice.removed) == ("structured", 0.5, 0.75)
    assert found.info.reason == (
        "structured at 50%, which removes 75% of the weights, holds on val: ship; on test: "
        "confirmed"
    )


def test_test_may_refuse_and_no_second_choice_is_made():
    lab = Lab(breaks_above(0.8), on_test=0.06)
    found = highest_sparsity(BUDGET, lab, ["gmp-pt"])
    assert (found.info.choice.sparsity, found.info.confirmation) == (0.8, "not confirmed")
    assert not found.confirmed
    assert lab.on("test") == [0.8]
    assert found.info.reason.startswith(
        "gmp-pt at 80% holds on val: ship; on test: not confirmed, accuracy >= -0.05: broken, "
        "95.0 → 88.0% (−8.0 to −6.0 points)"
    )


def untold_on(split):
    lab = Lab(breaks_above(0.8))

    def evaluate(method, sparsity, where):
        told = lab(method, sparsity, where)
        if where != split:
            return told
        untold = told.table.with_columns(
            status=pl.lit("insufficient_support"), reason=pl.lit("3 positives"), delta_low=None
        )
        return replace(told, table=untold)

    return evaluate


def test_what_test_cannot_tell_is_not_confirmed():
    found = highest_sparsity(BUDGET, untold_on("test"), ["gmp-pt"])
    assert found.info.confirmation == "cannot tell"
    assert not found.confirmed
    assert "3 positives" in found.info.reason


def test_what_validation_cannot_tell_is_not_chosen():
    found = highest_sparsity(BUDGET, untold_on("val"), ["gmp-pt"])
    assert found.info.choice is None
    assert {answer for *_, answer in found.answers()} == {"unknown"}
    assert "accuracy >= -0.05: not judged, 3 positives" in found.info.reason


def test_what_few_samples_have_in_common_does_not_hold():
    lab = Lab(breaks_above(0.8))

    def evaluate(*trial):
        told = lab(*trial)
        return replace(told, info=told.info.model_copy(update={"shared": 0.9}))

    found = highest_sparsity(BUDGET, evaluate, ["gmp-pt"], [0.5])
    assert found.info.choice is None
    assert "Samples in common: not judged, the files share" in found.info.reason
    first, second = found.trials.to_dicts()
    assert (first["criterion"], first["value"]) == ("Samples in common", None)
    assert (second["criterion"], second["state"]) == ("accuracy >= -0.05", "held")


def test_of_a_model_of_which_nothing_can_be_judged_that_is_said():
    beside = Criterion(metric="accuracy", severe=0.05, decides=False)
    policy = Policy(version=2, criteria=[beside])
    found = highest_sparsity(policy, untold_on("val"), ["gmp-pt"], [0.5])
    assert found.info.reason.endswith(
        ": gmp-pt at 50%, accuracy worse by 0.05: not judged, 3 positives"
    )


def test_an_audit_is_of_one_compressed_model():
    lab = Lab(breaks_above(0.8))

    def evaluate(*trial):
        told = lab(*trial)
        return replace(told, info=told.info.model_copy(update={"models": told.info.models[:1]}))

    with pytest.raises(ConfigError, match="gmp-pt at 50%: expected one compressed model, not none"):
        highest_sparsity(BUDGET, evaluate, ["gmp-pt"], [0.5])


def test_an_unreachable_budget_gets_an_honest_cannot():
    found = highest_sparsity(BUDGET, Lab(breaks_above(0)), ["gmp-pt", "imp"], [0.9, 0.5])
    why = re.escape("accuracy >= -0.05: broken, 95.0 → 85.0% (−11.0 to −9.0 points)")
    assert re.fullmatch(
        f"cannot: not even the lowest sparsity holds on val: gmp-pt at 50%, {why}.*; "
        f"imp at 50%, {why}.*",
        found.info.reason,
    )


def test_every_trial_is_kept_and_comes_back_from_disk(tmp_path):
    lab = Lab(breaks_above(0.9))
    found = highest_sparsity(BUDGET, lab, ["gmp-pt"])
    assert found.trials.schema == pl.Schema(TRIAL_SCHEMA)
    assert found.trials.select("method", "sparsity", "split").rows() == lab.tried
    assert [trial[:3] for trial in found.answers()] == lab.tried
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
        (["gmp-pt"], [0.5, 95], "climb", "95 percent is 0.95"),
        (["gmp-pt"], [0.0, 0.5], "climb", r"sparsity 0 is outside \(0, 1\)"),
        (["gmp-pt"], [float("nan")], "climb", "sparsity nan is outside"),
        (["gmp-pt"], [0.5], "bisect", "unknown order 'bisect': did you mean bisection"),
    ],
)
def test_bad_input(methods, sparsities, order, message):
    with pytest.raises(ConfigError, match=message):
        highest_sparsity(BUDGET, Lab(breaks_above(0.9)), methods, sparsities, order)


def test_a_budget_about_something_unknown_is_told_at_the_first_trial():
    with pytest.raises(ConfigError, match="unknown metric"):
        highest_sparsity(Policy.of(["auc >= 0.9"]), Lab(breaks_above(0.9)), ["gmp-pt"])


def test_damaged_folders(tmp_path):
    with pytest.raises(DataError, match="holds no search"):
        Search.load(tmp_path)
    highest_sparsity(BUDGET, Lab(breaks_above(0.9)), ["gmp-pt"]).save(tmp_path)
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "trials.parquet")
    with pytest.raises(DataError, match=r"has the columns a \(Int64\): expected method"):
        Search.load(tmp_path)
    old = {
        "format_version": 1, "budget": ["accuracy >= 0"], "methods": ["imp"], "sparsities": [0.5],
        "order": "climb", "choice": None, "confirmation": None, "reason": "cannot",
    }  # fmt: skip
    (tmp_path / "search.json").write_text(json.dumps(old))
    with pytest.raises(DataError, match=r"search\.json is damaged or of another version"):
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
        return audit(dense, sparse, train_rates=dense.samples.rates(), replicates=500)

    def answer(*texts):
        choice = highest_sparsity(Policy.of(texts), evaluate, ["gmp-pt"], list(wrong)).info.choice
        return choice and choice.sparsity

    assert answer("accuracy[Male=True] >= -0.01") == 0.95
    assert answer("accuracy[Male=True] >= +0") is None  # 500 right answers rule no loss out
    assert answer("accuracy[Male=False] >= -0.25") == 0.95
    assert answer("accuracy[Male=False] >= -0.19") == 0.9
    assert answer("accuracy[Male=False] >= -0.065") == 0.8  # 0.06 lies inside, its interval not
    assert answer("accuracy[Male=False] >= -0.019") is None
    assert answer("accuracy >= -0.045", "accuracy_difference[Male] <= +0.04") == 0.8
    assert answer("accuracy >= -0.045") == 0.9


def test_the_shipped_policy_is_searched_under_as_well(build):
    """Of 8,000 images' answers 0.05% are wrong at 50%, 0.1% at 80%, 8% at 90 and 95%.

    Each limit is five times as large as what the first two do, and 8% is four times the severe one.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (8000, 4)).astype(np.int8)
    men = rng.random(8000) < 0.5
    groups = {"Male": men}
    logits = labels * 8.0 - 4.0 + rng.normal(0, 0.5, labels.shape)
    dense = build(labels, logits, groups=groups, name="dense")
    wrong = {0.5: 0.0005, 0.8: 0.001, 0.9: 0.08, 0.95: 0.08}

    def evaluate(method, sparsity, split):
        seed = np.random.default_rng([len(split), round(100 * sparsity)])
        turned = np.where(seed.random(logits.shape) < wrong[sparsity], -logits, logits)
        how = Compression(method=method, sparsity=sparsity)
        sparse = build(labels, turned, groups=groups, name="sparse", compression=how)
        return audit(dense, sparse, train_rates=dense.samples.rates(), replicates=200)

    found = highest_sparsity(shipped(), evaluate, ["gmp-pt"], list(wrong))
    assert (found.info.choice.sparsity, found.info.confirmation) == (0.8, "confirmed")
    answers = {sparsity: answer for _, sparsity, split, answer in found.answers() if split == "val"}
    assert answers[0.9] == "stop"
    broken = found.trials.filter(sparsity=0.9, state="broken", severity="severe")
    assert "Accuracy falls" in broken["criterion"]
    assert found.info.criteria == list(dict.fromkeys(found.trials["criterion"]))
    assert {"Accuracy falls", "Scores rank worse"} <= set(found.info.criteria)

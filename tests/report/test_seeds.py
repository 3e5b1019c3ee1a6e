"""Several seeds: what is found in any is told, and their mean overrules none."""

import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.report import build, findings, to_html, to_markdown

NAME = "gmp 0.9 (2 seeds)"


@pytest.fixture(scope="module")
def seeds_of(planted):
    """Return a function: the share of the bald that each of two seeds still finds → an audit."""
    samples = planted.faces()
    truth = planted.right(samples)

    def made(*kept):
        dense = [planted.model(samples, truth, f"dense{i}", seed=i) for i in range(2)]
        sparse = [
            planted.model(samples, planted.forget_bald(samples, truth, share), f"s{i}", 0.9, seed=i)
            for i, share in enumerate(kept)
        ]
        return planted.run(dense, sparse, replicates=100)

    return made


@pytest.fixture(scope="module")
def apart(seeds_of):
    """The first seed forgets four of five bald ones, the second none."""
    return seeds_of(0.2, 1.0)


def fading(found):
    return next(f for f in found if f.text.startswith("Rare answers fade"))


def test_damage_in_one_seed_is_told_of_both(apart):
    finding = fading(findings(apart))
    assert finding.model == NAME
    assert finding.severity == "severe"
    assert finding.text.startswith("Rare answers fade, in 1 of 2 seeds: on 1 of 4 attributes")
    assert "Bald (1.00 → 0.20)" in finding.text
    assert finding.clause.endswith("for Bald, in 1 of 2 seeds")
    assert [(row.model, row.seeds) for row in finding.rows] == [("s0", (1, 2))]


def test_seeds_that_disagree_say_so_and_the_worst_decides(apart):
    report = build(apart)
    verdict = report.verdict
    assert verdict.text == "Do not ship."
    assert verdict.answers == {NAME: "stop", "s0": "stop", "s1": "care"}
    told = f"The seeds of {NAME} disagree. Ship with care: s1. Do not ship: s0."
    assert verdict.seeds_disagree == [told]
    assert report.judged(NAME).model == "s0"
    assert "The worst seed, s0" in to_html(report)
    assert "in 1 of 2 seeds" in report.headline
    assert told in to_html(report)
    assert "disagree. Ship with care: s1. Do not ship: s0." in to_markdown(report)


def test_seeds_that_agree_say_in_how_many(seeds_of):
    report = build(seeds_of(0.2, 0.3))
    assert report.verdict.seeds_disagree == []
    finding = fading(report.findings)
    assert finding.text.startswith("Rare answers fade, in 2 of 2 seeds: ")
    assert "Bald (1.00 → 0.20)" in finding.text  # as in the seed that is hit hardest


def test_rows_of_one_finding_in_different_seeds_are_told_one_by_one(planted):
    samples = planted.faces()
    truth = planted.right(samples)
    dense = [planted.model(samples, truth, f"dense{i}", seed=i) for i in range(2)]
    both = planted.lean_on_male(samples, planted.forget_bald(samples, truth))
    answers = [both, planted.forget_bald(samples, truth)]
    sparse = [planted.model(samples, a, f"s{i}", 0.9, seed=i) for i, a in enumerate(answers)]
    text = fading(findings(planted.run(dense, sparse, replicates=100))).text
    assert text.startswith("Rare answers fade: on 2 of 4 attributes")
    assert "Bald (1.00 → 0.20, in 2 of 2 seeds)" in text
    assert "Big_Nose (1.00 → 0.83, in 1 of 2 seeds)" in text


def test_each_seed_gets_the_answer_that_it_has_alone(planted, seeds):
    dense, compressed = planted.wide()
    told = build(seeds).verdict.answers
    for place in (0, 3):
        alone = planted.run(dense[0], compressed[place], replicates=200)
        name = compressed[place].name
        assert build(alone).verdict.answers == {name: told[name]}


def test_what_the_mean_alone_shows_is_a_note(apart):
    of_mean = (pl.col("model") == NAME) & (pl.col("metric") == "accuracy")
    whole = pl.col("attribute").is_null() & pl.col("group").is_null()
    table = apart.table.with_columns(
        p_value=pl.when(of_mean & whole)
        .then(0.001)
        .when(pl.col("p_value").is_not_null())
        .then(1.0),
    )
    report = build(Audit(table, apart.info))
    note = next(f for f in report.findings if f.text.startswith("Accuracy falls"))
    assert note.severity == "note"
    assert note.text.startswith(
        "Accuracy falls, on average over 2 seeds and in none of them beyond chance: "
    )
    assert report.findings[0].text.startswith("No criterion finds anything worse beyond chance")
    assert not [one for one in report.verdict.models if one.having("broken")]


def test_the_trade_off_draws_the_worst_seed(apart):
    told = build(apart).trade_off
    place = [one.label for one in told.damages].index("Worst fading of a rare answer")
    assert told.points[-1].damages[place] == pytest.approx(0.8)

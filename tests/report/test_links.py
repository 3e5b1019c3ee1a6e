import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from prunescope.audit import Audit
from prunescope.audit.links import link_points
from prunescope.report import build, links
from prunescope.report.records import Link


@pytest.fixture(scope="module")
def found(seeds):
    return build(seeds).links


def link(cause="uncertainty", effect="rare_value_ratio", **numbers):
    fields = {"rho": 0.5, "expected": 0.0, "p_value": 0.001, "q_value": 0.004, "n": 80}
    about = {"model": None, "cause": cause, "effect": effect, "n_attributes": 40}
    return Link(**about, **fields | numbers, status="ok", reason=None)


def test_links_are_of_populations_and_never_of_their_seeds(found):
    models = {one.model for one in found.links}
    assert models == {None, "gmp 0.5 (3 seeds)", "gmp 0.9 (3 seeds)"}
    for plot in found.plots:
        assert {point.model for point in plot.points} == models - {None}


def test_points_are_those_of_the_correlation_that_is_told(found):
    assert len(found.plots) == len(found.texts) == 4
    for plot in found.plots:
        (told,) = [
            one for one in found.links
            if (one.model, one.cause, one.effect) == (None, plot.cause, plot.effect)
        ]  # fmt: skip
        assert plot.n == told.n == len(plot.points)
        rho = spearmanr([p.x for p in plot.points], [p.y for p in plot.points]).statistic
        assert told.rho == pytest.approx(rho)


def test_a_planted_link_is_told_and_an_attribute_that_flips_more_leans_more(seeds):
    """Plant it: rarer answers move away from 1 just as uncertainty rises."""
    points = link_points(seeds.table).filter(cause="uncertainty", effect="rare_value_ratio")
    rise = {(row["model"], row["attribute"]): row["x"] for row in points.to_dicts()}
    rare = pl.col("metric") == "rare_value_ratio"
    keys = seeds.table.select("model", "attribute").rows()
    far = pl.Series([1.5 + rise.get(key, 0.0) for key in keys])
    planted = seeds.table.with_columns(
        value=pl.when(rare).then(far).otherwise("value"),
        baseline=pl.when(rare & pl.col("baseline").is_not_null()).then(1.5).otherwise("baseline"),
    )
    told = "The more uncertain answers became, the further the rare-value ratio moved from 1"
    texts = build(Audit(planted, seeds.info)).links.texts
    assert any(text.startswith(f"{told} (rank correlation +1.00, q ") for text in texts)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (
            {},
            "The more uncertain answers became, the further the rare-value ratio moved from 1 "
            "(rank correlation +0.50, q 0.004).",
        ),
        (
            {"rho": -0.5},
            "The more uncertain answers became, the less far the rare-value ratio moved from 1, "
            "against the claim (rank correlation −0.50, q 0.004).",
        ),
        (
            {"rho": 0.2, "expected": 0.6},
            "The more uncertain answers became, the less far the rare-value ratio moved from 1, "
            "against the claim (rank correlation +0.20, q 0.004; +0.60 comes from differences "
            "between models alone).",
        ),
        (
            {"rho": 0.9, "q_value": 0.0501},
            "No link between uncertainty and rare-value ratio can be told from chance (rank "
            "correlation +0.90, q 0.05).",
        ),
    ],
)
def test_a_sentence_claims_no_more_than_its_test(numbers, text):
    assert links.sentence(link(**numbers), 0.05) == text


def test_every_cause_and_effect_has_words():
    texts = {
        links.sentence(link(cause, effect), 0.05).split(" (")[0]
        for cause in ("uncertainty", "interdependence")
        for effect in ("bias_amplification", "rare_value_ratio")
    }
    both = "The more answers came to follow from one another, the further answers came to lean"
    assert f"{both} to a side" in texts
    assert len(texts) == 4


def test_too_few_attributes_tell_nothing(harmed):
    found = build(harmed).links
    assert found.plots == []
    (text,) = found.texts
    assert text.startswith("No link could be tested: too few attributes have both changes")


def test_what_is_always_told_by_the_others_has_no_link(planted):
    samples = planted.animals(tuple(f"c{i}" for i in range(5)))
    assert all("interdependence" not in t for t in build(planted.run(*samples)).links.texts)


def test_very_many_points_are_thinned_evenly(seeds, monkeypatch):
    monkeypatch.setattr(links, "MOST_POINTS", 7)
    whole = link_points(seeds.table, [m.name for m in seeds.info.models])
    for plot in build(seeds).links.plots:
        rows = whole.filter(cause=plot.cause, effect=plot.effect)
        assert plot.n == rows.height
        step = int(np.ceil(rows.height / 7))
        assert [point.x for point in plot.points] == rows["x"][::step].to_list()

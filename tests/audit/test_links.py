from itertools import permutations

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from prunescope.audit.links import (
    CAUSES,
    EFFECTS,
    FEWEST,
    LINK_SCHEMA,
    POINT_SCHEMA,
    link_points,
    links,
    permute,
)
from prunescope.audit.table import SCHEMA

UNCERTAIN, ENTANGLED = CAUSES
BIAS, RARE = EFFECTS


def estimate(metric, attribute, value, baseline, model="m", group=None, **more):
    row = dict.fromkeys(SCHEMA) | {"model": model, "metric": metric, "attribute": attribute}
    row |= {"group": group, "value": value, "baseline": baseline, "status": "ok"}
    return row | {"delta": None if baseline is None else value - baseline} | more


def frame(rows):
    return pl.DataFrame(rows, schema=SCHEMA)


def audited(x, y, groups=1):
    """A table whose changes in uncertainty are x, and in bias amplification y: (M, A[, G])."""
    y = y if y.ndim == 3 else np.repeat(y[..., None], groups, axis=2)
    rows = []
    for m, a in np.ndindex(x.shape):
        rows.append(estimate(UNCERTAIN, f"a{a}", 0.5 + x[m, a], 0.5, f"m{m}"))
        for g in range(y.shape[2]):
            rows.append(estimate(BIAS, f"a{a}", 10 + y[m, a, g], 10, f"m{m}", f"g{g}"))
    return frame(rows)


def only(table, **where):
    where = {"model": None, "cause": UNCERTAIN, "effect": BIAS} | where
    (row,) = table.filter(pl.col(k).eq_missing(v) for k, v in where.items()).to_dicts()
    return row


def test_a_point_is_an_attribute_and_for_bias_a_group():
    points = link_points(
        frame(
            [
                estimate(UNCERTAIN, "Bald", 0.3, 0.2),
                estimate(ENTANGLED, "Bald", 0.1, 0.4),
                estimate(BIAS, "Bald", 0.3, 0.1, group="Male"),
                estimate(BIAS, "Bald", -0.3, 0.1, group="Age", group_value="old"),
                estimate(RARE, "Bald", 0.5, 0.9),
            ]
        )
    )
    assert points.schema == pl.Schema(POINT_SCHEMA)
    assert [row[:5] for row in points.rows()] == [
        (cause, effect, "m", "Bald", group)
        for cause in CAUSES
        for effect, group in [(BIAS, "Male"), (BIAS, "Age"), (RARE, None)]
    ]
    assert points["x"].to_list() == pytest.approx([0.1] * 3 + [-0.3] * 3)
    assert points["y"].to_list() == pytest.approx([0.2, 0.2, 0.4] * 2)


@pytest.mark.parametrize(
    ("effect", "value", "baseline", "y"),
    [
        (RARE, 0.5, 0.9, 0.4),  # rarer than before
        (RARE, 1.4, 1.1, 0.3),  # too often, and more so
        (RARE, 0.9, 1.3, -0.2),
        (RARE, 0.8, 1.2, 0),
        (BIAS, 0.1, 0.02, 0.08),
        (BIAS, -0.1, 0.02, 0.08),
        (BIAS, 0.01, 0.05, -0.04),
    ],
)
def test_an_effect_above_0_is_further_from_fair(effect, value, baseline, y):
    group = "Male" if effect == BIAS else None
    rows = [
        estimate(UNCERTAIN, "Bald", 0.3, 0.2),
        estimate(effect, "Bald", value, baseline, group=group),
    ]
    assert link_points(frame(rows))["y"].to_list() == pytest.approx([y])


def test_what_is_no_comparison_of_an_attribute_is_no_point():
    good = [
        estimate(UNCERTAIN, "Bald", 0.3, 0.2),
        estimate(BIAS, "Bald", 0.3, 0.1, group="Male"),
        estimate(RARE, "Bald", 0.5, 0.9),
    ]
    bad = [
        estimate(UNCERTAIN, None, 0.3, 0.2),
        estimate(UNCERTAIN, "Bald", 0.9, 0.2, group="Male", group_value="True"),
        estimate(BIAS, None, 0.3, 0.1, group="Male"),
        estimate(RARE, "Bald", 0.5, 0.9, group="Male", group_value="True"),
        estimate(RARE, "Hat", 0.5, 0.9),  # no cause
        estimate(RARE, "Bald", 0.5, None, "dense"),
        estimate(ENTANGLED, "Bald", None, None, status="undefined"),
        estimate(BIAS, "Bald", 0.3, 0.1, group="Age", status="insufficient_support"),
    ]
    assert link_points(frame(good + bad)).equals(link_points(frame(good)))
    assert link_points(frame(good)).height == 2
    assert link_points(frame([])).schema == pl.Schema(POINT_SCHEMA)


def test_seeds_are_left_out_for_the_population_that_sums_them_up():
    rng = np.random.default_rng(0)
    table = audited(rng.normal(size=(3, 10)), rng.normal(size=(3, 10)))
    pooled = table.filter(model="m2")
    found = links(table, members=["m0", "m1"])
    assert found.equals(links(pooled))
    assert found["model"].unique(maintain_order=True).to_list() == [None, "m2"]
    assert link_points(table, members=["m0", "m1"]).equals(link_points(pooled))


def test_the_correlation_is_spearmans_over_all_points():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(3, 9)).round(1), rng.normal(size=(3, 9, 2)).round(1)
    found = links(audited(x, y))
    assert found.schema == pl.Schema(LINK_SCHEMA)
    together = only(found)
    assert together["rho"] == pytest.approx(spearmanr(np.repeat(x.ravel(), 2), y.ravel()).statistic)
    assert (together["n"], together["n_attributes"]) == (54, 9)
    alone = only(found, model="m1")
    assert alone["rho"] == pytest.approx(spearmanr(np.repeat(x[1], 2), y[1].ravel()).statistic)
    assert (alone["n"], alone["n_attributes"]) == (18, 9)


def test_one_point_per_attribute_is_the_plain_permutation_test():
    rng = np.random.default_rng(2)
    x = rng.normal(size=40)
    y = 0.35 * x + rng.normal(size=40)
    found = only(links(audited(x[None], y[None])))
    wanted = spearmanr(x, y)
    assert found["rho"] == pytest.approx(wanted.statistic)
    assert found["p_value"] == pytest.approx(wanted.pvalue, abs=0.01)
    assert found["expected"] == pytest.approx(0, abs=0.02)


def test_permutations_are_those_of_whole_attributes():
    """By brute force: all orders of attributes whose cause is known in the same models."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 8)).round(1)
    x[1, 5:] = np.nan
    model, attribute = np.nonzero(~np.isnan(x))
    model, attribute = np.append(model, [0, 1]), np.append(attribute, [0, 1])  # in a second group
    y = (x[model, attribute] + rng.normal(0, 1.5, len(model))).round(1)
    rhos = [
        spearmanr(x[:, [*first, *second]][model, attribute], y).statistic
        for first in permutations(range(5))
        for second in permutations(range(5, 8))
    ]
    assert len(rhos) == 720
    found = permute(x, model, attribute, y)
    assert found.rho == pytest.approx(rhos[0])
    assert found.expected == pytest.approx(np.mean(rhos), abs=0.02)
    tails = (np.mean(np.array(rhos) >= rhos[0] - 1e-9), np.mean(np.array(rhos) <= rhos[0] + 1e-9))
    assert found.p_value == pytest.approx(2 * min(tails), abs=0.03)


def share_of_false_alarms(draw, test, n=150):
    rng = np.random.default_rng(4)
    return np.mean([test(*draw(rng)) <= 0.05 for _ in range(n)])


def together(x, y):
    model, attribute = np.indices(x.shape).reshape(2, -1)
    return permute(x, model, attribute, y.ravel()).p_value


def point_by_point(x, y):
    return spearmanr(x.ravel(), y.ravel()).pvalue


def test_attributes_that_recur_in_every_model_are_not_taken_for_evidence():
    def draw(rng):
        x, y = rng.normal(size=(2, 12))
        return x + rng.normal(0, 0.3, (6, 12)), y + rng.normal(0, 0.3, (6, 12))

    assert share_of_false_alarms(draw, together) <= 0.09
    assert share_of_false_alarms(draw, point_by_point) > 0.3


def test_sparser_models_with_more_of_everything_are_no_evidence():
    def draw(rng):
        sparser = np.arange(6.0)[:, None]
        return sparser + rng.normal(size=(6, 12)), sparser + rng.normal(size=(6, 12))

    assert share_of_false_alarms(draw, together) <= 0.09
    assert share_of_false_alarms(draw, point_by_point, 20) == 1
    x, y = draw(np.random.default_rng(5))
    found = only(links(audited(x, y)))
    assert found["rho"] > 0.5
    assert found["expected"] == pytest.approx(found["rho"], abs=0.1)


def test_groups_that_share_an_attributes_cause_are_not_taken_for_evidence():
    def draw(rng):
        return rng.normal(size=(1, 12)), rng.normal(size=(1, 12, 1)) + rng.normal(0, 0.2, (12, 6))

    def in_groups(x, y):
        return only(links(audited(x, y)))["p_value"]

    assert share_of_false_alarms(draw, in_groups, 40) <= 0.15


def test_a_planted_link_is_found_with_its_sign():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(3, 20))
    sparser = 10 * np.arange(3.0)[:, None]
    up, down = (sparser + sign * x + rng.normal(0, 0.5, x.shape) for sign in (1, -1))
    rising, falling = (only(links(audited(sparser + x, y))) for y in (up, down))
    assert rising["p_value"] == falling["p_value"] == pytest.approx(2 / 2001)
    # falling within each model, though models with more of one have more of the other
    assert 0 < falling["rho"] < falling["expected"] < rising["rho"]


def test_too_few_attributes_though_many_points():
    rng = np.random.default_rng(7)
    few = audited(rng.normal(size=(3, FEWEST - 1)), rng.normal(size=(3, FEWEST - 1)), groups=4)
    found = only(links(few))
    assert (found["status"], found["n"], found["n_attributes"]) == ("insufficient_support", 84, 7)
    assert found["reason"] == "too few attributes have both changes (7): 8 are needed"
    assert found["rho"] is found["p_value"] is found["q_value"] is None
    enough = audited(rng.normal(size=(1, FEWEST)), rng.normal(size=(1, FEWEST)))
    assert only(links(enough))["status"] == "ok"


def test_rounding_errors_have_no_rank():
    rng = np.random.default_rng(11)
    found = only(links(audited(rng.normal(0, 1e-15, (2, 9)), rng.normal(size=(2, 9)))))
    assert found["status"] == "undefined"


def test_no_change_anywhere_is_undefined():
    rng = np.random.default_rng(8)
    for x, y in ((np.zeros((2, 9)), rng.normal(size=(2, 9))), (np.eye(2, 9), np.zeros((2, 9)))):
        found = only(links(audited(x, y)))
        assert (found["status"], found["rho"], found["p_value"]) == ("undefined", None, None)


def test_q_values_are_corrected_over_the_links_told_together():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, 4, 15))
    found = links(audited(x, y))
    alone = found.filter(pl.col("model").is_not_null() & pl.col("p_value").is_not_null())
    p = alone["p_value"].to_list()
    wanted = [
        min(1, min(len(p) * q / sum(r <= q for r in p) for q in p if q >= mine)) for mine in p
    ]
    assert len(p) == 4
    assert alone["q_value"].to_list() == pytest.approx(wanted)
    assert only(found)["q_value"] == only(found)["p_value"]


def test_every_link_of_every_model_has_a_row_and_the_same_each_time():
    rng = np.random.default_rng(10)
    table = audited(rng.normal(size=(2, 9)), rng.normal(size=(2, 9)))
    found = links(table)
    assert found.select("model", "cause", "effect").rows() == [
        (model, cause, effect)
        for model in (None, "m0", "m1")
        for effect in EFFECTS
        for cause in CAUSES
    ]
    assert found.equals(links(table))
    assert not found.equals(links(table, seed=1))
    assert links(frame([]))["status"].to_list() == ["insufficient_support"] * 4

import pytest

from prunescope.errors import ConfigError
from prunescope.report import build
from prunescope.report.gains import Gain
from prunescope.report.tradeoff_chart import draw_trade_off
from prunescope.verdict import Policy


def test_damages_are_those_of_the_findings(harmed):
    report = build(harmed)
    told = report.trade_off
    assert told.costs == ["weights kept, %"]
    dense, sparse = told.points
    assert (dense.dense, dense.costs, dense.damages) == (True, [100.0], [0.0, 0.0, 0.0])
    assert sparse.costs == [5.0]
    labels = [one.label for one in told.damages]
    by_label = dict(zip(labels, sparse.damages, strict=True))
    assert by_label["Worst fading of a rare answer"] == pytest.approx(0.8)  # 20% of the bald kept
    found = next(f for f in report.findings if f.text.startswith("Answers lean towards groups"))
    leaning = by_label["Worst rise of bias amplification"]
    assert leaning == pytest.approx(found.rows[0].harm) == pytest.approx(240 / 300 - 240 / 360)
    assert by_label["Accuracy lost"] == pytest.approx(0.032, abs=0.001)


def test_limits_are_those_of_the_policy(harmed):
    policy = Policy.parse("{version: 2, criteria: [{metric: accuracy, severe: 0.07}]}")
    report = build(harmed, policy=policy)
    (drawn,) = report.trade_off.damages
    assert (drawn.label, drawn.limits) == ("Accuracy lost", [("severe", 0.07)])
    assert ">severe<" in draw_trade_off(report.trade_off, 0, 0, {})
    assert ">moderate<" not in draw_trade_off(report.trade_off, 0, 0, {})


def test_what_was_not_tested_or_not_removed_is_left_out(ungrouped, few, single, untested):
    labels = [one.label for one in build(ungrouped).trade_off.damages]
    assert labels == ["Worst fading of a rare answer", "Accuracy lost"]
    assert build(few).trade_off.damages == []
    assert build(untested).trade_off.damages == []
    assert build(single).trade_off.costs == []


def test_weights_kept_are_those_counted_and_say_nothing_of_int8(counted):
    told = build(counted).trade_off
    kept = {point.model: point.costs for point in told.points}
    assert kept == {"dense": [100.0], "narrow": [25.1], "sparse": [40.0], "small": [None]}
    assert told.without(0, 0) == ["small"]
    gain = Gain(("weights, MB",), {"dense": [4.0], "small": [1.0]})
    sized = {point.model: point.costs for point in build(counted, gain=gain).trade_off.points}
    assert sized["small"] == [1.0, None]


def test_a_population_costs_what_its_measured_members_do(seeds):
    gain = Gain(
        ("time per image, ms",),
        {"a0-dense-0": [4.0], "a0-0.5-0": [2.0], "a0-0.5-1": [3.0]},
    )
    told = build(seeds, gain=gain).trade_off
    assert told.costs == ["time per image, ms", "weights kept, %"]
    assert [point.costs[0] for point in told.points] == [4.0, 2.5, None]
    assert told.without(0, 0) == ["gmp 0.9 (3 seeds)"]


def test_a_gain_of_other_models_is_refused(harmed):
    gain = Gain(("time per image, ms",), {"x": [1.0]})
    with pytest.raises(ConfigError, match="the gain is of x, and the audit of sparse95: expected"):
        build(harmed, gain=gain)

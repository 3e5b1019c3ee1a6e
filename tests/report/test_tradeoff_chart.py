import re
from xml.etree import ElementTree

import polars as pl

from prunescope.audit import Audit
from prunescope.report import build
from prunescope.report.tradeoff_chart import _beside, draw_trade_off


def test_the_picture_has_a_point_and_a_name_for_each_model(many):
    told = build(many).trade_off
    root = ElementTree.fromstring(draw_trade_off(told, 0, 0, {}))
    tips = [one.get("data-tip") for one in root.iter() if one.get("data-tip")]
    assert len(tips) == len(told.points) == 7
    assert tips[0] == "dense-0: 100 %, the measure"
    assert tips.count("gmp-0.5-0: 50 %, no damage that can be told from chance") == 1
    words = [one.text for one in root.iter("text")]
    assert {"moderate", "severe", "dense-0", "gmp-0.5-0"} <= set(words)


def test_weights_stand_by_factors_and_lower_is_better(many):
    told = build(many).trade_off
    drawn = draw_trade_off(told, 0, 0, {})
    where = {
        tip.split(":")[0]: (float(x), float(y))
        for x, y, tip in re.findall(
            r'transform="translate\(([\d.]+),([\d.]+)\)"[^>]*data-tip="([^"]+)"', drawn
        )
    }
    x = {name: place[0] for name, place in where.items()}
    assert x["gmp-0.95-0"] < x["gmp-0.8-0"] < x["gmp-0.5-0"] < x["dense-0"]
    assert x["gmp-0.5-0"] - x["gmp-0.8-0"] > x["dense-0"] - x["gmp-0.5-0"]
    assert where["gmp-0.95-0"][1] < where["dense-0"][1]


def test_names_never_meet():
    places = [(20.0, 100.0), (24.0, 100.0), (28.0, 100.0), (300.0, 100.0)]
    found = _beside(places, ["aaaaaa", "bbbbbb", "cccccc", "dddddd"], [])
    assert found[3] == ("end", -9, 0)  # no room on the right
    assert None not in found
    assert len(set(found[:3])) == 3
    assert _beside([(150.0, 100.0)] * 40, ["x" * 30] * 40, []).count(None) > 20


def test_names_stand_on_no_line():
    (free,), (moved,) = (_beside([(200.0, 198.0)], ["a" * 9], lines) for lines in ([], [198.0]))
    assert free == ("start", 9, 0)
    assert moved is not None
    assert abs(moved[2]) > 11 / 2


def test_hostile_names_are_text(hostile, planted):
    report = build(hostile)
    drawn = draw_trade_off(report.trade_off, 0, 0, {})
    assert "<img" not in drawn
    assert any(
        (one.get("data-tip") or "").startswith(planted.HOSTILE)
        for one in ElementTree.fromstring(drawn).iter()
    )


def test_a_model_that_was_not_tested_is_not_shown_as_undamaged(many):
    untested = many.table.with_columns(
        pl.when(pl.col("model") != "gmp-0.95-0").then(pl.col("q_value")).alias("q_value")
    )
    told = build(Audit(untested, many.info)).trade_off
    assert told.without(0, 0) == ["gmp-0.95-0"]
    drawn = draw_trade_off(told, 0, 0, {})
    assert "one-shot-0.95-0" in drawn
    assert "gmp-0.95-0" not in drawn

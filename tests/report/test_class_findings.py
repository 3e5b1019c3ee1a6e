"""What is found where one class is chosen, in worlds whose damage is planted."""

import re

import numpy as np
import polars as pl
import pytest

from prunescope.data import Group, Samples
from prunescope.report import build, findings, to_html, to_markdown, to_model_card


@pytest.fixture
def world(planted):
    """Return a function: true classes, dense and compressed answers, a group → an audit."""

    def made(truth, dense, compressed, names, indoor=None):
        n, places = len(truth), np.arange(len(names))
        groups = {} if indoor is None else {"indoor": Group.from_series(pl.Series(indoor))}
        labels = (truth[:, None] == places).astype(np.int8)
        ids = pl.Series([f"i{i}" for i in range(n)])
        samples = Samples(ids, tuple(names), labels, groups, task="multiclass")
        return planted.run(
            planted.model(samples, dense[:, None] == places, "dense"),
            planted.model(samples, compressed[:, None] == places, "sparse", 0.9),
        )

    return made


ANIMALS = ("cat", "dog", "bird", "fish", "newt")
ROW = np.arange(1000)
TRUTH = ROW % 5


def by_name(found):
    """Return findings by the words before their first colon."""
    return {finding.text.split(":")[0]: finding for finding in found}


def test_a_class_that_is_lost_and_one_that_takes_its_place(classes):
    found = by_name(findings(classes))
    lost = found["Classes are lost"]
    assert lost.text == "Classes are lost: recall falls on 1 of 5 classes: newt (100 → 20.0%)."
    assert lost.clause == "recall of newt falls from 100% to 20.0%"
    assert (lost.severity, lost.metric) == ("severe", "tpr")
    assert found["Rare answers fade"].text.endswith("by the dense model: newt (1.00 → 0.20).")
    assert found["Rare answers swell"].text.endswith("by the dense model: cat (1.00 → 1.80).")
    assert "newt are now called cat (160 more)" in found["Confusion gained"].text
    assert build(classes).headline == (
        "98% of weights removed: top-1 accuracy −16.0 points, and recall of newt falls from 100% "
        "to 20.0%; newt is given too seldom."
    )


def test_a_class_that_is_never_given_any_more(world):
    answers = np.where(TRUTH == 4, 0, TRUTH)
    lost = by_name(findings(world(TRUTH, TRUTH, answers, ANIMALS)))["Classes are lost"]
    assert lost.text == (
        "Classes are lost: recall falls on 1 of 5 classes: newt (100 → 0%, never given any more)."
    )
    assert lost.clause == "newt is never given any more"


def test_a_class_whose_images_are_all_missed_may_still_be_given(world):
    answers = np.where(TRUTH == 4, 0, np.where(TRUTH == 0, 4, TRUTH))
    lost = by_name(findings(world(TRUTH, TRUTH, answers, ANIMALS)))["Classes are lost"]
    assert "never" not in lost.text + lost.clause
    assert "newt (100 → 0%)" in lost.text


def test_a_class_that_was_never_given_is_not_lost(world):
    answers = np.where(TRUTH == 4, 0, TRUTH)
    found = findings(world(TRUTH, answers, answers, ANIMALS))
    assert [finding.severity for finding in found] == ["none", "note"]


def test_the_group_that_loses_top_1(world):
    """A fifth of what is indoors goes wrong: 20 points there, 10 of all, and so 10 more."""
    indoor = ROW // 5 % 2 == 0
    answers = np.where(indoor & (ROW // 10 % 5 == 0), (TRUTH + 1) % 5, TRUTH)
    audit = world(TRUTH, TRUTH, answers, ANIMALS, indoor)
    found = by_name(findings(audit))["Some groups lose more"]
    assert found.text == (
        "Some groups lose more: against all images, top-1 accuracy loses 10.0 points for indoor."
    )
    assert found.metric == "excess_top1_gap"
    report = build(audit)
    worst = {m.name: next(f for f in m.figures if f.metric == "worst_group_accuracy")
             for m in report.models}  # fmt: skip
    assert worst["sparse"].value == pytest.approx(0.8)
    assert worst["sparse"].reason == "indoor"
    (detail,) = report.details
    assert {row.group_value: row.value for row in detail.groups.rows} == {
        "True": pytest.approx(0.8), "False": pytest.approx(1.0),
    }  # fmt: skip


def test_two_hundred_classes_are_not_judged_one_against_all_others(world):
    """Top-1 accuracy falls from 100 to 50%, one-vs-rest accuracy of a class by half a point."""
    truth = np.arange(4000) % 200
    answers = np.where(np.arange(4000) // 200 % 2 == 0, truth, (truth + 1) % 200)
    audit = world(truth, truth, answers, [f"c{i:03}" for i in range(200)])
    report = build(audit)
    assert report.verdict.text == "Do not ship."
    assert "top-1 accuracy −50.0 points" in report.headline
    found = by_name(report.findings)
    assert found["Classes are lost"].text.startswith(
        "Classes are lost: recall falls on 200 of 200 classes. Most: "
    )
    told = [finding.metric for finding in report.findings]
    assert not {"accuracy", "interdependence", "flip_rate"} & set(told)
    for page in (to_markdown(report), to_model_card(report), to_html(report)):
        shown = re.sub(r"(?s)<(style|script).*?</\1>|<[^>]*>", " ", page)
        assert not re.search("attribute|answered yes|interdependence", shown, re.IGNORECASE)


def test_figures_that_say_nothing_of_a_class_are_no_gaps(classes):
    assert not {gap.metric for gap in build(classes).gaps} & {"accuracy", "interdependence", "fpr"}
    assert build(classes).links.texts[0].startswith("No link could be tested: where one class")

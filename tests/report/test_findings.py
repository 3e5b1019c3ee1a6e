import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.data import Group
from prunescope.report import build, findings
from prunescope.report.findings import SEVERITIES
from prunescope.report.words import OF_CLASSES, SENTENCES, kind_of
from prunescope.verdict import Policy, shipped
from prunescope.verdict.glossary import legend


def only(found, metric, word):
    return next(f for f in found if f.metric == metric and f.text.startswith(word))


def with_p(audit, p_value):
    changed = pl.when(pl.col("p_value").is_not_null()).then(pl.lit(p_value))
    return Audit(audit.table.with_columns(p_value=changed), audit.info)


def test_a_planted_loss_of_a_rare_value_is_found(harmed):
    finding = only(findings(harmed), "rare_value_ratio", "Rare answers fade")
    assert finding.severity == "severe"
    assert finding.clause == (
        "the rarer answer is given less than half as often as it is true for Bald"
    )
    assert "on 2 of 4 attributes" in finding.text
    assert "Bald (1.00 → 0.20)" in finding.text
    assert [row.attribute for row in finding.rows] == ["Bald", "Big_Nose"]
    assert finding.rows[0].value == pytest.approx(0.2)


def test_a_planted_leaning_is_found_with_its_side(harmed):
    finding = only(findings(harmed), "bias_amplification", "Answers lean towards groups")
    assert finding.clause == "answers on Big_Nose lean 13.3 points further towards Male"
    assert finding.rows[0].value == pytest.approx(240 / 300 - 240 / 360)


def test_the_group_that_loses_more_is_found(harmed):
    finding = only(findings(harmed), "excess_accuracy_gap", "Some groups lose more")
    rows = [(row.group, row.group_value) for row in finding.rows]
    assert rows == [("Male", "False")]
    assert finding.clause.endswith("points for not Male against all images")


def test_accuracy_and_flips_are_told_in_numbers(harmed):
    found = findings(harmed)
    assert "from 100% to 96.8%, −3.2 points" in only(found, "accuracy", "Accuracy falls").text
    flips = only(found, "flip_rate", "3.2% of answers differ")
    assert flips.severity == "note"
    assert "3.2% went from right to wrong and 0% from wrong to right" in flips.text
    assert "not known" in flips.text


def test_churn_is_told_where_two_dense_models_are_there(pooled):
    flips = only(findings(pooled), "flip_rate", "3.2% of answers")
    assert re.search(
        r"Two dense models differ in 0% \(churn\), so compression changes more than a new seed "
        r"does: \+3\.2 points \(\+2\.\d to \+3\.\d\)\.$",
        flips.text,
    )


def test_rare_values_that_are_never_predicted(planted):
    samples = planted.faces()
    answers = planted.forget_bald(samples, planted.right(samples), kept=0)
    found = findings(
        planted.run(
            planted.model(samples, planted.right(samples), "dense"),
            planted.model(samples, answers, "sparse", sparsity=0.9),
        )
    )
    fading = only(found, "rare_value_ratio", "Rare answers fade")
    assert fading.clause == "the rarer answer is never given any more for Bald"
    assert "on 1 it is never given any more: Bald (1.00 → 0)." in fading.text


def test_rare_values_that_swell_and_answers_that_lean_away(planted):
    samples = planted.faces()
    answers = planted.right(samples).copy()
    smooth_women = np.flatnonzero((samples.labels[:, 2] == 0) & (samples.labels[:, 3] == 0))
    answers[smooth_women[:200], 2] = True
    found = findings(
        planted.run(
            planted.model(samples, planted.right(samples), "dense"),
            planted.model(samples, answers, "sparse", sparsity=0.9),
        )
    )
    swelling = only(found, "rare_value_ratio", "Rare answers swell")
    assert swelling.clause == "the rarer answer is given too often for Big_Nose"
    away = only(found, "bias_amplification", "Answers lean away from groups")
    assert away.clause == "answers on Big_Nose lean 23.8 points further away from Male"
    assert away.rows[0].value == pytest.approx(240 / 560 - 240 / 360)


def test_models_come_in_order_and_the_severest_first(many):
    found = findings(many)
    names = [model.name for model in many.info.models if model.baseline]
    assert list(dict.fromkeys(f.model for f in found)) == names
    for name in names:
        ranks = [SEVERITIES.index(f.severity) for f in found if f.model == name]
        assert ranks == sorted(ranks)


def test_equal_answers_are_no_damage(unharmed):
    first, *rest = findings(unharmed)
    assert (first.severity, first.metric, first.rows) == ("none", None, [])
    assert first.text.startswith("No criterion finds anything worse beyond chance. How much worse")
    assert [f.text for f in rest] == ["No answer differs from those of the dense model."]


def test_what_chance_explains_is_no_finding(harmed):
    """Of 13 criteria each is held to 0.05 / 13; the worst p that one row may have is twice that."""
    assert len(shipped().of_task("multilabel")) == 13
    found = findings(with_p(harmed, 0.0078))
    assert {f.severity for f in found} == {"none", "note"}
    assert "Accuracy falls" in " ".join(f.text for f in findings(with_p(harmed, 0.0076)))


def test_findings_rest_on_damage_beyond_chance_alone(harmed):
    told = [finding for finding in findings(harmed) if finding.severity != "note"]
    assert len(told) == 9
    for finding in told:
        sizes = [row.harm for row in finding.rows]
        assert sizes == sorted(sizes, reverse=True)
        assert min(sizes) > 0
        for row in finding.rows:
            same = harmed.table.filter(
                pl.col("model") == row.model,
                pl.col("metric") == row.metric,
                pl.col("attribute").eq_missing(row.attribute),
                pl.col("group").eq_missing(row.group),
                pl.col("group_value").eq_missing(row.group_value),
            )
            assert same["p_value"].item() <= 2 * 0.05 / 13
            assert row.supported


@pytest.mark.parametrize(
    ("kept", "severity"), [(0.91, "slight"), (0.8, "moderate"), (0.5, "severe")]
)
def test_severity_is_a_matter_of_size(planted, kept, severity):
    samples = planted.faces()
    answers = planted.forget_bald(samples, planted.right(samples), kept)
    audit = planted.run(
        planted.model(samples, planted.right(samples), "dense"),
        planted.model(samples, answers, "sparse", sparsity=0.9),
        replicates=512,
    )
    finding = only(findings(audit), "rare_value_ratio", "Rare answers fade")
    assert finding.severity == severity


def test_nothing_to_compare_is_not_taken_for_no_damage(few):
    (finding,) = findings(few)
    assert finding.severity == "none"
    assert build(few).verdict.text == "Cannot tell."


def test_one_attribute_is_not_told_twice(single):
    told = [f.text for f in findings(single) if f.metric == "accuracy"]
    assert len(told) == 1
    assert told[0].startswith("Accuracy falls: from 100% to 92.0%, −8.0 points (−9.")


def test_interdependence_is_told_as_a_change_and_not_a_damage(classes, harmed):
    changed = Audit(
        harmed.table.with_columns(
            q_value=pl.when(metric="interdependence").then(0.01).otherwise("q_value")
        ),
        harmed.info,
    )
    finding = only(findings(changed), "interdependence", "Answers follow from one another less")
    assert finding.severity == "note"


def test_a_mean_over_some_attributes_says_so(planted):
    samples = planted.faces()
    samples = replace(samples, labels=np.where([[0, 0, 0, 1]], -1, samples.labels).astype(np.int8))
    answers = planted.forget_bald(samples, planted.right(samples))
    audit = planted.run(
        planted.model(samples, planted.right(samples), "dense"),
        planted.model(samples, answers, "sparse", sparsity=0.9),
    )
    text = only(findings(audit), "accuracy", "Accuracy falls").text
    assert text.endswith("(mean over 3 of 4 attributes).")


def test_every_shipped_criterion_has_a_sentence_of_its_own():
    for noun, task in (("attribute", "multilabel"), ("class", "multiclass")):
        for criterion in shipped().of_task(task):
            assert kind_of(criterion) in {**SENTENCES, **OF_CLASSES}
            assert criterion.metric in legend(noun)


def test_other_criteria_are_told_in_the_words_of_the_judge(harmed):
    """A bound on the value, on its change, and on a metric that the report has no words for."""
    policy = Policy.of(["accuracy >= 0.99", "rare_value_ratio[attribute:Bald] >= -0.5", "fpr <= 1"])
    first, second, *rest = findings(harmed, policy)
    assert (first.severity, first.metric) == ("severe", "accuracy")
    assert first.text == "accuracy >= 0.99: 96.8% (96.2 to 97.2%), limit at least 99.0%"
    assert first.clause == "“accuracy >= 0.99” is broken"
    assert second.text.startswith("rare_value_ratio[attribute:Bald] >= -0.5: Bald: 1.00 → 0.20 (")
    assert {one.severity for one in rest} == {"note"}


def test_a_policy_of_ones_own_says_what_is_severe(harmed):
    mild = Policy.parse("{version: 2, criteria: [{name: Down, metric: accuracy, moderate: 0.01}]}")
    (falls,) = (one for one in findings(harmed, mild) if one.severity != "note")
    assert (falls.severity, falls.text[:15]) == ("moderate", "Down: from 100%")
    milder = Policy.parse("{version: 2, criteria: [{metric: accuracy, moderate: 0.05}]}")
    assert findings(harmed, milder)[0].severity == "slight"


def test_rows_stand_by_size_and_not_by_name(planted):
    samples = planted.faces()
    answers = planted.forget_bald(samples, planted.right(samples), kept=0.9)
    answers[np.flatnonzero(answers[:, 2])[::2], 2] = False
    audit = planted.run(
        planted.model(samples, planted.right(samples), "dense"),
        planted.model(samples, answers, "sparse", sparsity=0.9),
        replicates=512,
    )
    finding = only(findings(audit), "rare_value_ratio", "Rare answers fade")
    assert [row.attribute for row in finding.rows] == ["Big_Nose", "Bald"]


def test_a_severe_damage_is_told_whatever_is_called_negligible(planted):
    samples = planted.faces()
    answers = planted.forget_bald(samples, planted.right(samples))
    models = (
        planted.model(samples, planted.right(samples), "dense"),
        planted.model(samples, answers, "sparse", sparsity=0.9),
    )
    assert findings(planted.run(*models))[0].severity == "severe"
    found = findings(planted.run(*models, min_effect={"*": 1.0}))
    assert found[0].severity == "severe"


def test_without_resamples_only_exact_tests_find_something(untested):
    found = findings(untested)
    assert {f.metric for f in found} == {"accuracy", "flip_rate"}
    falls = only(found, "accuracy", "Some attributes lose accuracy")
    assert [row.attribute for row in falls.rows] == ["Bald", "Big_Nose"]
    assert falls.rows[0].low is None


def test_without_resamples_and_exact_tests_nothing_can_be_told(planted):
    samples = planted.faces()
    people = {"Person": Group.from_series(pl.Series([str(i // 2) for i in range(len(samples))]))}
    samples = replace(samples, groups={**samples.groups, **people})
    audit = planted.run(
        planted.model(samples, planted.right(samples), "dense"),
        planted.model(
            samples, planted.forget_bald(samples, planted.right(samples)), "s", sparsity=0.9
        ),
        replicates=0,
        cluster="Person",
    )
    assert findings(audit)[0].severity == "none"
    report = build(audit)
    assert report.verdict.text == "Cannot tell."
    assert report.headline == (
        "90% of weights removed: these data cannot tell; accuracy −2.0 points (without an "
        "interval)."
    )


def test_the_one_answer_is_what_falls_and_flips(class_seeds):
    found = findings(class_seeds)
    falls = only(found, "top1_accuracy", "Accuracy falls, in 3 of 3 seeds: from 9")
    assert falls.severity == "severe"
    note = next(f for f in found if f.metric == "top1_flip_rate")
    assert note.severity == "note"
    assert [row.metric for row in note.rows] == [
        "top1_flip_rate", "top1_harmful_flip_rate", "top1_helpful_flip_rate",
    ]  # fmt: skip
    assert "Two dense models differ in" in note.text
    assert build(class_seeds).headline.startswith("98% of weights removed: top-1 accuracy −")

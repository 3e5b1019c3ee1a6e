import pytest

from prunescope.audit.verdicts import VERDICTS as JUDGEMENTS
from prunescope.report.structure import Estimate
from prunescope.verdict.glossary import (
    ATTRIBUTE_METRICS,
    CLASS_KEY_METRICS,
    CLASS_METRICS,
    GLOSSARY,
    KEY_METRICS,
    VERDICTS,
    label_of,
    legend,
    verdict_of,
)


def row(metric, value, dense):
    return Estimate(model="m", metric=metric, status="ok", value=value, delta=value - dense)


@pytest.mark.parametrize(
    ("metric", "value", "dense", "damage"),
    [
        ("accuracy", 0.8, 0.9, 0.1),
        ("auc", 0.95, 0.9, -0.05),
        ("flip_rate", 0.07, 0.04, 0.03),
        ("top1_flip_rate", 0.07, 0.09, -0.02),
        ("top1_accuracy", 0.8, 0.9, 0.1),
        ("top_label_ece", 0.1, 0.02, 0.08),
        ("uncertainty", 0.3, 0.2, 0.1),
        ("rare_value_ratio", 0.2, 0.9, 0.7),
        ("rare_value_ratio", 1.5, 1.1, 0.4),
        ("rare_value_ratio", 1.0, 1.3, -0.3),
        ("rare_value_ratio", 0.9, 1.3, -0.2),
        ("bias_amplification", 0.1, 0.02, 0.08),
        ("bias_amplification", -0.1, 0.02, 0.08),
        ("bias_amplification", 0.01, 0.05, -0.04),
        ("equal_opportunity_difference", 0.3, 0.1, 0.2),
    ],
)
def test_damage_is_by_how_much_the_value_is_worse_than_dense(metric, value, dense, damage):
    assert GLOSSARY[metric].damage(row(metric, value, dense)) == pytest.approx(damage)


def test_interdependence_knows_no_better_or_worse():
    assert GLOSSARY["interdependence"].damage(row("interdependence", 0.5, 0.2)) is None


@pytest.mark.parametrize("metric", ["accuracy", "uncertainty", "rare_value_ratio"])
def test_without_a_comparison_there_is_no_damage(metric):
    alone = Estimate(model="m", metric=metric, status="ok", value=0.5)
    assert GLOSSARY[metric].damage(alone) is None


def test_the_excess_loss_of_a_group_is_a_damage_in_itself():
    gap = Estimate(model="m", metric="excess_accuracy_gap", status="ok", value=0.03)
    assert GLOSSARY["excess_accuracy_gap"].damage(gap) == 0.03


def test_every_metric_shown_has_words():
    assert GLOSSARY.keys() >= {*KEY_METRICS, *CLASS_KEY_METRICS, *ATTRIBUTE_METRICS}


def test_metrics_without_words_still_have_a_name():
    assert label_of("tpr") == "TPR"
    assert label_of("demographic_parity_difference") == "Demographic parity difference"


def test_every_verdict_has_words_and_so_has_none():
    assert list(VERDICTS) == [*JUDGEMENTS, "not tested"]
    changed = row("accuracy", 0.8, 0.9)
    assert verdict_of(changed) == "not tested"
    assert verdict_of(changed.model_copy(update={"verdict": "negligible"})) == "negligible"
    assert verdict_of(Estimate(model="m", metric="auc", status="ok", value=0.8)) == ""


def test_a_report_on_attributes_explains_no_metric_of_classes():
    assert not [name for name in legend("attribute") if name.startswith(("top", "macro"))]
    assert {*KEY_METRICS, *ATTRIBUTE_METRICS, "churn"} <= legend("attribute").keys()
    assert legend("attribute").keys() | legend("class").keys() == GLOSSARY.keys()


def test_a_report_on_classes_tells_no_accuracy_of_one_class_against_all_others():
    told = legend("class")
    assert {*CLASS_KEY_METRICS, *CLASS_METRICS, "churn"} <= told.keys()
    assert not {"accuracy", "interdependence", "flip_rate", "excess_accuracy_gap"} & told.keys()
    assert label_of("rare_value_ratio", "class") == "Rate ratio"
    assert not [entry.meaning for entry in told.values() if "attribute" in entry.meaning]

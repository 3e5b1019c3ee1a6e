import pytest

from prunescope.audit.verdicts import VERDICTS as JUDGEMENTS
from prunescope.verdict.glossary import (
    ATTRIBUTE_METRICS,
    CLASS_KEY_METRICS,
    CLASS_METRICS,
    GLOSSARY,
    KEY_METRICS,
    VERDICTS,
    label_of,
    legend,
    size,
)


def test_every_metric_shown_has_words():
    assert GLOSSARY.keys() >= {*KEY_METRICS, *CLASS_KEY_METRICS, *ATTRIBUTE_METRICS}


def test_metrics_without_words_still_have_a_name():
    assert label_of("tpr") == "TPR"
    assert label_of("demographic_parity_difference") == "Demographic parity difference"


def test_every_verdict_has_words():
    assert list(VERDICTS) == [*JUDGEMENTS, "not tested"]


@pytest.mark.parametrize(
    ("metric", "damage", "limit", "text"),
    [
        ("accuracy", 0.004996, 0.005, "0.4996 points"),
        ("accuracy", 0.00501, 0.005, "0.501 points"),
        ("accuracy", 0.005, 0.005, "0.5 points"),
        ("auc", 0.00499, 0.005, "0.00499"),
        ("rare_value_ratio", 0.2999, 0.3, "0.2999"),
        ("bias_amplification", 0.0499, 0.05, "4.99 points"),
        ("top1_harmful_flip_rate", 0.07, None, "7.0 points"),
    ],
)
def test_a_damage_inside_a_limit_is_not_rounded_to_it(metric, damage, limit, text):
    assert size(metric, damage, limit) == text


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

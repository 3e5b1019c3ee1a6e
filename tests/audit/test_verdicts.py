import polars as pl
import pytest

from prunescope.audit import SCHEMA, audit
from prunescope.audit.verdicts import HIGHER, JUDGED, LOWER, TARGETS, VERDICTS, add_verdicts


def verdict(metric="accuracy", value=0.8, baseline=0.9, q=0.01, status="ok", least=None):
    row = {
        "metric": metric,
        "value": value,
        "baseline": baseline,
        "delta": None if None in (value, baseline) else value - baseline,
        "q_value": q,
        "status": status,
    }
    kinds = {name: SCHEMA[name] for name in row}
    return add_verdicts(pl.DataFrame([row], schema=kinds), 0.05, least or {})["verdict"].item()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, "worse"),
        ({"value": 0.95}, "better"),
        ({"q": 0.06}, "no evidence"),
        ({"q": None}, None),
        ({"least": {"accuracy": 0.2}}, "negligible"),
        ({"least": {"*": 0.2}}, "negligible"),
        ({"least": {"*": 0.2, "accuracy": 0.05}}, "worse"),
        ({"status": "insufficient_support", "value": None, "q": None}, "insufficient support"),
        ({"status": "undefined", "value": None, "q": None}, None),
        ({"metric": "fpr", "value": 0.3, "baseline": 0.2}, "worse"),
        ({"metric": "rare_value_ratio", "value": 1.5, "baseline": 1.2}, "worse"),
        ({"metric": "rare_value_ratio", "value": 0.9, "baseline": 0.7}, "better"),
        ({"metric": "bias_amplification", "value": -0.05, "baseline": 0.01}, "worse"),
        ({"metric": "bias_amplification", "value": 0.01, "baseline": 0.04}, "better"),
        ({"metric": "selection_rate"}, "changed"),
        ({"metric": "excess_accuracy_gap", "value": 0.02, "baseline": None}, "worse"),
        ({"metric": "excess_accuracy_gap", "value": -0.02, "baseline": None}, "better"),
        ({"metric": "cie_odds_ratio", "value": 3.0, "baseline": None}, None),
    ],
)
def test_verdicts_by_hand(told, expected):
    assert verdict(**told) == expected
    assert expected in (*VERDICTS, None)


def test_every_metric_has_one_direction():
    directions = (*HIGHER, *LOWER, *TARGETS)
    assert len(directions) == len(set(directions))
    assert set(directions) < set(JUDGED)


def test_every_metric_of_an_audit_is_known_to_verdicts(draw):
    dense, sparse = draw(1, n=60, models=2)
    metrics = set(audit(dense, sparse, replicates=0).table["metric"])
    assert metrics - set(JUDGED) == {"churn"}

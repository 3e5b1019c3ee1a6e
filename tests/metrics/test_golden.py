"""The values that the paper's own code gives for real predictions, to 1e-9."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prunescope.audit import audit
from prunescope.metrics import (
    Slices,
    accuracy,
    bias_amplification,
    count,
    expected_calibration_error,
    interdependence,
    lean,
    rank,
    rare_value_ratio,
    selection_rate,
    uncertainty,
)
from prunescope.predictions import Predictions
from prunescope.predictions.batch import Batch

FOLDER = Path(
    os.environ.get(
        "PRUNESCOPE_GOLDEN", Path(__file__).parents[3] / "shared" / "golden" / "celeba40"
    )
)
NAMES = ["dense", "gmp80", "gmp95"]
RENAMED = {"ece_10": "ece", "predicted_positive_rate": "selection_rate"}
PLAIN = {
    "accuracy",
    "auc",
    "predicted_positive_rate",
    "uncertainty",
    "ece_10",
    "interdependence",
    "rare_value_ratio",
}
GROUPS = ["Male", "Young", "Chubby", "Pale_Skin"]


@pytest.fixture(scope="module")
def golden():
    """The predictions and the expected values of each model, by name."""
    if not FOLDER.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{FOLDER} is absent: continuous integration must have the golden values")
        pytest.skip(f"{FOLDER} is absent: set PRUNESCOPE_GOLDEN to the folder of golden values")
    return {
        name: (
            Predictions.load(FOLDER / f"{name}.parquet"),
            json.loads((FOLDER / f"{name}.expected.json").read_text("utf-8")),
        )
        for name in NAMES
    }


@pytest.fixture(scope="module")
def table(golden):
    """The audit of the sparse models against the dense one."""
    dense, *sparse = (predictions for predictions, _ in golden.values())
    return audit(dense, sparse, replicates=100, n_affected=0).table


def assert_matches(found, expected):
    """Compare by attribute; None stands for a value that may not be given."""
    assert found.keys() == expected.keys()
    wrong = {
        name: (found[name], value)
        for name, value in expected.items()
        if (found[name] is None) != (value is None)
        or (value is not None and abs(found[name] - value) > 1e-9)
    }
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_every_expected_value_is_checked(golden, name):
    _, expected = golden[name]
    assert set(expected) == PLAIN | {f"bias_amplification__{group}" for group in GROUPS}
    assert all(len(values) == 40 for values in expected.values())


@pytest.mark.parametrize("name", NAMES)
def test_metric_functions_match(golden, name):
    predictions, expected = golden[name]
    names = predictions.attributes
    rates = predictions.metadata.train_rates()
    prevalence = np.array([rates.prevalence[attribute] for attribute in names])
    slices = Slices.of(predictions.samples, GROUPS)
    statistics = count(predictions, slices)

    def by_name(values):
        return {
            attribute: None if np.isnan(value) else value
            for attribute, value in zip(names, values.tolist(), strict=True)
        }

    found = {
        "accuracy": accuracy(statistics.counts).value[0],
        "auc": rank(list(predictions.log_odds.T), Batch.of([predictions]).labels).auc[0],
        "predicted_positive_rate": selection_rate(statistics.counts).value[0],
        "uncertainty": uncertainty(statistics).value[0],
        "ece_10": expected_calibration_error(statistics).value[0],
        "interdependence": interdependence(statistics.predicted).value,
        "rare_value_ratio": rare_value_ratio(statistics.counts, prevalence).value[0],
    }
    for metric, values in found.items():
        assert_matches(by_name(values), expected[metric])

    for group in GROUPS:
        by_value = rates.group_rates[group]
        leaning = lean(
            np.array([[by_value[v][attribute] for attribute in names] for v in ("False", "True")])
        )
        measure = bias_amplification(statistics.counts[slices.of_group(group)], leaning.side)
        usable = leaning.applicable & (measure.support >= 10) & (np.array(names) != group)
        assert_matches(
            by_name(np.where(usable, measure.value, np.nan)),
            expected[f"bias_amplification__{group}"],
        )


@pytest.mark.parametrize("name", NAMES)
def test_audit_rows_match(golden, table, name):
    _, expected = golden[name]
    rows = table.filter(pl.col("model") == name, pl.col("attribute").is_not_null())
    for title, values in expected.items():
        metric, _, group = title.partition("__")
        column = pl.col("group")
        some = rows.filter(
            pl.col("metric") == RENAMED.get(metric, metric),
            column == group if group else column.is_null(),
        )
        assert_matches(dict(some.select("attribute", "value").iter_rows()), values)
        assert (some["value"].is_not_null() == (some["status"] == "ok")).all()

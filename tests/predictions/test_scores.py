import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prunescope.errors import DataError, PrunescopeWarning
from prunescope.predictions import Predictions
from prunescope.predictions.scores import ENOUGH, logits_of, scores_from, warn_of_scores

PATH = Path("x.parquet")
NEEDED = "answers without scores are not enough; logits or probabilities are needed"


def scores(*columns):
    return np.array(columns, np.float64).T


def warning_of(values, kind="logits"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_scores(values, kind, PATH)
    assert all(item.category is PrunescopeWarning for item in caught)
    return [str(item.message) for item in caught]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (scores(np.linspace(0, 1, ENOUGH)), True),
        (scores(np.linspace(0, 1, ENOUGH), np.zeros(ENOUGH)), True),
        (scores(np.linspace(0, 1, ENOUGH - 1)), False),
        (scores(np.linspace(0, 1, ENOUGH), np.linspace(0, 1.1, ENOUGH)), False),
        (scores(np.linspace(-0.1, 1, ENOUGH)), False),
        (scores([*np.linspace(0, 1, ENOUGH), np.nan]), False),
    ],
)
def test_logits_that_look_like_probabilities(values, expected):
    found = warning_of(values)
    assert found == [
        "x.parquet: every score lies in [0, 1] and is read as a logit. If these are probabilities, "
        "add --scores probability (in Python, scores='probability')"
    ] * expected  # fmt: skip
    assert warning_of(values, "probability") == []


@pytest.mark.parametrize("kind", ["logits", "probability"])
def test_scores_that_are_answers(kind):
    hard = scores([0, 1] * ENOUGH)
    assert warning_of(hard, kind) == [f"x.parquet: every score is 0 or 1; {NEEDED}"]
    assert warning_of(hard[: ENOUGH - 1], kind) == []


def frame_of(logits):
    ids = [str(i) for i in range(len(logits))]
    return pl.DataFrame({"id": ids, "y__a": [1] * len(ids), "logit__a": logits})


def test_a_file_of_another_tool_is_warned_of_and_read_as_it_is_told(tmp_path):
    path = tmp_path / "x.csv"
    frame_of(np.linspace(0, 1, 30)).write_csv(path)
    with pytest.warns(PrunescopeWarning, match=r"x\.csv: every score lies in \[0, 1\]") as caught:
        loaded = Predictions.load(path)
    assert Path(caught[0].filename).name == "test_scores.py"
    assert loaded.logits[:, 0].tolist() == np.linspace(0, 1, 30).tolist()
    Predictions.load(path, scores="probability")


def test_a_file_with_provenance_is_believed(build, tmp_path):
    build([[1]] * 30, [[0.5]] * 30).save(tmp_path / "x.parquet")
    Predictions.load(tmp_path / "x.parquet")


def test_the_first_score_that_is_no_probability_is_named(build):
    values = np.array([[0.5, 0.5], [0.5, 1.5], [-1.0, 0.5]])
    samples = build(np.ones(values.shape), values).samples
    message = r"^x\.parquet: row 2 of column 'logit__a1' is 1.5: expected probabilities in \[0, 1\]"
    with pytest.raises(DataError, match=message):
        logits_of(values, samples, PATH)


def test_one_double_column_makes_all_double():
    frame = pl.DataFrame({"logit__a": [1.5], "logit__b": [2.5]})
    mixed = frame.cast({"logit__a": pl.Float32})
    assert scores_from(mixed, ("a", "b"), PATH).dtype == np.float64


def test_a_float32_file_stays_so_and_order_is_that_of_the_attributes():
    frame = pl.DataFrame({"logit__a": [1.5], "logit__b": [2.5]})
    found = scores_from(frame.cast(pl.Float32), ("b", "a"), PATH)
    assert (found.dtype, found.tolist()) == (np.float32, [[2.5, 1.5]])
    with pytest.raises(DataError, match=r"x\.parquet: column 'logit__a' holds Boolean"):
        scores_from(pl.DataFrame({"logit__a": [True]}), ("a",), PATH)

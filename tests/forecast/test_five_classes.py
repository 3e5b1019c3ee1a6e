"""Real answers that no number of the scorers was fitted to: five classes of faces, 98% pruned."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

from prunescope.forecast import forecast, score
from prunescope.forecast.plain import findings
from prunescope.predictions import Predictions, align

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "five_classes"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the predictions are not here")

EXPECTING = ("prior-shrink", "group-prior", "spectral-shrink")


@pytest.fixture(scope="module")
def real():
    files = [Predictions.load(FOLDER / f"{name}.parquet") for name in ("dense", "gmp98")]
    (dense, sparse), _ = align(files)
    top = dense.logits.argmax(axis=1)
    return dense, sparse, top, top != sparse.logits.argmax(axis=1)


@pytest.mark.parametrize("scorer", EXPECTING)
def test_expected_flips_and_shares_are_near_those_seen(real, scorer):
    dense, sparse, top, flips = real
    found = forecast(dense, sparsity=0.98, scorer=scorer)
    p = found.probability[np.arange(len(top)), top]
    assert p.mean() == pytest.approx(flips.mean(), abs=0.02)
    whole = found.at().filter(pl.col("group").is_null())
    [expected] = whole.filter(metric="top1_flip_rate")["expected"]
    assert expected == pytest.approx(p.mean(), abs=1e-6)
    true = dense.samples.labels.mean(axis=0)
    shares = np.array(whole.filter(metric="rare_value_ratio")["expected"]) * true
    assert shares.sum() == pytest.approx(1, abs=1e-9)
    assert shares == pytest.approx(sparse.decisions.mean(axis=0), abs=0.03)


@pytest.mark.parametrize("scorer", EXPECTING)
def test_flips_are_ranked_no_worse_than_by_the_margin(real, scorer):
    dense, sparse, top, flips = real
    found = forecast(dense, sparsity=0.98, scorer=scorer)
    best, second = np.sort(dense.logits, axis=1)[:, :-3:-1].T
    mine = average_precision_score(flips, found.risk[np.arange(len(top)), top])
    assert mine >= average_precision_score(flips, second - best)
    words = findings(score(found, sparse, replicates=100))
    assert any(f"{scorer} ranks flips better than the margin" in one.text for one in words)

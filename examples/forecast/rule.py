"""Choose the numbers of `prunescope.forecast.drift` on the validation split of real faces.

    python examples/forecast/rule.py out/forecast/celeba64

For each sparsity of gmp-pt and gmp-ri: the shrinkage λ whose `spectral-shrink` has the highest
average precision for flips (mean over methods and seeds), then the spread τ that makes its
probabilities fit best (log loss). Both are then fitted by a power of the decades removed.
Then, for the record, the share that is kept at 95% of the first and of the last principal component
of the dense logits. Last, the log-odds that a metric rises, by its expected change (logistic
regression over attributes, groups and sparsities; what was seen is the mean over seeds). The splits
test, other data sets and other methods are not looked at.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated
from unittest import mock

import numpy as np
import polars as pl
import typer
from scipy.special import log_ndtr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from models import SEEDS, SPARSITIES
from prunescope.audit import audit
from prunescope.forecast import SCORERS, forecast
from prunescope.forecast.drift import decades
from prunescope.forecast.scorers import Case, scorer, spectral_shrink
from prunescope.predictions import Predictions

METHODS = ("gmp-pt", "gmp-ri")
SHARES = np.round(np.geomspace(0.02, 0.8, 24), 3)
SPREADS = np.round(np.geomspace(0.05, 1.0, 24), 3)
KEY = ["metric", "attribute", "group"]


def main(
    folder: Annotated[Path, typer.Argument(help="What models.py wrote for real faces.")],
) -> None:
    """Print the numbers."""
    dense = Predictions.load(folder / "val" / "dense-seed0.parquet")
    runs = {
        (method, sparsity): [
            Predictions.load(folder / "val" / f"{method}-{100 * sparsity:g}-seed{seed}.parquet")
            for seed in SEEDS
        ]
        for method in METHODS
        for sparsity in sorted(SPARSITIES)
    }
    shares, spreads = {}, {}
    for sparsity in sorted(SPARSITIES):
        flips = [
            (model.decisions != dense.decisions).ravel()
            for method in METHODS
            for model in runs[method, sparsity]
        ]
        found = {share: score(dense, sparsity, share, flips) for share in SHARES}
        shares[sparsity] = max(found, key=found.__getitem__)
        risk = look(dense, sparsity, shares[sparsity], 1.0).ravel().astype(np.float64)
        losses = {tau: loss(risk / tau, flips) for tau in SPREADS}
        spreads[sparsity] = min(losses, key=losses.__getitem__)
        print(
            f"{sparsity:.0%}: λ {shares[sparsity]:.3f} (AP {found[shares[sparsity]]:.3f}), "
            f"τ {spreads[sparsity]:.3f}"
        )
    x = np.log([decades(sparsity) for sparsity in shares])
    power, offset = np.polyfit(x, np.log(list(shares.values())), 1)
    print(f"shrinkage: {np.exp(offset):.3f} · decades ** {power:.2f}")
    print(f"jitter: {np.mean(list(spreads.values())):.3f}")
    first, last = components(dense, [m for method in METHODS for m in runs[method, 0.95]])
    print(f"kept at 95% of the first component {first:.2f}, of the last {last:.2f}")
    for metric in ("rare_value_ratio", "bias_amplification"):
        slope, n = rises(dense, runs, metric)
        print(f"{metric}: log-odds {slope:.1f} · change ({n} points)")


def look(dense: Predictions, sparsity: float, share: float, tau: float) -> np.ndarray:
    """Return the risk of `spectral-shrink` with a shrinkage and spread of ours."""
    case = Case(dense, dense.metadata.train_rates(), sparsity)
    with (
        mock.patch.object(spectral_shrink, "shrinkage", return_value=share),
        mock.patch.object(scorer, "JITTER", tau),
    ):
        return SCORERS["spectral-shrink"].look(case).risk


def score(dense: Predictions, sparsity: float, share: float, flips: list[np.ndarray]) -> float:
    """Return the mean average precision of flips."""
    risk = look(dense, sparsity, share, 1.0).ravel()
    return float(np.mean([average_precision_score(flipped, risk) for flipped in flips]))


def loss(risk: np.ndarray, flips: list[np.ndarray]) -> float:
    """Return the log loss of probabilities ndtr(risk)."""
    happened = np.mean(flips, axis=0)
    return -float(np.mean(happened * log_ndtr(risk) + (1 - happened) * log_ndtr(-risk)))


def components(dense: Predictions, models: list[Predictions]) -> tuple[float, float]:
    """Return the slope of sparse on dense scores along the first and the last component."""
    z = dense.logits.astype(np.float64)
    deviation = z.std(axis=0)
    scaled = (z - z.mean(axis=0)) / deviation
    _, directions = np.linalg.eigh(scaled.T @ scaled)
    sparse = np.mean([model.logits for model in models], axis=0)
    moved = (sparse - sparse.mean(axis=0)) / deviation
    fitted = np.linalg.lstsq(scaled @ directions, moved @ directions, rcond=None)[0]
    return float(fitted[-1, -1]), float(fitted[0, 0])


def rises(
    dense: Predictions, runs: dict[tuple[str, float], list[Predictions]], metric: str
) -> tuple[float, int]:
    """Fit the log-odds that a metric rises to its expected change: slope, points."""
    x, y = [], []
    for (_, sparsity), models in runs.items():
        expected = (
            forecast(dense, sparsity=sparsity)
            .at()
            .filter(
                pl.col("metric") == metric,
                pl.col("group_value").is_null(),
                pl.col("change").is_not_null(),
            )
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = audit(dense, models, replicates=0).table
        names = [model.name for model in models]
        seen = (
            table.filter(pl.col("model").is_in(names), pl.col("delta").is_not_null())
            .group_by(KEY)
            .agg(pl.col("delta").mean(), pl.len())
            .filter(pl.col("len") == len(names), pl.col("delta") != 0)
        )
        points = expected.join(seen, on=KEY, nulls_equal=True)
        x += points["change"].to_list()
        y += (points["delta"] > 0).to_list()
    model = LogisticRegression(C=np.inf, fit_intercept=False).fit(np.array(x)[:, None], y)
    return float(model.coef_[0, 0]), len(x)


if __name__ == "__main__":
    typer.run(main)

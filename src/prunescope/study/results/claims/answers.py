"""Claims about single answers: who the exemplars are, and what new thresholds do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from prunescope.audit import audit
from prunescope.metrics.agreement import Population
from prunescope.metrics.statistics import BAND
from prunescope.mitigate import fit_adjustment
from prunescope.predictions import Predictions, adjust
from prunescope.study.plan import DENSE, Run
from prunescope.study.results.claim import Claim, Verdict
from prunescope.study.results.claims.figures import Arm, Figures
from prunescope.study.results.claims.verdicts import (
    DRAWS,
    LEVEL,
    UNKNOWN,
    Interval,
    all_of,
    over_seeds,
)

FITTED_ON = "val"
"""The split that thresholds are fitted to."""

MILD, MODERATE = 0.9, 0.98
"""Sparsities up to which damage is called mild, and at most of which thresholds are tried."""


def exemplars_uncertain(figures: Figures) -> Claim:
    """Claim 7: compression-identified exemplars are those that the dense model was unsure of."""
    verdicts, lines = list[Verdict](), []
    dense = _population(figures, (DENSE, 0.0))
    for arm in figures.at(0, MILD):
        found = in_band(dense, _population(figures, arm))
        verdicts.append(found.at_least(0.95))
        lines.append(f"{figures.word(arm)}: {found.plain()}")
    for method in figures.methods:
        last = figures.sparsest(method)
        first = min((arm for arm in figures.arms if arm[0] == method), key=lambda arm: arm[1])
        if figures.shares[last] < 0.99 or first == last:
            continue
        fewer = in_band(dense, _population(figures, last), beside=_population(figures, first))
        verdicts.append((-fewer).above(0))
        lines.append(f"{figures.word(last)} less {figures.word(first)}: {fewer}")
    return figures.claim(
        "7",
        "Exemplars lie in the dense model's uncertain band",
        f"up to {MILD:.0%} at least 95% of the compression-identified exemplars have a mean dense "
        "probability in (0.1, 0.9), and fewer at 99% and above than at the lowest sparsity "
        "(bootstrap over images)",
        all_of(verdicts),
        lines,
    )


def in_band(dense: Population, sparse: Population, beside: Population | None = None) -> Interval:
    """Return the share of exemplars in the uncertain band, or how far it lies above another's.

    Parameters
    ----------
    dense, sparse : Population
        On the same samples, which are resampled.
    beside : Population, optional
        Compressed models whose share is taken off.
    """
    p = dense.mean_probabilities
    band = (p > BAND[0]) & (p < BAND[1])

    def counts(of: Population) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        decided = (dense.modal_answers >= 0) & (of.modal_answers >= 0)
        exemplar = decided & (dense.modal_answers != of.modal_answers)
        return (exemplar & band).sum(axis=1), exemplar.sum(axis=1)

    sides = [counts(sparse), *([] if beside is None else [counts(beside)])]
    if not all(n.sum() for _, n in sides):
        return UNKNOWN
    columns = np.stack([column for side in sides for column in side], axis=1).astype(float)
    kinds, n = np.unique(columns, axis=0, return_counts=True)  # images that count alike
    drawn = np.random.default_rng(0).multinomial(len(p), n / len(p), DRAWS) @ kinds

    def shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            found = sums[..., ::2] / sums[..., 1::2]
        return np.asarray(found[..., 0] - found[..., 1:].sum(axis=-1))

    low, high = np.nanquantile(shares(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(shares(columns.sum(axis=0))), float(low), float(high))


def thresholds_help(figures: Figures) -> list[Claim]:
    """Claim 6: new thresholds bring rare values back and take off part of the bias."""
    results, setting = figures.results, figures.setting
    arms = []
    for method in figures.methods:
        below = [arm for arm in figures.at(0, MODERATE) if arm[0] == method]
        arms += below[-1:]
    test = (
        f"thresholds that give the labels' rates on the split {FITTED_ON}, at the highest "
        f"sparsity up to {MODERATE:.0%}: on the audited split "
    )
    titles = {
        "6a": ("Thresholds move the rare-value ratio towards 1", "it ends nearer to 1"),
        "6b": (
            "Thresholds remove part of bias amplification",
            "its mean over attributes and groups ends nearer to 0",
        ),
        "6c": ("Thresholds leave AUC as it is", "AUC is the same to the last bit"),
    }
    verdicts: dict[str, list[Verdict]] = {key: [] for key in titles}
    lines: dict[str, list[str]] = {key: [] for key in titles}
    for arm in arms if FITTED_ON in results.plan.study.splits else []:
        before = [run for run in results.finished(setting) if (run.method, run.sparsity) == arm]
        pairs = [(results.predictions(run), _calibrated(figures, run)) for run in before]
        shown = figures_of(pairs)
        ratio, ratio_after = shown["rare_value_ratio"]
        nearer = abs(np.array(ratio) - 1) - abs(np.array(ratio_after) - 1)
        _tell("6a", figures.word(arm), nearer, ratio, ratio_after, verdicts, lines)
        leaning, leaning_after = shown["bias_amplification"]
        less = abs(np.array(leaning)) - abs(np.array(leaning_after))
        _tell("6b", figures.word(arm), less, leaning, leaning_after, verdicts, lines)
        same = shown["auc"][0] == shown["auc"][1]
        verdicts["6c"].append("held" if same else "failed")
        lines["6c"].append(
            f"{figures.word(arm)}: AUC {np.mean(shown['auc'][0]):.6f} before and after"
        )
    return [
        figures.claim(
            key, title, test + expected, all_of(verdicts[key]),
            lines[key] or [f"no run, or the study does not ask about {FITTED_ON}"],
        )
        for key, (title, expected) in titles.items()
    ]  # fmt: skip


def figures_of(
    pairs: Sequence[tuple[Predictions, Predictions]],
) -> dict[str, tuple[list[float], list[float]]]:
    """Return key figures of models before and after, for each seed.

    Parameters
    ----------
    pairs : sequence of (Predictions, Predictions)
        Before and after, a pair for each seed.

    Returns
    -------
    dict
        Metric → its mean over attributes (and groups) before, after, by seed.
    """
    found: dict[str, tuple[list[float], list[float]]] = {}
    for before, after in pairs:
        renamed = replace(
            after, metadata=after.metadata.model_copy(update={"name": f"{after.name} after"})
        )
        table = audit(before, renamed, replicates=0, n_affected=0).table
        for metric in ("rare_value_ratio", "bias_amplification", "auc"):
            grouped = metric == "bias_amplification"
            rows = table.filter(metric=metric).to_dicts()
            sides = found.setdefault(metric, ([], []))
            for side, name in zip(sides, (before.name, renamed.name), strict=True):
                values = [
                    row["value"]
                    for row in rows
                    if row["model"] == name
                    and row["attribute"] is None
                    and (row["group"] is not None) == grouped
                    and row["value"] is not None
                ]
                side.append(float(np.mean(values)) if values else np.nan)
    return found


def _tell(
    key: str,
    name: str,
    gained: NDArray[np.float64],
    before: Sequence[float],
    after: Sequence[float],
    verdicts: dict[str, list[Verdict]],
    lines: dict[str, list[str]],
) -> None:
    found = over_seeds(list(gained))
    verdicts[key].append(found.above(0))
    lines[key].append(f"{name}: {np.nanmean(before):.3f} → {np.nanmean(after):.3f}, gained {found}")


def _calibrated(figures: Figures, run: Run) -> Predictions:
    """Return a run's answers with thresholds fitted to another split."""
    fitted = fit_adjustment(
        figures.results.predictions(run, FITTED_ON), criterion="prevalence"
    ).adjustment
    return adjust(figures.results.predictions(run), fitted)


def _population(figures: Figures, arm: Arm) -> Population:
    results = figures.results
    runs = results.finished(figures.setting)
    return Population(
        [results.predictions(run) for run in runs if (run.method, run.sparsity) == arm]
    )

"""Claims about levels: accuracy, uncertainty, interdependence, rare values, flips."""

from __future__ import annotations

import numpy as np
import polars as pl

from prunescope.data.columns import UNKNOWN as UNLABELLED
from prunescope.metrics import interdependence
from prunescope.metrics.statistics import moments
from prunescope.study.plan import DENSE, INT8
from prunescope.study.results.claim import Claim, Verdict
from prunescope.study.results.claims.figures import Arm, Figures
from prunescope.study.results.claims.verdicts import (
    all_of,
    between_attributes,
    between_seeds,
    share,
)

RARE = 0.2
"""An attribute is rare where fewer have its rarer value, in training."""


def accuracy_kept(figures: Figures) -> Claim:
    """Claim 1: accuracy and AUC are kept through 90%."""
    verdicts, lines = list[Verdict](), []
    for arm in figures.at(0, 0.9):
        accuracy, auc = figures.change("accuracy", arm), figures.change("auc", arm)
        verdicts += [accuracy.at_least(-0.005), auc.at_least(-0.01)]
        lines.append(f"{figures.word(arm)}: accuracy {accuracy}, AUC {auc}")
    return figures.claim(
        "1", "Accuracy is kept through 90%",
        "at every sparsity up to 90%, mean accuracy is at most 0.005 and AUC at most 0.01 below "
        "dense", all_of(verdicts), lines or ["no sparsity up to 90%"],
    )  # fmt: skip


def uncertainty_rises(figures: Figures) -> Claim:
    """Claim 2: uncertain answers are at least 1.3 times as many at 99.5%."""
    verdicts, lines = list[Verdict](), []
    for arm in figures.at(0.995, 0.995):
        dense = figures.baseline("uncertainty", arm)
        change = figures.change("uncertainty", arm)
        verdicts.append(change.minus(0.3 * dense).at_least(0))
        lines.append(
            f"{figures.word(arm)}: {(dense + change.value) / dense:.2f} "
            f"[{(dense + change.low) / dense:.2f}, {(dense + change.high) / dense:.2f}] × dense"
        )
    return figures.claim(
        "2", "Uncertainty rises with sparsity",
        "at 99.5%, the share of uncertain answers is at least 1.3 times that of the dense model",
        all_of(verdicts), lines or ["no run at 99.5%"],
    )  # fmt: skip


def interdependence_above_labels(figures: Figures) -> Claim:
    """Claim 3: answers depend on each other more than labels do, and pruning changes that."""
    labels = figures.some_answers.samples.labels
    told = interdependence(moments(labels == 1, labels != UNLABELLED)).value
    of_labels = float(told[~np.isnan(told)].mean()) if not np.isnan(told).all() else np.nan
    verdicts, lines = list[Verdict](), [f"labels {of_labels:.3f}"]
    for arm in ((DENSE, 0.0), *figures.arms):
        found = figures.value("interdependence", arm)
        verdicts.append(found.minus(of_labels).above(0))
        lines.append(f"{figures.word(arm)} {found.plain()}")
    for method in figures.methods:
        last = figures.sparsest(method)
        change = figures.change("interdependence", last)
        verdicts.append("held" if change.low * change.high > 0 else "undecided")
        lines.append(f"change at {figures.word(last)}: {change}")
    return figures.claim(
        "3", "Interdependence is above that of the labels, and changes",
        "the mean R² of an attribute's answers on the others is above that of the labels at every "
        "sparsity, and at the highest it is another than dense; the direction is reported",
        all_of(verdicts), lines,
    )  # fmt: skip


def rare_values_lost(figures: Figures) -> Claim:
    """Claim 4: rare values are predicted less often, the rarer the less."""
    rates = figures.some_answers.metadata.train_prevalence or {}
    rare = {name for name, rate in rates.items() if min(rate, 1 - rate) < RARE}
    verdicts, lines = list[Verdict](), []
    for arm in figures.at(0.99):
        rows = figures.rows("rare_value_ratio", arm).filter(pl.col("delta").is_not_null())
        below = share(((rows["value"] < 1) & (rows["delta"] < 0)).to_numpy())
        is_rare = rows["attribute"].is_in(rare).to_numpy()
        deltas = rows["delta"].to_numpy()
        apart = between_attributes(deltas[is_rare], deltas[~is_rare])
        verdicts += [below.above(0.5), (-apart).above(0)]
        lines.append(
            f"{figures.word(arm)}: {below.plain()} of {rows.height} attributes below 1 and below "
            f"dense; change of rare ones less that of others {apart}"
        )
    return figures.claim(
        "4", "Rare values are no longer predicted",
        "at 99% and above, most attributes have a rare-value ratio below 1 and below dense, and "
        f"those rarer than {RARE:.0%} lose more than the others (Wilson and bootstrap over "
        "attributes)", all_of(verdicts), lines or ["no sparsity from 99%"],
    )  # fmt: skip


def flips_ordered(figures: Figures) -> Claim:
    """Claim 10: pruning a trained model flips fewer answers; both flip more than a seed does."""
    verdicts, lines = list[Verdict](), []
    for sparsity in sorted({arm[1] for arm in figures.arms}):
        arms: list[Arm] = [("gmp-pt", sparsity), ("gmp-ri", sparsity)]
        if not set(arms) <= set(figures.arms):
            continue
        fewer = between_seeds(*(figures.seeds("flip_rate", arm) for arm in arms[::-1]))
        changes = [figures.change("flip_rate", arm) for arm in arms]
        verdicts += [fewer.above(0), *(change.above(0) for change in changes)]
        lines.append(
            f"{100 * sparsity:.4g}%: gmp-ri less gmp-pt {fewer}; above churn: gmp-pt {changes[0]}, "
            f"gmp-ri {changes[1]}"
        )
    return figures.claim(
        "10", "GMP-PT flips fewer answers than GMP-RI, both more than another seed",
        "at every sparsity that both have. A gmp-ri model starts from the same random weights as "
        "the dense model of its seed", all_of(verdicts),
        lines or ["gmp-pt and gmp-ri have no sparsity in common"],
    )  # fmt: skip


def seeds_differ_less(figures: Figures) -> Claim:
    """Negative control: dense seeds differ less than dense and the sparsest models do."""
    verdicts, lines = list[Verdict](), []
    for metric in ("uncertainty", "rare_value_ratio"):
        dense = figures.seeds(metric, (DENSE, 0.0))
        apart = max(dense) - min(dense) if len(dense) > 1 else np.nan
        for method in figures.methods:
            last = figures.sparsest(method)
            change = figures.change(metric, last)
            size = change if change.value > 0 else -change
            verdicts.append("undecided" if np.isnan(apart) else size.above(apart))
            lines.append(f"{metric}: dense seeds {apart:.3f} apart; {figures.word(last)} {change}")
    return figures.claim(
        "seeds", "Dense seeds differ less than pruning changes",
        "the largest difference between dense seeds in uncertainty and rare-value ratio is smaller "
        "than the change at the highest sparsity", all_of(verdicts), lines,
    )  # fmt: skip


def int8_changes_nothing(figures: Figures) -> Claim:
    """Negative control: quantisation to int8 changes next to nothing."""
    arm = (INT8, 0.0)
    flips, accuracy = figures.value("flip_rate", arm), figures.change("accuracy", arm)
    return figures.claim(
        "int8", "int8 changes next to nothing",
        "at most 1% of the answers flip, and accuracy changes by at most 0.005",
        all_of([(-flips).at_least(-0.01), accuracy.within(0.005)]),
        ["no quantised run"] if np.isnan(flips.value) else
        [f"flips {flips.plain()}, accuracy {accuracy}"],
    )  # fmt: skip

"""Claims about bias amplification: with sparsity, jointly or alone, by a backdoor, by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from prunescope.audit import audit
from prunescope.predictions import Predictions
from prunescope.study.plan import DENSE
from prunescope.study.results.claim import Claim, Verdict
from prunescope.study.results.claims.figures import Arm, Figures
from prunescope.study.results.claims.verdicts import (
    UNKNOWN,
    Interval,
    all_of,
    between_attributes,
    between_seeds,
    over_attributes,
    over_seeds,
)

METRIC, PLANTED = "bias_amplification", "backdoor_bias_amplification"

SHUFFLES = 10
"""Times that groups are dealt anew."""


def mild_within_seeds(figures: Figures) -> Claim:
    """Claim 5a: up to 95% bias amplification moves no more than a seed moves it."""
    verdicts, lines = list[Verdict](), []
    for group in figures.groups:
        dense = figures.seeds(METRIC, (DENSE, 0.0), group=group)
        spread = max(dense) - min(dense) if len(dense) > 1 else np.nan
        for arm in figures.at(0, 0.95):
            change = figures.change(METRIC, arm, group=group)
            verdicts.append("undecided" if np.isnan(spread) else change.within(spread))
            lines.append(f"{group}, {figures.word(arm)}: {change} (seeds {spread:.3f} apart)")
    return figures.claim(
        "5a", "Through 95%, bias amplification stays within the dense seeds' spread",
        "for every group and every sparsity up to 95%, the interval of the mean change lies within "
        "the difference between the dense seeds", all_of(verdicts),
        lines or ["no sparsity up to 95%, or no group"],
    )  # fmt: skip


def extreme_leans(figures: Figures) -> Claim:
    """Claim 5b: at 99% and above, most attributes lean further."""
    verdicts, lines = list[Verdict](), []
    for arm in figures.at(0.99):
        for group in figures.groups:
            change = over_attributes(_changes(figures, arm, group), median=True)
            verdicts.append(change.above(0))
            lines.append(f"{figures.word(arm)}, {group}: median change {change}")
    return figures.claim(
        "5b", "From 99%, bias amplification rises",
        "the median over attributes of the change is above 0 for every group (bootstrap over "
        "attributes)", all_of(verdicts), lines or ["no sparsity from 99%, or no group"],
    )  # fmt: skip


def largest_for_male(figures: Figures) -> Claim:
    """Claim 5c: the rise is largest for Male."""
    verdicts, lines = list[Verdict](), []
    others = [group for group in figures.groups if group != "Male"]
    arms = list(figures.at(0.99)) if "Male" in figures.groups else []
    for arm in arms:
        for group in others:
            found = between_attributes(*(_changes(figures, arm, of) for of in ("Male", group)))
            verdicts.append(found.above(0))
            lines.append(f"{figures.word(arm)}: Male less {group} {found}")
    return figures.claim(
        "5c", "The rise is largest for Male",
        "at 99% and above, the mean change by Male is larger than by every other group (bootstrap "
        "over attributes)", all_of(verdicts), lines or ["no sparsity from 99%, or no group Male"],
    )  # fmt: skip


def joint_less_biased(joint: Figures, single: Sequence[Figures]) -> Claim:
    """Claim 8: attributes trained jointly lean less than each alone."""
    verdicts, lines = list[Verdict](), []
    for arm in [arm for arm in joint.arms if any(arm in one.arms for one in single)]:
        alone = [one for one in single if arm in one.arms]
        names = [str(one.setting.single) for one in alone]
        jointly = _by_seed(joint.table, arm, names)
        apart = _by_seed(
            pl.concat([one.table for one in alone]), arm, names
        )  # each attribute is in one of them
        more = between_seeds(apart, jointly)
        verdicts.append(more.above(0))
        lines.append(f"{joint.word(arm)}, {len(names)} attributes: single less joint {more}")
    return Claim(
        key="8", title="Joint training is less biased than single attributes",
        setting=joint.setting.name,
        test="at every sparsity that both have, mean bias amplification (over attributes and "
        "groups) is higher for models of one attribute (Welch over seeds)",
        verdict=all_of(verdicts),
        evidence="; ".join(lines or ["no single-attribute runs of the same sparsity"]),
    )  # fmt: skip


def backdoor_taken(planted: Sequence[Figures], arch: str) -> list[Claim]:
    """Claim 9: a trigger that goes with a label is answered, the more the sparser."""
    strong = [figures for figures in planted if _shares(figures) == (0.05, 0.95)]
    weak = [figures for figures in planted if _shares(figures) == (0.35, 0.65)]
    above, rises, weaker = list[Verdict](), list[Verdict](), list[Verdict]()
    told: dict[str, list[str]] = {"9a": [], "9b": [], "9c": []}
    for figures in strong:
        kind = _kind(figures)
        for arm in ((DENSE, 0.0), *figures.arms):
            found = _planted(figures, arm, ("value", "low", "high"))
            above.append(found.above(0))
            told["9a"].append(f"{kind}, {figures.word(arm)}: {found}")
        for method in figures.methods:
            last = figures.sparsest(method)
            change = _planted(figures, last, ("delta", "delta_low", "delta_high"))
            rises.append(change.above(0))
            told["9b"].append(f"{kind}, {figures.word(last)}: {change} from dense")
        for other in [one for one in weak if _kind(one) == kind]:
            for arm in ((DENSE, 0.0), *(arm for arm in figures.arms if arm in other.arms)):
                more = between_seeds(*(_planted_seeds(one, arm) for one in (figures, other)))
                weaker.append(more.above(0))
                told["9c"].append(f"{kind}, {figures.word(arm)}: {more}")
    parts = (
        ("9a", "Backdoor bias amplification is above 0 at 5/95",
         "for dense and pruned models of every trigger", all_of(above)),
        ("9b", "It rises with sparsity", "at the highest sparsity, above dense", all_of(rises)),
        ("9c", "It is weaker at 35/65", "5/95 less 35/65, at every sparsity (Welch over seeds)",
         all_of(weaker)),
    )  # fmt: skip
    return [
        Claim(
            key=key, title=title, setting=", ".join(one.setting.name for one in planted) or arch,
            test=test, verdict=verdict,
            evidence="; ".join(told[key] or ["no backdoor with these shares"]),
        )
        for key, title, test, verdict in parts
    ]  # fmt: skip


def shuffled_groups(figures: Figures) -> Claim:
    """Negative control: by groups that are dealt at random, nothing leans."""
    results, last = figures.results, max(figures.arms, key=figures.shares.__getitem__)
    arms = {DENSE: (DENSE, 0.0), "sparse": last}
    models = {
        side: [
            results.predictions(run)
            for run in results.finished(figures.setting)
            if (run.method, run.sparsity) == arm
        ]
        for side, arm in arms.items()
    }
    changes: dict[str, list[float]] = {group: [] for group in figures.groups}
    for number in range(SHUFFLES):
        order = np.random.default_rng(number).permutation(len(models[DENSE][0].samples))
        dealt = {side: [_dealt(model, order) for model in of] for side, of in models.items()}
        table = audit(dealt[DENSE], dealt["sparse"], replicates=0, n_affected=0).table
        means = table.filter(pl.col("metric") == METRIC, pl.col("attribute").is_null(),
                             pl.col("seed").is_not_null())  # fmt: skip
        for group, found in changes.items():
            deltas = means.filter(pl.col("group") == group)["delta"].drop_nulls()
            found.append(float(deltas.mean()) if len(deltas) else np.nan)  # type: ignore[arg-type]
    told = {group: over_seeds(found) for group, found in changes.items()}
    return figures.claim(
        "groups",
        "By shuffled groups nothing leans",
        f"with the groups of the samples dealt anew, {SHUFFLES} times, the mean change of bias "
        f"amplification at {figures.word(last)} lies within 0.01 of 0 (Student over the shuffles)",
        all_of(change.within(0.01) for change in told.values()),
        [f"{group}: {change}" for group, change in told.items()],
    )


def _dealt(model: Predictions, order: np.ndarray) -> Predictions:
    samples = model.samples
    groups = {
        name: replace(group, codes=group.codes[order]) for name, group in samples.groups.items()
    }
    return replace(model, samples=replace(samples, groups=groups))


def _changes(figures: Figures, arm: Arm, group: str) -> list[float]:
    return figures.rows(METRIC, arm, group=group)["delta"].drop_nulls().to_list()


def _by_seed(table: pl.DataFrame, arm: Arm, names: Sequence[str]) -> list[float]:
    """Return mean bias amplification over some attributes and all groups, for each seed."""
    rows = table.filter(
        pl.col("metric") == METRIC, pl.col("method") == arm[0], pl.col("sparsity") == arm[1],
        pl.col("attribute").is_in(list(names)), pl.col("seed").is_not_null(),
        pl.col("value").is_not_null(),
    )  # fmt: skip
    return rows.group_by("seed").agg(pl.col("value").mean()).sort("seed")["value"].to_list()


def _shares(figures: Figures) -> tuple[float, float]:
    planted = figures.setting.backdoor
    assert planted is not None
    return planted.negative, planted.positive


def _kind(figures: Figures) -> str:
    assert figures.setting.backdoor is not None
    return figures.setting.backdoor.kind


def _planted(figures: Figures, arm: Arm, columns: Sequence[str]) -> Interval:
    """Return the backdoor's bias amplification on the attribute that it goes with."""
    rows = _planted_rows(figures.pooled, figures, arm)
    if not rows:
        return UNKNOWN
    value, low, high = (np.nan if rows[0][name] is None else rows[0][name] for name in columns)
    return Interval(value, low, high)


def _planted_seeds(figures: Figures, arm: Arm) -> list[float]:
    single = figures.table.filter(pl.col("seed").is_not_null())
    found = (row["value"] for row in _planted_rows(single, figures, arm))
    return [value for value in found if value is not None]


def _planted_rows(table: pl.DataFrame, figures: Figures, arm: Arm) -> list[dict[str, Any]]:
    assert figures.setting.backdoor is not None
    return table.filter(
        metric=PLANTED, method=arm[0], sparsity=arm[1], attribute=figures.setting.backdoor.attribute
    ).to_dicts()

"""The paper's figures as data: what each shows against sparsity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.report.panels import Figure, Mark, Panel, Series, figure
from prunescope.study.results.rows import Member, Rows
from prunescope.verdict.glossary import label_of, unit_of
from prunescope.verdict.numbers import SHARE, counted

BA = "bias_amplification"

KEY = (
    "accuracy",
    "auc",
    "uncertainty",
    "interdependence",
    "rare_value_ratio",
    "flip_rate",
    "ece",
)
"""Means over attributes that are drawn against sparsity."""

ATTRIBUTES = ("rare_value_ratio", "uncertainty")
"""Metrics that are drawn attribute by attribute."""

TARGETS = {"rare_value_ratio": 1.0, BA: 0.0}
"""What would be ideal."""


def titled(metric: str, about: str = "") -> str:
    """Name a metric with its unit.

    Examples
    --------
    >>> titled("auc"), titled("bias_amplification", "Male"), titled("rare_value_ratio")
    ('AUC', 'Bias amplification by Male, points', 'Rare-value ratio')
    """
    name = label_of(metric) + (f" by {about}" if about else "")
    return name + (", points" if unit_of(metric).suffix == " points" else "")


def key_figure(rows: Rows) -> Figure:
    """Key metrics against sparsity: a line per method, the dense model across."""
    panels = [_panel(rows, metric, title=titled(metric)) for metric in KEY]
    panels += [_panel(rows, BA, group=name, title=titled(BA, name)) for name in rows.groups]
    return figure(
        f"{rows.setting.name}-key",
        f"{rows.setting.name}: key figures against sparsity",
        f"Means over {counted(len(rows.attributes), 'attribute')} of {_samples(rows)}. "
        "Large marks are means over seeds with their interval as a band, faint ones single seeds; "
        "the dotted line is the dense model with its own interval, for flips the churn between two "
        "dense seeds. A thin line marks the ideal.",
        panels,
    )


def attribute_figures(rows: Rows) -> list[Figure]:
    """Attribute by attribute: rare-value ratio, uncertainty, and bias amplification by group."""
    told: list[tuple[str, str | None]] = [(metric, None) for metric in ATTRIBUTES]
    told += [(BA, group) for group in rows.groups]
    made = []
    for metric, group in told:
        panels = [
            _panel(rows, metric, attribute=name, group=group, title=name)
            for name in rows.attributes
        ]
        what = titled(metric, group or "")
        made.append(
            figure(
                "-".join(filter(None, [rows.setting.name, metric, group])),
                what,
                f"{what}, each attribute for itself, against sparsity; scales differ.",
                panels,
                size="small",
            )
        )
    return made


def change_figure(rows: Rows) -> Figure:
    """How far bias amplification moved from dense: its distribution over attributes, by group."""

    def panel(group: str) -> Panel:
        series = []
        for method in dict.fromkeys(one.method for one in rows.pruned):
            marks = []
            for member in rows.pruned:
                found = [rows.row(member, BA, name, group) for name in rows.attributes]
                changes = [row["delta"] for row in found if row and row["delta"] is not None]
                if member.method == method and changes:
                    marks.append(distribution(changes, member.sparsity, len(member.seeds)))
            if marks:
                series.append(Series(name=method, place=rows.places[method], marks=tuple(marks)))
        reason = "no attribute has a bias amplification in both the dense and a pruned model"
        return Panel(
            title=f"Change by {group}, points",
            metric=BA,
            series=tuple(series),
            ranges=True,
            target=0.0,
            missing="" if series else reason,
        )

    return figure(
        f"{rows.setting.name}-change-of-bias",
        f"{rows.setting.name}: change of bias amplification from the dense model",
        "Over attributes: median (mark) and quartiles (bar) of the change, in points. Above 0, "
        "answers lean further to the side where the attribute is commoner.",
        [panel(group) for group in rows.groups],
    )


def distribution(changes: Sequence[float], sparsity: float, n_seeds: int = 1) -> Mark:
    """Return median and quartiles of some changes, and which share is above 0.

    Examples
    --------
    >>> mark = distribution([-0.01, 0.0, 0.01, 0.02, 0.03], 0.9)
    >>> mark.low, mark.value, mark.high, mark.note
    (0.0, 0.01, 0.02, '60.0% of 5 attributes above 0')
    """
    low, middle, high = np.quantile(changes, [0.25, 0.5, 0.75])
    above = float(np.mean(np.array(changes) > 0))
    note = f"{SHARE.value(above)} of {counted(len(changes), 'attribute')} above 0"
    return Mark(sparsity=sparsity, value=middle, low=low, high=high, n_seeds=n_seeds, note=note)


def _panel(
    rows: Rows,
    metric: str,
    *,
    title: str,
    attribute: str | None = None,
    group: str | None = None,
) -> Panel:
    """Draw one figure of a setting: a line per method from dense on, and a level across."""

    def mark(one: Member, of: str = metric) -> Mark | None:
        return rows.mark(one, of, attribute, group)

    flips = metric == "flip_rate"
    level = None
    if flips and rows.pruned:
        level = mark(rows.pruned[0], "churn")
    elif rows.dense is not None:
        level = mark(rows.dense)
    series = []
    for method in dict.fromkeys(one.method for one in rows.pruned):
        found = [mark(one) for one in rows.pruned if one.method == method]
        marks = [one for one in found if one is not None]
        if marks:
            start = [] if flips or level is None else [level]
            series.append(Series(name=method, place=rows.places[method], marks=(*start, *marks)))
    return Panel(
        title=title,
        metric=metric,
        series=tuple(series),
        level=level and level.model_copy(update={"sparsity": 0.0}),
        level_name="churn" if flips else "dense",
        target=TARGETS.get(metric),
        missing="" if series else rows.why_not(metric, attribute, group),
    )


def _samples(rows: Rows) -> str:
    n = rows.results.audits[rows.setting.name].info.n_samples
    return f"{n:,} images of the {rows.results.plan.study.audit.split} split"

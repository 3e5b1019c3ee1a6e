"""The data of each figure, from the audit's rows."""

from __future__ import annotations

import re

import polars as pl

from prunescope.audit import Affected, Audit, ModelInfo
from prunescope.audit.affected import worst_first
from prunescope.audit.estimates import NOT_APPLICABLE
from prunescope.audit.measure import OF_ATTRIBUTES
from prunescope.audit.roles import Roles
from prunescope.report.records import Confusion
from prunescope.report.structure import BiasMap, ChangeFigure, Curve, CurvePoint, Estimate, Gap
from prunescope.report.table import OK, Table
from prunescope.report.words import noun_of
from prunescope.verdict.glossary import (
    ATTRIBUTE_METRICS,
    CLASS_KEY_METRICS,
    CLASS_METRICS,
    FLIPS,
    GLOSSARY,
    KEY_METRICS,
)

MOST_ROWS = 60
"""Attributes that a figure shows at most; it says how many it leaves out."""

MOST_GROUPS = 6
"""Groups whose mean bias amplification gets a curve."""

N_EXAMPLES = 4


MOST_CONFUSIONS = 10


def key_metrics(table: Table) -> list[str]:
    """Return the metrics of the key figures: those of the one answer where there is one."""
    return list(CLASS_KEY_METRICS if table.noun == "class" else KEY_METRICS)


def curves(audit: Audit, table: Table, cast: Roles) -> list[Curve]:
    """Return the key metrics, and bias amplification by group, against sparsity."""
    groups = group_names(audit)[:MOST_GROUPS]
    wanted: list[tuple[str, str | None]] = [(metric, None) for metric in key_metrics(table)]
    wanted += [("bias_amplification", group) for group in groups]
    told = [*cast.dense, *cast.compressed]
    seeds = [model for members in cast.members.values() for model in members]
    found = []
    for metric, group in wanted:
        points = [
            point.model_copy(update={"member": member})
            for models, member in ((told, False), (seeds, True))
            for point in _points(models, table, metric, group)
        ]
        churns = [p.estimate.baseline for p in points if metric in FLIPS and not p.member]
        churn = next((level for level in churns if level is not None), None)
        found.append(Curve(metric=metric, group=group, points=points, churn=churn))
    return [curve for curve in found if any(not point.dense for point in curve.points)]


def _points(
    models: list[ModelInfo], table: Table, metric: str, group: str | None
) -> list[CurvePoint]:
    """Return one point per model that has a value, and that is dense or lacks weights."""
    result = []
    for model in models:
        if group is None:
            row = table.key(model.name, metric)
            parts = table.by_attribute(model.name, metric)
        else:
            means = table.by_group(model.name, metric)
            row = next((mean for mean in means if mean.group == group), None)
            parts = [cell for cell in table.cells(model.name, metric) if cell.group == group]
        if row is None or row.value is None:
            continue
        how = model.metadata.compression
        if model.baseline is not None and not how.removed:
            continue
        result.append(
            CurvePoint(
                method=how.method,
                sparsity=how.removed,
                dense=model.baseline is None,
                over=sum(_averaged(part, row) for part in parts),
                estimate=row,
            )
        )
    return result


def _averaged(part: Estimate, mean: Estimate) -> bool:
    """Whether an attribute is part of a mean: it has a value and, in a comparison, so has dense."""
    return part.value is not None and (part.delta is not None or mean.delta is None)


def attribute_figures(table: Table, model: str) -> list[ChangeFigure]:
    """Return the change of each metric by attribute, or by class."""
    metrics = CLASS_METRICS if table.noun == "class" else ATTRIBUTE_METRICS
    found = (_changes(metric, table.by_attribute(model, metric)) for metric in metrics)
    return [figure for figure in found if figure is not None]


def group_figure(table: Table, model: str) -> ChangeFigure | None:
    """Return the change of accuracy by value of each group; None where no group was audited."""
    metric = "top1_accuracy" if table.noun == "class" else "accuracy"
    return _changes(metric, table.by_group(model, metric))


def _changes(metric: str, rows: list[Estimate]) -> ChangeFigure | None:
    """Put rows in order of change."""
    if not rows:
        return None
    compared = [row for row in rows if row.delta is not None]
    compared.sort(key=lambda row: row.delta or 0.0, reverse=GLOSSARY[metric].risen_first)
    ordered = compared + [row for row in rows if row.delta is None]
    return ChangeFigure(
        metric=metric, rows=ordered[:MOST_ROWS], n_left_out=len(ordered[MOST_ROWS:])
    )


def bias_map(table: Table, model: str) -> BiasMap | None:
    """Return bias amplification by attribute and group; None where no group was audited."""
    by_attribute: dict[str, dict[str, Estimate]] = {}
    for row in table.cells(model, "bias_amplification"):
        by_attribute.setdefault(str(row.attribute), {})[str(row.group)] = row
    if not by_attribute:
        return None

    def moved(attribute: str) -> tuple[float, bool]:
        rows = by_attribute[attribute].values()
        return (
            -max((abs(row.delta) for row in rows if row.delta is not None), default=-1.0),
            all(row.value is None for row in rows),
        )

    groups = list(next(iter(by_attribute.values())))
    order = sorted(by_attribute, key=moved)
    shown = order[:MOST_ROWS]
    return BiasMap(
        attributes=shown,
        groups=groups,
        rows=[[by_attribute[attribute][group] for group in groups] for attribute in shown],
        n_left_out=len(order) - len(shown),
    )


def affected(audit: Audit, models: list[str], limit: int) -> list[Affected]:
    """Return the images whose answers changed most, each once, by the model that harms it most."""
    found = [image for image in audit.info.affected if image.model in models]
    if len(models) == 1:
        return found[:limit]
    once = {image.id: image for image in reversed(worst_first(found))}
    return worst_first(once.values())[:limit]


def confusions(audit: Audit, models: list[str]) -> list[Confusion]:
    """Return which class most often became which, counted over all of some models."""
    counted = (
        audit.confusions.filter(pl.col("model").is_in(models))
        .group_by("label", "dense", "compressed", maintain_order=True)
        .agg(pl.col("n").sum())
        .sort("n", descending=True, maintain_order=True)
    )
    return [Confusion(**row) for row in counted.head(MOST_CONFUSIONS).iter_rows(named=True)]


def gaps(audit: Audit) -> list[Gap]:
    """Count the estimates that could not be made, by reason; the commonest first.

    What single seeds of a population lack is not counted beside what the population lacks, nor
    figures of attributes where one class is chosen, of which they say nothing.
    """
    says_nothing = pl.col("metric").is_in(list(OF_ATTRIBUTES))
    of_task = says_nothing & (pl.col("status") == NOT_APPLICABLE) & (noun_of(audit) == "class")
    excess = pl.col("metric").is_in(["excess_accuracy_gap", "excess_top1_gap"])
    single = ~excess | pl.col("group").is_not_null()
    members = [name for population in audit.info.populations for name in population.members]
    rows = audit.table.filter(
        (pl.col("status") != OK) & single & ~of_task & ~pl.col("model").is_in(members)
    )
    found: dict[tuple[str, str, str], list[str]] = {}
    columns = rows.select("status", "metric", "reason", "attribute")
    for status, metric, reason, attribute in columns.iter_rows():
        key = (status, metric, _without_count(reason or ""))
        found.setdefault(key, []).append(attribute or "all")
    return [
        Gap(
            status=status,
            metric=metric,
            reason=reason,
            count=len(attributes),
            examples=list(dict.fromkeys(attributes))[:N_EXAMPLES],
        )
        for (status, metric, reason), attributes in sorted(
            found.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1:])
        )
    ]


def _without_count(reason: str) -> str:
    """Drop the number that makes reasons of one kind differ.

    >>> _without_count("4 true positives: at least 10 are needed")
    'true positives: at least 10 are needed'
    """
    return re.sub(r"^\d+ ", "", reason)


def group_names(audit: Audit) -> list[str]:
    """Return the groups that were audited, in order."""
    return audit.table["group"].drop_nulls().unique(maintain_order=True).to_list()

"""`compare`: measures side by side, each against doing nothing, on data that fitted none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from prunescope.audit import Audit, audit
from prunescope.audit.verdicts import harm_of
from prunescope.data.samples import Task
from prunescope.errors import ConfigError, one_of
from prunescope.mitigate.comparison_result import (
    EFFECT_SCHEMA,
    Comparison,
    ComparisonInfo,
    MeasureInfo,
)
from prunescope.mitigate.measures import MEASURES, Candidate, Scene, measures_for, take
from prunescope.mitigate.splits import check_unseen
from prunescope.predictions import Predictions, on_samples_of

NOTHING = "nothing"
"""The measure to compare with: the pruned model as it is."""

HEADLINE = (
    "accuracy", "balanced_accuracy", "worst_group_accuracy", "auc", "ece", "rare_value_ratio",
    "bias_amplification", "equal_opportunity_difference", "accuracy_difference",
    "flip_rate", "harmful_flip_rate",
)  # fmt: skip
"""Metrics that measures are compared by: means over attributes, of all samples or about a group."""

OF_CLASSES = {
    "accuracy": "top1_accuracy",
    "flip_rate": "top1_flip_rate",
    "harmful_flip_rate": "top1_harmful_flip_rate",
}
"""What takes their place where a sample has one answer, its class."""


def compare(
    scene: Scene,
    names: Sequence[str] | None = None,
    others: Sequence[Candidate] = (),
    *,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,  # noqa: ANN401 - of the audit
) -> Comparison:
    """Fit measures to the validation split and judge them on the test split.

    Parameters
    ----------
    scene : Scene
    names : sequence of str, optional
        Keys of `MEASURES`; default: all that the scene has what they need for.
    others : sequence of Candidate
        Models that other measures made, such as fine-tuned ones, on the test split.
    progress : callable, optional
        Called with the number of measures fitted and of all.
    **settings
        Of the audit: replicates, confidence, seed, cluster, min_support, ...

    Returns
    -------
    Comparison
        Ranked by headline metrics that got better less those that got worse, then by the same
        count over all cells.

    Raises
    ------
    ConfigError
        A name is unknown or given twice, or a measure lacks what it needs.
    """
    chosen = measures_for(scene) if names is None else list(names)
    for name in chosen:
        if name not in MEASURES:
            raise ConfigError(one_of("measure", name, MEASURES))
    candidates = []
    for done, name in enumerate(chosen, 1):
        candidates.append(take(scene, name))
        if progress:
            progress(done, len(chosen))
    return judge(scene.dense_test, scene.pruned_test, [*candidates, *others], **settings)


def judge(
    dense: Predictions,
    pruned: Predictions,
    candidates: Sequence[Candidate],
    **settings: Any,  # noqa: ANN401 - of the audit
) -> Comparison:
    """Judge what measures made of a pruned model, on a split that fitted none of them.

    Parameters
    ----------
    dense, pruned : Predictions
        On that split.
    candidates : sequence of Candidate
    **settings
        Of the audit.

    Raises
    ------
    ConfigError
        There is no candidate, or two have one name.
    DataError
        Predictions do not fit together, or a candidate lacks some of the samples.
    """
    if not candidates:
        raise ConfigError("nothing to compare: expected at least one measure")
    titles = [NOTHING, *(candidate.name for candidate in candidates)]
    if len(set(titles)) < len(titles):
        twice = next(title for title in titles if titles.count(title) > 1)
        raise ConfigError(f"two measures are called {twice!r}: expected a name of its own for each")
    beside = {"dense": dense, **{one.name: one.test for one in candidates}}
    for model in (pruned, *beside.values()):
        check_unseen(model, "judged by them")
    nothing = _named(pruned, NOTHING)
    # each has all samples of the pruned model: no comparison rests on fewer than another
    baseline, *models = (_named(on_samples_of(beside[name], pruned), name) for name in beside)
    state = audit(baseline, [nothing, *models], **settings)
    change = audit(nothing, models, **settings)
    metrics = headline(pruned.samples.task)
    ranked = sorted(
        (_told(candidate, change, metrics) for candidate in candidates),
        key=lambda one: (
            one.worse - one.better, one.cells_worse - one.cells_better, titles.index(one.name)
        ),
    )  # fmt: skip
    info = ComparisonInfo(
        dense=dense.name,
        pruned=pruned.name,
        sparsity=pruned.metadata.compression.removed,
        n_samples=state.info.n_samples,
        measures=tuple(ranked),
        settings=state.info.settings.model_dump(mode="json"),
        notes=tuple(dict.fromkeys([*state.info.notes, *state.info.warnings])),
    )
    order = [NOTHING, *(one.name for one in ranked)]
    return Comparison(info, _effects(state, change, order, metrics))


def headline(task: Task) -> tuple[str, ...]:
    """Return the metrics that measures are compared by."""
    of_classes = OF_CLASSES if task == "multiclass" else {}
    return tuple(of_classes.get(metric, metric) for metric in HEADLINE)


def _named(predictions: Predictions, name: str) -> Predictions:
    """Give a model the name of its measure, and no seed: it is one model, not a population."""
    told = {"name": name, "seed": None}
    return replace(predictions, metadata=predictions.metadata.model_copy(update=told))


def _told(candidate: Candidate, change: Audit, metrics: Sequence[str]) -> MeasureInfo:
    """Count the verdicts on a measure against doing nothing."""
    counted = [metric for metric in metrics if not _of_flips(metric)]
    mine = change.table.filter(pl.col("metric").is_in(counted), model=candidate.name)
    of_all, of_cells = mine.filter(_is_headline()), mine.filter(~_is_headline())
    return MeasureInfo(
        name=candidate.name,
        summary=candidate.summary,
        needs=candidate.needs,
        cost=candidate.cost,
        better=of_all.filter(verdict="better").height,
        worse=of_all.filter(verdict="worse").height,
        cells_better=of_cells.filter(verdict="better").height,
        cells_worse=of_cells.filter(verdict="worse").height,
    )


def _of_flips(metric: str) -> bool:
    """Tell metrics of the change from dense, which doing nothing has as well."""
    return metric.endswith("flip_rate")


def _is_headline() -> pl.Expr:
    """Tell rows over all attributes and samples, or about a group, from those of single cells."""
    return pl.col("attribute").is_null() & pl.col("group_value").is_null()


def _effects(
    state: Audit, change: Audit, order: Sequence[str], metrics: Sequence[str]
) -> pl.DataFrame:
    """Put each measure's values beside those of dense and of doing nothing."""
    key = ["metric", "group"]
    rows = state.table.filter(_is_headline(), pl.col("metric").is_in(metrics))
    rows = rows.with_columns(harm=harm_of())
    nothing = rows.filter(model=NOTHING).select(
        *key, nothing="value", damage="harm", was_harmed=pl.col("verdict") == "worse"
    )
    paired = change.table.filter(_is_headline()).select(
        pl.col("model"), *key, change="delta", change_low="delta_low", change_high="delta_high",
        change_q="q_value", judged="verdict",
    )  # fmt: skip
    flips = pl.col("metric").is_in([metric for metric in metrics if _of_flips(metric)])
    table = (
        rows.filter(pl.col("model").is_in(list(order)))
        .join(nothing, on=key, how="left", nulls_equal=True)
        .join(paired, on=["model", *key], how="left", nulls_equal=True)
    )
    mine = pl.col("model") == NOTHING
    table = table.with_columns(
        measure="model",
        dense="baseline",
        q_value=pl.when(~mine & ~flips).then("change_q"),
        verdict=pl.when(~mine & ~flips).then("judged"),
        undone=pl.when(~mine & pl.col("was_harmed").fill_null(False) & ~flips).then(
            1 - pl.col("harm") / pl.col("damage")
        ),
        **{name: pl.when(~mine & ~flips).then(name) for name in
           ("change", "change_low", "change_high")},
    )  # fmt: skip
    places = {name: place for place, name in enumerate(order)}
    rank = pl.col("measure").replace_strict(places, return_dtype=pl.Int64)
    metric = pl.col("metric").replace_strict(
        {name: place for place, name in enumerate(metrics)}, return_dtype=pl.Int64
    )
    ordered = table.sort(rank, metric, "group", nulls_last=False, maintain_order=True)
    return ordered.select(list(EFFECT_SCHEMA)).cast(pl.Schema(EFFECT_SCHEMA))

"""The trade-off: the worst damage of each model against what is left of its weights, size, time."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from prunescope.audit.roles import Roles
from prunescope.errors import ConfigError, shorten
from prunescope.report.gains import Gain
from prunescope.report.records import Damage, TradeOff, TradePoint
from prunescope.report.words import ALL, ATTRIBUTES, CELLS, Kind, kind_of
from prunescope.verdict import Criterion, Judge

KEPT = "weights kept, %"
MEASURES: Mapping[Kind, str] = {
    ("tpr", *ATTRIBUTES, None): "Worst loss of a class's recall",
    ("rare_value_ratio", *ATTRIBUTES, "falls"): "Worst fading of a rare answer",
    ("bias_amplification", *CELLS, "rises"): "Worst rise of bias amplification",
    ("accuracy", *ALL, None): "Accuracy lost",
    ("top1_accuracy", *ALL, None): "Accuracy lost",
}
"""Kind of a criterion → what the picture calls the damage that it measures, in its order."""


def trade_off(judge: Judge, cast: Roles, gain: Gain | None) -> TradeOff:
    """Measure each model's worst damage, and what is left of its weights, size and time.

    Damages and their limits are the judge's, so that dense has none. What no compressed model was
    tested for is left out, and weights where none are removed: of a model that keeps them all, as
    a quantised one does, their share says nothing. Of several seeds the worst is drawn.

    Raises
    ------
    ConfigError
        The gain tells of no compressed model.
    """
    if gain and not any(gain.knows(cast.models_of(model.name)) for model in cast.compressed):
        names = [name for model in cast.compressed for name in cast.models_of(model.name)]
        raise ConfigError(
            f"the gain is of {shorten(gain.figures)}, and the audit of {shorten(names)}: expected "
            "the same names; models are called by their folders in the one, and by their "
            "predictions in the other"
        )

    def worst(criterion: Criterion, model: str) -> float | None:
        """Return the largest damage to a model, or to a seed; None where nothing was tested."""
        place = judge.criteria.index(criterion)
        rows = pl.concat([judge.findings(seed)[place].rows for seed in cast.models_of(model)])
        tested = rows.filter(pl.col("q_value").is_not_null())
        beyond = tested.select(pl.col("damage").filter(pl.col("beyond_chance")).max()).item()
        return beyond if beyond is not None or tested.is_empty() else 0.0

    by_kind = {kind_of(one): one for one in reversed(judge.criteria) if not one.bounded}
    found = [
        by_kind[kind]
        for kind in MEASURES
        if kind in by_kind
        and any(worst(by_kind[kind], model.name) is not None for model in cast.compressed)
    ]
    pruned = any(model.metadata.compression.removed > 0 for model in cast.compressed)

    def point(name: str, share: float, *, dense: bool) -> TradePoint:
        measured = gain.of(cast.models_of(name)) if gain else []
        kept = round(100 * (1 - share), 6) if share > 0 or dense else None
        return TradePoint(
            model=name,
            dense=dense,
            costs=[*measured, *([kept] if pruned else [])],
            damages=[0.0 if dense else worst(one, name) for one in found],
        )

    models = [(m, True) for m in cast.dense] + [(m, False) for m in cast.compressed]
    return TradeOff(
        costs=[*(gain.costs if gain else ()), *([KEPT] if pruned else [])],
        damages=[
            Damage(
                label=MEASURES[kind_of(one)],
                metric=one.metric,
                moderate=one.moderate,
                severe=one.severe,
            )
            for one in found
        ],
        points=[
            point(model.name, model.metadata.compression.removed, dense=dense)
            for model, dense in models
        ],
    )

"""The trade-off: the worst damage of each model against what is left of its weights, size, time."""

from __future__ import annotations

from prunescope.audit.roles import Roles
from prunescope.errors import ConfigError, shorten
from prunescope.report.gains import Gain
from prunescope.report.records import Damage, TradeOff, TradePoint
from prunescope.report.rules import Rule, rules
from prunescope.report.table import Table

KEPT = "weights kept, %"
MEASURES = {
    "Classes are lost": "Worst loss of a class's recall",
    "Rare answers fade": "Worst fading of a rare answer",
    "Answers lean towards groups": "Worst rise of bias amplification",
    "Accuracy falls": "Accuracy lost",
}
"""Rule of a finding → what the picture calls the damage that it measures, in its order."""


def trade_off(table: Table, cast: Roles, gain: Gain | None) -> TradeOff:
    """Measure each model's worst damage, and what is left of its weights, size and time.

    Damages are those of the findings' rules, so that dense has none and the limits are theirs. What
    no compressed model was tested for is left out, and weights where none are removed: of a model
    that keeps them all, as a quantised one does, their share says nothing. Of several seeds the
    worst is drawn.

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

    def worst(rule: Rule, model: str) -> float | None:
        """Return the largest damage to a model, or to a seed; None where nothing was tested."""
        rows = rule.worst(table, cast.models_of(model))
        tested = [row for row in rows if row.q_value is not None]
        return max((rule.size(row) for row in tested), default=None)

    by_name = {rule.name: rule for rule in rules(table.noun)}
    found = [
        rule
        for rule in (by_name[name] for name in MEASURES if name in by_name)
        if any(worst(rule, model.name) is not None for model in cast.compressed)
    ]
    pruned = any(model.metadata.compression.removed > 0 for model in cast.compressed)

    def point(name: str, share: float, *, dense: bool) -> TradePoint:
        measured = gain.of(cast.models_of(name)) if gain else []
        kept = round(100 * (1 - share), 6) if share > 0 or dense else None
        return TradePoint(
            model=name,
            dense=dense,
            costs=[*measured, *([kept] if pruned else [])],
            damages=[0.0 if dense else worst(rule, name) for rule in found],
        )

    models = [(m, True) for m in cast.dense] + [(m, False) for m in cast.compressed]
    return TradeOff(
        costs=[*(gain.costs if gain else ()), *([KEPT] if pruned else [])],
        damages=[
            Damage(
                label=MEASURES[rule.name],
                metric=rule.metric,
                moderate=rule.moderate,
                severe=rule.severe,
            )
            for rule in found
        ],
        points=[
            point(model.name, model.metadata.compression.removed, dense=dense)
            for model, dense in models
        ],
    )

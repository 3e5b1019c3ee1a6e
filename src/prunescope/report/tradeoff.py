"""The trade-off: the worst damage of each model against what is left of its weights, size, time."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import altair as alt

from prunescope.errors import ConfigError, shorten
from prunescope.report.findings import RULES, Rule
from prunescope.report.gains import Gain
from prunescope.report.glossary import unit_of
from prunescope.report.records import Damage, TradeOff, TradePoint
from prunescope.report.roles import Roles
from prunescope.report.svg import INK, MUTED, PAPER, config, data, rendered, text
from prunescope.report.table import Table

KEPT = "weights kept, %"
MEASURES = {
    "Rare answers fade": "Worst fading of a rare answer",
    "Answers lean towards groups": "Worst rise of bias amplification",
    "Accuracy falls": "Accuracy lost",
}
"""Rule of a finding → what the picture calls the damage that it measures, in its order."""

WIDTH, HEIGHT = 310, 220
PADDING = {"left": 50, "right": 52, "top": 12, "bottom": 40}
LETTER, LINE = 6.0, 11.0
"""Pixels that a letter of a name takes in the picture, about, and a line."""

LONGEST = 22
"""Letters of a name in the picture."""

Align: TypeAlias = Literal["left", "center", "right"]
AROUND: tuple[tuple[Align, int, int], ...] = (
    ("left", 9, 0),
    ("right", -9, 0),
    ("center", 0, -14),
    ("center", 0, -27),
    ("left", 9, -20),
    ("right", -9, -20),
    ("center", 0, -40),
)
"""Where a name may stand beside its point: its alignment, how far right, how far down."""


def trade_off(table: Table, cast: Roles, gain: Gain | None) -> TradeOff:
    """Measure each model's worst damage, and what is left of its weights, size and time.

    Damages are those of the findings' rules, so that dense has none and the limits are theirs. What
    no compressed model was tested for is left out, and weights where none are removed.

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
    by_name = {rule.name: rule for rule in RULES}
    rules = [
        rule
        for rule in map(by_name.__getitem__, MEASURES)
        if any(_worst(rule, table, model.name) is not None for model in cast.compressed)
    ]
    pruned = any(model.metadata.compression.sparsity > 0 for model in cast.compressed)

    def point(name: str, sparsity: float, *, dense: bool) -> TradePoint:
        measured = gain.of(cast.models_of(name)) if gain else []
        return TradePoint(
            model=name,
            dense=dense,
            costs=[*measured, *([round(100 * (1 - sparsity), 6)] if pruned else [])],
            damages=[0.0 if dense else _worst(rule, table, name) for rule in rules],
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
            for rule in rules
        ],
        points=[
            point(model.name, model.metadata.compression.sparsity, dense=dense)
            for model, dense in models
        ],
    )


def _worst(rule: Rule, table: Table, model: str) -> float | None:
    """Return the largest damage to a model by a rule; None where nothing was tested."""
    tested = [row for row in rule.rows(table, model) if row.q_value is not None]
    return max((rule.size(row) for row in tested), default=None)


def draw_trade_off(told: TradeOff, damage: int, cost: int, colours: dict[str, str]) -> str:
    """Draw one damage against one cost; lines mark from where it is called moderate and severe.

    Parameters
    ----------
    told : TradeOff
    damage, cost : int
        Their places in it.
    colours : dict
        Model → colour of its point.

    Returns
    -------
    str
        An ``<svg>`` element, see `prunescope.report.charts.draw`; without points where no model
        has the cost.
    """
    measure, name = told.damages[damage], told.costs[cost]
    unit = unit_of(measure.metric)
    known = [
        (point, value, size)
        for point in told.points
        if (value := point.costs[cost]) is not None and (size := point.damages[damage]) is not None
    ]
    ends = [value for _, value, _ in known]
    rows: list[dict[str, Any]] = [
        {
            "x": value,
            "y": size * unit.scale,
            "kind": "dense" if point.dense else "compressed",
            "colour": INK if point.dense else colours.get(point.model, "var(--s2)"),
            "name": _short(point.model),
            "tip": f"{point.model}: {value:.3g} {name.rpartition(', ')[2]}, "
            f"{'the measure' if point.dense else _told(size, measure)}",
        }
        for point, value, size in known
    ]
    low, high = (80.0, 115.0) if name == KEPT else (0.0, 1.1 * max(ends, default=1.0))
    low = 0.8 * min([*ends, 100.0]) if name == KEPT else low
    top = max([1.25 * measure.severe * unit.scale, *(1.08 * row["y"] for row in rows)])
    log = name == KEPT  # weights by factors, as everywhere in the report
    scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False)
    x = alt.X("x:Q", title=name, scale=scale, axis=alt.Axis(**_ticks(name, ends)))
    points = ", points" if unit.scale == 100 else ""
    y = alt.Y(
        "y:Q",
        title=f"{measure.label.lower()}{points}",
        scale=alt.Scale(domain=[0, top]),
        axis=alt.Axis(tickCount=5, grid=False),
    )
    limits = {"moderate": measure.moderate * unit.scale, "severe": measure.severe * unit.scale}
    layers: list[alt.Chart] = []
    for word, limit in limits.items():
        level = data([{"y": limit}]).encode(y=y)
        layers.append(level.mark_rule(color=MUTED, strokeDash=[2, 3], opacity=0.8))
        if word == "severe" or HEIGHT * (limits["severe"] - limit) / top > LINE:
            layers.append(
                level.mark_text(align="left", x=WIDTH + 4, fontSize=10, color=MUTED, text=word)
            )
    layers.append(
        data(rows)
        .mark_point(filled=True, opacity=1, size=90, stroke=PAPER, strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("colour:N", scale=None),
            shape=alt.Shape(
                "kind:N",
                legend=None,
                scale=alt.Scale(domain=["dense", "compressed"], range=["diamond", "circle"]),
            ),
            description="tip:N",
        )
    )

    def across(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if log else value / high
        return WIDTH * share

    places = [(across(row["x"]), HEIGHT * (1 - row["y"] / top)) for row in rows]
    for row, where in zip(rows, _beside(places, [row["name"] for row in rows]), strict=True):
        if where:
            align, dx, dy = where
            label = data([row]).encode(x=x, y=y, text="name:N")
            layers.append(label.mark_text(align=align, dx=dx, dy=dy, fontSize=11, color=INK))
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT).configure(**config(PADDING))
    return text(rendered(chart, f"{measure.label} against {name}, model by model"))


def _beside(
    places: list[tuple[float, float]],
    names: list[str],
) -> list[tuple[Align, int, int] | None]:
    """Find a free place for the name of each point; None where there is none."""
    taken = [(x - 5, y - 5, 10.0, 10.0) for x, y in places]
    found: list[tuple[Align, int, int] | None] = []
    for (x, y), name in zip(places, names, strict=True):
        width = LETTER * len(name)
        for align, dx, dy in AROUND:
            left = x + dx - {"left": 0.0, "center": width / 2, "right": width}[align]
            box = (left, y + dy - LINE / 2, width, LINE)
            inside = left > -PADDING["left"] / 4 and left + width < WIDTH
            if inside and box[1] > -PADDING["top"] and not any(_meet(box, one) for one in taken):
                taken.append(box)
                found.append((align, dx, dy))
                break
        else:
            found.append(None)
    return found


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(one[i] < other[i] + other[i + 2] and other[i] < one[i] + one[i + 2] for i in (0, 1))


def _told(size: float, measure: Damage) -> str:
    """Say how large a damage is, and that there may be none that can be told from chance."""
    if not size:
        return "no damage that can be told from chance"
    unit = unit_of(measure.metric)
    return f"{measure.label.lower()} {unit.change(size).lstrip('+')}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _ticks(cost: str, ends: list[float]) -> dict[str, Any]:
    if cost != KEPT:
        return {"tickCount": 5}
    return {"values": sorted(set(ends), reverse=True), "labelOverlap": "greedy", "format": "~g"}

"""`to_html`: the report as one page that works offline, by day and night, on paper and phones."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from prunescope.report import words
from prunescope.report.findings import RULES
from prunescope.report.glossary import (
    FLIPS,
    GLOSSARY,
    VERDICTS,
    Entry,
    label_of,
    legend,
    verdict_of,
)
from prunescope.report.numbers import CORRELATION, Unit, counted, removed
from prunescope.report.structure import Curve, Estimate, Link, Report, Triangle
from prunescope.report.svg import N_COLOURS, colour

STATUS = {
    "ok": ("", ""),
    "insufficient_support": ("few", "too few samples"),
    "undefined": ("undef.", "no value can be computed from these answers"),
    "not_applicable": ("n/a", "the question does not arise"),
}
"""Status → what stands in a cell, and what it means."""

FULL_COLOUR = 0.10
"""Damage (of bias amplification) from which a cell has its full colour."""

LEAST_Q = 1e-4
"""Below it, it does not matter by how much."""

FULL_CORRELATION, FULL_CHANGE = 0.6, 0.3
"""Correlation, and change of one, from which a cell has its full colour."""


def to_html(report: Report) -> str:
    """Render a report as one self-contained HTML page.

    Nothing is loaded from anywhere, which the page's content security policy also forbids; every
    name in it is escaped.

    Returns
    -------
    str
        The page; without thumbnails well under 3 MB.
    """
    from prunescope.report.charts import draw, series_of  # altair takes a third of a second
    from prunescope.report.grids import Grid, draw_grid
    from prunescope.report.scatter import draw_points

    environment = _environment()
    script = _source("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    drawable = any(model.sparsity > 0 for model in report.compressed)
    series = series_of(report.curves) if drawable else []
    shared = report.correlations
    colours = {model.name: colour(i) for i, model in enumerate(report.compressed)}

    def grid(values: Triangle | None, what: str, full: float = FULL_CORRELATION) -> Grid | None:
        if shared is None or values is None:
            return None
        drawn = draw_grid(shared.attributes, values, full, what)
        return replace(drawn, svg=Markup(drawn.svg))

    return environment.get_template("report.html").render(
        report=report,
        css=Markup(_source("report.css")),
        script=Markup(script),
        script_digest=digest,
        series=series,
        curves=[(curve, Markup(draw(curve, series))) for curve in report.curves if drawable],
        grid=grid,
        plots=[(plot, Markup(draw_points(plot, colours))) for plot in report.links.plots],
        colours=colours if len(colours) <= N_COLOURS else {},
    )


@cache
def _source(name: str) -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@cache
def _environment() -> Environment:
    """Make the template environment; whatever is inserted is escaped."""
    environment = Environment(
        loader=PackageLoader("prunescope.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "GLOSSARY": GLOSSARY,
        "CORRELATION": CORRELATION,
        "FLIPS": FLIPS,
        "FULL_CHANGE": FULL_CHANGE,
        "FULL_CORRELATION": FULL_CORRELATION,
        "RULES": RULES,
        "STATUS": STATUS,
        "VERDICTS": VERDICTS,
        "Axis": Axis,
        "counted": counted,
        "effect": effect,
        "entry": entry,
        "label_of": label_of,
        "legend": legend,
        "line_tip": line_tip,
        "link_of": link_of,
        "removed": removed,
        "side": words.side,
        "cell_tip": cell_tip,
        "coverage": coverage,
        "name": name,
        "strength": strength,
        "tip": tip,
        "unit": unit,
        "verdict": verdict_of,
    }
    environment.filters |= {"flat": flat, "percent": _percent}
    return environment


def entry(row: Estimate) -> Entry:
    """Return what the report says of a row's metric."""
    return GLOSSARY[row.metric]


def unit(row: Estimate) -> Unit:
    """Return how a row's values are written."""
    return GLOSSARY[row.metric].unit


def effect(row: Estimate) -> str:
    """Say in a word (a CSS class) what a change is: harm, relief, shift, unclear, or nothing.

    Examples
    --------
    >>> row = Estimate(model="m", metric="accuracy", status="ok", value=0.8, delta=-0.1)
    >>> effect(row), effect(row.model_copy(update={"supported": True}))
    ('unclear', 'harm')
    """
    if row.delta is None:
        return "nothing"
    if not row.supported:
        return "unclear"
    damage = entry(row).damage(row)
    if not damage:
        return "shift"
    return "harm" if damage > 0 else "relief"


def strength(row: Estimate) -> int:
    """Say how strongly a cell is coloured, in percent; 0 where the change is not supported."""
    damage = entry(row).damage(row)
    if damage is None or not row.supported:
        return 0
    return round(12 + 58 * min(1.0, abs(damage) / FULL_COLOUR))


def name(row: Estimate) -> str:
    """Say what a row is about: an attribute, a value of a group, or both."""
    return " · ".join(filter(None, [row.attribute, row.group and words.side(row)]))


def tip(row: Estimate) -> str:
    """Say all there is to say about one estimate, on one line."""
    about = name(row) if row.attribute or row.group else row.model
    if row.value is None:
        return f"{about}: {_absent(row)}"
    return " · ".join(filter(None, [about, *_told(row, words.change(row)), row.verdict]))


def cell_tip(row: Estimate) -> str:
    """Say what a cell leaves out that stands in an attribute's line."""
    return tip(row.model_copy(update={"attribute": None}))


def line_tip(row: Estimate) -> str:
    """Say what a line leaves out that tells what it is about, its change and its verdict."""
    if row.value is None:
        return _absent(row)
    interval = ""
    if row.delta_low is not None and row.delta_high is not None:
        interval = unit(row).change_interval(row.delta_low, row.delta_high)
    return " · ".join(_told(row, interval))


def _absent(row: Estimate) -> str:
    return STATUS[row.status][1] + (f" ({row.reason})" if row.reason else "")


def _told(row: Estimate, change: str) -> list[str]:
    """Tell value, baseline, change, evidence and support of an estimate."""
    own, value = unit(row), row.value or 0.0
    text = own.value(value)
    if row.low is not None and row.high is not None:
        text += f" ({own.bare(row.low)} to {own.bare(row.high)})"
    parts = [text]
    if row.delta is not None:
        before, moved = ("churn", "beyond it") if row.metric in FLIPS else ("dense", "change")
        parts.append(f"{before} {own.bare(value - row.delta)}")
        parts += [f"{moved} {change}"] if change else []
    if row.q_value is not None:
        parts.append(f"q {row.q_value:.2g}" if row.q_value >= LEAST_Q else f"q <{LEAST_Q:g}")
    if row.n is not None:
        parts.append(f"n {row.n:,}")
    return [*parts, row.reason] if row.reason else parts


@dataclass(frozen=True)
class Axis:
    """A horizontal axis that fits intervals and 0.

    Parameters
    ----------
    low, high : float
    ticks : tuple of float
        Round numbers, 0 among them.

    Examples
    --------
    >>> axis = Axis.fit([(-0.7, 0.1)])
    >>> axis.ticks, axis.at(axis.low), axis.at(axis.high)
    ((-0.6, -0.4, -0.2, 0.0), 0.0, 100.0)
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def fit(cls, intervals: Iterable[tuple[float, float]]) -> Axis:
        """Make an axis that holds all intervals, with about four ticks."""
        ends = [0.0, *(end for interval in intervals for end in interval)]
        low, high = min(ends), max(ends)
        span = (high - low) or 1.0
        low, high = low - 0.03 * span, high + 0.03 * span
        power = 10.0 ** math.floor(math.log10(span / 4))
        step = min((power * k for k in (1, 2, 5, 10)), key=lambda s: abs(span / s - 4))
        ticks = range(math.ceil(low / step), math.floor(high / step) + 1)
        return cls(low, high, tuple(round(k * step, 10) for k in ticks))

    @classmethod
    def of(cls, rows: Iterable[Estimate]) -> Axis:
        """Make an axis for the changes of some rows."""
        return cls.fit(
            (
                row.delta if row.delta_low is None else row.delta_low,
                row.delta if row.delta_high is None else row.delta_high,
            )
            for row in rows
            if row.delta is not None
        )

    def at(self, value: float) -> float:
        """Return where a value lies, in percent of the axis."""
        return round(100 * (value - self.low) / (self.high - self.low), 1)


def coverage(curve: Curve, n_attributes: int) -> str:
    """Say over how many attributes the means of a curve are, where not over all.

    Examples
    --------
    >>> from prunescope.report.structure import CurvePoint
    >>> mean = Estimate(model="m", metric="auc", status="ok", value=0.9)
    >>> point = CurvePoint(method="gmp", sparsity=0.9, dense=False, over=3, estimate=mean)
    >>> coverage(Curve(metric="auc", group=None, points=[point]), 4)
    'means over 3 of 4'
    """
    least, most = (f(point.over for point in curve.points) for f in (min, max))
    if least == n_attributes or not most:  # of the one answer there is no mean
        return ""
    return f"means over {least if least == most else f'{least} to {most}'} of {n_attributes}"


def link_of(report: Report, cause: str, effect: str) -> Link:
    """Return the link over all models between a cause and an effect."""
    return next(
        link
        for link in report.links.links
        if (link.model, link.cause, link.effect) == (None, cause, effect)
    )


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def flat(mapping: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Write nested settings as one list, without those that are not set.

    Examples
    --------
    >>> flat({"seed": 0, "model": {"arch": "resnet18"}, "cluster": None, "band": [0.1, 0.9]})
    {'seed': '0', 'model.arch': 'resnet18', 'band': '0.1, 0.9'}
    """
    result: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{above}{key}.")
        elif isinstance(value, list):
            result[f"{above}{key}"] = ", ".join(map(str, value))
        elif value is not None:
            result[f"{above}{key}"] = str(value)
    return result

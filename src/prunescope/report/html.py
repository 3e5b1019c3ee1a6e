"""`to_html`: the report as one page that works offline, by day and night, on paper and phones."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from prunescope.report import words
from prunescope.report.findings import RULES
from prunescope.report.glossary import GLOSSARY, KEY_METRICS, Entry, label_of
from prunescope.report.numbers import Unit, counted, removed
from prunescope.report.structure import Curve, Estimate, Report

STATUS = {
    "ok": ("", ""),
    "insufficient_support": ("few", "too few samples"),
    "undefined": ("undef.", "no value can be computed from these answers"),
    "not_applicable": ("n/a", "the question does not arise"),
}
"""Status → what stands in a cell, and what it means."""

FULL_COLOUR = 0.10
"""Damage (of bias amplification) from which a cell has its full colour."""


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

    environment = _environment()
    script = _source("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    drawable = any(model.sparsity > 0 for model in report.compressed)
    series = series_of(report.curves) if drawable else []
    return environment.get_template("report.html").render(
        report=report,
        css=Markup(_source("report.css")),
        script=Markup(script),
        script_digest=digest,
        series=series,
        curves=[(curve, Markup(draw(curve, series))) for curve in report.curves if drawable],
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
        "KEY_METRICS": KEY_METRICS,
        "RULES": RULES,
        "STATUS": STATUS,
        "Axis": Axis,
        "counted": counted,
        "effect": effect,
        "entry": entry,
        "label_of": label_of,
        "removed": removed,
        "coverage": coverage,
        "name": name,
        "strength": strength,
        "tip": tip,
        "unit": unit,
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
    parts = [name(row) if row.attribute or row.group else row.model]
    if row.value is None:
        return f"{parts[0]}: {STATUS[row.status][1]}" + (f" ({row.reason})" if row.reason else "")
    own = unit(row)
    text = own.value(row.value)
    if row.low is not None and row.high is not None:
        text += f" ({own.bare(row.low)} to {own.bare(row.high)})"
    parts.append(text)
    if row.delta is not None:
        parts.append(f"dense {own.bare(row.value - row.delta)}")
        parts.append(f"change {words.change(row)}")
    if row.q_value is not None:
        parts.append(f"q {row.q_value:.2g}")
    if row.n is not None:
        parts.append(f"n {row.n:,}")
    if row.reason:
        parts.append(row.reason)
    return " · ".join(parts)


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
    if least == n_attributes:
        return ""
    return f"means over {least if least == most else f'{least} to {most}'} of {n_attributes}"


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

"""What a cell or a line of the page says of one estimate, how it is coloured, where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prunescope.report import words
from prunescope.report.axes import ticks
from prunescope.report.records import Estimate
from prunescope.verdict.glossary import FLIPS, GLOSSARY, Entry
from prunescope.verdict.numbers import Unit, counted

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


def entry(row: Estimate) -> Entry:
    """Return what the report says of a row's metric."""
    return GLOSSARY[row.metric]


def unit(row: Estimate) -> Unit:
    """Return how a row's values are written."""
    return GLOSSARY[row.metric].unit


def effect(row: Estimate) -> str:
    """Say in a word (a CSS class) what a change is: harm, relief, shift, unclear, or nothing.

    >>> row = Estimate(model="m", metric="accuracy", status="ok", value=0.8, delta=-0.1)
    >>> effect(row), effect(row.model_copy(update={"supported": True, "harm": 0.1}))
    ('unclear', 'harm')
    """
    if row.delta is None:
        return "nothing"
    if not row.supported:
        return "unclear"
    if not row.harm:
        return "shift"
    return "harm" if row.harm > 0 else "relief"


def strength(row: Estimate) -> int:
    """Say how strongly a cell is coloured, in percent; 0 where the change is not supported."""
    if row.harm is None or not row.supported:
        return 0
    return round(12 + 34 * min(1.0, abs(row.harm) / FULL_COLOUR))


def verdict_of(row: Estimate) -> str:
    """Say in words what is to be thought of a change; nothing where there is none.

    >>> row = Estimate(model="m", metric="auc", status="ok", value=0.8, delta=-0.1)
    >>> verdict_of(row), verdict_of(row.model_copy(update={"verdict": "worse"}))
    ('not tested', 'worse')
    """
    return row.verdict or ("" if row.delta is None else "not tested")


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
        apart = row.units is not None and row.units < row.n
        parts.append(
            f"n {row.n:,}" + (f" in {counted(row.units or 0, 'cluster')}" if apart else "")
        )
    return [*parts, row.reason] if row.reason else parts


@dataclass(frozen=True)
class Axis:
    """A horizontal axis that fits intervals and 0, with round numbers for ticks.

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
        return cls(low, high, tuple(ticks(low, high, span=span)))

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

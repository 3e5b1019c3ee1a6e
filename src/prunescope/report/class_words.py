"""The sentences of the report where one class is chosen."""

from __future__ import annotations

from prunescope.report.structure import Estimate
from prunescope.report.words import NEVER, attributes, change, in_seeds, moved, names, points
from prunescope.verdict.numbers import counted, listing

MOST_CONFUSIONS = 3
"""Kinds of confusion that a sentence names."""


def classes_lost(rows: list[Estimate], total: int, noun: str) -> tuple[str, str]:
    """Tell which classes are found less, or never given any more."""
    never = [row for row in rows if row.reason == NEVER]
    text = f"recall falls on {len(rows)} of {counted(total, noun)}"
    text += f"; {len(never):,} are {NEVER}" if len(never) > 1 else ""
    text += attributes([*never, *(row for row in rows if row not in never)])
    if never:
        return text, f"{names(never)} {_are(never)} {NEVER}"
    return text, f"recall of {rows[0].attribute} falls {moved(rows[0])}"


def given(often: str, rows: list[Estimate], total: int, noun: str) -> tuple[str, str]:
    """Tell which classes are given too `often`, or too seldom."""
    too = f"{_are(rows)} given too {often}"
    text = f"{len(rows)} of {counted(total, noun)} {too}, and more {often} than by the dense model"
    return text + attributes(rows), f"{names(rows)} {too}"


def _are(rows: list[Estimate]) -> str:
    return "is" if len(rows) == 1 else "are"


def confusions_gained(rows: list[tuple[str, str, int, int]], n_seeds: int) -> tuple[str, str]:
    """Tell of which class more images are called another: label, called, how many more, seeds."""

    def told(label: str, called: str, more: int, seeds: int) -> str:
        where = f", {in_seeds((seeds, n_seeds))}" if n_seeds > 1 else ""
        return f"images of {label} are now called {called} ({more:,} more{where})"

    texts = [told(*row) for row in rows]
    rest = len(texts) - MOST_CONFUSIONS
    more = f"; {rest:,} more kinds" if rest > 0 else ""
    text = f"Confusion gained: {listing(texts[:MOST_CONFUSIONS])}{more}."
    return text, f"images of {rows[0][0]} are called {rows[0][1]}"


def macro_recall_falls(rows: list[Estimate], _total: int, _noun: str) -> tuple[str, str]:
    """Tell that the mean recall over classes falls."""
    row = rows[0]
    text = f"over classes, {moved(row)}, {change(row)}."
    return text, f"mean recall over classes falls {moved(row)}"


def confidence_misleads(rows: list[Estimate], _total: int, _noun: str) -> tuple[str, str]:
    """Tell that the confidence in the one answer fits less."""
    row = rows[0]
    text = (
        "the confidence in the answer is further from how often it is right, "
        f"{moved(row)}, {change(row)}."
    )
    return text, f"confidence is off by {points(row.value)}"

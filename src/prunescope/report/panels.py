"""What panels against sparsity show, as data: marks with intervals, in series, with a level."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from prunescope.verdict.judgement import Frozen
from prunescope.verdict.numbers import removed

DENSE = "dense"


def step(sparsity: float) -> str:
    """Name a place on the axis.

    >>> step(0.995), step(0.0)
    ('99.5%', 'dense')
    """
    return removed(sparsity) if sparsity > 0 else DENSE


class Mark(Frozen):
    """One value at one sparsity, 0 for the dense model.

    It is a mean over seeds with its interval, or a median with quartiles. `seeds` are the values of
    single seeds, where there are several; `note` is what else there is to say: seeds without a
    value, a share.
    """

    sparsity: float
    value: float
    low: float | None = None
    high: float | None = None
    seeds: tuple[float, ...] = ()
    n_seeds: int = 1
    note: str = ""


class Series(Frozen):
    """What belongs to one name, in order of sparsity; `place` chooses colour, shape and dashes."""

    name: str
    place: int
    marks: tuple[Mark, ...] = ()


class Panel(Frozen):
    """One figure against sparsity, of a metric that decides how values are written.

    `level` is something to compare all series with, drawn across: the dense model, or churn. With
    `ranges` marks are distributions, drawn apart with their quartiles; else means, joined by lines.
    `target` is the value that would be ideal; `missing` says why there is nothing to draw, or not
    all.
    """

    title: str
    metric: str
    series: tuple[Series, ...] = ()
    level: Mark | None = None
    level_name: str = DENSE
    ranges: bool = False
    target: float | None = None
    missing: str = ""

    @property
    def drawn(self) -> bool:
        """Whether any series has a mark."""
        return any(one.marks for one in self.series)

    @property
    def steps(self) -> list[float]:
        """The sparsities, from dense on."""
        marks = [mark.sparsity for one in self.series for mark in one.marks]
        return sorted({*marks, 0.0} if self.level is not None else set(marks))


class Side(Frozen):
    """One value with its interval, of one of two models that are set beside each other."""

    value: float
    low: float | None = None
    high: float | None = None


class PairRow(Frozen):
    """Something that two models have a value of."""

    name: str
    first: Side
    second: Side


class Pairs(Frozen):
    """Two models, by `names`, beside each other row by row; `target` is the ideal value."""

    title: str
    metric: str
    names: tuple[str, str]
    rows: tuple[PairRow, ...]
    target: float | None = None


class Figure(Frozen):
    """Panels that belong together, drawn beside each other and kept in one file of a name.

    `legend` has the names of series with their places, without marks; small figures are many, with
    few words in each; `missing` says what is not drawn, and why.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    legend: tuple[Series, ...]
    size: Literal["large", "small"] = "large"
    missing: tuple[str, ...] = ()


def figure(
    name: str,
    title: str,
    caption: str,
    panels: Iterable[Panel],
    *,
    size: Literal["large", "small"] = "large",
) -> Figure:
    """Put panels together: what is not drawn becomes a sentence.

    >>> empty = Panel(title="AUC", metric="auc", missing="no run is finished")
    >>> made = figure("key", "Key figures", "", [empty])
    >>> made.panels, made.missing
    ((), ('AUC: no run is finished.',))
    """
    told = list(panels)
    drawn = [panel for panel in told if panel.drawn]
    reasons: dict[str, list[str]] = {}
    for panel in told:
        if not panel.drawn or panel.missing:
            reasons.setdefault(panel.missing or "there is no value", []).append(panel.title)
    series = {one.name: one for panel in drawn for one in panel.series}
    return Figure(
        name=name,
        title=title,
        caption=caption,
        panels=tuple(drawn),
        legend=tuple(one.model_copy(update={"marks": ()}) for one in series.values()),
        size=size,
        missing=tuple(f"{', '.join(names)}: {reason}." for reason, names in reasons.items()),
    )

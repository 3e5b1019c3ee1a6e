"""Renderers by name, and writing their files and those of charts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from prunescope.errors import ConfigError, one_of
from prunescope.files import write_all
from prunescope.report.charts import draw, series_of
from prunescope.report.estimates import to_csv
from prunescope.report.html import to_html
from prunescope.report.markdown import to_markdown
from prunescope.report.model_card import to_model_card
from prunescope.report.panels import Series
from prunescope.report.scatter import draw_points
from prunescope.report.standalone import Chart, sheet, to_png
from prunescope.report.structure import Report
from prunescope.report.svg import colour
from prunescope.report.tradeoff_chart import draw_trade_off
from prunescope.verdict.glossary import label_of


def to_json(report: Report) -> str:
    """Render a report as JSON; ``Report.model_validate_json`` reads it back, equal."""
    return report.model_dump_json()


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "html": to_html,
    "json": to_json,
    "md": to_markdown,
    "csv": to_csv,
    "card": to_model_card,
}
"""Format → renderer."""

KINDS = ("svg", "png")

FILES = {"card": "model_card.md"}
"""Format → name of its file, where that is not ``report.<format>``."""


def write_report(
    report: Report, folder: str | Path, *, formats: Sequence[str] = ("html",)
) -> list[Path]:
    """Write a report to ``report.html``, ``report.json`` …, ``model_card.md``.

    The files appear when all are whole.

    Parameters
    ----------
    report : Report
        From `build`.
    folder : path
        Made where it is absent.
    formats : sequence of {"html", "json", "md", "csv", "card"}

    Returns
    -------
    list of Path
        The files, in the order of `formats`.

    Raises
    ------
    ConfigError
        A format is not known.
    DataError
        The folder cannot be written to.
    """
    check_known("report format", formats, FORMATS)
    rendered = {name: FORMATS[name](report) for name in formats}
    made = {
        Path(folder) / FILES.get(name, f"report.{name}"): text.encode()
        for name, text in rendered.items()
    }
    write_all(made)
    return list(made)


def check_known(what: str, names: Sequence[str], known: Collection[str]) -> None:
    """Raise a `ConfigError` where something is not among what is known."""
    for name in names:
        if name not in known:
            raise ConfigError(one_of(what, name, known))


def write_figures(report: Report, folder: str | Path, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Write the charts of a report to ``figures`` in a folder, each on white.

    Parameters
    ----------
    report : Report
    folder : path
        Made where it is absent.
    kinds : sequence of {"svg", "png"}

    Returns
    -------
    list of Path
        ``trade-off``, ``sparsity`` and ``links``, as far as there is anything to draw, of each
        kind.

    Raises
    ------
    ConfigError
        A kind is not known.
    DataError
        The folder cannot be written to.
    """
    check_known("kind of figure", kinds, KINDS)
    made = {
        Path(folder) / "figures" / f"{name}.{kind}": svg.encode() if kind == "svg" else to_png(svg)
        for name, svg in _sheets(report)
        for kind in kinds
    }
    write_all(made)
    return list(made)


def _sheets(report: Report) -> Iterator[tuple[str, str]]:
    """Yield name and SVG document of each figure."""
    colours = {model.name: colour(i) for i, model in enumerate(report.compressed)}
    told = report.trade_off
    models = [Series(name=name, place=place) for place, name in enumerate(colours)]
    charts = [
        Chart(f"{measure.label}, against {cost}", draw_trade_off(told, i, j, colours))
        for j, cost in enumerate(told.costs)
        for i, measure in enumerate(told.damages)
    ]
    if charts:
        yield "trade-off", sheet(charts, models, len(told.damages), dots=True)
    if report.curves and any(model.sparsity > 0 for model in report.compressed):
        series = series_of(report.curves)
        curves = [
            Chart(
                label_of(curve.metric) + (f" for {curve.group}, points" if curve.group else ""),
                draw(curve, series),
            )
            for curve in report.curves
        ]
        yield "sparsity", sheet(curves, series, dots=True)
    if report.links.plots:
        points = [
            Chart(
                f"{label_of(plot.cause)} and {label_of(plot.effect).lower()}",
                draw_points(plot, colours),
            )
            for plot in report.links.plots
        ]
        yield "links", sheet(points, models, 2, dots=True)

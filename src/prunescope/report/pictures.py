"""`write_figures`: the charts of a report as files of their own, for papers and slides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from prunescope.errors import ConfigError, one_of
from prunescope.files import write_all
from prunescope.report.structure import Report
from prunescope.report.svg import colour
from prunescope.verdict.glossary import label_of

KINDS = ("svg", "png")


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
    from prunescope.report.standalone import to_png

    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(one_of("kind of figure", kind, KINDS))
    made = {
        Path(folder) / "figures" / f"{name}.{kind}": svg.encode() if kind == "svg" else to_png(svg)
        for name, svg in _sheets(report)
        for kind in kinds
    }
    write_all(made)
    return list(made)


def _sheets(report: Report) -> Iterator[tuple[str, str]]:
    """Yield name and SVG document of each figure."""
    from prunescope.report.charts import draw, series_of
    from prunescope.report.panels import Series
    from prunescope.report.scatter import draw_points
    from prunescope.report.standalone import Chart, sheet
    from prunescope.report.tradeoff_chart import draw_trade_off

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
        methods = [Series(name=one.name, place=place) for place, one in enumerate(series)]
        curves = [
            Chart(
                label_of(curve.metric) + (f" for {curve.group}, points" if curve.group else ""),
                draw(curve, series),
            )
            for curve in report.curves
        ]
        yield "sparsity", sheet(curves, methods, dots=True)
    if report.links.plots:
        points = [
            Chart(
                f"{label_of(plot.cause)} and {label_of(plot.effect).lower()}",
                draw_points(plot, colours),
            )
            for plot in report.links.plots
        ]
        yield "links", sheet(points, models, 2, dots=True)

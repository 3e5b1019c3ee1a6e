"""Writing the report of a study: the page, and its figures and tables for papers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from prunescope.files import leftovers, remove_leftovers, write_all
from prunescope.report.latex import tabular
from prunescope.report.pair_chart import draw_pairs
from prunescope.report.panel_chart import draw_panel
from prunescope.report.panels import Series
from prunescope.report.scatter import draw_points
from prunescope.report.standalone import Chart, sheet, to_png
from prunescope.study.results.claim import Claim
from prunescope.study.results.load import StudyResults
from prunescope.study.results.page import StudyPage, build_study, link_colours, study_html
from prunescope.study.results.pairs import NAMES
from prunescope.verdict.glossary import label_of

PAGE = "report.html"
COLUMNS = {"large": 3, "small": 5}


def write_study_report(
    results: StudyResults, claims: Sequence[Claim], folder: str | Path
) -> list[Path]:
    """Write the report of a study; the files appear when all are whole.

    Parameters
    ----------
    results : StudyResults
    claims : sequence of Claim
    folder : path
        Gets ``report.html`` and ``report.json``, ``figures/*.svg`` and ``*.png``,
        ``tables/*.csv`` and ``*.tex``; made where it is absent.

    Returns
    -------
    list of Path
        The files, the page first.

    Raises
    ------
    DataError
        The folder cannot be written to.
    """
    folder, told = Path(folder), build_study(results, claims)
    made = {
        folder / PAGE: study_html(told).encode(),
        folder / "report.json": told.model_dump_json(indent=1).encode(),
    }
    named = _names()
    for name, svg in sheets(told):
        path = folder / "figures" / named(name)
        made[path.with_name(f"{path.name}.svg")] = svg.encode()
        made[path.with_name(f"{path.name}.png")] = to_png(svg)
    named = _names()
    for table in told.tables:
        path = folder / "tables" / named(table.name)
        made[path.with_name(f"{path.name}.csv")] = table.frame().write_csv().encode()
        tex = tabular(table.head, table.rows, table.left)
        made[path.with_name(f"{path.name}.tex")] = tex.encode()
    for inside in {path.parent for path in made}:
        remove_leftovers(leftovers(inside, *(path.name for path in made)))
    write_all(made)
    return list(made)


def sheets(told: StudyPage) -> Iterator[tuple[str, str]]:
    """Yield name and SVG document of every figure of a report."""
    for figure in told.figures:
        if figure.panels:
            charts = [Chart(one.title, draw_panel(one, figure.size)) for one in figure.panels]
            yield figure.name, sheet(charts, figure.legend, COLUMNS[figure.size])
    methods = [Series(name=name, place=place) for name, place in told.methods.items()]
    for part in told.parts:
        if part.links.plots:
            charts = [
                Chart(
                    f"{label_of(plot.cause)} and {label_of(plot.effect).lower()}",
                    draw_points(plot, link_colours(part)),
                )
                for plot in part.links.plots
            ]
            yield f"{part.name}-links", sheet(charts, methods, 2)
    sides = [Series(name=name, place=place) for place, name in enumerate(NAMES)]
    for one in told.beside:
        charts = [Chart(pairs.title, draw_pairs(pairs)) for pairs in one.pairs]
        yield one.name, sheet(charts, sides, 3)


def _names() -> Callable[[str], str]:
    """Return a function that makes names fit for files, no two alike."""
    given: set[str] = set()

    def named(name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "x"
        numbered = (plain if n == 1 else f"{plain}-{n}" for n in count(1))
        free = next(one for one in numbered if one.lower() not in given)
        given.add(free.lower())
        return free

    return named

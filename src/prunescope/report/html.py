"""`to_html`: the report as one page that works offline, by day and night, on paper and phones."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from prunescope import __version__
from prunescope.files import write_text
from prunescope.report import cells, words
from prunescope.report.charts import dash_of, draw, series_of
from prunescope.report.estimates import MOST_SHOWN, packed
from prunescope.report.grids import Grid, draw_grid
from prunescope.report.records import Link, Triangle
from prunescope.report.scatter import draw_points
from prunescope.report.structure import Curve, Report
from prunescope.report.svg import N_COLOURS, colour
from prunescope.report.tradeoff import KEPT
from prunescope.report.tradeoff_chart import draw_trade_off
from prunescope.verdict import WORDS as ANSWERS
from prunescope.verdict import Criterion, glossary, numbers
from prunescope.verdict.damage import POWER
from prunescope.verdict.glossary import label_of, legend, size
from prunescope.verdict.judgement import kept

FULL_CORRELATION, FULL_CHANGE = 0.6, 0.3
"""Correlation, and change of one, from which a cell has its full colour."""


def to_html(report: Report) -> str:
    """Render a report as one self-contained HTML page.

    Nothing is loaded from anywhere, which the page's content security policy also forbids; every
    name in it is escaped.

    Returns
    -------
    str
        The page; without thumbnails under 3 MB.
    """
    drawable = any(model.sparsity > 0 for model in report.compressed)
    series = series_of(report.curves) if drawable else []
    shared = report.correlations
    colours = {model.name: colour(i) for i, model in enumerate(report.compressed)}

    def grid(values: Triangle | None, what: str, full: float = FULL_CORRELATION) -> Grid | None:
        if shared is None or values is None:
            return None
        drawn = draw_grid(shared.attributes, values, full, what)
        return replace(drawn, svg=Markup(drawn.svg))

    told = report.trade_off
    curves = report.curves if drawable else []
    return page(
        "report.html",
        report.title,
        report.headline,
        ("report.js", "explore.js"),
        version=report.provenance.versions["prunescope"],
        report=report,
        metric_name=lambda metric: _in_sentence(label_of(metric, report.noun)),
        GLOSSARY=legend(report.noun),
        label_of=partial(label_of, noun=report.noun),
        trades=[
            (*pair, Markup(draw_trade_off(told, *pair, colours)), told.without(*pair))
            for pair in product(range(len(told.damages)), range(len(told.costs)))
        ],
        whole=[model.name for model in report.compressed if not model.sparsity],
        packed=packed(report.estimates, report.noun),
        n_shown=min(len(report.estimates), MOST_SHOWN),
        series=series,
        curves=[(curve, Markup(draw(curve, series))) for curve in curves],
        grid=grid,
        plots=[(plot, Markup(draw_points(plot, colours))) for plot in report.links.plots],
        colours=colours if len(colours) <= N_COLOURS else {},
    )


def page(
    template: str,
    title: str,
    headline: str,
    scripts: Sequence[str] = ("report.js",),
    **values: Any,  # noqa: ANN401 - whatever the template shows
) -> str:
    """Render a page of the package's own style and scripts, which its security policy pins."""
    script = "".join(_source(name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        environment()
        .get_template(template)
        .render(
            css=Markup(_source("report.css")),
            script=Markup(script),
            script_digest=digest,
            title=title,
            headline=headline,
            **{"version": __version__, **values},
        )
    )


def write_page(
    folder: str | Path,
    name: str,
    told: Mapping[str, Any],
    **values: Any,  # noqa: ANN401 - whatever the template shows
) -> Path:
    """Write ``NAME.html`` to a folder, whole or not at all; return its path.

    Its title and headline are among what is `told`.
    """
    text = page(f"{name}.html", told["title"], told["headline"], told=told, **values)
    return write_text(Path(folder) / f"{name}.html", text)


@cache
def _source(name: str) -> str:
    made = environment()
    assert made.loader is not None
    return made.loader.get_source(made, name)[0]


@cache
def environment() -> Environment:
    """Make the template environment; whatever is inserted is escaped."""
    made = Environment(
        loader=PackageLoader("prunescope.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for module in (numbers, glossary, cells):
        made.globals |= {name: one for name, one in vars(module).items() if name[0] != "_"}
    made.globals |= {
        "ANSWERS": ANSWERS,
        "FULL_CHANGE": FULL_CHANGE,
        "FULL_CORRELATION": FULL_CORRELATION,
        "KEPT": KEPT,
        "POWER": POWER,
        "colour": colour,
        "coverage": coverage,
        "dash_of": dash_of,
        "limits": limits,
        "link_of": link_of,
        "side": words.side,
    }
    made.filters |= {"flat": flat, "percent": _percent}
    return made


def coverage(curve: Curve, n_attributes: int) -> str:
    """Say over how many attributes the means of a curve are, where not over all.

    >>> from prunescope.report.structure import Curve, CurvePoint, Estimate
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


def limits(criterion: Criterion) -> str:
    """Say from which size on a damage is called what; of a bound, the bound.

    >>> limits(Criterion(metric="accuracy", moderate=0.005, severe=0.02))
    'moderate from 0.5 points, severe from 2.0 points'
    >>> limits(Criterion(metric="accuracy", gte=0.9))
    'at least 90.0%, else severe'
    """
    if not criterion.bounded:
        told = [f"{name} from {size(criterion.metric, limit)}" for name, limit in criterion.limits]
        return ", ".join(reversed(told))
    return f"{kept(criterion)}, else {criterion.severity}"


def _in_sentence(label: str) -> str:
    """Write a label as inside a sentence; capitals stay.

    >>> _in_sentence("AUC"), _in_sentence("Rare-value ratio")
    ('AUC', 'rare-value ratio')
    """
    return label if label[:2].isupper() else f"{label[0].lower()}{label[1:]}"


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def flat(mapping: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Write nested settings as one list, without those that are not set.

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

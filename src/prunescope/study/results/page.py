"""The report of a study: everything that it shows as data, then one page that works offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import polars as pl
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from prunescope import __version__
from prunescope.report.html import page
from prunescope.report.links import links
from prunescope.report.pair_chart import draw_pairs
from prunescope.report.panel_chart import draw_panel, marker
from prunescope.report.panels import Figure, Series, step
from prunescope.report.records import Links
from prunescope.report.scatter import draw_points
from prunescope.report.svg import colour, text
from prunescope.study.plan import Setting
from prunescope.study.plan.runs import INT8
from prunescope.study.results import figures, tables
from prunescope.study.results.claim import Claim
from prunescope.study.results.load import StudyResults
from prunescope.study.results.pairs import NAMES, Beside, beside, missing
from prunescope.study.results.planted import backdoor_figures
from prunescope.study.results.rows import Rows, places_of, unfinished
from prunescope.study.results.tables import StudyTable
from prunescope.verdict.numbers import counted, listing


class Failed(BaseModel):
    """A run that failed, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    reason: str


class SettingPart(BaseModel):
    """What one architecture shows, trained on all attributes.

    Parameters
    ----------
    name : str
    unfinished : list of str
        Models that lack seeds.
    key, change : Figure
    attributes : list of Figure
        Small panels, a figure per metric.
    links : Links
        Whether more uncertainty and interdependence go with more bias.
    link_models : dict
        Name of each model in a link → place of its method among colours.
    key_table, change_table, exemplars, attribute_table : StudyTable
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unfinished: list[str]
    key: Figure
    change: Figure
    attributes: list[Figure]
    links: Links
    link_models: dict[str, int]
    key_table: StudyTable
    change_table: StudyTable
    exemplars: StudyTable
    attribute_table: StudyTable


class StudyPage(BaseModel):
    """Everything that the report of a study shows.

    History of the format: 1 (0.1.0) first.

    Parameters
    ----------
    title, headline : str
    facts : list of str
        What the study is.
    counts : dict
        Status → number of runs.
    failed : list of Failed
    claims : list of Claim
    claims_table : StudyTable
    parts : list of SettingPart
        One for each architecture and recipe.
    beside : list of Beside
        Joint training beside single attributes.
    backdoors : list of Figure
    missing : dict
        Section → why it is empty.
    methods : dict
        Method → place among colours.
    unfinished : dict
        Other settings → their models that lack seeds.
    version : str
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    title: str
    headline: str
    facts: list[str]
    counts: dict[str, int]
    failed: list[Failed]
    claims: list[Claim]
    claims_table: StudyTable
    parts: list[SettingPart]
    beside: list[Beside]
    backdoors: list[Figure]
    missing: dict[str, str]
    methods: dict[str, int]
    unfinished: dict[str, list[str]]
    version: str

    @property
    def figures(self) -> list[Figure]:
        """All figures of panels."""
        own = [one for part in self.parts for one in (part.key, part.change, *part.attributes)]
        return [*own, *self.backdoors]

    @property
    def tables(self) -> list[StudyTable]:
        """All tables."""
        return [self.claims_table] + [
            one
            for part in self.parts
            for one in (part.key_table, part.change_table, part.exemplars, part.attribute_table)
        ]


def build_study(results: StudyResults, claims: Sequence[Claim]) -> StudyPage:
    """Put together everything that the report of a study shows.

    Parameters
    ----------
    results : StudyResults
        As far as it is finished.
    claims : sequence of Claim
        Judged by it.
    """
    statuses = results.statuses
    failures = {run.key: results.store.failure(run) for run in results.plan.runs}
    joint = {setting.name for setting in results.joint}
    others = {s.name: unfinished(results, s) for s in results.plan.settings if s.name not in joint}
    return StudyPage(
        title=results.plan.study.name,
        headline=headline(claims),
        facts=_facts(results),
        counts={str(status): n for status, n in Counter(statuses.values()).items()},
        failed=[Failed(run=key, reason=told.error) for key, told in failures.items() if told],
        claims=list(claims),
        claims_table=tables.claims_table(claims),
        parts=[_part(results, setting) for setting in results.joint],
        beside=beside(results),
        backdoors=backdoor_figures(results),
        missing=_missing(results),
        methods=places_of(results),
        unfinished={name: told for name, told in others.items() if told},
        version=__version__,
    )


def headline(claims: Sequence[Claim]) -> str:
    """Say in a sentence how the claims fared.

    Examples
    --------
    >>> headline([])
    'No claim was judged.'
    """
    if not claims:
        return "No claim was judged."
    counts = Counter(claim.verdict for claim in claims)
    told = [f"{counts[name]} {name}" for name in ("held", "failed", "undecided") if counts[name]]
    return f"Of {counted(len(claims), 'judgement')} on the claims, {listing(told)}."


def _facts(results: StudyResults) -> list[str]:
    """Say what the study is made of."""
    settings = results.plan.settings
    n_single = sum(setting.single is not None for setting in settings)
    n_planted = sum(setting.backdoor is not None for setting in settings)
    data = results.plan.study.data
    runs = results.plan.runs
    steps = dict.fromkeys(
        step(run.sparsity) for run in sorted(runs, key=lambda r: r.sparsity) if run.sparsity
    )
    facts = [
        f"data: {data.source}",
        listing(list(dict.fromkeys(setting.arch for setting in settings)), 6),
        listing(list(places_of(results)) or ["no pruning"], 8),
        f"sparsity {', '.join(steps)}" if steps else "",
        counted(len({run.seed for run in runs}), "seed"),
        f"{counted(n_single, 'attribute')} trained alone" if n_single else "",
        f"{counted(n_planted, 'backdoor')}" if n_planted else "",
    ]
    audit = results.plan.study.audit
    facts.append(f"{100 * audit.confidence:g}% intervals" if audit.replicates else "")
    return [fact for fact in facts if fact]


def _part(results: StudyResults, setting: Setting) -> SettingPart:
    audit, rows = results.audits[setting.name], Rows(results, setting)
    models = [model for model in audit.info.models if model.baseline is not None]
    by_name = {model.name: model.metadata.compression.method for model in models}
    by_name |= {one.name: by_name.get(one.members[0], "") for one in audit.info.populations}
    pruned = audit.table.filter(pl.col("method") != INT8)
    return SettingPart(
        name=setting.name,
        unfinished=unfinished(results, setting),
        key=figures.key_figure(rows),
        change=figures.change_figure(rows),
        attributes=figures.attribute_figures(rows),
        links=links(replace(audit, table=pruned), audit.info.settings.alpha),
        link_models={name: rows.places[how] for name, how in by_name.items() if how in rows.places},
        key_table=tables.key_table(rows),
        change_table=tables.change_table(rows),
        exemplars=tables.exemplar_table(rows),
        attribute_table=tables.attribute_table(rows),
    )


def _missing(results: StudyResults) -> dict[str, str]:
    """Say why sections are empty."""
    told = {"beside": missing(results)}
    if not any(setting.backdoor for setting in results.plan.settings):
        told["backdoors"] = "The study plants no backdoor."
    else:
        told["backdoors"] = "No setting with a backdoor is audited yet."
    told["parts"] = "No setting with all attributes on clean data is audited yet."
    return told


def study_html(told: StudyPage) -> str:
    """Render the report of a study: one file that works offline; every name in it is escaped."""
    return page(
        "study.html",
        told.title,
        told.headline,
        told=told,
        draw=lambda panel, size: Markup(draw_panel(panel, size)),
        draw_pairs=lambda pairs: Markup(draw_pairs(pairs)),
        draw_link=lambda part, plot: Markup(draw_points(plot, link_colours(part))),
        shape=lambda place: Markup(text(marker(place))),
        names=[Series(name=name, place=place) for place, name in enumerate(NAMES)],
        methods=[Series(name=name, place=place) for name, place in told.methods.items()],
    )


def link_colours(part: SettingPart) -> dict[str, str]:
    """Return the colour of each model in the links of a setting."""
    return {name: colour(place) for name, place in part.link_models.items()}

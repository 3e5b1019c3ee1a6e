"""`build`: from an audit to a report, as data."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import polars as pl

from prunescope import __version__
from prunescope.audit import Audit, ModelInfo
from prunescope.audit.roles import Roles, roles
from prunescope.data import Dataset
from prunescope.errors import ConfigError, shorten
from prunescope.report import figures
from prunescope.report.correlations import Together
from prunescope.report.estimates import estimates
from prunescope.report.exemplars import exemplars
from prunescope.report.findings import tell
from prunescope.report.front_matter import base_of, checked_name
from prunescope.report.gains import Gain
from prunescope.report.headline import featured, story, subjects
from prunescope.report.hurt import MOST_TOLD, build_hurt
from prunescope.report.links import links
from prunescope.report.structure import Detail, Finding, ModelSummary, Provenance, Report
from prunescope.report.table import Table
from prunescope.report.thumbnails import MOST_BYTES, thumbnails
from prunescope.report.tradeoff import trade_off
from prunescope.slices import Slices
from prunescope.verdict import Judge, Policy, Verdict, shipped
from prunescope.verdict.judgement import WORST_FIRST
from prunescope.verdict.numbers import counted

MOST_DETAILS = 16
"""Compressed models that get figures of their own: more would make the page slow to open."""

MOST_MAPS = 6
"""Compressed models whose correlations are drawn."""

LIBRARIES = ("numpy", "polars", "scipy")
"""Libraries whose version can change a figure."""


def build(
    audit: Audit,
    *,
    title: str | None = None,
    dataset: Dataset | None = None,
    max_thumbnails: int = 24,
    gain: Gain | None = None,
    policy: Policy | None = None,
    slices: Slices | None = None,
    base_model: str | None = None,
) -> Report:
    """Put together everything that the report of an audit shows.

    Parameters
    ----------
    audit : Audit
    title : str, optional
        Default: the names of the models.
    dataset : Dataset, optional
        Where the pictures of the most affected images are looked up, by id. Without it they are
        listed by id.
    max_thumbnails : int
        Most affected images shown of each compressed model.
    gain : Gain, optional
        Sizes and times for the picture of the trade-off, from `read_gain`. Without it, damage is
        shown against the share of weights that are kept.
    policy : Policy, optional
        What a model has to keep to be shipped. Default: the shipped one.
    slices : Slices, optional
        Sub-populations that were found, to tell where it hurts most.
    base_model : str, optional
        Name on the Hugging Face hub of the model that all were made of, for a model card. Default:
        what dense models were loaded by, where that is such a name (``hf:OWNER/NAME``).

    Returns
    -------
    Report
        The same for the same input; nothing is read or written.

    Raises
    ------
    ConfigError
        The gain tells of none of the audit's models, the slices are of a model that is not among
        them, the policy is about what the audit does not have, or the base model's name cannot be
        one.
    """
    if slices is not None:
        _check_of(audit, slices)
    told = _Told.of(audit, Judge(audit, policy or shipped()))
    table, cast, verdict = told.table, told.cast, told.verdict
    metrics = figures.key_metrics(table)
    ordered = sorted(
        [*cast.dense, *cast.compressed],
        key=lambda m: (m.baseline is not None, m.metadata.compression.removed),
    )
    models = [one for model in ordered for one in (model, *cast.members.get(model.name, []))]
    first = sorted(
        told.found,
        key=lambda name: (name != told.featured, WORST_FIRST.index(verdict.answers[name])),
    )
    together = Together(audit, cast)
    detailed = [model.name for model in ordered if model.name in first[:MOST_DETAILS]]
    details = [
        _detail(audit, told, name, together, max_thumbnails, drawn=name in first[:MOST_MAPS])
        for name in detailed
    ]
    pictures, n_left_out = _pictures(details, dataset)
    settings, provenance = audit.info.settings, _provenance(audit, table.noun)
    return Report(
        title=title or _title(audit, cast),
        headline=f"{told.subjects[told.featured]}: {told.stories[told.featured]}.",
        verdict=verdict,
        criteria=told.judge.criteria,
        n_families=_families(audit),
        trade_off=trade_off(told.judge, cast, gain),
        noun=table.noun,
        n_samples=audit.info.n_samples,
        n_attributes=len(audit.info.attributes),
        key_metrics=metrics,
        groups=figures.group_names(audit),
        confidence=settings.confidence,
        replicates=settings.replicates,
        band=settings.band,
        warnings=audit.info.warnings,
        featured=told.featured,
        models=[_summary(told, model, metrics) for model in models],
        findings=[f for model in ordered for f in told.found.get(model.name, [])],
        curves=figures.curves(audit, table, cast),
        details=details,
        correlations=together.shared(),
        links=links(audit, table.alpha),
        gaps=figures.gaps(audit),
        estimates=estimates(audit),
        thumbnails=pictures,
        n_pictures_left_out=n_left_out,
        provenance=provenance,
        base_model=base_of(provenance.models) if base_model is None else checked_name(base_model),
        hurt=None if slices is None else build_hurt(slices, dataset=dataset, most=MOST_TOLD),
    )


@dataclass(frozen=True)
class _Told:
    """What is told of an audit's models: findings and stories by name, and who comes first."""

    table: Table
    cast: Roles
    judge: Judge
    verdict: Verdict
    found: dict[str, list[Finding]]
    stories: dict[str, str]
    subjects: dict[str, str]
    featured: str

    @classmethod
    def of(cls, audit: Audit, judge: Judge) -> _Told:
        table, cast = Table(audit), roles(audit.info)
        verdict = judge.verdict()
        every = tell(judge, table, cast.compressed, cast)
        found = {m.name: [f for f in every if f.model == m.name] for m in cast.compressed}
        worst = {name: verdict.worst_of(cast.models_of(name)) for name in found}
        stories = {
            name: story(
                [worst[name], *map(verdict.of, cast.models_of(name))], of, table.accuracy(name)
            )
            for name, of in found.items()
        }
        broken = {name: len(one.having("broken")) for name, one in worst.items()}
        first = featured(cast.compressed, verdict, broken)
        names = subjects(cast.compressed)
        return cls(table, cast, judge, verdict, found, stories, names, first)


def _summary(told: _Told, model: ModelInfo, metrics: Sequence[str]) -> ModelSummary:
    """Sum up one model: where it comes from, and its key figures."""
    name, compression = model.name, model.metadata.compression
    rows = [told.table.key(name, metric) for metric in metrics]
    return ModelSummary(
        name=name,
        baseline=model.baseline,
        method=compression.method,
        sparsity=compression.removed,
        channels_kept=compression.channels_kept,
        bits=compression.bits,
        seed=model.metadata.seed,
        figures=[row for row in rows if row is not None],
        subject=told.subjects.get(name),
        headline=told.stories.get(name),
        members=[member.name for member in told.cast.members.get(name, [])],
        population=told.cast.population_of.get(name),
    )


def _detail(
    audit: Audit, told: _Told, name: str, together: Together, max_thumbnails: int, *, drawn: bool
) -> Detail:
    """Look at one compressed model from near."""
    table, stands_for = told.table, told.cast.models_of(name)
    return Detail(
        model=name,
        attributes=figures.attribute_figures(table, name),
        groups=figures.group_figure(table, name),
        bias=figures.bias_map(table, name),
        affected=figures.affected(audit, stands_for, max_thumbnails),
        exemplars=exemplars(audit, table, name),
        correlations=together.of(name, drawn=drawn),
        confusions=figures.confusions(audit, stands_for),
    )


def _pictures(details: Sequence[Detail], dataset: Dataset | None) -> tuple[dict[str, str], int]:
    """Return thumbnails of the images that are shown, by id, and how many there was no room for."""
    if dataset is None:
        return {}, 0
    ids = [image.id for detail in details for image in detail.affected]
    ids += [one.id for d in details if d.exemplars for one in d.exemplars.examples]
    pictures = thumbnails(dataset, ids, MOST_BYTES)
    return pictures, len(set(ids) & set(dataset.samples.ids)) - len(pictures)


def _check_of(audit: Audit, slices: Slices) -> None:
    """Raise where slices are of other models than were audited."""
    audited = [model.name for model in audit.info.models]
    searched = *slices.info.compared_with, *slices.info.models
    if strangers := [name for name in searched if name not in audited]:
        raise ConfigError(
            f"the slices are of {shorten(strangers)}, which the audit, of {shorten(audited)}, does "
            "not know: search again with the files that were audited"
        )


def _families(audit: Audit) -> int:
    """Count the families of figures that were tested on a model, on that with most of them."""
    family = pl.struct("metric", "group", pl.col("attribute").is_null())
    tested = audit.table.filter(pl.col("q_value").is_not_null())
    counts = tested.group_by("model").agg(family.n_unique())
    return int(counts.to_series(1).max() or 0)  # type: ignore[arg-type]


def _title(audit: Audit, cast: Roles) -> str:
    """Name what is compared with what."""

    def phrase(told: list[ModelInfo], kind: str) -> str:
        if len(told) == 1:
            return told[0].name
        return counted(sum(len(cast.models_of(model.name)) for model in told), kind)

    return (
        f"{phrase(cast.compressed, 'compressed model')} against {phrase(cast.dense, 'dense model')}"
    )


def _provenance(audit: Audit, noun: str) -> Provenance:
    """Collect what it takes to make the figures again."""
    info = audit.info
    told = info.settings.model_dump(mode="json") | {
        "samples": info.n_samples,
        {"attribute": "attributes", "class": "classes"}[noun]: len(info.attributes),
        "estimates": audit.table.height,
    }
    models = []
    for model in info.models:
        metadata = model.metadata.model_dump(
            mode="json",
            exclude_none=True,
            exclude={"format_version", "name", "train_prevalence", "train_group_rates"},
        )
        compared = {} if model.baseline is None else {"compared with": model.baseline}
        rates = "in the file" if model.metadata.train_prevalence else "not in the file"
        models.append({"name": model.name, **compared, **metadata, "training rates": rates})
    versions = {"prunescope": __version__, "python": platform.python_version()}
    return Provenance(
        settings=told,
        models=models,
        versions=versions | {name: version(name) for name in LIBRARIES},
        notes=info.notes,
    )

"""`build`: from an audit to a report, as data."""

from __future__ import annotations

import platform
from importlib.metadata import version

from prunescope import __version__
from prunescope.audit import Audit, ModelInfo
from prunescope.data import Dataset
from prunescope.report import figures, words
from prunescope.report.findings import SEVERITIES, judge
from prunescope.report.glossary import KEY_METRICS
from prunescope.report.headline import headline, severity_of, story, subjects
from prunescope.report.numbers import counted
from prunescope.report.structure import Detail, ModelSummary, Provenance, Report
from prunescope.report.table import Table
from prunescope.report.thumbnails import thumbnails

MOST_DETAILS = 22
"""Compressed models that get figures of their own: more would make the page slow to open."""

LIBRARIES = ("numpy", "polars", "scipy")
"""Libraries whose version can change a figure."""


def build(
    audit: Audit,
    *,
    title: str | None = None,
    dataset: Dataset | None = None,
    max_thumbnails: int = 24,
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

    Returns
    -------
    Report
        The same for the same input; nothing is read or written.
    """
    table = Table(audit)
    compressed = [model for model in audit.info.models if model.baseline is not None]
    found = judge(audit, table)
    of = {m.name: [f for f in found if f.model == m.name] for m in compressed}
    severities = {name: severity_of(findings) for name, findings in of.items()}
    stories = {
        name: story(table.overall(name, "accuracy"), findings) for name, findings in of.items()
    }
    sentence, featured = headline(compressed, stories, severities)
    names = subjects(compressed)

    def summary(model: ModelInfo) -> ModelSummary:
        rows = [table.overall(model.name, metric) for metric in KEY_METRICS]
        name = model.name
        return ModelSummary(
            name=name,
            baseline=model.baseline,
            method=model.metadata.compression.method,
            sparsity=model.metadata.compression.sparsity,
            seed=model.metadata.seed,
            figures=[row for row in rows if row is not None],
            subject=names.get(name),
            headline=stories.get(name),
            severity=severities.get(name),
        )

    ordered = sorted(
        audit.info.models,
        key=lambda m: (m.baseline is not None, m.metadata.compression.sparsity),
    )
    first = sorted(of, key=lambda name: (name != featured, SEVERITIES.index(severities[name])))
    details = [
        Detail(
            model=model.name,
            attributes=figures.attribute_figures(table, model.name),
            groups=figures.group_figure(table, model.name),
            bias=figures.bias_map(table, model.name),
            affected=[image for image in audit.info.affected if image.model == model.name][
                :max_thumbnails
            ],
        )
        for model in ordered
        if model.name in first[:MOST_DETAILS]
    ]
    ids = [image.id for detail in details for image in detail.affected]
    settings = audit.info.settings
    return Report(
        title=title or _title(audit, compressed),
        headline=sentence,
        noun=words.noun_of(audit),
        n_samples=audit.info.n_samples,
        n_attributes=len(audit.info.attributes),
        groups=figures.group_names(audit),
        confidence=settings.confidence,
        replicates=settings.replicates,
        band=settings.band,
        warnings=audit.info.warnings,
        featured=featured,
        models=[summary(model) for model in ordered],
        findings=[f for model in ordered for f in of.get(model.name, [])],
        curves=figures.curves(audit, table),
        details=details,
        gaps=figures.gaps(audit),
        thumbnails={} if dataset is None else thumbnails(dataset, ids),
        provenance=_provenance(audit),
    )


def _title(audit: Audit, compressed: list[ModelInfo]) -> str:
    dense = [model for model in audit.info.models if model.baseline is None]

    def phrase(models: list[ModelInfo], kind: str) -> str:
        return models[0].name if len(models) == 1 else counted(len(models), kind)

    return f"{phrase(compressed, 'compressed model')} against {phrase(dense, 'dense model')}"


def _provenance(audit: Audit) -> Provenance:
    """Collect what it takes to make the figures again."""
    info = audit.info
    told = info.settings.model_dump(mode="json") | {
        "samples": info.n_samples,
        "attributes": len(info.attributes),
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

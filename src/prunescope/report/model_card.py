"""`to_model_card`: what an audit can fill of a model card, metadata and sections.

Headings are those of Hugging Face's template: *Bias, Risks, and Limitations* and *Evaluation*.
"""

from __future__ import annotations

from prunescope.predictions import Compression
from prunescope.report.front_matter import front_matter
from prunescope.report.markdown import answered, how_to_read, key_figures, told_of_models
from prunescope.report.structure import Gap, Report
from prunescope.verdict.glossary import legend
from prunescope.verdict.numbers import counted, escape, listing, removal

MOST_NAMES = 60
"""Attributes and groups that are named."""

MOST_GAPS = 8
"""Kinds of estimates that could not be made: the commonest."""


def to_model_card(report: Report) -> str:
    """Render what a model card should say of bias, as Markdown, after metadata as YAML.

    The metadata is what `front_matter` tells. Findings in words, recommendations, what could not be
    estimated; data, factors, metrics and results of the evaluation; and how the figures were made.
    Names are escaped.
    """
    lines = [front_matter(report), "## Bias, Risks, and Limitations", "", *_bias(report)]
    lines += ["### Recommendations", "", *_recommendations(report), ""]
    lines += ["## Evaluation", "", "### Testing Data, Factors & Metrics", ""]
    lines += ["#### Testing Data", "", _data(report), ""]
    lines += ["#### Factors", "", *_factors(report), ""]
    lines += ["#### Metrics", "", *_metrics(report), ""]
    lines += ["### Results", "", *key_figures(report), "", how_to_read(report), ""]
    lines += ["#### How the figures were made", "", *_provenance(report)]
    return "\n".join(lines) + "\n"


def _bias(report: Report) -> list[str]:
    """Tell what was found, model by model, and what could not be estimated."""
    lines = [f"Compared with the dense model on {counted(report.n_samples, 'image')}:", ""]
    lines += [*answered(report), "", *told_of_models(report, "###")]
    gaps = [gap for gap in report.gaps if gap.metric in legend(report.noun)]
    if gaps:
        lines += ["### What could not be estimated", "", *_gaps(report, gaps), ""]
    return lines


def _gaps(report: Report, gaps: list[Gap]) -> list[str]:
    labels = legend(report.noun)
    commonest = sorted(gaps, key=lambda gap: -gap.count)
    rows = [
        f"- {labels[gap.metric].label}, {counted(gap.count, 'estimate')}: "
        f"{gap.status.replace('_', ' ')} ({escape(gap.reason)}), such as "
        f"{escape(listing(gap.examples))}"
        for gap in commonest[:MOST_GAPS]
    ]
    rest = sum(gap.count for gap in commonest[MOST_GAPS:])
    return [*rows, f"- {counted(rest, 'estimate')} more"] if rest else rows


def _recommendations(report: Report) -> list[str]:
    """Say what to do with the above; no more than follows from it."""
    lines = []
    if any(model.answer != "ship" for model in report.verdict.models):
        lines.append(
            "- Weigh what is broken and what is open above against what the model is used for; "
            "where its answers decide about people, look at the images behind."
        )
    if report.gaps:
        lines.append(
            "- Where nothing could be estimated, nothing is known: that is not the same as no harm."
        )
    lines.append(
        "- The findings hold for images like those of the evaluation. Audit again on your own."
    )
    return lines


def _data(report: Report) -> str:
    models = report.provenance.models
    names = {str(one.get("dataset", {}).get("name") or "") for one in models} - {""}
    splits = {str(one.get("split") or "") for one in models} - {""}
    text = counted(report.n_samples, "image")
    text += f" of {escape(listing(sorted(names)))}" if names else ""
    return f"{text}, split {escape(listing(sorted(splits)))}." if splits else f"{text}."


def _factors(report: Report) -> list[str]:
    """Name the attributes and the groups that were looked at."""
    shown = [figure.rows for detail in report.details for figure in detail.attributes]
    names = sorted({row.attribute for rows in shown for row in rows if row.attribute})
    told = [escape(name) for name in names[:MOST_NAMES]]
    rest = report.n_attributes - len(told)
    told += [f"{rest:,} more"] if rest > 0 else []
    groups = [escape(name) for name in report.groups[:MOST_NAMES]]
    more = len(report.groups) - len(groups)
    groups += [f"{more:,} more"] if more else []
    return [
        f"- {counted(report.n_attributes, report.noun)}: {', '.join(told)}",
        f"- {counted(len(report.groups), 'group')}: {', '.join(groups)}"
        if groups
        else "- no groups: how it treats them is not known",
    ]


def _metrics(report: Report) -> list[str]:
    """Explain the key figures and what findings are about."""
    told = {*report.key_metrics, *(finding.metric for finding in report.findings)}
    entries = legend(report.noun).items()
    return [f"- {entry.label}: {escape(entry.meaning)}" for name, entry in entries if name in told]


def _provenance(report: Report) -> list[str]:
    """Tell how the figures were made."""
    made = report.provenance
    lines = [f"- {', '.join(f'{escape(name)} {escape(v)}' for name, v in made.versions.items())}"]
    if report.replicates:
        lines.append(
            f"- {100 * report.confidence:g}% intervals that cover the choice of images, dense and "
            "compressed compared in pairs; p-values corrected for the number of comparisons "
            "(Benjamini-Hochberg)"
        )
    else:
        lines.append("- no intervals were asked for")
    for one in made.models:
        if "compared with" in one:
            how = Compression.model_validate(one.get("compression", {}))
            lines.append(
                f"- {escape(one['name'])}: {escape(how.method)}{_done(how)}, compared with "
                f"{escape(one['compared with'])}"
            )
    return lines + [f"- {escape(note)}" for note in made.notes]


def _done(how: Compression) -> str:
    """Say after a method what it did."""
    parts = [removal(how)] if how.removed > 0 else []
    parts += [] if how.bits is None else [f"{how.bits} bits a weight"]
    return "".join(f", {part}" for part in parts)

"""`to_markdown`: answer, findings, key figures, links: for a pull request or a model card."""

from __future__ import annotations

from prunescope.report import words
from prunescope.report.cells import verdict_of
from prunescope.report.structure import Estimate, ModelSummary, Report
from prunescope.verdict import WORDS
from prunescope.verdict.glossary import FLIPS, GLOSSARY, label_of
from prunescope.verdict.numbers import counted, escape, removed


def to_markdown(report: Report) -> str:
    """Render the answer, warnings, findings, key figures and links as Markdown.

    Names are escaped: they can neither break the table nor add markup.
    """
    lines = [f"# {escape(report.title)}", "", *answered(report), ""]
    lines += told_of_models(report, "##")
    lines += ["## Key figures", "", *key_figures(report), ""]
    lines += [
        f"{how_to_read(report)} {counted(report.n_samples, 'image')}, "
        f"{counted(report.n_attributes, report.noun)}.",
        "",
        "## Does uncertainty go with bias?",
        "",
        *(f"- {escape(text)}" for text in report.links.texts),
    ]
    return "\n".join(lines) + "\n"


def answered(report: Report) -> list[str]:
    """Return the answer, its reasons, and what to mind."""
    lines = [f"**{escape(report.verdict.text)}** {escape(report.headline)}"]
    told = [*report.verdict.seeds_disagree, *report.warnings]
    return lines + [line for text in told for line in ("", f"> {escape(text)}")]


def told_of_models(report: Report, heading: str) -> list[str]:
    """Tell of each model what is broken, open and held, and what was found."""
    lines = []
    for model in report.compressed:
        if len(report.compressed) > 1:
            answer = WORDS[report.verdict.answers[model.name]]
            subject = model.subject if model.subject != model.name else None
            title = ": ".join(filter(None, [model.name, subject]))
            lines += [f"{heading} {escape(title)}. {answer}", ""]
        lines += [*judged_of(report, model.name), "", "What changed:", ""]
        lines += [*found_in(report, model.name), ""]
    return lines


def judged_of(report: Report, model: str) -> list[str]:
    """List what is broken, open, held and not asked; of several seeds, of the worst."""
    judged = report.judged(model)
    seed = "" if judged.model == model else f" (the worst seed, {escape(judged.model)})"
    lines = [f"{judged.text}{seed}:", ""]
    bad, good = judged.having("broken", "open", "not judged"), judged.having("held", "absent")
    told = [(f"**{one.outcome}**", one) for one in bad]
    told += [(f"{one.outcome}:", one) for one in good]
    return lines + [f"- {what} {escape(one.criterion)}: {escape(one.text)}" for what, one in told]


def found_in(report: Report, model: str) -> list[str]:
    """List what was found of a model: findings, exemplars, correlations."""
    details = [detail for detail in report.details if detail.model == model]
    parts = [part for one in details for part in (one.exemplars, one.correlations) if part]
    return [
        f"- **{'none found' if finding.severity == 'none' else finding.severity}**: "
        f"{escape(finding.text)}"
        for finding in report.findings_of(model)
    ] + [f"- {escape(part.text)}" for part in parts]


def how_to_read(report: Report) -> str:
    """Say what stands in the cells of the key figures; without intervals no brackets."""
    brackets = f"In brackets: {100 * report.confidence:g}% intervals. " if report.replicates else ""
    return (
        f"{brackets}Changes from dense follow the values, with their verdicts, in bold "
        "where they can be told from chance; of flips, by how much they exceed churn."
    )


def key_figures(report: Report) -> list[str]:
    """Return the lines of the table of key figures."""
    metrics = report.key_metrics
    header = ["Model", "Weights removed", *(label_of(metric, report.noun) for metric in metrics)]
    rows = [header, ["---"] * len(header)]
    rows += [
        [escape(model.name), _removed(model), *(_cell(model, metric) for metric in metrics)]
        for model in [*report.dense, *report.compressed]
    ]
    return [f"| {' | '.join(row)} |" for row in rows]


def _removed(model: ModelSummary) -> str:
    if model.sparsity > 0:
        return removed(model.sparsity)
    return "–" if model.bits is None else f"– ({model.bits} bits)"


def _cell(model: ModelSummary, metric: str) -> str:
    row = next((row for row in model.figures if row.metric == metric), None)
    if row is None:
        return "–"
    if row.value is None:
        return f"*{row.status.replace('_', ' ')}*"
    return _value(row)


def _value(row: Estimate) -> str:
    unit = GLOSSARY[row.metric].unit
    text = unit.value(row.value or 0.0)
    if row.low is not None and row.high is not None:
        text += f" [{unit.bare(row.low)}, {unit.bare(row.high)}]"
    if row.delta is not None:
        change = f"{unit.bare_change(row.delta)} {verdict_of(row)}"
        text += f" **{change}**" if row.supported else f" {change}"
        if row.metric in FLIPS:
            text += f" (churn {unit.value(words.before(row))})"
    elif row.metric in FLIPS:
        text += " (churn not known)"
    return text

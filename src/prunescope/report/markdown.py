"""`to_markdown`: headline, findings and key figures, for a pull request or a model card."""

from __future__ import annotations

import re

from prunescope.report.glossary import GLOSSARY, KEY_METRICS, label_of
from prunescope.report.numbers import removed
from prunescope.report.structure import Estimate, ModelSummary, Report


def to_markdown(report: Report) -> str:
    """Render the headline, the warnings, the findings and the key figures as Markdown.

    Names are escaped: they can neither break the table nor add markup.
    """
    lines = [f"# {escape(report.title)}", "", f"**{escape(report.headline)}**", ""]
    lines += [line for text in report.warnings for line in (f"> {escape(text)}", "")]
    for model in report.compressed:
        if len(report.compressed) > 1:
            lines += [f"## {escape(model.name)}: {escape(model.subject or model.name)}", ""]
        lines += [
            f"- **{'none found' if finding.severity == 'none' else finding.severity}**: "
            f"{escape(finding.text)}"
            for finding in report.findings_of(model.name)
        ]
        lines.append("")
    lines += ["## Key figures", "", *_key_figures(report), ""]
    share = f"{100 * report.confidence:g}%"
    lines.append(
        f"In brackets: {share} intervals. Changes from dense follow the values, in bold where they "
        f"can be told from chance. {report.n_samples:,} images, {report.n_attributes:,} "
        f"{report.noun if report.n_attributes == 1 else _PLURALS[report.noun]}."
    )
    return "\n".join(lines) + "\n"


_PLURALS = {"attribute": "attributes", "class": "classes"}


def escape(text: str) -> str:
    r"""Make a text mean nothing but itself in Markdown, on one line.

    Examples
    --------
    >>> print(escape("Big_Nose | <b>*x*</b>"))
    Big_Nose \| \<b\>\*x\*\</b\>
    """
    line = " ".join(text.split())
    line = re.sub(r"([\\`*\[\]<>|~#!&$])", r"\\\1", line)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", line)


def _key_figures(report: Report) -> list[str]:
    """Return the lines of the table of key figures."""
    header = ["Model", "Weights removed", *(label_of(metric) for metric in KEY_METRICS)]
    rows = [header, ["---"] * len(header)]
    rows += [
        [escape(model.name), _removed(model), *(_cell(model, metric) for metric in KEY_METRICS)]
        for model in report.models
    ]
    return [f"| {' | '.join(row)} |" for row in rows]


def _removed(model: ModelSummary) -> str:
    return removed(model.sparsity) if model.sparsity > 0 else "–"


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
        change = unit.bare_change(row.delta)
        text += f" **{change}**" if row.supported else f" {change}"
    return text

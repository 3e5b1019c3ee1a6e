"""The report as data: what `build` makes and every renderer reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from prunescope.audit import Affected

Severity = Literal["severe", "moderate", "slight", "none", "unknown", "note"]
"""Size of a supported damage. ``none``: no damage is supported; ``unknown``: nothing could be
compared; ``note``: a change, not a damage."""


class Frozen(BaseModel):
    """A record that does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Frozen):
    """One row of the audit's table; `supported`: its change can be told from chance.

    That is where its q-value (Benjamini-Hochberg) is at most 1 - confidence.
    """

    model: str
    metric: str
    attribute: str | None = None
    group: str | None = None
    group_value: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    status: str
    reason: str | None = None
    baseline: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    q_value: float | None = None
    supported: bool = False


class Finding(Frozen):
    """One thing that the audit found about one model, in words.

    `text` is a sentence or two; `clause` says the same briefly, to be put after "but"; `rows` are
    the estimates that it rests on, the largest first; `metric` is theirs, or null.
    """

    model: str
    severity: Severity
    metric: str | None
    text: str
    clause: str
    rows: list[Estimate] = []


class ModelSummary(Frozen):
    """One model; `headline`, `subject` and `severity` are null for a dense one.

    `subject` says in words what was done to it: "95% of weights removed".
    """

    name: str
    baseline: str | None
    method: str
    sparsity: float
    seed: int | None
    figures: list[Estimate]
    subject: str | None = None
    headline: str | None = None
    severity: Severity | None = None


class CurvePoint(Frozen):
    """One model on a curve; `over` counts the attributes that its mean is over."""

    method: str
    sparsity: float
    dense: bool
    over: int
    estimate: Estimate


class Curve(Frozen):
    """One metric of all models, against sparsity; `group` is null for a figure over all images."""

    metric: str
    group: str | None
    points: list[CurvePoint]


class ChangeFigure(Frozen):
    """The change of one metric, row by row, in order of change; `n_left_out` rows are not shown.

    A row is an attribute, or a value of a group. Rows without a comparison come last.
    """

    metric: str
    rows: list[Estimate]
    n_left_out: int


class BiasMap(Frozen):
    """Bias amplification of each attribute (rows, the most changed first) for each group (columns).

    ``rows[i][j]`` belongs to ``attributes[i]`` and ``groups[j]``.
    """

    attributes: list[str]
    groups: list[str]
    rows: list[list[Estimate]]
    n_left_out: int


class Detail(Frozen):
    """What is shown of one compressed model alone."""

    model: str
    attributes: list[ChangeFigure]
    groups: ChangeFigure | None
    bias: BiasMap | None
    affected: list[Affected]


class Gap(Frozen):
    """Estimates that could not be made for one reason; `examples` name a few attributes."""

    status: str
    metric: str
    reason: str
    count: int
    examples: list[str]


class Provenance(Frozen):
    """How the figures came about."""

    settings: dict[str, Any]
    models: list[dict[str, Any]]
    versions: dict[str, str]
    notes: list[str]


class Report(Frozen):
    """Everything that a report shows, in the order in which it shows it.

    `noun` is what an attribute is called: "attribute", or "class" in a multi-class task.
    `thumbnails` maps the id of an image to a ``data:`` URI. History of the format: 1 (0.1.0) first.
    """

    format_version: Literal[1] = 1
    title: str
    headline: str
    noun: Literal["attribute", "class"]
    n_samples: int
    n_attributes: int
    groups: list[str]
    confidence: float
    replicates: int
    band: tuple[float, float]
    warnings: list[str]
    featured: str
    models: list[ModelSummary]
    findings: list[Finding]
    curves: list[Curve]
    details: list[Detail]
    gaps: list[Gap]
    thumbnails: dict[str, str]
    provenance: Provenance

    @property
    def compressed(self) -> list[ModelSummary]:
        """The compressed models."""
        return [model for model in self.models if model.baseline is not None]

    @property
    def dense(self) -> list[ModelSummary]:
        """The dense models."""
        return [model for model in self.models if model.baseline is None]

    def findings_of(self, model: str) -> list[Finding]:
        """Return the findings about one model, the most severe first."""
        return [finding for finding in self.findings if finding.model == model]

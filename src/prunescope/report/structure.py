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
    """One row of the audit's table; `supported`: its change can be told from chance, and matters.

    That is where its q-value (Benjamini-Hochberg) is at most 1 - confidence and its verdict is not
    ``negligible``; see `prunescope.audit.verdicts`. The `baseline` is the dense model's value; of
    flips it is the churn.
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
    verdict: str | None = None
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
    """One model, or a population: the mean over models that differ by their seed alone.

    `members` are the models of a population, `population` is that of a member. The report's story
    is about populations and about models that belong to none; `headline`, `subject` and `severity`
    are null for others and for dense ones. `subject` says in words what was done to it: "95% of
    weights removed".
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
    members: list[str] = []
    population: str | None = None


class CurvePoint(Frozen):
    """One model on a curve; `over` counts the attributes that its mean is over.

    A `member` of a population stands beside the population's own point.
    """

    method: str
    sparsity: float
    dense: bool
    over: int
    estimate: Estimate
    member: bool = False


class Curve(Frozen):
    """One metric of all models, against sparsity; `group` is null for a figure over all images.

    `churn`, on the curve of flips, is the share that two dense models differ in.
    """

    metric: str
    group: str | None
    points: list[CurvePoint]
    churn: float | None = None


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


class Confusion(Frozen):
    """How many samples of a true class (null: unlabelled) went from one answer to another."""

    label: str | None
    dense: str
    compressed: str
    n: int


class Exemplar(Frozen):
    """One sample that most compressed models answer differently than most dense ones.

    `about` is the attribute, or "cat → dog" in a multi-class task; `truth` its label in words.
    `dense` and `compressed` are mean probabilities of yes (of the class that the dense models
    choose), the shares are of models that answer so. `doubted`: every dense model confidently
    contradicts the label.
    """

    id: str
    about: str
    truth: str
    dense: float
    compressed: float
    dense_share: float
    compressed_share: float
    harmful: bool | None
    doubted: bool


class Exemplars(Frozen):
    """The compression-identified exemplars of one population.

    Parameters
    ----------
    text : str
        What they amount to, in a sentence or two.
    rate : Estimate
    n, n_images, n_harmful, n_doubted : int
        Exemplars in the audit's list, the images that they are of, how many went from right to
        wrong, and how many have a doubtful label. All 0 where no list was kept.
    groups, rare : list of Estimate
        Odds ratios above 1 that can be told from chance, those that are large for certain first:
        by value of a group, and by rarer label.
    examples : list of Exemplar
        The most changed ones.
    """

    text: str
    rate: Estimate
    n: int
    n_images: int
    n_harmful: int
    n_doubted: int
    groups: list[Estimate]
    rare: list[Estimate]
    examples: list[Exemplar]


class Pair(Frozen):
    """How two attributes correlate in the labels and in both models' answers.

    `change` is compressed minus dense, `shift` compressed minus labels.
    """

    attribute: str
    other: str
    labels: float | None
    dense: float | None
    compressed: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    shift: float | None
    shift_low: float | None
    shift_high: float | None


Triangle = list[float | None]
"""Correlations of each attribute with those before it: row by row, the first row is empty."""


class Correlations(Frozen):
    """How the answers hang together: what all models share.

    The triangles are over `attributes`, alike ones beside each other; `n_left_out` attributes that
    moved less are not among them. `dense` is the mean over dense models.
    """

    attributes: list[str]
    n_left_out: int
    labels: Triangle
    dense: Triangle


class CorrelationChange(Frozen):
    """How the answers of one compressed model hang together.

    `pairs` are those whose correlation changed most. Of a population, figures are means over its
    seeds, and an interval holds the intervals of all seeds. The triangles are null where they are
    not drawn.
    """

    text: str
    pairs: list[Pair]
    n_pairs: int
    answers: Triangle | None
    changes: Triangle | None


class Link(Frozen):
    """One row of `prunescope.audit.links.links`; `model` is null for all models together."""

    model: str | None
    cause: str
    effect: str
    rho: float | None
    expected: float | None
    p_value: float | None
    q_value: float | None
    n: int
    n_attributes: int
    status: str
    reason: str | None


class LinkPoint(Frozen):
    """One attribute (of one group) of one model: change of the cause and of the effect."""

    model: str
    attribute: str
    group: str | None
    x: float
    y: float


class LinkPlot(Frozen):
    """The points of one link over all models; `n` of them, not all of which need be drawn."""

    cause: str
    effect: str
    n: int
    points: list[LinkPoint]


class Links(Frozen):
    """Whether changes in uncertainty and interdependence go with changes in bias, and in words."""

    texts: list[str]
    links: list[Link]
    plots: list[LinkPlot]


class Detail(Frozen):
    """What is shown of one compressed model, or population, alone.

    `confusions` are the commonest changes of the answered class, over all seeds of a population.
    """

    model: str
    attributes: list[ChangeFigure]
    groups: ChangeFigure | None
    bias: BiasMap | None
    affected: list[Affected]
    exemplars: Exemplars | None = None
    correlations: CorrelationChange | None = None
    confusions: list[Confusion] = []


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
    `key_metrics` are the metrics of the key figures. `thumbnails` maps the id of an image to a
    ``data:`` URI. History of the format: 1 (0.1.0) first; 2 tells of populations, verdicts,
    exemplars, correlations, links and confusions.
    """

    format_version: Literal[2] = 2
    title: str
    headline: str
    noun: Literal["attribute", "class"]
    n_samples: int
    n_attributes: int
    key_metrics: list[str]
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
    correlations: Correlations | None
    links: Links
    gaps: list[Gap]
    thumbnails: dict[str, str]
    provenance: Provenance

    @property
    def compressed(self) -> list[ModelSummary]:
        """The compressed models that the story is about: populations, and models of none."""
        return [model for model in self.models if model.baseline is not None and _told(model)]

    @property
    def dense(self) -> list[ModelSummary]:
        """What the story compares with: the population of dense models, or the dense models."""
        return [model for model in self.models if model.baseline is None and _told(model)]

    @property
    def seeds(self) -> list[ModelSummary]:
        """The members of populations."""
        return [model for model in self.models if not _told(model)]

    def count(self, *, dense: bool) -> int:
        """Count the models, whether in populations or not."""
        return sum((m.baseline is None) == dense and not m.members for m in self.models)

    def findings_of(self, model: str) -> list[Finding]:
        """Return the findings about one model, the most severe first."""
        return [finding for finding in self.findings if finding.model == model]


def _told(model: ModelSummary) -> bool:
    return model.population is None

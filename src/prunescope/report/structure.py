"""The report as data: what `build` makes and every renderer reads."""

from __future__ import annotations

from typing import Any, Literal

import polars as pl
from pydantic import Field

from prunescope.audit import Affected
from prunescope.notebook import rendered
from prunescope.report.hurt import Hurt
from prunescope.report.records import (
    Confusion,
    CorrelationChange,
    Correlations,
    Estimates,
    Exemplars,
    Links,
    TradeOff,
)
from prunescope.report.records import Estimate as Estimate
from prunescope.verdict import WORDS, Criterion, ModelVerdict, Verdict
from prunescope.verdict.judgement import Frozen

Severity = Literal["severe", "moderate", "slight", "none", "note"]
"""What the judge calls a damage beyond chance: ``slight`` inside the limits. ``none``: there is
no damage beyond chance; ``note``: a change, not a damage."""


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
    rows: list[Estimate] = Field(default_factory=list)


class ModelSummary(Frozen):
    """One model, or a population: the mean over models that differ by their seed alone.

    `members` are the models of a population, `population` is that of a member. The report's story
    is about populations and about models that belong to none; `headline` and `subject` are null for
    others and for dense ones. `subject` says in words what was done to it: "95% of weights
    removed". `sparsity` is the share of the weights that is gone as counted, where the file tells,
    else as asked for; `channels_kept` and `bits` are what the file tells.
    """

    name: str
    baseline: str | None
    method: str
    sparsity: float
    channels_kept: float | None = None
    bits: int | None = None
    seed: int | None
    figures: list[Estimate]
    subject: str | None = None
    headline: str | None = None
    members: list[str] = Field(default_factory=list)
    population: str | None = None


class CurvePoint(Frozen):
    """One model on a curve; `over` counts the attributes that its mean is over.

    `sparsity` is as in `ModelSummary`.

    A `member` of a population stands beside the population's own point.
    """

    method: str
    sparsity: float
    dense: bool
    over: int
    estimate: Estimate
    member: bool = False


class Curve(Frozen):
    """One metric against sparsity; `group` is null for a figure over all images.

    It has points of dense models and of those without some of the weights: what keeps them all, as
    a quantised model does, has no place there.

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
    confusions: list[Confusion] = Field(default_factory=list)


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
    ``data:`` URI; `n_pictures_left_out` images are shown without one, for the size of the page.
    History of the format: 1 (0.1.0) first; 2 tells of populations, verdicts,
    exemplars, correlations, links and confusions; 3 decides, and has the trade-off and all
    estimates; 4 counts units, and tells of seeds what is found in any of them; 5 has the judge's
    verdict and its criteria in place of a decision of its own, and may tell of slices (`hurt`).

    `hurt` tells of sub-populations that nobody named, where a search for them is given.

    `base_model` is the name on the Hugging Face hub of the model that all were made of, if any.

    `n_families` counts the families of figures that were tested on a model: where nothing changed,
    each holds a row called worse or better with a probability of 1 - confidence at most.
    """

    format_version: Literal[5] = 5
    title: str
    headline: str
    verdict: Verdict
    criteria: list[Criterion]
    n_families: int
    trade_off: TradeOff
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
    estimates: Estimates
    thumbnails: dict[str, str]
    n_pictures_left_out: int = 0
    provenance: Provenance
    hurt: Hurt | None = None
    base_model: str | None = None

    @property
    def compressed(self) -> list[ModelSummary]:
        """The compressed models that the story is about: populations, and models of none."""
        return [model for model in self.models if model.baseline is not None and _told(model)]

    @property
    def dense(self) -> list[ModelSummary]:
        """What the story compares with: the population of dense models, or the dense models."""
        return [model for model in self.models if model.baseline is None and _told(model)]

    @property
    def beside(self) -> list[ModelSummary]:
        """Single dense models that `compressed` ones are compared with, where seeds are pooled."""
        names = {model.baseline for model in self.compressed}
        return [model for model in self.seeds if model.name in names]

    @property
    def seeds(self) -> list[ModelSummary]:
        """The members of populations."""
        return [model for model in self.models if not _told(model)]

    def count(self, *, dense: bool) -> int:
        """Count the models, whether in populations or not."""
        return sum((m.baseline is None) == dense and not m.members for m in self.models)

    def judged(self, model: str) -> ModelVerdict:
        """Return what is said of a model, of a population what is said of its worst seed."""
        told = next(one for one in self.models if one.name == model)
        return self.verdict.worst_of(told.members or [model])

    def _repr_html_(self) -> str:
        """Show the answer, and what is broken, open and held, in a notebook."""
        rows = [
            {"model": one.model, "answer": WORDS[one.answer], "state": judged.state,
             "criterion": judged.criterion, "what decides it": judged.text}
            for one in self.verdict.models
            for judged in one.having("broken", "open", "not judged", "held", "absent")
        ]  # fmt: skip
        return rendered(f"{self.verdict.text} {self.headline}", pl.DataFrame(rows))

    def findings_of(self, model: str) -> list[Finding]:
        """Return the findings about one model, the most severe first."""
        return [finding for finding in self.findings if finding.model == model]


def _told(model: ModelSummary) -> bool:
    return model.population is None

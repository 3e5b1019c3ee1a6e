"""Estimates and the records of single sections of a report, as data."""

from __future__ import annotations

from prunescope.verdict.judgement import Frozen


class Estimate(Frozen):
    """One row of the audit's table; `supported`: its change can be told from chance, and matters.

    That is where its q-value (Benjamini-Hochberg) is at most 1 - confidence and its verdict is not
    ``negligible``, or, of a finding, where the judge says so; see `prunescope.audit.verdicts`. The
    `baseline` is the dense model's value; of flips it is the churn. `harm` is how much worse it is,
    in the metric's unit; null where there is nothing to compare, or no better and worse. `n` counts
    samples and `units` what is independent: samples or clusters.
    `seeds` is there where a finding is about a population: the row is then that of the model in
    which the damage is largest, one of so many of so many seeds in which there is any.
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
    units: int | None = None
    status: str
    reason: str | None = None
    baseline: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    q_value: float | None = None
    verdict: str | None = None
    harm: float | None = None
    supported: bool = False
    seeds: tuple[int, int] | None = None


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
    """The compression-identified exemplars of one population; `text` says what they amount to.

    `n` in the audit's list, of `n_images`; `n_harmful` went from right to wrong, and `n_doubted`
    have a doubtful label: all 0 where no list was kept. `groups` and `rare`: odds ratios above 1
    that can be told from chance, those that are large for certain first, by value of a group and by
    rarer label. `examples` are the most changed ones.
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


class Damage(Frozen):
    """One way to measure damage: the size of a model's largest supported change for the worse.

    `moderate` and `severe` are the limits of its criterion, null where it has no such.
    """

    label: str
    metric: str
    moderate: float | None
    severe: float | None

    @property
    def limits(self) -> list[tuple[str, float]]:
        """The limits that there are, with their names."""
        both = [("moderate", self.moderate), ("severe", self.severe)]
        return [(name, limit) for name, limit in both if limit is not None]


class TradePoint(Frozen):
    """One model on the picture of the trade-off.

    Its `costs` are in the order of the picture's costs, null where one is not known; its `damages`
    in that of the picture's damages, null where nothing was tested.
    """

    model: str
    dense: bool
    costs: list[float | None]
    damages: list[float | None]


class TradeOff(Frozen):
    """What compression costs against what it saves: damage upwards, each cost across.

    `costs` are words with their unit: "share of weights kept, %".
    """

    costs: list[str]
    damages: list[Damage]
    points: list[TradePoint]

    def without(self, damage: int, cost: int) -> list[str]:
        """Name the models of which a damage or a cost, by their places, is not known."""
        return [p.model for p in self.points if None in (p.damages[damage], p.costs[cost])]


class Estimates(Frozen):
    """All rows of the audit's table, as columns of one length, to six significant digits.

    `change`, `change_low` and `change_high` are from the dense model. Columns of places (`model` to
    `reason`) point into the lists of names before them; -1 stands for none.
    """

    models: list[str]
    metrics: list[str]
    attributes: list[str]
    groups: list[str]
    group_values: list[str]
    verdicts: list[str]
    statuses: list[str]
    reasons: list[str]
    model: list[int]
    metric: list[int]
    attribute: list[int]
    group: list[int]
    group_value: list[int]
    verdict: list[int]
    status: list[int]
    reason: list[int]
    n: list[int | None]
    units: list[int | None]
    value: list[float | None]
    low: list[float | None]
    high: list[float | None]
    change: list[float | None]
    change_low: list[float | None]
    change_high: list[float | None]
    q: list[float | None]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.model)

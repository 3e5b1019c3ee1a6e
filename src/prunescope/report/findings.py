"""What an audit found, in words: the largest damage first, and only what can be told from chance.

A finding rests on changes whose q-value is at most 1 - confidence, and that are not negligible by
the audit's settings. Its severity is a matter of size alone (`RULES`); the limits are conventions,
and stated in the report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prunescope.audit import Audit, ModelInfo
from prunescope.report import words
from prunescope.report.glossary import GLOSSARY
from prunescope.report.roles import roles
from prunescope.report.structure import Estimate, Finding, Severity
from prunescope.report.table import Table

Rows = Callable[[Table, str], list[Estimate]]
SEVERITIES: tuple[Severity, ...] = ("severe", "moderate", "slight", "none", "unknown", "note")


def findings(audit: Audit) -> list[Finding]:
    """Say what changed for the worse from each dense model to its compressed ones.

    Returns
    -------
    list of Finding
        Model by model, in the audit's order, the most severe first; models that differ by their
        seed alone are told of together, under their population's name. A model without supported
        damage has a finding of severity "none" that says so, or "unknown" where nothing could be
        compared or tested.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from prunescope.audit import audit
    >>> from prunescope.data import Samples
    >>> from prunescope.predictions import Metadata, Predictions
    >>> labels = np.tile([[1], [0], [0], [0]], (100, 1)).astype(np.int8)
    >>> samples = Samples(pl.Series([str(i) for i in range(400)]), ("Bald",), labels)
    >>> dense = Predictions(samples, labels * 8.0 - 4, Metadata(name="dense"))
    >>> sparse = Predictions(samples, np.full(labels.shape, -4.0), Metadata(name="sparse"))
    >>> result = audit(dense, sparse, train_rates=samples.rates(), replicates=200)
    >>> first = findings(result)[0]
    >>> first.severity, first.clause
    ('severe', 'the rarer answer is never given any more for Bald')
    """
    return judge(table=Table(audit), models=roles(audit.info).compressed, noun=words.noun_of(audit))


def judge(table: Table, models: list[ModelInfo], noun: str) -> list[Finding]:
    """Do the work of `findings` for some models, on a table that is read already."""
    found: list[Finding] = []
    for model in models:
        of_model = [finding for rule in RULES if (finding := rule.judge(table, model.name, noun))]
        of_model = of_model or [_nothing(table, model.name)]
        of_model += _notes(table, model.name, noun)
        found += sorted(of_model, key=lambda finding: SEVERITIES.index(finding.severity))
    return found


@dataclass(frozen=True)
class Rule:
    """One way in which a model can be worse than the dense one.

    Parameters
    ----------
    name : str
        What happens, in a few words.
    metric : str
    rows : callable
        Which rows of the table it looks at.
    moderate, severe : float
        Size of the damage from which it is called that, in the metric's own unit.
    words : callable
        Damaged rows, the largest first, of how many, and the noun for an attribute → sentence and
        clause.
    sign : {-1, 0, 1}
        Only changes of this sign; 0: all.
    """

    name: str
    metric: str
    rows: Rows
    moderate: float
    severe: float
    words: words.Words
    sign: int = 0

    def judge(self, table: Table, model: str, noun: str) -> Finding | None:
        """Return what the rule finds about one model."""
        rows = [row for row in self.rows(table, model) if row.value is not None]
        damaged = [(size, row) for row in rows if (size := self.size(row)) > 0]
        if not damaged:
            return None
        damaged.sort(key=lambda pair: -pair[0])
        worst = damaged[0][0]
        severity: Severity = (
            "severe" if worst >= self.severe else "moderate" if worst >= self.moderate else "slight"
        )
        hit = [row for _, row in damaged]
        text, clause = self.words(hit, len(rows), noun)
        return Finding(
            model=model,
            severity=severity,
            metric=hit[0].metric,
            text=f"{self.name}: {text}",
            clause=clause,
            rows=hit,
        )

    def size(self, row: Estimate) -> float:
        """Return how large the damage is; 0 where there is none or it is not supported."""
        against = self.sign and (row.delta is None or row.delta * self.sign <= 0)
        if against or not row.supported:
            return 0.0
        return GLOSSARY[row.metric].damage(row) or 0.0


def everything(table: Table, model: str) -> list[Estimate]:
    """Look at the accuracy over everything."""
    row = table.accuracy(model)
    return [] if row is None else [row]


def overall(metric: str) -> Rows:
    """Look at the row over all attributes."""

    def rows(table: Table, model: str) -> list[Estimate]:
        row = table.overall(model, metric)
        return [] if row is None else [row]

    return rows


def each(metric: str) -> Rows:
    """Look at every attribute."""
    return lambda table, model: table.by_attribute(model, metric)


def several(metric: str) -> Rows:
    """Look at every attribute, where there are at least two."""

    def rows(table: Table, model: str) -> list[Estimate]:
        found = table.by_attribute(model, metric)
        return found if len(found) > 1 else []

    return rows


def groups(metric: str) -> Rows:
    """Look at every group, or value of a group."""
    return lambda table, model: table.by_group(model, metric)


def cells(metric: str) -> Rows:
    """Look at every attribute × group."""
    return lambda table, model: table.cells(model, metric)


RARE, BIAS, ACCURACY = "rare_value_ratio", "bias_amplification", "accuracy"
EXCESS, GAP = "excess_accuracy_gap", "equal_opportunity_difference"

RULES: tuple[Rule, ...] = (
    Rule("Rare answers fade", RARE, each(RARE), 0.1, 0.3, words.rare_values_fade, sign=-1),
    Rule(
        "Answers lean towards groups",
        BIAS,
        cells(BIAS),
        0.02,
        0.05,
        words.answers_lean_towards,
        sign=1,
    ),
    Rule(
        "Some groups lose more",
        EXCESS,
        groups(EXCESS),
        0.005,
        0.02,
        words.group_loses_more,
    ),
    Rule(
        "Answers are less sure",
        "uncertainty",
        overall("uncertainty"),
        0.02,
        0.05,
        words.less_certain,
    ),
    Rule("True positives are found less evenly", GAP, groups(GAP), 0.02, 0.05, words.gap_widens),
    Rule("Rare answers swell", RARE, each(RARE), 0.1, 0.3, words.rare_values_swell, sign=1),
    Rule(
        "Answers lean away from groups",
        BIAS,
        cells(BIAS),
        0.02,
        0.05,
        words.answers_lean_away,
        sign=-1,
    ),
    Rule(
        "Some attributes lose accuracy",
        ACCURACY,
        several(ACCURACY),
        0.01,
        0.03,
        words.attributes_lose_accuracy,
    ),
    Rule("Scores rank worse", "auc", overall("auc"), 0.005, 0.02, words.ranks_worse),
    Rule(
        "Confidence misleads",
        "top_label_ece",
        overall("top_label_ece"),
        0.02,
        0.05,
        words.confidence_misleads,
    ),
    Rule("Accuracy falls", ACCURACY, everything, 0.005, 0.02, words.accuracy_falls),
)
"""Every damage that the report knows, in the order in which a headline names them."""


def _nothing(table: Table, model: str) -> Finding:
    """Tell that no damage is supported, or that nothing could be compared or tested."""
    rows = [row for rule in RULES for row in rule.rows(table, model)]
    compared = [row for row in rows if row.delta is not None or row.q_value is not None]
    if any(row.q_value is not None for row in compared):
        text, clause = words.nothing_found(table.accuracy(model), table.resampled)
        return Finding(model=model, severity="none", metric=None, text=text, clause=clause)
    text, clause = words.nothing_tested() if compared else words.nothing_compared()
    return Finding(model=model, severity="unknown", metric=None, text=text, clause=clause)


def _notes(table: Table, model: str, noun: str) -> list[Finding]:
    """Tell what changed without being better or worse."""
    kind = "top1_" if table.has("top1_flip_rate") else ""
    flips = [
        table.overall(model, kind + metric)
        for metric in ("flip_rate", "harmful_flip_rate", "helpful_flip_rate")
    ]
    linked = table.overall(model, "interdependence")
    told = []
    if flips[0] is not None and flips[0].value is not None:
        text = words.flips(*flips)
        told.append((flips[0].metric, text, [row for row in flips if row is not None]))
    if linked is not None and linked.supported:
        told.append(("interdependence", words.hangs_together(linked, noun), [linked]))
    return [
        Finding(model=model, severity="note", metric=metric, text=text, clause=clause, rows=rows)
        for metric, (text, clause), rows in told
    ]

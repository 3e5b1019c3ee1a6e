"""What an audit found, in words: the largest damage first, and only what can be told from chance.

A finding rests on changes whose q-value is at most 1 - confidence, and that are not negligible by
the audit's settings. Its severity is a matter of size alone (`rules`); the limits are conventions,
and stated in the report.

One model is shipped, so findings are about models: of several seeds each row is told as in the
model that it is worst in, with the number of seeds in which there is such damage. What the mean
over seeds alone shows is a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prunescope.audit import Audit, ModelInfo
from prunescope.report import words
from prunescope.report.confusions import gained
from prunescope.report.glossary import GLOSSARY
from prunescope.report.roles import Roles, roles
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
        seed alone are told of together, under their population's name: what is found in any. A
        model without supported damage has a finding of severity "none" that says so, or "unknown"
        where nothing could be compared or tested.

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
    cast = roles(audit.info)
    return judge(audit, Table(audit), cast.compressed, cast)


def judge(audit: Audit, table: Table, models: Sequence[ModelInfo], cast: Roles) -> list[Finding]:
    """Do the work of `findings` for some models, on a table that is read already."""
    found: list[Finding] = []
    for model in models:
        name, seeds = model.name, cast.models_of(model.name)
        of_model = [one for rule in rules(table.noun) if (one := rule.judge(table, name, seeds))]
        if not any(one.severity != "note" for one in of_model):
            of_model.append(_nothing(table, name, seeds))
        of_model += [*gained(audit, name, seeds), *_notes(table, name)]
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

    def judge(self, table: Table, model: str, seeds: Sequence[str]) -> Finding | None:
        """Return what the rule finds about one model, or about the seeds that its name stands for.

        What only their mean shows is a note.
        """
        found = self._tell(self.worst(table, seeds), model, table.noun)
        if found is not None or len(seeds) == 1:
            return found
        where = f", on average over {len(seeds)} seeds and in none of them beyond chance"
        mean = self._tell(self.rows(table, model), model, table.noun, where)
        return None if mean is None else mean.model_copy(update={"severity": "note"})

    def worst(self, table: Table, seeds: Sequence[str]) -> list[Estimate]:
        """Return the rows that the rule looks at; of several seeds, each where it is worst."""
        if len(seeds) == 1:
            return self.rows(table, seeds[0])
        places: dict[tuple[str | None, ...], list[Estimate]] = {}
        for seed in seeds:
            for row in self.rows(table, seed):
                place = (row.attribute, row.group, row.group_value)
                places.setdefault(place, []).append(row)
        found = []
        for rows in places.values():
            n_hit = sum(self.size(row) > 0 for row in rows)
            update = {"seeds": (n_hit, len(seeds))}
            worst = max(rows, key=lambda row: (self.size(row), row.value is not None))
            found.append(worst.model_copy(update=update))
        return found

    def _tell(
        self, rows: Sequence[Estimate], model: str, noun: str, where: str = ""
    ) -> Finding | None:
        """Tell what the rule finds in some rows; `where` stands after its name.

        In how many seeds that is stands there, too, where it is one number, else beside each row.
        """
        damaged = [(size, row) for row in rows if (size := self.size(row)) > 0]
        if not damaged:
            return None
        damaged.sort(key=lambda pair: -pair[0])
        worst = damaged[0][0]
        severity: Severity = (
            "severe" if worst >= self.severe else "moderate" if worst >= self.moderate else "slight"
        )
        hit = [row for _, row in damaged]
        alike = len({row.seeds for row in hit}) == 1
        told = [row.model_copy(update={"seeds": None}) for row in hit] if alike else hit
        text, clause = self.words(told, sum(row.value is not None for row in rows), noun)
        in_seeds = f", {words.in_seeds(hit[0].seeds)}" if hit[0].seeds else ""
        return Finding(
            model=model,
            severity=severity,
            metric=hit[0].metric,
            text=f"{self.name}{where}{in_seeds if alike else ''}: {text}",
            clause=clause + where + in_seeds,
            rows=hit,
        )

    def size(self, row: Estimate) -> float:
        """Return how large the damage is; 0 where there is none or it is not supported."""
        against = self.sign and (row.delta is None or row.delta * self.sign <= 0)
        if against or not row.supported or row.value is None:
            return 0.0
        return max(GLOSSARY[row.metric].damage(row) or 0.0, 0.0)


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


def recalls(table: Table, model: str) -> list[Estimate]:
    """Look at the recall of every class; the reason of one that is not given any more says so."""
    precision = table.by_attribute(model, "precision")
    never = {row.attribute for row in precision if row.status == "undefined"}
    return [
        row.model_copy(update={"reason": words.NEVER}) if row.attribute in never else row
        for row in table.by_attribute(model, "tpr")
    ]


def cells(metric: str) -> Rows:
    """Look at every attribute × group."""
    return lambda table, model: table.cells(model, metric)


RARE, BIAS, ACCURACY = "rare_value_ratio", "bias_amplification", "accuracy"
EXCESS, GAP = "excess_accuracy_gap", "equal_opportunity_difference"
LOST = "excess_top1_gap"

ATTRIBUTE_RULES: tuple[Rule, ...] = (
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
    Rule("Accuracy falls", ACCURACY, everything, 0.005, 0.02, words.accuracy_falls),
)

CLASS_RULES: tuple[Rule, ...] = (
    Rule("Classes are lost", "tpr", recalls, 0.1, 0.3, words.classes_lost),
    Rule("Some groups lose more", LOST, groups(LOST), 0.005, 0.02, words.group_loses_more),
    Rule("Classes are given too seldom", RARE, each(RARE), 0.1, 0.3, words.given_less, sign=-1),
    Rule(
        "Answers lean towards groups", BIAS, cells(BIAS), 0.02, 0.05, words.answers_lean_towards,
        sign=1,
    ),
    Rule("Answers are less sure", "uncertainty", overall("uncertainty"), 0.02, 0.05,
         words.less_certain),
    Rule("Classes are found less evenly", GAP, groups(GAP), 0.02, 0.05, words.gap_widens),
    Rule("Classes are given too often", RARE, each(RARE), 0.1, 0.3, words.given_more, sign=1),
    Rule(
        "Answers lean away from groups", BIAS, cells(BIAS), 0.02, 0.05, words.answers_lean_away,
        sign=-1,
    ),
    Rule("Scores rank worse", "auc", overall("auc"), 0.005, 0.02, words.ranks_worse),
    Rule("Confidence misleads", "top_label_ece", overall("top_label_ece"), 0.02, 0.05,
         words.confidence_misleads),
    Rule("Mean recall falls", "macro_recall", overall("macro_recall"), 0.01, 0.03,
         words.macro_recall_falls),
    Rule("Accuracy falls", "top1_accuracy", everything, 0.005, 0.02, words.accuracy_falls),
)  # fmt: skip
"""The same where one class is chosen."""


def rules(noun: str) -> tuple[Rule, ...]:
    """Return every damage that the report knows, in the order in which a headline names them."""
    return CLASS_RULES if noun == "class" else ATTRIBUTE_RULES


def _nothing(table: Table, model: str, seeds: Sequence[str]) -> Finding:
    """Tell that no damage is supported, or that nothing could be compared or tested in a seed."""
    told: list[Finding] = []
    for seed in seeds:
        rows = [row for rule in rules(table.noun) for row in rule.rows(table, seed)]
        compared = [row for row in rows if row.delta is not None or row.q_value is not None]
        severity: Severity = "unknown"
        if any(row.q_value is not None for row in compared):
            severity = "none"
            text, clause = words.nothing_found(table.accuracy(seed), table.resampled)
        else:
            text, clause = words.nothing_tested() if compared else words.nothing_compared()
        told.append(Finding(model=model, severity=severity, metric=None, text=text, clause=clause))
    worst = max(told, key=lambda finding: SEVERITIES.index(finding.severity))
    if len(seeds) == 1:
        return worst
    n_like = sum(finding.severity == worst.severity for finding in told)
    where = words.in_seeds((n_like, len(seeds)))
    return worst.model_copy(update={"text": f"{where[0].upper()}{where[1:]}: {worst.text}"})


def _notes(table: Table, model: str) -> list[Finding]:
    """Tell what changed without being better or worse."""
    kind = "top1_" if table.noun == "class" else ""
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
        told.append(("interdependence", words.hangs_together(linked), [linked]))
    return [
        Finding(model=model, severity="note", metric=metric, text=text, clause=clause, rows=rows)
        for metric, (text, clause), rows in told
    ]

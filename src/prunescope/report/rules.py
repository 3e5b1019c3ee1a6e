"""The damages that a report knows: which rows of the audit show them, and from which size on.

One model is shipped, so a rule is about models: of several seeds each row is looked at in the model
that it is worst in, and told with the number of seeds in which there is such damage. What the mean
over seeds alone shows is a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prunescope.report import class_words, words
from prunescope.report.structure import Estimate, Finding, Severity
from prunescope.report.table import Table
from prunescope.verdict.glossary import GLOSSARY

Rows = Callable[[Table, str], list[Estimate]]


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
    Rule("Classes are lost", "tpr", recalls, 0.1, 0.3, class_words.classes_lost),
    Rule("Some groups lose more", LOST, groups(LOST), 0.005, 0.02, words.group_loses_more),
    Rule("Classes are given too seldom", RARE, each(RARE), 0.1, 0.3, class_words.given_less,
         sign=-1),
    Rule(
        "Answers lean towards groups", BIAS, cells(BIAS), 0.02, 0.05, words.answers_lean_towards,
        sign=1,
    ),
    Rule("Answers are less sure", "uncertainty", overall("uncertainty"), 0.02, 0.05,
         words.less_certain),
    Rule("Classes are found less evenly", GAP, groups(GAP), 0.02, 0.05, words.gap_widens),
    Rule("Classes are given too often", RARE, each(RARE), 0.1, 0.3, class_words.given_more, sign=1),
    Rule(
        "Answers lean away from groups", BIAS, cells(BIAS), 0.02, 0.05, words.answers_lean_away,
        sign=-1,
    ),
    Rule("Scores rank worse", "auc", overall("auc"), 0.005, 0.02, words.ranks_worse),
    Rule("Confidence misleads", "top_label_ece", overall("top_label_ece"), 0.02, 0.05,
         class_words.confidence_misleads),
    Rule("Mean recall falls", "macro_recall", overall("macro_recall"), 0.01, 0.03,
         class_words.macro_recall_falls),
    Rule("Accuracy falls", "top1_accuracy", everything, 0.005, 0.02, words.accuracy_falls),
)  # fmt: skip
"""The same where one class is chosen."""


def rules(noun: str) -> tuple[Rule, ...]:
    """Return every damage that the report knows, in the order in which a headline names them."""
    return CLASS_RULES if noun == "class" else ATTRIBUTE_RULES

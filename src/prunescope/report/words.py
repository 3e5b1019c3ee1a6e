"""The sentences of the report: from estimates to plain English."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from prunescope.audit import Audit
from prunescope.report.structure import Estimate
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.numbers import counted, listing

Words = Callable[[list[Estimate], int, str], tuple[str, str]]
"""Damaged rows (largest first), how many were looked at, noun → what happened, at length (to stand
after the name of the rule and a colon) and as a clause (to stand after "but")."""


NEVER = "never given any more"
"""The reason of a class whose recall is 0, as no image is called by it."""

NOTHING = (
    "No criterion finds anything worse beyond chance. How much worse it may still be, the lists of "
    "what is open and what held tell."
)
UNTESTED = "Nothing could be tested: no figure that a criterion looks at has an interval."


def noun_of(audit: Audit) -> Literal["attribute", "class"]:
    """Say what the columns of the audit are: attributes or classes."""
    multiclass = any(model.metadata.task == "multiclass" for model in audit.info.models)
    return "class" if multiclass else "attribute"


def side(row: Estimate) -> str:
    """Name a group's value: "Male", "not Male", "Age = old".

    Examples
    --------
    >>> row = Estimate(model="m", metric="x", status="ok", group="Male", group_value="False")
    >>> side(row), side(row.model_copy(update={"group_value": "3"}))
    ('not Male', 'Male = 3')
    """
    named = {"True": row.group, "False": f"not {row.group}", None: row.group}
    return str(named.get(row.group_value, f"{row.group} = {row.group_value}"))


def change(row: Estimate) -> str:
    """Write the change from dense with its interval: "−0.4 points (−0.5 to −0.3)"."""
    unit = GLOSSARY[row.metric].unit
    text = unit.change(row.delta or 0.0)
    if row.delta_low is None or row.delta_high is None:
        return text
    return f"{text} ({unit.bare_change(row.delta_low)} to {unit.bare_change(row.delta_high)})"


def before(row: Estimate) -> float:
    """Return the dense model's value that the change starts from; of flips, the churn."""
    return (row.value or 0.0) - (row.delta or 0.0)


def _from_to(row: Estimate) -> str:
    unit = GLOSSARY[row.metric].unit
    return f"{unit.bare(before(row))} → {unit.value(row.value or 0.0)}"


def moved(row: Estimate) -> str:
    """Write the values before and after: "from 95.0% to 90.0%"."""
    unit = GLOSSARY[row.metric].unit
    return f"from {unit.value(before(row))} to {unit.value(row.value or 0.0)}"


def in_seeds(seeds: tuple[int, int]) -> str:
    """Say in how many of how many seeds.

    Examples
    --------
    >>> in_seeds((1, 3))
    'in 1 of 3 seeds'
    """
    return f"in {seeds[0]} of {counted(seeds[1], 'seed')}"


def _told(row: Estimate, what: str) -> str:
    """Put what is said of a row into brackets, with the seeds and that a class is given up."""
    parts = [what]
    parts += [NEVER] if row.reason == NEVER else []
    parts += [in_seeds(row.seeds)] if row.seeds else []
    return f"({', '.join(parts)})"


def _named(texts: list[str]) -> str:
    """List what a sentence is about: all of it where it is little, else the worst."""
    return f": {listing(texts)}." if len(texts) <= 3 else f". Most: {listing(texts[:3])}."


def attributes(rows: list[Estimate]) -> str:
    """List attributes, or classes, with their values before and after, and end the sentence."""
    return _named([f"{row.attribute} {_told(row, _from_to(row))}" for row in rows])


def names(rows: list[Estimate], limit: int = 2) -> str:
    """Name the worst attributes or classes."""
    return listing([str(row.attribute) for row in rows], limit)


def _over(row: Estimate) -> str:
    """Say over what a mean is taken, where it is not over everything."""
    return f" ({row.reason})" if row.reason and row.reason.startswith("mean") else ""


def rare_values_fade(rows: list[Estimate], total: int, noun: str) -> tuple[str, str]:
    """Tell that rarer answers are given too seldom."""
    never = [row for row in rows if row.value == 0]
    seldom = [row for row in rows if (row.value or 0) < 0.5 <= before(row)]
    text = (
        f"on {len(rows)} of {counted(total, noun)} the rarer answer is given "
        f"too seldom, and more seldom than by the dense model"
        + (f"; on {len(never)} it is never given any more" if never else "")
        + attributes(rows)
    )
    if never:
        return text, f"the rarer answer is never given any more for {names(never)}"
    if seldom:
        return text, (
            f"the rarer answer is given less than half as often as it is true for {names(seldom)}"
        )
    return text, f"the rarer answer is given too seldom for {names(rows)}"


def rare_values_swell(rows: list[Estimate], total: int, noun: str) -> tuple[str, str]:
    """Tell that rarer answers are given too often."""
    text = (
        f"on {len(rows)} of {counted(total, noun)} the rarer answer is given "
        f"too often, and more often than by the dense model{attributes(rows)}"
    )
    return text, f"the rarer answer is given too often for {names(rows)}"


def answers_lean_towards(rows: list[Estimate], total: int, noun: str) -> tuple[str, str]:
    """Tell that answers exaggerate the link with a group."""
    more = "further towards a group than the truth does, and further than with the dense model"
    return _lean(rows, total, noun, more, "towards")


def answers_lean_away(rows: list[Estimate], total: int, noun: str) -> tuple[str, str]:
    """Tell that answers lean away from a group more than the truth does."""
    what = "it" if noun == "class" else "yes"
    more = f"away from the group in which {what} is commoner, more than with the dense model"
    return _lean(rows, total, noun, more, "away from")


def _lean(rows: list[Estimate], total: int, noun: str, more: str, way: str) -> tuple[str, str]:
    answered = "called by the class" if noun == "class" else "answered yes"
    text = f"for {len(rows)} of {counted(total, f'{noun}-and-group pair')} the images {answered}"
    each = [f"{row.attribute} {way} {side(row)} {_told(row, _from_to(row))}" for row in rows]
    first = f"answers on {rows[0].attribute} lean {points(rows[0].delta)} further"
    return f"{text} lean {more}{_named(each)}", f"{first} {way} {side(rows[0])}"


def _all(noun: str) -> str:
    return "all classes" if noun == "class" else "all attributes"


def points(delta: float | None) -> str:
    """Write the size of a change, in points."""
    return GLOSSARY["excess_accuracy_gap"].unit.value(abs(delta or 0.0))


def group_loses_more(rows: list[Estimate], _total: int, noun: str) -> tuple[str, str]:
    """Tell that a group loses more accuracy than everyone."""
    what = "top-1 accuracy" if noun == "class" else "accuracy"
    each = listing([f"{points(row.value)} for {side(row)}{_where(row)}" for row in rows], 4)
    text = f"on top of the loss over all images, {what} falls by {each}."
    return text, f"{what} falls {points(rows[0].value)} more for {side(rows[0])} than for all"


def _where(row: Estimate) -> str:
    return f" ({in_seeds(row.seeds)})" if row.seeds else ""


def gap_widens(rows: list[Estimate], _total: int, noun: str) -> tuple[str, str]:
    """Tell that true positives are found less evenly."""
    rate = "recall" if noun == "class" else "true positive rate"
    each = listing([f"{row.group} by {change(row)}{_where(row)}" for row in rows], 4)
    text = f"the gap between groups widens, for {each}."
    return text, f"the gap in {rate} by {rows[0].group} widens by {points(rows[0].delta)}"


def less_certain(rows: list[Estimate], _total: int, _noun: str) -> tuple[str, str]:
    """Tell that more answers are uncertain."""
    row = rows[0]
    text = f"uncertain answers rise {moved(row)}, {change(row)}."
    return text, f"uncertain answers rise {moved(row)}"


def attributes_lose_accuracy(rows: list[Estimate], total: int, noun: str) -> tuple[str, str]:
    """Tell on which attributes accuracy falls."""
    text = f"accuracy falls on {len(rows)} of {counted(total, noun)}{attributes(rows)}"
    return text, f"accuracy on {rows[0].attribute} falls by {points(rows[0].delta)}"


def ranks_worse(rows: list[Estimate], _total: int, _noun: str) -> tuple[str, str]:
    """Tell that the mean AUC falls."""
    row = rows[0]
    text = f"mean AUC falls {moved(row)}, {change(row)}{_over(row)}."
    return text, f"AUC falls {moved(row)}"


def accuracy_falls(rows: list[Estimate], _total: int, noun: str) -> tuple[str, str]:
    """Tell that the mean accuracy, or that of the one answer, falls."""
    row = rows[0]
    text = f"{moved(row)}, {change(row)}{_over(row)}."
    return text, f"{'top-1 ' if noun == 'class' else ''}accuracy falls by {points(row.delta)}"


def right_answers_are_lost(rows: list[Estimate], _total: int, noun: str) -> tuple[str, str]:
    """Tell how many answers went from right to wrong."""
    row = rows[0]
    unit, what = GLOSSARY[row.metric].unit, "images" if noun == "class" else "answers"
    text = f"{unit.value(row.value or 0.0)} of labelled {what} went from right to wrong"
    beyond = "" if row.delta is None else f", {change(row)} beyond churn"
    return f"{text}{beyond}.", text


def rates_drift(rows: list[Estimate], _total: int, noun: str) -> tuple[str, str]:
    """Tell that the mean rare-value ratio is further from 1."""
    row, what = rows[0], "rate ratio" if noun == "class" else "rare-value ratio"
    text = f"the mean {what} is further from 1, {moved(row)}, {change(row)}{_over(row)}."
    return text, f"the mean {what} goes {moved(row)}"


def answers_lean(rows: list[Estimate], _total: int, noun: str) -> tuple[str, str]:
    """Tell that answers lean more than the truth on the mean over attributes."""
    each = listing([f"{_leaning(row)} ({_from_to(row)}){_where(row)}" for row in rows], 4)
    text = f"over {_all(noun)}, {each}, further than with the dense model."
    return text, f"answers lean {points(rows[0].delta)} further {_leaning(rows[0])} on average"


def _leaning(row: Estimate) -> str:
    return f"{'towards' if (row.delta or 0) > 0 else 'away from'} {side(row)}"


def flips(
    all_flips: Estimate | None, harmful: Estimate | None, helpful: Estimate | None
) -> tuple[str, str]:
    """Tell how many answers differ, both ways, and how many would without compression."""

    def share(row: Estimate | None) -> str:
        unit = GLOSSARY["flip_rate"].unit
        return "an unknown share" if row is None or row.value is None else unit.value(row.value)

    if all_flips is not None and all_flips.value == 0:
        return "No answer differs from those of the dense model.", "no answer differs"
    classes = all_flips is not None and all_flips.metric == "top1_flip_rate"
    clause = (
        f"{share(all_flips)} of images are given another class than by the dense model"
        if classes
        else f"{share(all_flips)} of answers differ from those of the dense model"
    )
    text = f"{clause[0].upper()}{clause[1:]}"
    if harmful is not None and harmful.value is not None:
        text += (
            f": of the labelled ones, {share(harmful)} went from right to wrong and "
            f"{share(helpful)} from wrong to right"
        )
    if all_flips is not None and all_flips.delta is not None:
        return f"{text}. {_beside_churn(all_flips)}", clause
    return (
        f"{text}. How many would differ without compression is not known: two dense models of "
        "different seeds would tell."
    ), clause


def _beside_churn(flips: Estimate) -> str:
    """Tell how flips compare with churn."""
    unit = GLOSSARY[flips.metric].unit
    text = f"Two dense models differ in {unit.value(before(flips))} (churn)"
    if flips.supported:
        way = "more" if (flips.delta or 0) > 0 else "less"
        return f"{text}, so compression changes {way} than a new seed does: {change(flips)}."
    if flips.verdict == "negligible":
        return f"{text}; that compression changes more is negligible: {change(flips)}."
    if flips.q_value is None:
        return f"{text}; the difference is {change(flips)}, not tested."
    return (
        f"{text}; that compression changes another number of answers than a new seed cannot be "
        f"told from chance: {change(flips)}."
    )


def hangs_together(row: Estimate) -> tuple[str, str]:
    """Tell that answers follow from each other more or less than before."""
    way = "more" if (row.delta or 0) > 0 else "less"
    text = f"Answers follow from one another {way}: interdependence goes {moved(row)}{_over(row)}."
    return text, f"answers follow from one another {way}"

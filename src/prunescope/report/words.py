"""The sentences of the report: from estimates to plain English, of attributes and of classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from prunescope.audit import Audit
from prunescope.report.structure import Estimate
from prunescope.verdict import Criterion
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.judgement import AT_A_LIMIT
from prunescope.verdict.numbers import counted, listing

Words = Callable[[list[Estimate], Mapping[str, str]], tuple[str, str]]
"""Damaged rows (largest first), what can be said of them → what happened, at length (to stand after
the name of the rule and a colon) and as a clause (to stand after "but")."""

ATTRIBUTES, CELLS, GROUPS, ALL = (True, False), (True, True), (False, True), (False, False)
"""Whether a criterion looks at single attributes or classes, and whether at groups."""

Kind = tuple[str, bool, bool, str | None]
"""Metric of a criterion, whether it looks at single attributes, whether at groups, which way."""

MOST_CONFUSIONS = 3
"""Kinds of confusion that a sentence names."""

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


def over(row: Estimate) -> str:
    """Say over what a mean is taken, where it is not over everything."""
    return f" ({row.reason})" if row.reason and row.reason.startswith("mean") else ""


def points(delta: float | None) -> str:
    """Write the size of a change, in points."""
    return GLOSSARY["excess_accuracy_gap"].unit.value(abs(delta or 0.0))


def _where(row: Estimate) -> str:
    return f" ({in_seeds(row.seeds)})" if row.seeds else ""


def _leaning(row: Estimate) -> str:
    return f"{'towards' if (row.delta or 0) > 0 else 'away from'} {side(row)}"


def _listed(texts: list[str]) -> str:
    """List what a sentence is about: all of it where it is little, else the worst."""
    return f": {listing(texts)}." if len(texts) <= 3 else f". Most: {listing(texts[:3])}."


def _attributes(rows: list[Estimate]) -> str:
    return _listed([f"{row.attribute} {_told(row, _from_to(row))}" for row in rows])


def _names(rows: list[Estimate]) -> str:
    return listing([str(row.attribute) for row in rows], 2)


def _are(rows: list[Estimate]) -> str:
    return "is" if len(rows) == 1 else "are"


def _values(rows: list[Estimate], total: int, noun: str, n_broken: int) -> dict[str, str]:
    """Write all that sentences are made of; of single figures, the worst one's."""
    row, classes = rows[0], noun == "class"
    broken = f" ({n_broken:,} {AT_A_LIMIT})" if 0 < n_broken < len(rows) else ""
    unit = GLOSSARY[row.metric].unit
    group_losses = [f"{points(one.value)} for {side(one)}{_where(one)}" for one in rows]
    gaps = [f"{one.group} by {change(one)}{_where(one)}" for one in rows]
    leanings = [f"{_leaning(one)} ({_from_to(one)}){_where(one)}" for one in rows]
    return {
        "n_of": f"{len(rows)} of {counted(total, noun)}{broken}",
        "n_pairs": f"{len(rows)} of {counted(total, f'{noun}-and-group pair')}{broken}",
        "attributes": _attributes(rows),
        "names": _names(rows),
        "attribute": str(row.attribute),
        "group": str(row.group),
        "side": side(row),
        "moved": moved(row),
        "change": change(row),
        "over": over(row),
        "size": points(row.delta),
        "points": points(row.value),
        "value": unit.value(row.value or 0.0),
        "beyond": "" if row.delta is None else f", {change(row)} beyond churn",
        "leaning": _leaning(row),
        "group_losses": listing(group_losses, 4),
        "gaps": listing(gaps, 4),
        "leanings": listing(leanings, 4),
        "are": _are(rows),
        "accuracy": "top-1 accuracy" if classes else "accuracy",
        "recall": "recall" if classes else "true positive rate",
        "ratio": "rate ratio" if classes else "rare-value ratio",
        "answers": "images" if classes else "answers",
        "all": "all classes" if classes else "all attributes",
        "yes": "it" if classes else "yes",
        "answered": "called by the class" if classes else "answered yes",
    }


def _sentence(text: str, clause: str) -> Words:
    """Make a sentence of `_values`."""
    return lambda _, values: (text.format_map(values), clause.format_map(values))


def _rare_values_fade(rows: list[Estimate], values: Mapping[str, str]) -> tuple[str, str]:
    never = [row for row in rows if row.value == 0]
    seldom = [row for row in rows if (row.value or 0) < 0.5 <= before(row)]
    text = (
        f"on {values['n_of']} the rarer answer is given too seldom, and more seldom than by the "
        "dense model"
        + (f"; on {len(never)} it is never given any more" if never else "")
        + values["attributes"]
    )
    if never:
        return text, f"the rarer answer is never given any more for {_names(never)}"
    how = "less than half as often as it is true" if seldom else "too seldom"
    return text, f"the rarer answer is given {how} for {_names(seldom or rows)}"


def _classes_lost(rows: list[Estimate], values: Mapping[str, str]) -> tuple[str, str]:
    never = [row for row in rows if row.reason == NEVER]
    text = f"recall falls on {values['n_of']}"
    text += f"; {len(never):,} are {NEVER}" if len(never) > 1 else ""
    text += _attributes([*never, *(row for row in rows if row not in never)])
    if never:
        return text, f"{_names(never)} {_are(never)} {NEVER}"
    return text, f"recall of {rows[0].attribute} falls {moved(rows[0])}"


def _lean(way: str, more: str) -> Words:
    """Tell that answers on single attributes lean towards, or away from, groups."""

    def told(rows: list[Estimate], values: Mapping[str, str]) -> tuple[str, str]:
        each = [f"{row.attribute} {way} {side(row)} {_told(row, _from_to(row))}" for row in rows]
        text = "for {n_pairs} the images {answered} lean " + more
        clause = f"answers on {{attribute}} lean {{size}} further {way} {{side}}"
        return text.format_map(values) + _listed(each), clause.format_map(values)

    return told


def _given(often: str) -> Words:
    too = f"{{are}} given too {often}"
    text = f"{{n_of}} {too}, and more {often} than by the dense model{{attributes}}"
    return _sentence(text, f"{{names}} {too}")


_ACCURACY = _sentence("{moved}, {change}{over}.", "{accuracy} falls by {size}")
_LOST = "{value} of labelled {answers} went from right to wrong"
_HARMFUL = _sentence(_LOST + "{beyond}.", _LOST)
_GROUP_LOSES = _sentence(
    "against all images, {accuracy} loses {group_losses}.",
    "{accuracy} loses {points} for {side} against all images",
)

SENTENCES: Mapping[Kind, Words] = {
    ("accuracy", *ALL, None): _ACCURACY,
    ("top1_accuracy", *ALL, None): _ACCURACY,
    ("harmful_flip_rate", *ALL, None): _HARMFUL,
    ("top1_harmful_flip_rate", *ALL, None): _HARMFUL,
    ("uncertainty", *ALL, None): _sentence(
        "uncertain answers rise {moved}, {change}.", "uncertain answers rise {moved}"
    ),
    ("auc", *ALL, None): _sentence("mean AUC falls {moved}, {change}{over}.", "AUC falls {moved}"),
    ("rare_value_ratio", *ALL, None): _sentence(
        "the mean {ratio} is further from 1, {moved}, {change}{over}.",
        "the mean {ratio} goes {moved}",
    ),
    ("macro_recall", *ALL, None): _sentence(
        "over classes, {moved}, {change}.", "mean recall over classes falls {moved}"
    ),
    ("top_label_ece", *ALL, None): _sentence(
        "the confidence in the answer is further from how often it is right, {moved}, {change}.",
        "confidence is off by {points}",
    ),
    ("bias_amplification", *GROUPS, None): _sentence(
        "over {all}, {leanings}, further than with the dense model.",
        "answers lean {size} further {leaning} on average",
    ),
    ("excess_accuracy_gap", *GROUPS, None): _GROUP_LOSES,
    ("excess_top1_gap", *GROUPS, None): _GROUP_LOSES,
    ("equal_opportunity_difference", *GROUPS, None): _sentence(
        "the gap between groups widens, for {gaps}.",
        "the gap in {recall} by {group} widens by {size}",
    ),
    ("accuracy", *ATTRIBUTES, None): _sentence(
        "accuracy falls on {n_of}{attributes}", "accuracy on {attribute} falls by {size}"
    ),
    ("tpr", *ATTRIBUTES, None): _classes_lost,
    ("rare_value_ratio", *ATTRIBUTES, "falls"): _rare_values_fade,
    ("rare_value_ratio", *ATTRIBUTES, "rises"): _sentence(
        "on {n_of} the rarer answer is given too often, and more often than by the dense model"
        "{attributes}",
        "the rarer answer is given too often for {names}",
    ),
    ("bias_amplification", *CELLS, "rises"): _lean(
        "towards",
        "further towards a group than the truth does, and further than with the dense model",
    ),
    ("bias_amplification", *CELLS, "falls"): _lean(
        "away from",
        "away from the group in which {yes} is commoner, more than with the dense model",
    ),
}
"""Kind of a criterion → its sentence; of others the judge's own words stand."""

OF_CLASSES: Mapping[Kind, Words] = {
    ("rare_value_ratio", *ATTRIBUTES, "falls"): _given("seldom"),
    ("rare_value_ratio", *ATTRIBUTES, "rises"): _given("often"),
}
"""What is said in other words where one class is chosen."""


def kind_of(criterion: Criterion) -> Kind:
    """Return the kind of a criterion."""
    return criterion.metric, criterion.single, criterion.group is not None, criterion.way


def sentence(
    kind: Kind, rows: list[Estimate], total: int, noun: str, n_broken: int = 0
) -> tuple[str, str] | None:
    """Say what happened to some rows of `total`, at length and as a clause; None without words.

    `n_broken` of them are at or beyond a limit.
    """
    words = (OF_CLASSES if noun == "class" else SENTENCES).get(kind, SENTENCES.get(kind))
    return None if words is None else words(rows, _values(rows, total, noun, n_broken))


def confusions_gained(rows: list[tuple[str, str, int, int]], n_seeds: int) -> tuple[str, str]:
    """Tell of which class more images are called another: label, called, how many more, seeds."""

    def told(label: str, called: str, more: int, seeds: int) -> str:
        where = f", {in_seeds((seeds, n_seeds))}" if n_seeds > 1 else ""
        return f"images of {label} are now called {called} ({more:,} more{where})"

    texts = [told(*row) for row in rows]
    rest = len(texts) - MOST_CONFUSIONS
    more = f"; {rest:,} more kinds" if rest > 0 else ""
    text = f"Confusion gained: {listing(texts[:MOST_CONFUSIONS])}{more}."
    return text, f"images of {rows[0][0]} are called {rows[0][1]}"

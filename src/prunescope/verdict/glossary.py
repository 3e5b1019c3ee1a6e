"""What people are told of each metric: its name, its unit, how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from prunescope.verdict.numbers import AMPLIFICATION, GAP, ODDS, RANKING, RATIO, SHARE, Unit


@dataclass(frozen=True)
class Entry:
    """What people are told of one metric; `meaning` is how to read its value, in a sentence or two.

    `risen_first`: a list in order of change begins with what rose most, not with what fell most.
    """

    label: str
    unit: Unit
    meaning: str
    risen_first: bool = False


GLOSSARY: Mapping[str, Entry] = {
    "accuracy": Entry("Accuracy", SHARE, "Share of labelled answers that are right."),
    "top1_accuracy": Entry(
        "Top-1 accuracy", SHARE, "Share of labelled images whose one answer is right."
    ),
    "macro_recall": Entry(
        "Macro-recall",
        SHARE,
        "The mean over classes of the share of their images that are found: a rare class counts as "
        "much as a common one.",
    ),
    "macro_f1": Entry(
        "Macro-F1",
        SHARE,
        "The mean over classes of F1, the harmonic mean of recall and precision.",
    ),
    "worst_group_accuracy": Entry(
        "Worst group", SHARE, "Top-1 accuracy in the group where it is lowest."
    ),
    "tpr": Entry("Recall", SHARE, "Share of a class's images that are found."),
    "precision": Entry("Precision", SHARE, "Share of the images called by a class that are of it."),
    "top_label_ece": Entry(
        "Top-label ECE",
        GAP,
        "Expected calibration error of the one answer: how far the confidence in it is, on the "
        "average, from how often it is right. 0 would be honest.",
        risen_first=True,
    ),
    "auc": Entry(
        "AUC",
        RANKING,
        "How well the scores rank true above false, whatever the threshold: 0.5 is chance, 1 is "
        "perfect.",
    ),
    "rare_value_ratio": Entry(
        "Rare-value ratio",
        RATIO,
        "Of the two answers, yes and no, take the one that is rarer in training. How often is it "
        "given for each time that it is true? 1: as often as it occurs; 0.5: half as often; "
        "0: never.",
    ),
    "uncertainty": Entry(
        "Uncertainty",
        SHARE,
        "Share of answers whose probability lies inside the band between a clear no and a clear "
        "yes.",
        risen_first=True,
    ),
    "interdependence": Entry(
        "Interdependence",
        RATIO,
        "How far the answer to one question follows from the answers to the others (R² of a "
        "linear fit): 0 not at all, 1 wholly. Neither way is worse in itself.",
    ),
    "bias_amplification": Entry(
        "Bias amplification",
        AMPLIFICATION,
        "Take the side of a group where the attribute is commoner in training. How much larger is "
        "its share among the images answered yes than among those where yes is true? Above 0: the "
        "answers exaggerate the link; below 0: they play it down.",
    ),
    "flip_rate": Entry(
        "Flips",
        SHARE,
        "Share of answers that differ from those of the dense model. Their change is what they "
        "exceed churn by.",
        risen_first=True,
    ),
    "top1_flip_rate": Entry(
        "Changed classes",
        SHARE,
        "Share of images whose one answer differs from that of the dense model. Its change is what "
        "it exceeds churn by.",
        risen_first=True,
    ),
    "harmful_flip_rate": Entry(
        "Harmful flips", SHARE, "Share of labelled answers that went from right to wrong."
    ),
    "helpful_flip_rate": Entry(
        "Helpful flips", SHARE, "Share of labelled answers that went from wrong to right."
    ),
    "top1_harmful_flip_rate": Entry(
        "Harmful changes", SHARE, "Share of labelled images that went from right to wrong."
    ),
    "top1_helpful_flip_rate": Entry(
        "Helpful changes", SHARE, "Share of labelled images that went from wrong to right."
    ),
    "churn": Entry(
        "Churn",
        SHARE,
        "Share of answers in which two dense models, trained alike with different seeds, differ: "
        "flips up to this rate need no compression to explain them.",
    ),
    "cie_rate": Entry(
        "Exemplars",
        SHARE,
        "Share of answers that most compressed models give differently than most dense models, of "
        "several seeds each: compression-identified exemplars. What single seeds do by chance is "
        "outvoted.",
    ),
    "cie_odds_ratio": Entry(
        "Odds ratio of exemplars",
        ODDS,
        "The odds to be an exemplar inside a group, divided by those outside. 1: exemplars do not "
        "gather there.",
    ),
    "cie_rare_odds_ratio": Entry(
        "Odds ratio by rarer label",
        ODDS,
        "The same between images with the rarer label and those with the commoner one.",
    ),
    "excess_accuracy_gap": Entry(
        "Excess accuracy loss",
        GAP,
        "How much more accuracy one group loses than all images together.",
    ),
    "excess_top1_gap": Entry(
        "Excess top-1 loss",
        GAP,
        "How much more top-1 accuracy one group loses than all images together.",
    ),
    "equal_opportunity_difference": Entry(
        "Gap in true positive rate",
        GAP,
        "Between the values of a group, the largest difference in the share of true positives that "
        "are found.",
    ),
}
"""The metrics that the report tells of, in the order in which it explains them."""

OF_CLASSES: Mapping[str, Entry] = {
    "rare_value_ratio": Entry(
        "Rate ratio",
        RATIO,
        "How often is the class given for each time that it is true? 1: as often as it occurs; "
        "0.5: half as often; 0: never. (Of a class with most images of training, the same of all "
        "other classes together.)",
    ),
    "uncertainty": Entry(
        "Uncertainty",
        SHARE,
        "Share of images whose answer has a probability inside the band between a clear no and a "
        "clear yes.",
        risen_first=True,
    ),
    "bias_amplification": Entry(
        "Bias amplification",
        AMPLIFICATION,
        "Take the side of a group where the class is commoner in training. How much larger is its "
        "share among the images called by the class than among those that are of it? Above 0: the "
        "answers exaggerate the link; below 0: they play it down.",
    ),
    "churn": Entry(
        "Churn",
        SHARE,
        "Share of images whose answers by two dense models, trained alike with different seeds, "
        "differ: changes up to this rate need no compression to explain them.",
    ),
    "equal_opportunity_difference": Entry(
        "Gap in recall",
        GAP,
        "Between the values of a group, the largest difference in the share of a class's images "
        "that are found.",
    ),
}
"""What is told in other words where the columns are classes, of which one is chosen."""

KEY_METRICS = (
    "accuracy",
    "auc",
    "rare_value_ratio",
    "uncertainty",
    "interdependence",
    "flip_rate",
)
"""Columns of the key-figures table, and curves."""

CLASS_KEY_METRICS = (
    "top1_accuracy",
    "macro_recall",
    "worst_group_accuracy",
    "top_label_ece",
    "top1_flip_rate",
    "top1_harmful_flip_rate",
)
"""The same where one class is chosen: of the one answer."""

CLASS_ONLY = (
    "top1_accuracy", "macro_recall", "macro_f1", "worst_group_accuracy", "top_label_ece", "tpr",
    "precision", "top1_flip_rate", "top1_harmful_flip_rate", "top1_helpful_flip_rate",
    "excess_top1_gap",
)  # fmt: skip
"""Metrics that the report tells of classes alone."""

ATTRIBUTE_ONLY = (
    "accuracy", "interdependence", "flip_rate", "harmful_flip_rate", "helpful_flip_rate",
    "excess_accuracy_gap",
)  # fmt: skip
"""Metrics that say nothing where one class is chosen."""

FLIPS = ("flip_rate", "top1_flip_rate")
"""Metrics that churn stands beside."""

ATTRIBUTE_METRICS = ("rare_value_ratio", "accuracy", "auc", "uncertainty", "interdependence")
CLASS_METRICS = ("tpr", "precision", "rare_value_ratio", "auc")
"""Metrics whose change is shown attribute by attribute, and class by class."""

VERDICTS: Mapping[str, str] = {
    "worse": "the change can be told from chance, and it is for the worse",
    "better": "it can be told from chance, and it is for the better",
    "changed": "it can be told from chance; neither way is worse in itself",
    "negligible": "it can be told from chance, but is smaller than the least change that matters",
    "no evidence": "it cannot be told from chance, which does not prove that nothing changed",
    "insufficient support": "there are too few images to say anything",
    "not tested": "it was not tested: the audit was made without, and no exact test is known",
}
"""What the report's words beside a change mean."""


def legend(noun: str) -> dict[str, Entry]:
    """Return what is explained in a report on attributes, or on classes."""
    left_out = ATTRIBUTE_ONLY if noun == "class" else CLASS_ONLY
    told = GLOSSARY if noun != "class" else {**GLOSSARY, **OF_CLASSES}
    return {name: entry for name, entry in told.items() if name not in left_out}


def label_of(metric: str, noun: str = "attribute") -> str:
    """Name a metric of attributes or classes, also one that the report has no words for.

    >>> label_of("auc"), label_of("average_precision"), label_of("fpr")
    ('AUC', 'Average precision', 'FPR')
    >>> label_of("rare_value_ratio", "class")
    'Rate ratio'
    """
    known = legend(noun)
    if metric in known:
        return known[metric].label
    return metric.upper() if len(metric) == 3 else metric.replace("_", " ").capitalize()


def unit_of(metric: str) -> Unit:
    """Return how a metric is written, also one that the report has no words for: as a share.

    >>> unit_of("balanced_accuracy").value(0.5), unit_of("accuracy_difference").value(0.5)
    ('50.0%', '50.0 points')
    >>> unit_of("backdoor_bias_amplification").value(0.02)
    '+2.0 points'
    """
    if metric in GLOSSARY:
        return GLOSSARY[metric].unit
    if metric.endswith("bias_amplification"):
        return AMPLIFICATION
    return GAP if metric.endswith("_difference") else SHARE


def size(metric: str, damage: float, limit: float | None = None) -> str:
    """Write how large a damage is: a change without its sign, never rounded to a limit.

    >>> size("accuracy", 0.005), size("rare_value_ratio", 0.3), size("bias_amplification", 0.02)
    ('0.5 points', '0.30', '2.0 points')
    >>> size("accuracy", 0.0048), size("accuracy", 0.0048, limit=0.005)
    ('0.5 points', '0.48 points')
    """
    unit = unit_of(metric)
    unit = GAP if unit.scale == SHARE.scale else unit
    if limit is not None and damage != limit:
        unit = replace(unit, never=(*unit.never, round(limit * unit.scale, 9)))
    return unit.value(damage)

"""Offsets: what to add to the logits of classes, under a criterion that has a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from prunescope.metrics.statistics import Floats, divide
from prunescope.mitigate.climb import ROUNDING, Ints, Logits, Score, climb, total
from prunescope.mitigate.transport import choices, matching_offsets

Figure = Callable[[Ints, Ints, Ints, int], Floats]
"""Hits, answers and true images of classes, and the number of images → a figure of each class."""


def rate(hits: Ints, answers: Ints, true: Ints, n: int) -> Floats:
    """Share of the images that are given the class."""
    return answers / n


def recall(hits: Ints, answers: Ints, true: Ints, n: int = 0) -> Floats:
    """Share of the class's images that are given it."""
    return divide(hits, true)


def precision(hits: Ints, answers: Ints, true: Ints, n: int = 0) -> Floats:
    """Share of those given the class that are of it."""
    return divide(hits, answers)


def f1(hits: Ints, answers: Ints, true: Ints, n: int = 0) -> Floats:
    """Harmonic mean of precision and recall: 2 hits / (true + answers)."""
    return divide(2 * hits, true + answers)


@dataclass(frozen=True)
class ClassCriterion:
    """What offsets are chosen for.

    Parameters
    ----------
    summary : str
    figure : callable
        Of each class.
    target : {"labels", "dense"}, optional
        By what the figure shall be matched; default: its mean over classes shall be as high as can
        be.
    """

    summary: str
    figure: Figure
    target: Literal["labels", "dense"] | None = None

    def score(self, true: Ints) -> Score:
        """Return what each class adds to the sum that shall be highest, given true images (K,)."""
        n = int(true.sum())

        def of_classes(hits: Ints, answers: Ints, of: Ints) -> Floats:
            found = self.figure(hits, answers, true[of], n)
            return found if self.target is None else -abs(found - true[of] / n)

        return of_classes

    def whole(self, figures: Floats, targets: Floats) -> float:
        """Return the mean over classes or, of rates, by how much they miss their targets.

        That is the least share of answers that must change before every class has its rate.
        """
        return float(figures.mean() if self.target is None else abs(figures - targets).sum() / 2)


CLASS_CRITERIA: Mapping[str, ClassCriterion] = {
    "prevalence": ClassCriterion("each class as often as labels say", rate, "labels"),
    "dense-rate": ClassCriterion("each class as often as the dense model says", rate, "dense"),
    "macro-recall": ClassCriterion("highest mean recall over classes", recall),
    "macro-f1": ClassCriterion("highest mean F1 over classes", f1),
}
"""Ways to choose offsets, by name."""

CLASS_FLOORS: Mapping[str, Callable[[Ints, Ints, Ints], Floats]] = {
    "f1": f1,
    "macro_f1": lambda hits, answers, true: _mean(f1(hits, answers, true)),
    "macro_recall": lambda hits, answers, true: _mean(recall(hits, answers, true)),
    "precision": precision,
    "top1_accuracy": lambda hits, answers, true: divide(hits.sum(), true.sum()),
    "tpr": recall,
}
"""Metrics that a floor can be set for: of every class, or one over all."""


def _mean(figures: Floats) -> Floats:
    """Return the mean of those that are defined; NaN if none is."""
    return divide(np.nansum(figures), np.sum(~np.isnan(figures)))


def best_offsets(z: Logits, true: Ints, criterion: ClassCriterion, turns: Ints) -> Floats:
    """Return the offsets (K,), of mean 0, that serve a criterion best on N images.

    Rates are matched exactly, save for images whose logits tie. The mean recall or F1 is raised
    class by class, from no offsets and from those that match the true rates: the better of the two
    ends, which is never worse than no offsets. Where those serve as well they are taken.

    Parameters
    ----------
    z : array (N, K)
    true : array (N,) of int
        The class of each image; every class has one at least.
    criterion : ClassCriterion
    turns : array (K,) of int
        The order in which classes are raised.

    Examples
    --------
    >>> z = np.array([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    >>> best_offsets(z, np.array([0, 1, 1]), CLASS_CRITERIA["macro-recall"], np.arange(2)).tolist()
    [-1.25, 1.25]
    """
    n_classes = z.shape[1]
    counts = np.bincount(true, minlength=n_classes)
    score = criterion.score(counts)

    def served(b: Floats) -> float:
        return total(score, choices(z, b), true, n_classes)

    nothing = np.zeros(n_classes)
    if criterion.target is not None and served(nothing) >= -ROUNDING:
        return nothing
    matched = matching_offsets(z, counts)
    if criterion.target is not None and served(matched) >= -ROUNDING:
        return matched
    first, other = (climb(z, true, score, start, turns) for start in (nothing, matched))
    best = other if served(other) > served(first) + ROUNDING else first
    return np.asarray(best - best.mean())

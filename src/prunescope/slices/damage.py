"""What is lost on each image, and how much of it the dense model's own doubt foretells.

An answer's *damage* is 1 where a right answer became wrong, say. A *target*
is what a slice is searched for: one attribute or class, or all answers of an image together, whose
damage is the sum over them.

Answers flip where the dense model is not sure, whoever is in the image, and a compressed model
that is only another draw flips there, too. So of every answer a damage is *expected*: that which it
would take from the changes of logit that answers of about the same margin took.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError, one_of
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions
from prunescope.slices.calibrate import calibrated

Measure = Literal["harmful_flips", "accuracy", "rare_answers", "uncertainty"]
"""Right answers that became wrong; right answers lost, less those won; the same of answers to rare
values (positive where they are few); answers that became uncertain, less those that became sure."""

Beyond = Literal["margin", "churn", "nothing"]
"""What damage is told beyond: what answers elsewhere lose of which the dense model is as sure; that
and what another training of the dense model loses; or what is lost elsewhere, however sure."""

SURE = float(np.log(9.0))
"""Logit from which on a probability is outside of (0.1, 0.9), the band of the audit."""

TINY = 1e-9

NEAR, POINTS = (25, 200), 100
"""Answers of about the same margin whose changes of logit are tried: an eighth of them, within
these bounds; and margins that they are tried at."""

STRATA = (20, 100)
"""Parts of the samples, by the damage that is expected of them, within which they are compared: as
many as there are samples and damage enough for, within these bounds. Within a part samples count as
alike, which many samples would show not to be so."""

OF_STRATUM = (250, 25)
"""Samples of a part, and damage that is expected of them, on average at least."""


@dataclass(frozen=True)
class Target:
    """What a slice may lose: the damage to one attribute or class, or to all.

    Parameters
    ----------
    name : str or None
        None: all of them together.
    damage : array (N,) of float32
        Summed over the answers of an image.
    answers : array (N,) of float32
        How many answers could be damaged.
    expected : array (N,) of float32
        The damage that the dense model's margins foretell.
    """

    name: str | None
    damage: NDArray[np.float32]
    answers: NDArray[np.float32]
    expected: NDArray[np.float32]


def strata_of(target: Target, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return strata of the damage that is expected, each with as much of it in all: (n,)."""
    expected = target.expected[rows].astype(np.float64)
    order = np.argsort(expected, kind="stable")
    mass = np.cumsum(np.abs(expected[order]))
    if not len(rows) or mass[-1] <= 0:
        return np.zeros(len(rows), np.intp)
    enough = min(len(rows) // OF_STRATUM[0], int(mass[-1]) // OF_STRATUM[1])
    n = min(max(STRATA[0], enough), STRATA[1])
    parts = np.minimum(mass / mass[-1] * n, n - 1).astype(np.intp)
    # Samples of equal expectation stand together.
    first = np.r_[True, np.diff(expected[order]) > 0]
    parts = parts[np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))]
    strata = np.empty(len(rows), np.intp)
    strata[order] = np.unique(parts, return_inverse=True)[1]
    return strata


def margins_of(model: Predictions, measure: Measure) -> Floats:
    """Return how far each answer lies from being damaged: (N, A), or (N, 1) of classes.

    It is the logit less its threshold towards the label, or by how much the label's class leads: an
    answer is right where that is positive. For ``uncertainty`` it is the logit of the answer, or of
    the probability of the class that is answered. Unlabelled answers count as "no".
    """
    labels = model.samples.labels
    if model.samples.task == "multiclass":
        if measure == "uncertainty":
            return np.asarray(model.log_odds.max(axis=1, keepdims=True).astype(np.float64))
        logits = model.logits.astype(np.float64)
        of_label = np.where(labels == 1, logits, -np.inf).max(axis=1)
        others = np.where(labels == 1, -np.inf, logits).max(axis=1)
        right = (model.decisions & (labels == 1)).any(axis=1)  # of equal scores the first counts
        with np.errstate(invalid="ignore"):
            lead = np.nan_to_num(of_label - others, nan=0.0, posinf=1e9, neginf=-1e9)
        signed = np.where(right, np.maximum(lead, TINY), np.minimum(lead, 0.0))
        return np.asarray(signed[:, None])
    logits = model.logits.astype(np.float64)
    if measure == "uncertainty":
        return np.asarray(logits)
    margin = logits - (0.0 if model.thresholds is None else model.thresholds)
    return np.asarray(np.where(labels == 1, margin, -margin))


def damage_of(measure: Measure, before: Floats, after: Floats) -> Floats:
    """Return the damage between two margins: -1, 0 or 1."""
    if measure == "uncertainty":
        return np.asarray((np.abs(after) < SURE).astype(np.float64) - (np.abs(before) < SURE))
    lost = (before > 0).astype(np.float64) - (after > 0)
    return np.asarray(np.maximum(lost, 0) if measure == "harmful_flips" else lost)


@dataclass(frozen=True)
class Losses:
    """The damage to every answer, and what of it is expected.

    Parameters
    ----------
    names : tuple of str
        The targets beside all together: attributes, or classes.
    damage : array (N, A) of float32
    known : array (N, A) of bool
        Which answers could be damaged: those with a label, or to a rare value.
    expected : array (N, A) of float32
    classes : array (N,) of int or None
        Of each image its class, where damage is of the top answer.
    """

    names: tuple[str, ...]
    damage: NDArray[np.float32]
    known: NDArray[np.bool_]
    expected: NDArray[np.float32]
    classes: NDArray[np.int64] | None = None

    def targets(self) -> Iterator[Target]:
        """Yield all answers together, then each attribute or class."""
        yield self._target(None, slice(None))
        if len(self.names) > 1:
            for number, name in enumerate(self.names):
                yield self._target(name, number)

    def target(self, name: str | None) -> Target:
        """Return one of them by its name."""
        return self._target(name, slice(None) if name is None else self.names.index(name))

    def _target(self, name: str | None, which: int | slice) -> Target:
        known = self.known
        columns: int | slice = which
        if self.classes is not None:
            columns = slice(None)
            known = known & (self.classes == which)[:, None] if isinstance(which, int) else known
        if isinstance(columns, int):
            columns = slice(columns, columns + 1)
        known = known[:, columns]
        return Target(
            name,
            np.where(known, self.damage[:, columns], 0).sum(axis=1, dtype=np.float32),
            known.sum(axis=1, dtype=np.float32),
            np.where(known, self.expected[:, columns], 0).sum(axis=1, dtype=np.float32),
        )


def losses_of(
    dense: Predictions,
    compressed: Predictions,
    search: NDArray[np.bool_],
    *,
    measure: Measure = "harmful_flips",
    beyond: Beyond = "margin",
    churn: Sequence[Predictions] = (),
) -> Losses:
    """Count the damage to every answer, and foretell it from those of the search half.

    Parameters
    ----------
    dense, compressed : Predictions
        Of the same N samples.
    search : array (N,) of bool
        Which samples may be looked at.
    measure, beyond : str
    churn : sequence of Predictions
        Other trainings of the dense model, for ``beyond="churn"``: what they lose against it, on
        average, is taken off.

    Raises
    ------
    ConfigError
        A choice is unknown, or another dense model is needed.
    """
    for what, value, known_ones in (
        ("damage", measure, get_args(Measure)),
        ("beyond", beyond, get_args(Beyond)),
    ):
        if value not in known_ones:
            raise ConfigError(one_of(what, value, known_ones))
    if beyond == "churn" and not churn:
        raise ConfigError(
            "beyond churn: expected a second dense model of another training seed, which tells it"
        )
    before, after = margins_of(dense, measure), margins_of(compressed, measure)
    labels = dense.samples.labels
    classes = None
    labelled, sides = labels != UNKNOWN, labels
    if dense.samples.task == "multiclass":
        labelled = (labels == 1).any(axis=1, keepdims=True)
        classes = np.where(labelled[:, 0], labels.argmax(axis=1), UNKNOWN)
        sides = np.zeros(labelled.shape, np.int8)
    known = _known(measure, labelled, sides, classes, len(dense.attributes))
    damage = damage_of(measure, before, after)
    expected = np.zeros(damage.shape, np.float32)
    for column in range(damage.shape[1]):
        told = known[:, column]
        seen = told & search
        if beyond == "nothing":
            expected[:, column] = damage[seen, column].mean() if seen.any() else 0.0
        else:
            side = sides[:, column] + 3 * (before[:, column] > 0)  # three labels: one is unknown
            if measure == "uncertainty":
                side = side + 6 * (np.abs(before[:, column]) < SURE)
            for one in np.unique(side[told]):
                rows = np.flatnonzero(told & (side == one))
                at = before[rows, column]
                change = after[rows, column] - at
                foretold = _foretold(measure, at, change, search[rows])
                expected[rows, column] = calibrated(
                    foretold, damage[rows, column], at, search[rows]
                )
    if beyond == "churn":
        others = [damage_of(measure, before, margins_of(model, measure)) for model in churn]
        damage = damage - np.mean(others, axis=0)
    return Losses(
        dense.attributes, np.where(known, damage, 0).astype(np.float32), known, expected, classes
    )


def _known(
    measure: Measure,
    labelled: NDArray[np.bool_],
    sides: NDArray[np.int8],
    classes: NDArray[np.int64] | None,
    n_classes: int,
) -> NDArray[np.bool_]:
    """Return which answers can be damaged."""
    if measure == "uncertainty":
        return np.ones(labelled.shape, bool)
    if measure != "rare_answers":
        return labelled
    if classes is not None:  # rare: seldomer than if all classes were as frequent
        counts = np.bincount(classes[classes >= 0], minlength=n_classes)
        rare = counts < labelled.sum() / n_classes
        return np.asarray(labelled & rare[classes][:, None])
    positive = ((sides == 1) & labelled).sum(axis=0) * 2 <= labelled.sum(axis=0)
    return np.asarray(labelled & (sides == positive))


def _foretold(measure: Measure, margin: Floats, change: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Return the damage that answers of one side expect: (n,).

    At some margins the changes of the answers nearest in margin are tried; between them it is
    interpolated. Changes say more than flips: where ten answers flipped hundreds moved. That they
    grow with the margin, as logits shrink say, is taken to be linear among those nearest.
    """
    if not seen.any():
        return np.zeros(len(margin))
    order = np.argsort(margin[seen], kind="stable")
    at, moved = margin[seen][order], change[seen][order]
    n = len(at)
    spread = at.var()
    slope = ((at - at.mean()) * moved).mean() / spread if spread > 0 else 0.0
    points = np.unique(at[np.linspace(0, n - 1, min(n, POINTS)).round().astype(int)])
    near = min(max(NEAR[0], min(NEAR[1], n // 8)), n)
    first = np.clip(np.searchsorted(at, points) - near // 2, 0, n - near)
    nearest = first[:, None] + np.arange(near)
    after = points[:, None] + moved[nearest] + slope * (points[:, None] - at[nearest])
    means = damage_of(measure, points[:, None], after).mean(axis=1)
    return np.asarray(np.interp(margin, points, means))

"""Some samples with the answers of several models, laid out as statistics are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Group, Task
from prunescope.predictions.record import Predictions
from prunescope.predictions.scores import sigmoid

EVERY = slice(None)

CELLS = 1 << 15
"""Numbers that are worked on at once, so that they stay in the cache."""


Floats = NDArray[np.floating[Any]]
Rows = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Answers:
    """One model's answers to A attributes on n samples, attribute by attribute.

    Parameters
    ----------
    logits : sequence of A arrays (n,), or array (A, n)
    task : {"multilabel", "multiclass"}
    thresholds : array (A,) or (A, n), optional
        A logit above means yes; default: 0.
    """

    logits: Sequence[Floats] | Floats
    task: Task = "multilabel"
    thresholds: NDArray[np.float64] | None = None

    @cached_property
    def decisions(self) -> NDArray[np.bool_]:
        """Yes or no: (A, n); for a class, whether it has the highest logit (ties: the first)."""
        if self.task == "multiclass":
            return np.asarray(self.top.best == np.arange(len(self.logits))[:, None])
        above = np.zeros(len(self.logits)) if self.thresholds is None else self.thresholds
        return np.stack([z > limit for z, limit in zip(self.logits, above, strict=True)])

    @cached_property
    def top(self) -> Top:
        """The best class of each sample, of a multi-class model."""
        n = len(self.logits[0])
        top = Top(np.empty(n, np.int64), *np.empty((3, n)))
        step = max(1, CELLS // len(self.logits))
        for start in range(0, n, step):
            rows = slice(start, start + step)
            for mine, found in zip(top, Top.of(self._logits_of(rows)), strict=True):
                mine[rows] = found
        return top

    def probabilities(self, attribute: int, rows: Rows = EVERY) -> NDArray[np.float64]:
        """P(yes) of one attribute for some of the samples, in [0, 1]."""
        logits = self.logits[attribute][rows]
        if self.task == "multilabel":
            return sigmoid(logits)
        p = np.exp(logits - self.top.logit[rows])
        p /= self.top.total[rows]
        return p

    def shares(self, rows: Rows) -> NDArray[np.float64]:
        """P(class) of some of the samples, sample by sample, of a multi-class model: (r, A)."""
        p = self._logits_of(rows)
        p -= self.top.logit[rows, None]
        np.exp(p, out=p)
        p /= self.top.total[rows, None]
        return p

    @property
    def log_odds(self) -> Sequence[Floats] | Floats:
        """Log-odds of each attribute, or of each class against all others, in turn: A × (n,)."""
        return self.logits if self.task == "multilabel" else LogOdds(self)

    def _logits_of(self, rows: Rows) -> NDArray[np.float64]:
        """Return logits sample by sample: (r, A)."""
        if isinstance(self.logits, np.ndarray):
            return self.logits.T[rows].astype(np.float64)
        return np.stack([z[rows] for z in self.logits], axis=1, dtype=np.float64)


class Top(NamedTuple):
    """The class with the highest logit of each sample (ties: the first): (n,) each.

    ``logit`` is its logit, ``total`` what exp(z - that logit) adds up to over all classes, and
    ``log_others`` the logarithm of what it adds up to over the other classes.
    """

    best: NDArray[np.int64]
    logit: NDArray[np.float64]
    total: NDArray[np.float64]
    log_others: NDArray[np.float64]

    @classmethod
    def of(cls, logits: NDArray[np.float64]) -> Top:
        """Find the best classes of samples (n, A); `logits` is overwritten."""
        every, best = np.arange(len(logits)), logits.argmax(axis=1)
        highest = logits[every, best]
        logits[every, best] = -np.inf
        second = np.maximum(logits.max(axis=1), np.finfo(np.float64).min)  # there may be no other
        logits -= second[:, None]
        with np.errstate(divide="ignore"):
            log_others = np.log(np.exp(logits, out=logits).sum(axis=1)) + second - highest
        return cls(best, highest, 1 + np.exp(log_others), log_others)


class LogOdds(Sequence[Floats]):
    """Log-odds of each class against all others, z_c - log Σ_(k≠c) exp(z_k), made when asked for.

    Parameters
    ----------
    answers : Answers
        Of a multi-class model.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def __len__(self) -> int:
        return len(self._answers.logits)

    @overload
    def __getitem__(self, classes: int) -> Floats: ...

    @overload
    def __getitem__(self, classes: slice) -> list[Floats]: ...

    def __getitem__(self, classes: int | slice) -> Floats | list[Floats]:
        """Return those of one class (n,), or of several."""
        if isinstance(classes, slice):
            logits = self._answers.logits[classes]
            numbers = range(len(self))[classes]
            return [self._of(c, z) for c, z in zip(numbers, np.array(logits), strict=True)]
        return self._of(range(len(self))[classes], self._answers.logits[classes])

    def _of(self, c: int, logits: Floats) -> Floats:
        best, highest, total, log_others = self._answers.top
        odds = logits - highest
        of_others = total - np.exp(odds)
        chosen = np.flatnonzero(best == c)
        of_others[chosen] = 1  # 1 - p loses its digits above one half
        odds -= np.log(of_others)
        odds[chosen] = -log_others[chosen]
        return np.asarray(odds)


@dataclass(frozen=True)
class Batch:
    """n samples with the answers of M models.

    Parameters
    ----------
    ids : polars.Series (n,)
    labels : array (A, n) of uint8
        0 false, 1 true, 2 unlabelled.
    groups : mapping of str to Group
    models : tuple of Answers
    images : polars.Series (n,), optional
    """

    ids: pl.Series
    labels: NDArray[np.uint8]
    groups: Mapping[str, Group]
    models: tuple[Answers, ...]
    images: pl.Series | None = None

    @classmethod
    def of(cls, models: Sequence[Predictions]) -> Batch:
        """Lay out aligned predictions."""
        samples = models[0].samples
        labels = np.where(samples.labels == UNKNOWN, 2, samples.labels).astype(np.uint8)
        answers = (
            Answers(
                model.logits.T,
                samples.task,
                None if model.thresholds is None else model.thresholds.T,
            )
            for model in models
        )
        return cls(
            samples.ids,
            np.ascontiguousarray(labels.T),
            samples.groups,
            tuple(answers),
            samples.images,
        )

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """The class of each sample of a multi-class task, -1 where unlabelled: (n,)."""
        return np.where(self.labels.min(axis=0) == 2, -1, (self.labels == 1).argmax(axis=0))

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.ids)

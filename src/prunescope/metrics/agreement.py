"""What a population of models answers together, and how far two populations agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Task
from prunescope.errors import ConfigError, DataError
from prunescope.metrics.statistics import Floats, divide
from prunescope.predictions import Predictions
from prunescope.predictions.batch import CELLS

Places = NDArray[np.intp]

TIED = -1
"""Modal answer of a population that gives two answers equally often."""


class Population:
    """One or more models of one recipe, trained with different seeds, and what they say together.

    Parameters
    ----------
    models : sequence of Predictions
        On the same samples and attributes, in one order. Of all their answers, only what is asked
        for is kept: the rest is worked out for some samples at a time.

    Raises
    ------
    ConfigError
        There is no model.
    DataError
        The models are not on the same samples.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a"]), ("Bald", "Hat"), np.array([[1, 0]], np.int8))
    >>> models = [Predictions(samples, np.array([z]), Metadata()) for z in ([1.0, -2], [2.0, 3])]
    >>> Population(models).modal_answers.tolist()
    [[1, -1]]
    """

    def __init__(self, models: Sequence[Predictions]) -> None:
        if not models:
            raise ConfigError("a population has no model: expected at least one")
        for model in models[1:]:
            check_same_samples(models[0], model)
        self.models = tuple(models)
        self.samples = models[0].samples

    def __len__(self) -> int:
        return len(self.models)

    @cached_property
    def yes_share(self) -> Floats:
        """Share of the models that answer yes: (N, A), in [0, 1]."""
        return self._yes_share(slice(None))

    @cached_property
    def mean_probabilities(self) -> Floats:
        """Averaged over the models: (N, A), in [0, 1]."""
        return self._mean_probabilities(slice(None))

    @cached_property
    def modal_answers(self) -> NDArray[np.int8]:
        """The answer that most models give: (N, A), 1 yes, 0 no, -1 where as many say yes as no.

        For a multi-class task a row is one-hot, 1 at the class that most models choose, and all -1
        where two classes are chosen equally often.
        """
        found = np.empty(self.samples.labels.shape, np.int8)
        for rows in self._pieces():
            found[rows] = modal(self._yes_share(rows), self.samples.task)
        return found

    @cached_property
    def ranks(self) -> NDArray[np.int32]:
        """Rank of each attribute of a sample by mean probability: (N, A), centred and doubled.

        So ranks are whole numbers, and their sums exact; ties share their mean rank.
        """
        found = np.empty(self.samples.labels.shape, np.int32)
        for rows in self._pieces():
            found[rows] = doubled_ranks(self._mean_probabilities(rows))
        return found

    def at(self, rows: Places, columns: Places) -> tuple[Floats, Floats]:
        """Return the shares that answer yes and the mean probabilities in some cells, (n,) each."""
        shares, probabilities = np.empty((2, len(rows)))
        for piece in self._pieces():
            here = np.flatnonzero((rows >= piece.start) & (rows < piece.stop))
            if len(here):
                cells = rows[here] - piece.start, columns[here]
                shares[here] = self._yes_share(piece)[cells]
                probabilities[here] = self._mean_probabilities(piece)[cells]
        return shares, probabilities

    def _pieces(self) -> Iterator[slice]:
        """Yield the samples that are worked on at once."""
        n, a = self.samples.labels.shape
        step = max(1, CELLS // a)
        return (slice(start, start + step) for start in range(0, n, step))

    def _yes_share(self, rows: slice) -> Floats:
        return _mean([model.decisions_of(rows) for model in self.models])

    def _mean_probabilities(self, rows: slice) -> Floats:
        return _mean([model.probabilities_of(rows) for model in self.models])

    def label_may_be_wrong(self, confidence: float = 0.9) -> NDArray[np.bool_]:
        """Mark the labels (N, A) that every model contradicts with confidence.

        Every model's answer differs from the label, and every model gives its own answer a
        probability of at least `confidence`. In a multi-class task every model chooses the same
        class, another than the label, and the columns of both are marked. It is a reason to look
        at the label, not a proof: models that learned one bias err together.

        Raises
        ------
        ConfigError
            The confidence is not a probability above 0.

        Examples
        --------
        >>> import polars as pl
        >>> from prunescope.data.samples import Samples
        >>> from prunescope.predictions import Metadata
        >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [1]], np.int8))
        >>> dense = [Predictions(samples, np.array([[-4.0], [z]]), Metadata()) for z in (-4, -1)]
        >>> Population(dense).label_may_be_wrong()[:, 0].tolist()
        [True, False]
        """
        if not 0 < confidence <= 1:
            raise ConfigError(
                f"confidence is {confidence}: expected a probability above 0, at most 1"
            )
        doubted = np.empty(self.samples.labels.shape, bool)
        for rows in self._pieces():
            labels, share = self.samples.labels[rows], self._yes_share(rows)
            found = np.where(labels == 1, share == 0, share == 1) & (labels != UNKNOWN)
            if self.samples.task == "multiclass":
                found &= (share == 1).any(axis=1, keepdims=True)
            if found.any():
                for model in self.models:
                    p = model.probabilities_of(rows)
                    if self.samples.task == "multiclass":
                        sure = p.max(axis=1, keepdims=True) >= confidence
                    else:
                        sure = np.where(model.decisions_of(rows), p, 1 - p) >= confidence
                    found &= sure
            doubted[rows] = found
        return doubted


def _mean(tables: Sequence[Floats] | Sequence[NDArray[np.bool_]]) -> Floats:
    """Average tables of one shape."""
    total = np.zeros(tables[0].shape)
    for table in tables:
        total += table
    total /= len(tables)
    return total


def modal(share: Floats, task: Task) -> NDArray[np.int8]:
    """Return the commonest answers (N, A), as `Population.modal_answers` has them.

    Parameters
    ----------
    share : array (N, A)
        Share of the models that answer yes, in [0, 1].
    task : str

    Examples
    --------
    >>> modal(np.array([[1.0, 0.5, 0.25]]), "multilabel").tolist()
    [[1, -1, 0]]
    """
    if task == "multilabel":
        most, tied = share > 0.5, share == 0.5
    else:
        most = share == share.max(axis=1, keepdims=True)
        tied = most.sum(axis=1, keepdims=True) > 1
    return np.where(tied, TIED, most).astype(np.int8)


def doubled_ranks(values: Floats) -> Floats:
    """Rank each row (N, A), centred and doubled, so that they are whole; ties share their mean.

    Examples
    --------
    >>> doubled_ranks(np.array([[0.1, 0.7, 0.7, 0.2]])).tolist()
    [[-3.0, 2.0, 2.0, -1.0]]
    """
    n, a = values.shape
    order = np.argsort(values, axis=1)
    order += np.arange(0, n * a, a)[:, None]  # places in the whole table
    ordered = values.take(order)
    ranks = np.empty(values.shape)
    ranks.reshape(-1)[order] = np.arange(1.0 - a, a, 2.0)
    same = ordered[:, 1:] == ordered[:, :-1]
    tied = same.any(axis=1)
    if tied.any():  # seldom, and slower
        edges = np.pad(~same[tied], ((0, 0), (1, 1)), constant_values=True)
        places = np.arange(a)
        first = np.maximum.accumulate(np.where(edges[:, :-1], places, 0), axis=1)
        last = np.where(edges[:, 1:], places, a)[:, ::-1]
        last = np.minimum.accumulate(last, axis=1)[:, ::-1]
        ranks.reshape(-1)[order[tied]] = first + last - (a - 1.0)
    return ranks


def check_same_samples(first: Predictions, model: Predictions) -> None:
    """Raise a DataError unless two models are on the same samples and attributes, in one order."""
    mine, theirs = first.samples, model.samples
    if mine is not theirs and not (
        mine.task == theirs.task
        and mine.attributes == theirs.attributes
        and mine.ids.equals(theirs.ids)
    ):
        raise DataError(
            f"{first.name} and {model.name} differ in samples, attributes or task, or in their "
            "order: bring them together with prunescope.predictions.align first"
        )


def rank_agreement(dense: Population, compressed: Population) -> Floats:
    """Return how far two populations order the attributes of each sample alike: (N,), in [-1, 1].

    Spearman's rank correlation, over the A attributes (or classes) of a sample, between the
    probabilities averaged over the dense models and those averaged over the compressed ones; ties
    share their mean rank. 1: one order; lower: more changed. NaN where a vector is constant or
    A < 2.
    Source: Holste et al. (MICCAI 2023), How does pruning impact long-tailed multi-label medical
    image classifiers?

    Raises
    ------
    DataError
        The populations are not on the same samples.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a"]), ("x", "y", "z"), np.zeros((1, 3), np.int8))
    >>> dense = Predictions(samples, np.array([[1.0, 2, 3]]), Metadata())
    >>> sparse = Predictions(samples, np.array([[2.0, 1, 3]]), Metadata())
    >>> rank_agreement(Population([dense]), Population([sparse])).tolist()
    [0.5]
    """
    check_same_samples(dense.models[0], compressed.models[0])
    x, y = dense.ranks, compressed.ranks  # whole numbers: one order gives exactly 1
    own, theirs, both = (
        np.einsum("na,na->n", *pair, dtype=np.float64, casting="safe")
        for pair in ((x, x), (y, y), (x, y))
    )
    return np.clip(divide(both, np.sqrt(own * theirs)), -1.0, 1.0)


def lowest_agreement(agreement: Floats, share: float = 0.05) -> NDArray[np.bool_]:
    """Mark the samples (N,) with the lowest rank agreement.

    ⌊share · n⌋ of the n samples that have an agreement are marked; among equals, the earlier
    sample. One whose order did not change (an agreement of 1) is never marked, so that there may
    be fewer.
    Source: Holste et al. (MICCAI 2023), with a share of 5%.

    Parameters
    ----------
    agreement : array (N,)
        From `rank_agreement`; NaN is never marked.
    share : float
        In [0, 1].

    Raises
    ------
    ConfigError
        The share is not in [0, 1].

    Examples
    --------
    >>> lowest_agreement(np.array([0.5, 0.9, 0.2, np.nan, 0.5]), share=0.5).tolist()
    [True, False, True, False, False]
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share is {share}: expected a share of the samples, from 0 to 1")
    # In decimals: 0.29 of 100 are 29, which 0.29 * 100 in binary falls short of.
    n = int(Fraction(str(share)) * int((~np.isnan(agreement)).sum()))
    changed = np.flatnonzero(agreement < 1)
    marked = np.zeros(len(agreement), bool)
    marked[changed[np.argsort(agreement[changed], kind="stable")[:n]]] = True
    return marked

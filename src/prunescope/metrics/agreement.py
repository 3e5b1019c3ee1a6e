"""What a population of models answers together, and how far two populations agree.

A *population* is one or more models of one recipe, trained with different seeds, on the same
samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from prunescope.data.samples import UNKNOWN
from prunescope.errors import ConfigError, DataError
from prunescope.metrics.statistics import Floats, divide
from prunescope.predictions import Predictions

TIED = -1
"""Modal answer of a population that gives two answers equally often."""


def check_population(models: Sequence[Predictions]) -> None:
    """Raise unless there is a model, and all are on the same samples and attributes, in one order.

    Raises
    ------
    ConfigError
        There is no model.
    DataError
        The models are not on the same samples.
    """
    if not models:
        raise ConfigError("a population has no model: expected at least one")
    first = models[0]
    for model in models[1:]:
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


def yes_share(models: Sequence[Predictions]) -> Floats:
    """Return the share of a population's models that answer yes: (N, A), in [0, 1]."""
    check_population(models)
    votes = np.zeros(models[0].logits.shape)
    for model in models:
        votes += model.decisions
    return np.asarray(votes / len(models))


def mean_probabilities(models: Sequence[Predictions]) -> Floats:
    """Average the probabilities over a population's models: (N, A), in [0, 1]."""
    check_population(models)
    total = np.zeros(models[0].logits.shape)
    for model in models:
        total += model.probabilities
    return np.asarray(total / len(models))


def modal_answers(models: Sequence[Predictions]) -> NDArray[np.int8]:
    """Return the answer that most of a population's models give: (N, A).

    1 yes, 0 no, -1 where as many models say yes as no. For a multi-class task the row is one-hot,
    1 at the class that most models choose, and all -1 where two classes are chosen equally often.

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
    >>> modal_answers(models).tolist()
    [[1, -1]]
    """
    share = yes_share(models)
    if models[0].samples.task == "multilabel":
        return np.where(share == 0.5, TIED, share > 0.5).astype(np.int8)
    most = share == share.max(axis=1, keepdims=True)
    tied = most.sum(axis=1, keepdims=True) > 1
    return np.where(tied, TIED, most).astype(np.int8)


def rank_agreement(dense: Sequence[Predictions], compressed: Sequence[Predictions]) -> Floats:
    """Return how far two populations order the attributes of each sample alike: (N,), in [-1, 1].

    Spearman's rank correlation, over the A attributes (or classes) of a sample, between the
    probabilities averaged over the dense models and those averaged over the compressed ones; ties
    share their mean rank. 1: one order; lower: more changed. NaN where a vector is constant or
    A < 2.
    Source: Holste et al. (MICCAI 2023), How does pruning impact long-tailed multi-label medical
    image classifiers?

    Raises
    ------
    ConfigError
        A population has no model.
    DataError
        The models are not on the same samples.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a"]), ("x", "y", "z"), np.zeros((1, 3), np.int8))
    >>> dense = Predictions(samples, np.array([[1.0, 2, 3]]), Metadata())
    >>> sparse = Predictions(samples, np.array([[2.0, 1, 3]]), Metadata())
    >>> rank_agreement([dense], [sparse]).tolist()
    [0.5]
    """
    check_population([*dense[:1], *compressed[:1]])
    # Twice the centred ranks are whole numbers, their sums are exact, and one order gives 1.
    x, y = (
        2 * rankdata(mean_probabilities(models), axis=1) - (len(models[0].attributes) + 1)
        for models in (dense, compressed)
    )
    spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return np.clip(divide((x * y).sum(axis=1), spread), -1.0, 1.0)


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


def label_may_be_wrong(dense: Sequence[Predictions], confidence: float = 0.9) -> NDArray[np.bool_]:
    """Mark the labels (N, A) that every dense model contradicts with confidence.

    Every model's answer differs from the label, and every model gives its own answer a probability
    of at least `confidence`. In a multi-class task every model chooses the same class, another
    than the label, and the columns of both are marked. It is a reason to look at the label, not a
    proof: models that learned one bias err together.

    Raises
    ------
    ConfigError
        There is no model, or the confidence is not a probability above 0.
    DataError
        The models are not on the same samples.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [1]], np.int8))
    >>> dense = [Predictions(samples, np.array([[-4.0], [z]]), Metadata()) for z in (-4, -1)]
    >>> label_may_be_wrong(dense)[:, 0].tolist()
    [True, False]
    """
    if not 0 < confidence <= 1:
        raise ConfigError(f"confidence is {confidence}: expected a probability above 0, at most 1")
    share = yes_share(dense)
    samples = dense[0].samples
    sure = np.ones(share.shape, bool)
    for model in dense:
        own = np.where(model.decisions, model.probabilities, 1 - model.probabilities)
        if samples.task == "multiclass":
            own = model.probabilities.max(axis=1, keepdims=True)
        sure &= own >= confidence
    if samples.task == "multiclass":
        sure &= (share == 1).any(axis=1, keepdims=True)
    contradicted = np.where(samples.labels == 1, share == 0, share == 1)
    return np.asarray(sure & contradicted & (samples.labels != UNKNOWN))

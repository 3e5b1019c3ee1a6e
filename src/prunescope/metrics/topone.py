"""The one answer of a multi-class model: counted as a single attribute, "the answer is right".

Top-1 accuracy, the calibration of the top label and changed answers are then functions of the same
statistics as everything else.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from prunescope.metrics.statistics import Floats, Measure, divide
from prunescope.predictions.batch import Answers, Batch


def top_answers(answers: Answers) -> NDArray[np.int64]:
    """Return the class with the highest logit of each sample (ties: the first): (n,)."""
    return answers.top.best


def true_classes(batch: Batch) -> NDArray[np.int64]:
    """Return the class of each sample, -1 where unlabelled: (n,)."""
    return batch.truth


def as_attribute(batch: Batch, model: int) -> Batch:
    """Return one model's top answers as a single attribute.

    The label says whether the answer is right, the probability is that of the answer.
    """
    answers = batch.models[model]
    top, truth = top_answers(answers), true_classes(batch)
    labels = np.where(truth < 0, 2, top == truth).astype(np.uint8)[None]
    confidence = np.clip(1 / answers.top.total, 0, 1 - 1e-16)
    return replace(batch, labels=labels, models=(Answers([logit(confidence)]),))


def changes(batch: Batch, before: int, after: int) -> Batch:
    """Return the change of top answers from one model to another as transitions of one attribute.

    Labels say whether the answer changed (0 no, 1 yes, 2 unlabelled), decisions whether it was
    right before and is right after; of an unlabelled sample the first says whether it changed.
    """
    first, second = (top_answers(batch.models[model]) for model in (before, after))
    truth, changed = true_classes(batch), first != second
    unknown = truth < 0
    labels = np.where(unknown, 2, changed).astype(np.uint8)[None]
    right = [np.where(unknown, changed, first == truth), ~unknown & (second == truth)]
    models = tuple(Answers([one.astype(np.float64)]) for one in right)
    return replace(batch, labels=labels, models=models)


def top_one_accuracy(counts: Floats) -> Measure:
    """Share of labelled samples whose top answer is right, from `as_attribute`: (..., S, 1)."""
    n = counts[..., :2, :].sum(axis=(-2, -1))
    return Measure(divide(counts[..., 1, :].sum(axis=-1), n), n)


def top_one_flip_rate(transitions: Floats) -> Measure:
    """Share of all samples whose top answer changed, from `changes`."""
    n = transitions.sum(axis=(-3, -2, -1))
    changed = transitions[..., 1, :, :].sum(axis=(-2, -1)) + transitions[..., 2, 1, :].sum(axis=-1)
    return Measure(divide(changed, n), n)


def top_one_harmful_flip_rate(transitions: Floats) -> Measure:
    """Share of labelled samples whose top answer went from right to wrong."""
    n = transitions[..., :2, :, :].sum(axis=(-3, -2, -1))
    return Measure(divide(transitions[..., 1, 1, 0], n), n)


def top_one_helpful_flip_rate(transitions: Floats) -> Measure:
    """Share of labelled samples whose top answer went from wrong to right."""
    n = transitions[..., :2, :, :].sum(axis=(-3, -2, -1))
    return Measure(divide(transitions[..., 1, 0, 1], n), n)

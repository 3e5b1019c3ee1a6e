"""Risk: which of a pruned model's answers are sent first, and what it takes to know that."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from prunescope.audit.setup import rates_of
from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.forecast.outlook import margins
from prunescope.forecast.result import Forecast
from prunescope.forecast.scorers import SCORERS, Case
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Metadata, Predictions, on_samples_of

To = Literal["dense", "person"]
"""Who answers what is sent."""

Score: TypeAlias = str | Forecast | Floats
"""Where the risk of answers comes from."""

OWN_MARGIN = "own-margin"
"""The score that needs nothing but the pruned model's answers."""

NAMED = (
    OWN_MARGIN,
    *(name for name, scorer in SCORERS.items() if scorer.tier == "A" and name != "temperature"),
)
"""Scores that have a name: that, and forecasts of tier A from the dense model's answers (but for
the one that must see labels of another split)."""

ALONE = (OWN_MARGIN, "margin", "band")
"""Those that look at each sample alone, as a certificate asks; others compare it with all samples
at hand (their mean, spread or principal components)."""


def title_of(score: Score) -> str:
    """Name a score."""
    if isinstance(score, Forecast):
        return f"a forecast by {score.info.scorer}"
    return score if isinstance(score, str) else "risks of your own"


def risk_of(score: Score, pruned: Predictions, dense: Predictions) -> Floats:
    """Return the risk (N, A) of a pruned model's answers, given the dense model's beside them.

    Raises
    ------
    ConfigError
        There is no score of that name.
    DataError
        A forecast lacks some of the samples, or risks of your own have another shape.
    """
    if isinstance(score, str):
        return of_named_class(*_named(score, pruned, dense))
    risk = _foretold(score, pruned) if isinstance(score, Forecast) else score
    if risk.shape != pruned.logits.shape or not np.isfinite(risk).all():
        raise DataError(
            f"risks have shape {risk.shape}: expected {pruned.logits.shape}, a number for each "
            f"answer of {pruned.name}"
        )
    return of_named_class(risk, pruned)


def check_given(score: str, given: Score | None) -> None:
    """Raise where a score of other samples is given, or not, against what the route's is.

    Parameters
    ----------
    score : str
        Its title.
    given : Forecast or array, optional
    """
    if given is None and score not in NAMED:
        raise ConfigError(f"the route was chosen by {score}: give that of these samples, too")
    if given is not None and score in NAMED:
        raise ConfigError(
            f"the route was chosen by {score}, which is known of any samples: leave out "
            f"{title_of(given)}"
        )


def check_alone(score: Score) -> None:
    """Raise where a score looks at samples together: they would not be independent any more."""
    looks = score.info.scorer if isinstance(score, Forecast) else score
    known = isinstance(score, Forecast) or (isinstance(score, str) and score in NAMED)
    if known and looks not in ALONE:
        raise ConfigError(
            f"{title_of(score)} compares a sample with all others at hand, so that their losses "
            f"depend on each other and nothing can be proved: certify by {' or '.join(ALONE)}"
        )


def _named(score: str, pruned: Predictions, dense: Predictions) -> tuple[Floats, Predictions]:
    """Return the risk by a score that has a name, and the model whose answers it looks at."""
    if score == OWN_MARGIN:
        return -abs(margins(pruned)), pruned
    if score not in NAMED:
        raise ConfigError(one_of("score", score, NAMED))
    rates, _ = rates_of([dense.metadata], None, dense.samples.rates)
    sparsity = pruned.metadata.compression.removed
    return SCORERS[score].look(Case(dense, rates, sparsity)).risk, dense


def _foretold(forecast: Forecast, pruned: Predictions) -> Floats:
    """Return a forecast's risk of each answer of the samples of a pruned model."""
    unlabelled = np.full(forecast.risk.shape, UNKNOWN, np.int8)
    samples = Samples(forecast.ids, forecast.info.attributes, unlabelled, task=forecast.info.task)
    told = Predictions(samples, forecast.risk, Metadata(name=f"forecast of {forecast.info.model}"))
    return on_samples_of(told, pruned).logits


def of_named_class(risk: Floats, predictions: Predictions) -> Floats:
    """Give a class the risk of the one that the model names: samples are sent whole."""
    if predictions.samples.task == "multilabel":
        return risk
    named = risk[np.arange(len(risk)), predictions.decisions.argmax(axis=1)]
    return np.repeat(named[:, None], risk.shape[1], axis=1)


def asks_everywhere(score: str) -> bool:
    """Tell whether a score must have the dense model's answer to every sample."""
    return score != OWN_MARGIN


def needs_of(score: str, to: To) -> str:
    """Say what must be known of a sample when it is answered."""
    there = "the dense model" if to == "dense" else "a person"
    if not asks_everywhere(score):
        return f"{there}, for what is sent"
    return f"the dense model's answer to every sample, and {there}, for what is sent"

"""Routing: the riskiest answers go to the dense model or to a person, the others stay.

A *cut* is chosen on a validation split: answers whose risk reaches it are sent. What that leaves of
flips, errors, rare-value ratio, bias amplification and gaps between groups, and what it costs, is
told for every share of sent answers, beside a random order and an oracle's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.leaning import Leanings
from prunescope.audit.subject import rates_of
from prunescope.data.samples import UNKNOWN, Samples
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.forecast.criteria import expected_counts
from prunescope.forecast.outlook import margins
from prunescope.forecast.result import Forecast
from prunescope.forecast.routing import left_of, mean_of, places_of
from prunescope.forecast.scorers import SCORERS, Case
from prunescope.metrics import Slices, accuracy
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Metadata, Predictions, on_samples_of

To = Literal["dense", "person"]

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

SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

SURE = 30.0
"""Logit of what a person answers."""

CHOSEN = "chosen"
"""The order of the rows at the cut."""

CURVE_SCHEMA: dict[str, pl.DataType] = {
    "split": pl.String(),
    "order": pl.String(),
    "sent": pl.Float64(),
    "samples": pl.Float64(),
    "cost": pl.Float64(),
    "flip_rate": pl.Float64(),
    "error_rate": pl.Float64(),
    "rare_value_ratio": pl.Float64(),
    "group": pl.String(),
    "bias_amplification": pl.Float64(),
    "accuracy_difference": pl.Float64(),
}
"""Columns of the curves, a row per order, share and group. `sent` is the share of all answers,
`samples` of samples with one or more of them; `cost` the multiplications for a sample in shares of
the dense model's, if they are known. Rates are of all answers, the other metrics means over
attributes. Order ``chosen`` is at the cut; random and oracle orders show what is to be expected."""


@dataclass(frozen=True)
class Routed:
    """A pruned model on one split, and where its answers may be sent.

    Parameters
    ----------
    pruned, dense : Predictions
        Of the same samples, in one order.
    risk : array (N, A)
        Higher is sent first.
    to : {"dense", "person"}
        Whose answer replaces one that is sent: the dense model's, or the label. A person knows
        what is labelled; an unlabelled answer that is sent is the dense model's.
    whole : bool
        Whether samples are sent with all their answers, which then share a risk.
    """

    pruned: Predictions
    dense: Predictions
    risk: Floats
    to: To
    whole: bool = False

    @classmethod
    def of(
        cls,
        pruned: Predictions,
        dense: Predictions,
        score: Score,
        to: To,
        *,
        whole: bool = False,
    ) -> Routed:
        """Put the dense model's answers beside the pruned one's, and find the risk of each.

        Parameters
        ----------
        pruned, dense : Predictions
        score : str, Forecast or array (N, A)
            A name in `NAMED`, a forecast of these samples, or a risk of your own for the samples of
            `pruned`.
        to : {"dense", "person"}
        whole : bool
            Give all answers of a sample the highest risk of them: it is sent whole, or not at all.

        Raises
        ------
        ConfigError
            There is no such score.
        DataError
            The predictions, or the risk, do not fit together.
        """
        beside = on_samples_of(dense, pruned)
        if isinstance(score, str):
            risk = risk_of(score, pruned, beside)
        else:
            risk = _foretold(score, pruned) if isinstance(score, Forecast) else score
            if risk.shape != pruned.logits.shape or not np.isfinite(risk).all():
                raise DataError(
                    f"risks have shape {risk.shape}: expected {pruned.logits.shape}, a number for "
                    f"each answer of {pruned.name}"
                )
            risk = of_named_class(risk, pruned)
        if whole:
            risk = np.broadcast_to(risk.max(axis=1, keepdims=True), risk.shape)
        return cls(pruned, beside, risk, to, whole)

    @property
    def elsewhere(self) -> NDArray[np.bool_]:
        """The answers (N, A) that are given where answers are sent."""
        if self.to == "dense":
            return self.dense.decisions
        labels = self.pruned.samples.labels
        return np.where(labels == UNKNOWN, self.dense.decisions, labels == 1)

    def sent(self, cut: float) -> NDArray[np.bool_]:
        """Tell which answers (N, A) a cut sends."""
        return np.asarray(self.risk >= cut)

    def answers(self, cut: float, name: str) -> Predictions:
        """Return the predictions of both together, as one model of this name.

        Those that are sent have the dense model's logits, or ± `SURE` of a person, less thresholds.
        """
        sent = self.sent(cut)
        there = _margins_of(self.dense)
        if self.to == "person":
            known = self.pruned.samples.labels != UNKNOWN
            there = np.where(known, np.where(self.elsewhere, SURE, -SURE), there)
        logits = np.where(sent, there, _margins_of(self.pruned))
        metadata = self.pruned.metadata.model_copy(update={"name": name})
        return replace(self.pruned, logits=logits, thresholds=None, metadata=metadata)

    def cut_at(self, share: float) -> float:
        """Return the cut that sends this share of the answers, or as many more as are tied."""
        if share <= 0:
            return float(np.finfo(np.float32).max)
        ranked = np.sort(self.risk, axis=None)[::-1]
        return float(ranked[max(1, round(share * ranked.size)) - 1])

    def losses(self, kind: Literal["disagreement", "error"]) -> tuple[Floats, Floats]:
        """Return the loss (N, A) of each answer if it is kept, and if it is sent; NaN: not known.

        A class is one answer of a sample's: (N, 1).
        """
        kept, sent = self.pruned.decisions, self.elsewhere
        labels = self.pruned.samples.labels
        if kind == "disagreement":
            known, right = np.ones(kept.shape, bool), self.dense.decisions
        else:
            known, right = labels != UNKNOWN, labels == 1
        found = [np.where(known, answers != right, np.nan) for answers in (kept, sent)]
        if self.pruned.samples.task == "multiclass":
            found = [loss.max(axis=1, keepdims=True) for loss in found]
        return found[0], found[1]


def _margins_of(predictions: Predictions) -> Floats:
    """Return logits less thresholds; 0 decides."""
    limits = 0.0 if predictions.thresholds is None else predictions.thresholds
    return np.asarray(np.asarray(predictions.logits, np.float64) - limits)


def risk_of(score: str, pruned: Predictions, dense: Predictions) -> Floats:
    """Return the risk (N, A) of a pruned model's answers by a score that has a name."""
    if score == OWN_MARGIN:
        return of_named_class(-abs(margins(pruned)), pruned)
    if score not in NAMED:
        raise ConfigError(one_of("score", score, NAMED))
    rates, _ = rates_of([dense.metadata], None, dense.samples.rates)
    sparsity = pruned.metadata.compression.sparsity
    return of_named_class(SCORERS[score].look(Case(dense, rates, sparsity)).risk, dense)


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


def curve_rows(
    routed: Routed,
    split: str,
    cut: float | None,
    asked: bool,
    *,
    groups: Sequence[str] | None,
    macs: tuple[float, float] | None,
    min_support: int,
) -> pl.DataFrame:
    """Lay out what is left of the damage at each share of sent answers, and at the cut.

    Parameters
    ----------
    routed : Routed
    split : str
    cut : float, optional
    asked : bool
        Whether the dense model is asked about every sample, for the risk to be known.
    groups : sequence of str, optional
        Default: every group but the cluster.
    macs : pair of float, optional
        Multiplications of the dense and the pruned model for one sample.
    min_support : int
    """
    samples = routed.pruned.samples
    rates, _ = rates_of([routed.dense.metadata], None, samples.rates)
    leanings = Leanings(samples.attributes, Slices.of(samples, groups), rates, min_support)
    start = _counts(routed, leanings, routed.pruned.decisions)
    rows = []
    for order, share, left, touched in _orders(routed, cut):
        yes = abs(routed.elsewhere - left)
        known = samples.labels != UNKNOWN
        errors = abs((samples.labels == 1) - yes)[known]
        # a class that changes makes two cells of a sample differ
        answers = samples.labels.shape[1] / 2 if samples.task == "multiclass" else 1.0
        shared = {
            "split": split,
            "order": order,
            "sent": share,
            "samples": touched,
            "cost": None if macs is None else _cost(touched, asked, routed.to, macs),
            "flip_rate": answers * float(abs(routed.dense.decisions - yes).mean(dtype=np.float64)),
            "error_rate": answers * float(errors.mean(dtype=np.float64)) if len(errors) else None,
        }
        rows += [
            {**shared, **of} for of in _by_group(leanings, start, _counts(routed, leanings, yes))
        ]
    return pl.DataFrame(rows, schema=CURVE_SCHEMA)


def _counts(routed: Routed, leanings: Leanings, yes: Floats | NDArray[np.bool_]) -> Floats:
    """Count answers that are yes, or are so with a probability."""
    return expected_counts(routed.pruned.samples, leanings.slices, yes.astype(np.float32))


def _orders(routed: Routed, cut: float | None) -> Iterator[tuple[str, float, Floats, float]]:
    """Yield order, share sent, what is left of each difference (N, A), share of samples touched."""
    differ = routed.pruned.decisions != routed.elsewhere
    if cut is not None:
        sent = routed.sent(cut)
        left = np.asarray(differ & ~sent, np.float32)
        yield CHOSEN, float(sent.mean()), left, float(sent.any(axis=1).mean())
    best = None
    if routed.whole:  # the samples with most answers that differ come first
        gain = differ.sum(axis=1, keepdims=True)
        best = places_of(np.broadcast_to(gain, differ.shape), routed.pruned)
    orders = {"risk": places_of(routed.risk, routed.pruned), "oracle": best, "random": None}
    for order, places in orders.items():
        for share in SHARES:
            touched = share if routed.whole else _touched(order, places, differ, share)
            yield order, share, left_of(order, places, differ, share), touched


def _by_group(leanings: Leanings, start: Floats, counts: Floats) -> Iterator[dict[str, Any]]:
    """Yield what attributes and groups come to: for each group, or once if there is none."""
    ratio = leanings.rare_value_ratio(start, counts[None])
    shared = {"rare_value_ratio": mean_of(ratio.replicates[:, 0], ratio.ok[0])}
    groups: list[str | None] = [*leanings.slices.group_names()]
    for group in groups or [None]:
        lean = gap = None
        if group is not None:
            found = leanings.bias_amplification(group, start, counts[None])
            lean = mean_of(found.replicates, found.ok)
            right = accuracy(counts[leanings.slices.of_group(group)])
            usable = np.asarray((right.support >= leanings.min_support).all(axis=0))
            spread = right.value.max(axis=0) - right.value.min(axis=0)
            gap = mean_of(spread[None], usable)
        yield {**shared, "group": group, "bias_amplification": lean, "accuracy_difference": gap}


def _touched(order: str, places: Floats | None, differ: NDArray[np.bool_], share: float) -> float:
    """Return the share of samples with an answer that is sent; expected ones, drawn at random."""
    if places is not None:
        return float((places < share).any(axis=1).mean())
    if order == "random":
        return float(1 - (1 - share) ** differ.shape[1])
    sent = min(1.0, share / max(differ.mean(), 1e-12))
    return float((1 - (1 - sent) ** differ.sum(axis=1)).mean())


def _cost(touched: float, asked: bool, to: To, macs: tuple[float, float]) -> float:
    """Return the multiplications for a sample, in shares of the dense model's."""
    dense, pruned = macs
    share = 1.0 if asked else touched if to == "dense" else 0.0
    return (pruned + share * dense) / dense

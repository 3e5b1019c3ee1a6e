"""Routing: the riskiest answers go to the dense model or to a person, the others stay.

A *cut* is chosen on a validation split: answers whose risk reaches it are sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN
from prunescope.metrics.statistics import Floats
from prunescope.mitigate.risk import Score, To, risk_of
from prunescope.mitigate.splits import side_by_side
from prunescope.predictions import Predictions, settle

SURE = 30.0
"""Logit of what a person answers."""

NOTHING = float(np.finfo(np.float32).max)
"""The cut that sends nothing."""


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
        cluster: str | None = None,
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
        cluster : str, optional
            Group whose samples depend on each other; default: the one that the samples name.

        Raises
        ------
        ConfigError
            There is no such score.
        DataError
            The predictions, or the risk, do not fit together.
        """
        pruned, dense = side_by_side(pruned, dense)
        if cluster is not None:
            samples = replace(pruned.samples, cluster=cluster)
            pruned, dense = (replace(model, samples=samples) for model in (pruned, dense))
        risk = risk_of(score, pruned, dense)
        if whole:
            risk = np.broadcast_to(risk.max(axis=1, keepdims=True), risk.shape)
        return cls(pruned, dense, risk, to, whole)

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
        there = settle(self.dense).logits
        if self.to == "person":
            known = self.pruned.samples.labels != UNKNOWN
            there = np.where(known, np.where(self.elsewhere, SURE, -SURE), there)
        logits = np.where(sent, there, settle(self.pruned).logits)
        metadata = self.pruned.metadata.model_copy(update={"name": name})
        return replace(self.pruned, logits=logits, thresholds=None, metadata=metadata)

    def cut_at(self, share: float) -> float:
        """Return the cut that sends the share of the answers that comes closest to this one.

        Answers of one risk are sent together, or not at all.
        """
        if share <= 0:
            return NOTHING
        ranked = np.sort(self.risk, axis=None)[::-1]
        wanted = max(1, round(share * ranked.size))
        cut = ranked[wanted - 1]
        above, reached = (ranked > cut).sum(), (ranked >= cut).sum()
        if wanted - above < reached - wanted:
            return float(ranked[above - 1]) if above else NOTHING
        return float(cut)

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

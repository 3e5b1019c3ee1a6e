"""What the callbacks that audit have in common: figures and a verdict at every validation."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from prunescope.audit import Audit, audit
from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError, DataError, PrunescopeWarning
from prunescope.integrations.plan import Plan
from prunescope.predictions import Compression, Predictions
from prunescope.verdict import ModelVerdict, Policy, shipped

NAME = "pruned"
"""The model's, in the audits."""

FIGURES = {
    "multilabel": ("accuracy", "harmful_flip_rate", "helpful_flip_rate"),
    "multiclass": ("top1_accuracy", "top1_harmful_flip_rate", "top1_helpful_flip_rate"),
}
"""What is logged of the audit table, over all samples; of the first, its worst group as well."""

STOPPED = "audit_do_not_ship"
"""The figure that is 1 where the verdict is "Do not ship"."""


class Validation:
    """Audits a model against the dense one whenever it has answered the validation set.

    Parameters
    ----------
    dense : Predictions
        What the dense model answers on the validation set, in its order.
    pruning : Plan, optional
        The callback that prunes, which knows the sparsity.
    policy : Policy, optional
        What to judge by; default: the shipped one.
    stop_after : int, optional
        Stop training after so many verdicts "Do not ship" in a row; default: never.
    **settings
        Of `prunescope.audit`, such as ``identity`` and ``replicates``.

    Attributes
    ----------
    audit : Audit or None
        The last one.
    verdict : ModelVerdict or None
        What the policy makes of it.
    in_a_row : int
        How many verdicts, the last included, are "Do not ship".

    Raises
    ------
    ConfigError
        A setting makes no sense, or the policy asks for what these audits do not have.
    """

    def __init__(
        self,
        dense: Predictions,
        *,
        pruning: Plan | None = None,
        policy: Policy | None = None,
        stop_after: int | None = None,
        **settings: Any,  # noqa: ANN401 - checked by the audit
    ) -> None:
        if stop_after is not None and stop_after < 1:
            raise ConfigError(f"stop_after is {stop_after}: expected at least 1, or None for never")
        if not isinstance(dense, Predictions):
            raise ConfigError(
                f"dense is a {type(dense).__name__}: expected Predictions; of a file "
                "ps.Predictions.load(path), of arrays ps.Predictions.of(logits, labels)"
            )
        if dense.name == NAME:
            raise ConfigError(f"the dense model is called {NAME!r}: give it another name")
        self.dense = dense
        self.pruning = pruning
        self.policy = policy or shipped()
        self.stop_after = stop_after
        self.settings = settings
        self.audit: Audit | None = None
        self.verdict: ModelVerdict | None = None
        self.in_a_row = 0
        self._judge(dense.logits)  # tells what is wrong before any training

    @property
    def should_stop(self) -> bool:
        """Whether the policy wants training to end."""
        return self.stop_after is not None and self.in_a_row >= self.stop_after

    def warn_if_unseen(self) -> None:
        """Warn where training ended and no validation set was seen."""
        if self.audit is None:
            warnings.warn(
                "nothing was audited, as there was no validation: give the trainer a validation "
                "set, and have it evaluated",
                PrunescopeWarning,
                stacklevel=2,
            )

    def update(self, logits: ArrayLike, labels: ArrayLike) -> dict[str, float]:
        """Audit the answers to the validation set and return figures to log.

        Parameters
        ----------
        logits : array (N, A)
            In the order of the dense predictions.
        labels : array (N, A), or (N,) with the number of each sample's class
            Tell whether it is that order.

        Raises
        ------
        DataError
            These are other samples than those the dense model answered, or in another order.
        """
        answers = np.asarray(logits)
        self._check(answers, np.asarray(labels))
        self.audit, self.verdict = self._judge(answers)
        stopped = self.verdict.answer == "stop"
        self.in_a_row = self.in_a_row + 1 if stopped else 0
        return self._figures(self.audit, self.verdict)

    def _judge(self, logits: NDArray[Any]) -> tuple[Audit, ModelVerdict]:
        masks = None if self.pruning is None else self.pruning.masks
        compression = Compression(method="pruned", sparsity=0 if masks is None else masks.sparsity)
        told = {"name": NAME, "compression": compression}
        metadata = self.dense.metadata.model_copy(update=told)
        model = replace(self.dense, logits=logits, metadata=metadata)
        found = audit(self.dense, model, **self.settings)
        return found, self.policy.judge(found).of(NAME)

    def _check(self, logits: NDArray[Any], labels: NDArray[Any]) -> None:
        samples = self.dense.samples
        hint = "validate on the samples that the dense model answered, in their order"
        if logits.shape != self.dense.logits.shape:
            raise DataError(
                f"the model gave logits of shape {logits.shape}, the dense model "
                f"{self.dense.logits.shape}: {hint}"
            )
        known = samples.labels != UNKNOWN
        if samples.task == "multiclass" and labels.ndim == 1:
            labels = labels[:, None] == np.arange(len(samples.attributes))
        if labels.shape != known.shape:
            raise DataError(
                f"labels have shape {labels.shape}: expected {known.shape}, as in the dense "
                f"predictions; {hint}"
            )
        wrong = ((labels != samples.labels) & known).any(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{int(wrong.sum())} of {len(wrong)} samples are labelled otherwise than in the "
                f"dense predictions, the first in row {row + 1} (id {samples.ids[row]!r}): {hint}"
            )

    def _figures(self, found: Audit, verdict: ModelVerdict) -> dict[str, float]:
        rows = found.table.filter(pl.col("attribute").is_null(), model=NAME, status="ok")
        overall = rows.filter(pl.col("group").is_null())
        wanted = FIGURES[self.dense.samples.task]
        values = dict(overall.select("metric", "value").iter_rows())
        figures = {metric: values[metric] for metric in wanted if metric in values}
        worst = rows.filter(pl.col("group_value").is_not_null(), metric=wanted[0])["value"].min()
        if worst is not None:
            figures[f"worst_group_{wanted[0]}"] = float(worst)  # type: ignore[arg-type]
        figures |= {
            "criteria_broken": len(verdict.having("broken")),
            "criteria_open": len(verdict.having("open", "not judged")),
        }
        if self.pruning is not None and self.pruning.masks is not None:
            figures["sparsity"] = self.pruning.masks.sparsity
        named = {f"audit_{name}": float(value) for name, value in figures.items()}
        return {**named, STOPPED: float(verdict.answer == "stop")}

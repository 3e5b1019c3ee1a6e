"""The result of a search under a policy, and how it is kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel

from prunescope.notebook import rendered
from prunescope.result_folder import ResultFolder
from prunescope.verdict import Answer, Judged, ModelVerdict

TRIAL_SCHEMA: dict[str, pl.DataType] = {
    "method": pl.String(),
    "sparsity": pl.Float64(),
    "split": pl.String(),
    "answer": pl.String(),
    "criterion": pl.String(),
    "metric": pl.String(),
    "state": pl.String(),
    "severity": pl.String(),
    "decides": pl.Boolean(),
    "attribute": pl.String(),
    "group": pl.String(),
    "group_value": pl.String(),
    "value": pl.Float64(),
    "baseline": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "damage": pl.Float64(),
    "reach": pl.Float64(),
    "limit": pl.Float64(),
    "text": pl.String(),
}
"""Columns of the trials: which model, judged on which split, with which answer, and what is said of
each criterion (`prunescope.verdict.Judged`) with the row of the audit that decides. Figures are in
the metric's unit, null where they are not known: `damage`, the estimate, and `reach`, its upper
confidence bound, of a bound tell how far the figure lies beyond it (negative: inside)."""

Confirmation = Literal["confirmed", "not confirmed", "cannot tell"]

CONFIRMATIONS: Mapping[Answer, Confirmation] = {
    "ship": "confirmed",
    "care": "confirmed",
    "unknown": "cannot tell",
    "stop": "not confirmed",
}
"""What the answer on test says of the choice."""


class Choice(BaseModel):
    """The model that was chosen, and the answer about it on validation.

    `sparsity` is as asked for, `removed` the share of the weights that is gone, as counted. `room`
    is what is left up to the nearest limit: as a share of it, 1 - reach / limit, and up to a bound,
    or a limit of 0, in the metric's unit.
    """

    method: str
    sparsity: float
    removed: float
    answer: Answer
    room: float


class SearchInfo(BaseModel):
    """What a search says beside its trials.

    `criteria` are those that every candidate was held to; `choice` is null where none holds on
    validation, `confirmation` what test says of the choice, and `reason` the whole in words.
    History of the format: 1 (0.1.0) first; 2: a row per criterion, judged as everywhere else.
    """

    format_version: Literal[2] = 2
    criteria: list[str]
    methods: list[str]
    sparsities: list[float]
    order: str
    choice: Choice | None
    confirmation: Confirmation | None
    reason: str


FILES = ResultFolder(
    "search",
    "prunescope mitigate search",
    "search.json",
    SearchInfo,
    {"trials.parquet": TRIAL_SCHEMA},
)


@dataclass(frozen=True, repr=False)
class Search:
    """How far a model can be pruned under a policy.

    Parameters
    ----------
    trials : polars.DataFrame
        A row per model, split and criterion; columns as in `TRIAL_SCHEMA`. In the order of the
        trials.
    info : SearchInfo
    """

    trials: pl.DataFrame
    info: SearchInfo

    @property
    def confirmed(self) -> bool:
        """Whether a model was found that holds on test, too."""
        return self.info.confirmation == "confirmed"

    def answers(self) -> list[tuple[str, float, str, Answer]]:
        """Return method, sparsity, split and answer of each trial, in their order."""
        told = self.trials.select("method", "sparsity", "split", "answer")
        return told.unique(maintain_order=True).rows()

    def save(self, folder: str | Path) -> None:
        """Write ``search.json`` and ``trials.parquet``; `load` reads them back."""
        FILES.save(folder, self.info, self.trials)

    @classmethod
    def load(cls, folder: str | Path) -> Search:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        info, [trials] = FILES.load(folder)
        return cls(trials, info)

    def __repr__(self) -> str:
        return f"Search({self.info.reason})"

    def _repr_html_(self) -> str:
        """Show the trials in a notebook."""
        return rendered(repr(self), self.trials)


def trial_rows(
    method: str, sparsity: float, split: str, verdict: ModelVerdict
) -> list[dict[str, Any]]:
    """Return the rows of one trial."""
    trial = {"method": method, "sparsity": sparsity, "split": split, "answer": verdict.answer}
    return [trial | _row(judged) for judged in verdict.criteria]


def _row(judged: Judged) -> dict[str, Any]:
    """Return what is said of one criterion, and the figures of the row that decides."""
    told = {**(vars(judged.rows[0]) if judged.rows else {}), **vars(judged), "text": judged.text}
    return {name: told[name] for name in TRIAL_SCHEMA if name in told}

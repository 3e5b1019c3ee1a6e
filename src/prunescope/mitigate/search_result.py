"""The result of a search under a budget, and how it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel

from prunescope.audit import JUDGEMENT_SCHEMA, Outcome, outcome
from prunescope.notebook import rendered
from prunescope.result_folder import ResultFolder

TRIAL_SCHEMA: dict[str, pl.DataType] = {
    "method": pl.String(),
    "sparsity": pl.Float64(),
    "split": pl.String(),
    **JUDGEMENT_SCHEMA,
}
"""Columns of the trials: which model, judged on which split, and the judgement, row by row."""

Confirmation = Literal["confirmed", "not confirmed", "cannot tell"]


class Choice(BaseModel):
    """The model that was chosen; `excess` is the worst of its rows on validation.

    `sparsity` is as asked for, `removed` the share of the weights that is gone, as counted; null in
    results of 0.1.0.
    """

    method: str
    sparsity: float
    removed: float | None = None
    excess: float


class SearchInfo(BaseModel):
    """What a search says beside its trials.

    `choice` is null where no candidate keeps the budget on validation, `confirmation` what test
    says of the choice, and `reason` the whole in words. History of the format: 1 (0.1.0) first.
    """

    format_version: Literal[1] = 1
    budget: list[str]
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
    """How far a model can be pruned under a budget.

    Parameters
    ----------
    trials : polars.DataFrame
        A row per model, split and row of the audit that a constraint is about; columns as in
        `TRIAL_SCHEMA`. In the order of the trials.
    info : SearchInfo
    """

    trials: pl.DataFrame
    info: SearchInfo

    @property
    def confirmed(self) -> bool:
        """Whether a model was found that keeps the budget on test, too."""
        return self.info.confirmation == "confirmed"

    def outcomes(self) -> list[tuple[str, float, str, Outcome]]:
        """Return method, sparsity, split and outcome of each trial, in their order."""
        key = ["method", "sparsity", "split"]
        return [
            (*name, outcome(judged))
            for name, judged in self.trials.group_by(key, maintain_order=True)
        ]

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

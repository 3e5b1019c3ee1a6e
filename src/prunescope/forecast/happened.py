"""What pruning did to the answers that were forecast: runs, and populations of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.subject import check_names
from prunescope.data.samples import UNKNOWN, Samples
from prunescope.forecast.outlook import margins
from prunescope.forecast.result import Forecast
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions, align


@dataclass(frozen=True)
class Run:
    """One pruned model: its answers, signed margins (N, A), and which dense answers it turns."""

    model: Predictions
    margins: Floats
    flips: NDArray[np.bool_]


@dataclass(frozen=True)
class Population:
    """Runs of one method and sparsity, which differ by chance alone."""

    method: str
    sparsity: float
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """Such as ``gmp-pt 95%``."""
        return f"{self.method} {round(100 * self.sparsity, 3):g}%"

    def ceiling(self, run: Run) -> Floats | None:
        """Return the mean margin of the other runs: (N, A); None where there is no other."""
        others = [other.margins for other in self.runs if other is not run]
        return np.asarray(np.mean(others, axis=0)) if others else None


@dataclass(frozen=True)
class Happened:
    """A forecast and what came of it, on the samples that both tell of.

    Parameters
    ----------
    dense : Predictions
        The model that was forecast: its margins stand for logits; labels and groups are those of
        the pruned models' files.
    risk : array (N, A)
    probability : array (N, A) or None
    seeds : list of Predictions
        Other dense seeds.
    populations : list of Population
        By sparsity and method.
    notes : list of str
    """

    dense: Predictions
    risk: Floats
    probability: Floats | None
    seeds: list[Predictions]
    populations: list[Population]
    notes: list[str]

    @classmethod
    def of(
        cls, forecast: Forecast, pruned: Sequence[Predictions], seeds: Sequence[Predictions]
    ) -> Happened:
        """Join by id.

        Raises
        ------
        DataError
            Files do not fit together.
        ConfigError
            Two models have one name, or there is no pruned one.
        """
        info = forecast.info
        check_names([info.model, *(m.name for m in seeds)], [m.name for m in pruned])
        unlabelled = np.full(forecast.margin.shape, UNKNOWN, np.int8)
        samples = Samples(forecast.ids, info.attributes, unlabelled, task=info.task)
        metadata = info.metadata.model_copy(update={"name": info.model})
        told = Predictions(samples, forecast.margin, metadata)
        (dense, *others), notes = align([told, *pruned, *seeds])
        kept = forecast.ids.is_in(dense.samples.ids.implode()).to_numpy()
        runs = []
        for model in others[: len(pruned)]:
            runs.append(Run(model, margins(model), model.decisions != dense.decisions))
        kinds: dict[tuple[float, str], list[Run]] = {}
        for run in runs:
            how = run.model.metadata.compression
            pattern = getattr(how, "pattern", "unstructured")
            method = how.method if pattern in ("unstructured", "structured") else (
                f"{how.method} {pattern}"
            )  # fmt: skip
            kinds.setdefault((how.sparsity, method), []).append(run)
        return cls(
            dense=dense,
            risk=forecast.risk[kept],
            probability=None if forecast.probability is None else forecast.probability[kept],
            seeds=others[len(pruned) :],
            populations=[
                Population(method, sparsity, tuple(of_kind))
                for (sparsity, method), of_kind in sorted(kinds.items(), key=lambda item: item[0])
            ],
            notes=notes,
        )


def commonest(models: Sequence[Predictions]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the commonest answers (N, A) of several models, and where there is a tie."""
    votes = np.sum([model.decisions for model in models], axis=0)
    return 2 * votes > len(models), 2 * votes == len(models)

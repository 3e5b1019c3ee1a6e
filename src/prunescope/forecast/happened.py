"""What pruning did to the answers that were forecast: runs, and populations of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.setup import check_names
from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError, shorten
from prunescope.forecast.outlook import margins
from prunescope.forecast.result import Forecast
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Compression, Predictions, align

CEILING, ANOTHER_TRAINING = "ceiling", "another training"
"""The mean of the other runs; of such as were made from another dense model, or may have been."""


@dataclass(frozen=True)
class Run:
    """One pruned model: its answers, signed margins (N, A), and which dense answers it turns."""

    model: Predictions
    margins: Floats
    flips: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name


@dataclass(frozen=True)
class Population:
    """Runs of one method and request, which differ by chance alone.

    ``sparsity`` is the share of the weights that the first one lacks. Where all were made from the
    dense model that is forecast they are ``siblings``, and the others are a run's ceiling.
    """

    method: str
    sparsity: float
    runs: tuple[Run, ...]
    siblings: bool

    @property
    def name(self) -> str:
        """Such as ``gmp-pt 95%``."""
        return f"{self.method} {round(100 * self.sparsity, 3):g}%"

    def others(self, run: Run) -> Floats | None:
        """Return the mean margin of the other runs: (N, A); None where there is no other."""
        others = [other.margins for other in self.runs if other is not run]
        return np.asarray(np.mean(others, axis=0)) if others else None

    @property
    def rival(self) -> str:
        """What the mean of the other runs is called, as a scorer."""
        return CEILING if self.siblings else ANOTHER_TRAINING


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
    groups : tuple of str
        Those that were forecast.
    notes : list of str
    """

    dense: Predictions
    risk: Floats
    probability: Floats | None
    seeds: list[Predictions]
    populations: list[Population]
    groups: tuple[str, ...]
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
        if not pruned:
            raise ConfigError("no pruned model to score against: give one or more")
        check_names([info.model, *(m.name for m in seeds)], [m.name for m in pruned])
        unlabelled = np.full(forecast.margin.shape, UNKNOWN, np.int8)
        samples = Samples(forecast.ids, info.attributes, unlabelled, task=info.task)
        metadata = info.metadata.model_copy(update={"name": info.model})
        told = Predictions(samples, forecast.margin, metadata)
        (dense, *others), notes = align([told, *pruned, *seeds])
        kept = forecast.ids.is_in(dense.samples.ids.implode()).to_numpy()
        notes += forecast.info.warnings
        runs = []
        for model in others[: len(pruned)]:
            runs.append(Run(model, margins(model), model.decisions != dense.decisions))
            if (model.thresholds is None) != (info.thresholds is None):
                notes.append(
                    f"{model.name} and the forecast do not both have thresholds: answers that "
                    "these alone turn are counted as flips"
                )
        _check_copies(runs)
        populations, untold = _populations(runs, info.sparsity, info.metadata.weights)
        if untold:
            notes.append(
                f"{shorten(untold)}: the file does not tell how the model was pruned, so it stands "
                f"for itself, and its sparsity is taken to be the planned {info.sparsity:.4g}"
            )
        apart = [one.name for one in populations if len(one.runs) > 1 and not one.siblings]
        if apart:
            notes.append(
                f"{shorten(apart)}: the files do not tell that all runs were made from "
                f"{info.model}, so the others are another training and no ceiling"
            )
        return cls(
            dense=dense,
            risk=forecast.risk[kept],
            probability=None if forecast.probability is None else forecast.probability[kept],
            seeds=others[len(pruned) :],
            populations=populations,
            groups=tuple(name for name in info.groups if name in dense.samples.groups),
            notes=notes,
        )


def _check_copies(runs: Sequence[Run]) -> None:
    """Raise where two files hold the same answers: they would be each other's ceiling."""
    for place, run in enumerate(runs):
        for other in runs[:place]:
            if np.array_equal(run.margins, other.margins):
                raise DataError(
                    f"{other.name} and {run.name} hold the same logits: expected models that were "
                    "pruned apart; give one of the files"
                )


def _populations(
    runs: Sequence[Run], planned: float, weights: str | None
) -> tuple[list[Population], list[str]]:
    """Put runs of one method, pattern and request together; name those that do not tell."""
    kinds: dict[tuple[float, str], list[Run]] = {}
    shares: dict[tuple[float, str], float] = {}
    untold = []
    for run in runs:
        how = run.model.metadata.compression
        pattern = getattr(how, "pattern", "unstructured")
        method, asked, gone = how.method, how.sparsity, how.removed
        if method == Compression().method:
            untold.append(run.name)
            method, asked, gone = run.name, planned, planned
        elif pattern not in ("unstructured", "structured"):
            method = f"{method} {pattern}"
        # Seeds are asked for the same; what is counted of them may differ a little.
        shares.setdefault((asked, method), gone)
        kinds.setdefault((asked, method), []).append(run)
    found = [
        Population(
            method, shares[asked, method], tuple(of),
            siblings=all(run.model.metadata.parent == weights is not None for run in of),
        )
        for (asked, method), of in kinds.items()
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.sparsity, one.method)), untold

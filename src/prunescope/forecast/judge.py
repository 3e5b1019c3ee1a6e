"""`score`: a forecast against what happened, beside the floor, the margin and the ceiling.

*Targets* are what may have happened to an answer: it flipped in a pruned model (``flips``); it
flipped from right to wrong (``harmful_flips``); most pruned seeds answer otherwise than most dense
ones (``cies``, compression-identified exemplars); another dense seed answers otherwise (``churn``).
A *run* is one pruned model; runs of one method and sparsity are a *population*, whose figures are
means over its runs.

The *floor* knows nothing, the *margin* is the distance from the threshold, and the *ceiling* of a
run is the mean margin of the other runs of its population: what can be known of a pruned model
without looking at it. It is one only where all were made from the dense model that is forecast;
else it is *another training*, which may know less than the margin does. The *gap closed* is
(AP - AP of the margin) / (AP of the ceiling - AP of the margin). A score that foretells churn as
well as flips detects ambiguity, not compression: ``auroc_over_churn`` is AUROC for flips less AUROC
for churn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.estimates import OK, UNDEFINED
from prunescope.audit.intervals.bootstrap import blocks_of, draw, units_of
from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError
from prunescope.forecast.happened import CEILING, Happened, Population, Run
from prunescope.forecast.levels import level_rows
from prunescope.forecast.ranking import LEFT_OUT, Figure, Resampling, grade
from prunescope.forecast.reliability import reliability_rows
from prunescope.forecast.result import Forecast
from prunescope.forecast.routing import routing_rows
from prunescope.forecast.score_result import OVER_MARGIN, SCORE_SCHEMA, Score, ScoreInfo
from prunescope.metrics.agreement import TIED, modal
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions

MOST_BLOCKS = 256

FEWEST = 100
"""Bootstrap replicates below which an interval means nothing."""

FEWEST_RUNS = 3
"""Pruned seeds from which their commonest answers are compared with those of dense ones."""

Figures = dict[tuple[str, str], Figure]
"""(measure, average) → figure."""


def score(
    forecast: Forecast,
    pruned: Predictions | Sequence[Predictions],
    *,
    dense_seeds: Sequence[Predictions] = (),
    cluster: str | None = None,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Judge a forecast by what pruning did.

    Parameters
    ----------
    forecast : Forecast
    pruned : Predictions or several
        Of pruned models on the same samples; joined by id.
    dense_seeds : sequence of Predictions
        Dense models of other seeds: they tell the churn, and which dense answers are common.
    cluster : str, optional
        Group whose samples depend on each other; default: the one that the files name.
    replicates : int
        Of the bootstrap, at least 100.
    confidence : float
        Of the intervals, in (0, 1). They hold the choice of samples, not of seeds.
    seed : int
    progress : callable, optional
        Gets the number of populations done and of all.

    Raises
    ------
    DataError
        Files do not fit together.
    ConfigError
        A setting makes no sense.
    """
    if replicates < FEWEST or not 0 < confidence < 1:
        raise ConfigError(
            f"{replicates} replicates and confidence {confidence:g}: expected at least {FEWEST}, "
            "and a share in (0, 1)"
        )
    pruned = [pruned] if isinstance(pruned, Predictions) else list(pruned)
    happened = Happened.of(forecast, pruned, dense_seeds)
    samples = happened.dense.samples
    blocks, n_blocks = blocks_of(units_of(samples, cluster or samples.cluster), MOST_BLOCKS, seed)
    drawn = Resampling(blocks, draw(n_blocks, replicates, seed))
    judge = Judge(happened, forecast.info.scorer, drawn, confidence)
    parts = []
    for done, population in enumerate(happened.populations):
        parts.append(judge.table(population))
        if progress is not None:
            progress(done + 1, len(happened.populations))
    return Score(
        table=pl.concat(parts),
        levels=level_rows(forecast, happened),
        reliability=reliability_rows(happened),
        routing=routing_rows(happened, forecast.info.min_support),
        info=ScoreInfo(
            forecast=forecast.info,
            n_samples=len(samples),
            runs={p.name: [run.model.name for run in p.runs] for p in happened.populations},
            seeds=[model.name for model in happened.seeds],
            replicates=replicates,
            confidence=confidence,
            seed=seed,
            notes=happened.notes,
        ),
    )


@dataclass(frozen=True)
class Judge:
    """Grades the scorers on every target of one forecast.

    Parameters
    ----------
    happened : Happened
    name : str
        The forecast's scorer.
    resampling : Resampling
    confidence : float
    """

    happened: Happened
    name: str
    resampling: Resampling
    confidence: float

    @cached_property
    def risks(self) -> dict[str, Floats]:
        """The risks that need no pruned model; the floor's is the same for all answers."""
        margin = -abs(self.happened.dense.logits)
        return {self.name: self.happened.risk, "margin": margin, "floor": np.zeros_like(margin)}

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Where the dense model is right (N, A)."""
        dense = self.happened.dense
        return np.asarray(dense.decisions == (dense.samples.labels == 1))

    @cached_property
    def _churned(self) -> list[NDArray[np.uint8]]:
        seeds, dense = self.happened.seeds, self.happened.dense
        return [self._code(seed.decisions != dense.decisions) for seed in seeds]

    @cached_property
    def churn(self) -> dict[str, Figures]:
        """How well the risks foretell other dense seeds; empty where there are none."""
        if not self._churned:
            return {}
        return {
            name: _mean([grade(risk, target, self.resampling) for target in self._churned])
            for name, risk in self.risks.items()
        }

    def table(self, population: Population) -> pl.DataFrame:
        """Lay out the figures of one population."""
        rows = [
            row
            for target, graded, n in self._targets(population)
            for row in self._rows(target, graded, n)
        ]
        about = {
            "population": population.name,
            "method": population.method,
            "sparsity": population.sparsity,
            "n_runs": len(population.runs),
        }
        return pl.DataFrame([about | row for row in rows], schema=SCORE_SCHEMA)

    def _targets(self, population: Population) -> Iterator[tuple[str, dict[str, Figures], int]]:
        """Yield each target, the figures of each scorer, and how often it happened."""
        of_runs = [(run, population.others(run)) for run in population.runs]
        for target, happened in (("flips", self._flips), ("harmful_flips", self._harmful)):
            graded: dict[str, list[Figures]] = {}
            n = 0
            for run, others in of_runs:
                code = happened(run)
                n += int((code == 1).sum())
                for name, risk in self._with(population.rival, others).items():
                    graded.setdefault(name, []).append(grade(risk, code, self.resampling))
            means = {name: _mean(figures) for name, figures in graded.items()}
            if target == "flips":
                means = self._over_churn(means)
            yield target, means, n
        if len(population.runs) >= FEWEST_RUNS:
            code = self._exemplars(population)
            yield "cies", self._graded(code), int((code == 1).sum())
        if self.churn:
            yield "churn", self.churn, sum(int((code == 1).sum()) for code in self._churned)

    def _graded(self, code: NDArray[np.uint8]) -> dict[str, Figures]:
        return {name: grade(risk, code, self.resampling) for name, risk in self.risks.items()}

    def _with(self, rival: str, others: Floats | None) -> dict[str, Floats]:
        """Return the risks, and that by the margins of the other runs where there are any."""
        if others is None:
            return self.risks
        return self.risks | {rival: np.where(self.happened.dense.decisions, -others, others)}

    def _flips(self, run: Run) -> NDArray[np.uint8]:
        return self._code(run.flips)

    def _harmful(self, run: Run) -> NDArray[np.uint8]:
        known = self.happened.dense.samples.labels != UNKNOWN
        return self._code(run.flips & self.right, known)

    def _code(
        self, happened: NDArray[np.bool_], known: NDArray[np.bool_] | None = None
    ) -> NDArray[np.uint8]:
        """Return what happened to answers (N, A), others left out.

        Of classes an image has one answer: it stands in the place of the class that the dense model
        names, so that means over classes are over these.
        """
        told = np.ones(happened.shape, bool) if known is None else known
        if self.happened.dense.samples.task == "multiclass":
            told = told & self.happened.dense.decisions
        return np.where(told, happened, LEFT_OUT).astype(np.uint8)

    def _exemplars(self, population: Population) -> NDArray[np.uint8]:
        """Compare the commonest answers of dense and of pruned seeds; ties are left out."""
        sides = (
            [self.happened.dense, *self.happened.seeds],
            [run.model for run in population.runs],
        )
        task = self.happened.dense.samples.task
        dense, pruned = (
            modal(np.mean([model.decisions for model in side], axis=0), task) for side in sides
        )
        tied = (dense == TIED) | (pruned == TIED)
        differ = dense != pruned
        if task == "multiclass":  # the commonest dense answer need not be the first dense model's
            differ = np.broadcast_to(differ.any(axis=1, keepdims=True), differ.shape)
        return self._code(differ, ~tied)

    def _over_churn(self, graded: Mapping[str, Figures]) -> dict[str, Figures]:
        """Add by how much each scorer foretells flips better than churn."""
        more = dict(graded)
        for name, churned in self.churn.items():
            for average in ("pooled", "macro"):
                both = graded[name]["auroc", average], churned["auroc", average]
                more[name] = more[name] | {("auroc_over_churn", average): both[0].minus(both[1])}
        return more

    def _rows(self, target: str, graded: dict[str, Figures], n: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of one target: each scorer's, and the gap closed."""
        for name, figures in graded.items():
            for (measure, average), figure in figures.items():
                yield self._row(target, measure, average, name, figure, n)
        for average in ("pooled", "macro"):
            if self.name != "margin":
                mine, margin = (graded[k]["average_precision", average] for k in
                                (self.name, "margin"))  # fmt: skip
                yield self._row(target, OVER_MARGIN, average, self.name, mine.minus(margin), n)
            if CEILING in graded:
                gap = _gap(*(graded[k]["average_precision", average] for k in
                             (self.name, "margin", CEILING)))  # fmt: skip
                yield self._row(target, "gap_closed", average, self.name, gap, n)

    def _row(
        self, target: str, measure: str, average: str, scorer: str, figure: Figure, n: int
    ) -> dict[str, Any]:
        row = {"target": target, "measure": measure, "average": average, "scorer": scorer, "n": n}
        if np.isnan(figure.value):
            return row | {"status": UNDEFINED, "reason": figure.reason}
        tail = (1 - self.confidence) / 2
        low, high = np.nanquantile(figure.replicates, (tail, 1 - tail))
        found = {"value": figure.value, "low": float(low), "high": float(high)}
        return row | found | {"status": OK, "reason": figure.reason}


def _mean(graded: list[Figures]) -> Figures:
    """Average figures over runs."""
    return {key: Figure.mean([figures[key] for figures in graded]) for key in graded[0]}


def _gap(mine: Figure, margin: Figure, ceiling: Figure) -> Figure:
    """Return the share of the way from margin to ceiling."""
    reason = mine.reason or margin.reason or ceiling.reason
    if reason:
        return Figure(np.nan, np.full_like(margin.replicates, np.nan), reason)
    if not ceiling.value > margin.value:
        nothing = np.full_like(margin.replicates, np.nan)
        return Figure(np.nan, nothing, "the ceiling does not lie above the margin")
    way, whole = mine.minus(margin), ceiling.minus(margin)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = np.where(whole.replicates > 0, way.replicates / whole.replicates, np.nan)
    return Figure(way.value / whole.value, replicates)

"""From evidence to the audit's table: estimates, comparisons, seeds, verdicts."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.affected import Affected
from prunescope.audit.bootstrap import draw
from prunescope.audit.correlations import correlation_rows
from prunescope.audit.estimates import CORRELATION_SHIFT, UNDEFINED, Estimates, summarize
from prunescope.audit.evidence import Evidence
from prunescope.audit.exemplars import exemplars
from prunescope.audit.measure import Measurer
from prunescope.audit.populations import Pooled, students
from prunescope.audit.result import TABLES, Audit, AuditInfo, PopulationInfo
from prunescope.audit.significance import add_q_values, exact_p_values, mcnemar
from prunescope.audit.subject import Subject
from prunescope.audit.table import (
    Columns,
    Comparison,
    compare,
    from_zero,
    rows,
    tested,
    to_frame,
)
from prunescope.audit.verdicts import add_verdicts
from prunescope.metrics import Statistics, Transitions
from prunescope.metrics.statistics import Floats, on_one_thread
from prunescope.predictions import Metadata

Compared = list[tuple[Estimates, Comparison | None]]


@on_one_thread
def conclude(
    subject: Subject,
    evidence: Evidence,
    n_samples: int,
    notes: list[str],
    warnings: list[str],
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Estimate every metric of every model, of every change from dense, and over seeds.

    Parameters
    ----------
    subject : Subject
    evidence : Evidence
    n_samples : int
    notes, warnings : list of str
        What to tell beside the results.
    progress : callable, optional
        Called with the number of models done and of all.
    """
    work = _Conclude(subject, evidence)
    affected = work.run(progress)
    info = AuditInfo(
        n_samples=n_samples,
        attributes=subject.attributes,
        settings=subject.settings,
        models=subject.infos(),
        populations=work.told(),
        notes=notes,
        warnings=warnings,
        affected=affected,
    )
    more = {
        name: pl.concat(parts) if parts else pl.DataFrame(schema=TABLES[name])
        for name, parts in work.more.items()
    }
    return Audit(pl.concat(work.tables), info, **more)


@dataclass(frozen=True)
class Outcome:
    """What one model came to: its estimates, with their comparisons and laid out as rows."""

    estimates: list[Estimates]
    tops: list[Estimates]
    found: Compared
    table: pl.DataFrame
    more: dict[str, pl.DataFrame]
    affected: list[Affected]


def _shift(estimates: list[Estimates]) -> Estimates:
    """Return the estimates of the correlation shift."""
    return next(one for one in estimates if one.metric == CORRELATION_SHIFT)


class _Conclude:
    """The work of `conclude`: what its steps share."""

    def __init__(self, subject: Subject, evidence: Evidence) -> None:
        settings = subject.settings
        self.subject, self.evidence, self.settings = subject, evidence, settings
        self.measurer = Measurer(
            attributes=subject.attributes,
            slices=subject.layout.slices,
            train=subject.train,
            weights=draw(subject.layout.n_blocks, settings.replicates, settings.seed),
            ranking_weights=draw(subject.n_rank_blocks, settings.replicates, settings.seed),
            labels=evidence.labels(),
            min_support=settings.min_support,
            trigger=settings.trigger,
        )
        self.sizes = evidence.sizes()
        self.churn: Estimates | None = None
        self.top_churn: Estimates | None = None
        self.measured: dict[int, list[Estimates]] = {}
        self.whole: dict[int, list[Estimates]] = {}  # with their summaries
        self.top_ones: dict[int, list[Estimates]] = {}
        self.populations = {members[0]: members for members in subject.populations()}
        self.pooled: dict[int, list[Pooled]] = {}
        self.exemplars: dict[int, Future[tuple[list[Columns], pl.DataFrame]]] = {}
        self.tables: list[pl.DataFrame] = []
        self.more: dict[str, list[pl.DataFrame]] = {name: [] for name in TABLES}

    def run(self, progress: Callable[[int, int], None] | None) -> list[Affected]:
        """Go through the models, dense ones first; return the most affected images."""
        n, n_dense = len(self.subject.models), self.subject.n_dense
        affected: list[Affected] = []
        self.churn, self.top_churn = self._churn(), self._top_churn()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for models in (range(n_dense), range(n_dense, n)):
                self._submit_exemplars(pool, models)
                outcomes = pool.map(self._outcome, models)
                for model, outcome in zip(models, outcomes, strict=True):
                    if model < n_dense:
                        self.measured[model] = outcome.estimates
                        self.whole[model] = [
                            one for one, _ in outcome.found[: len(outcome.estimates)]
                        ]
                        self.top_ones[model] = outcome.tops
                    self.tables.append(outcome.table)
                    for name, table in outcome.more.items():
                        self.more[name].append(table)
                    affected += outcome.affected
                    self._pool(model, outcome.found)
                    if progress:
                        progress(model + 1, n)
        return affected

    def _outcome(self, model: int) -> Outcome:
        """Estimate every metric of one model, and of its change from the dense one."""
        metadata, compressed = self.subject.models[model], model >= self.subject.n_dense
        statistics = self.evidence.statistics(model)
        estimates = self.measurer.model(statistics, self.evidence.ranking(model))
        tops = self.measurer.top_one(self.evidence.top_one(model)) if self.multiclass else []
        more: dict[str, pl.DataFrame] = {}
        affected: list[Affected] = []
        if compressed:
            baseline = self.subject.baseline(model)
            found = self._compared(baseline, model, estimates)
            if self.multiclass:
                found += self._compared_top_ones(baseline, model, tops)
                names = (pl.lit(metadata.name).alias("model"), pl.all())
                more["confusions"] = self.evidence.confusions(baseline, model).select(*names)
            affected = self.evidence.affected(baseline, model, self.settings.n_affected)
        else:
            found = [(self._summarized(one, one.ok), None) for one in estimates]
            found += [(one, None) for one in tops]
        if statistics.pairs.shape[-1]:
            more["correlations"] = self._correlations(model, statistics, estimates)
        table = self._table(str(metadata.name), metadata, found, self._beside(model))
        return Outcome(estimates, tops, found, table, more, affected)

    def told(self) -> list[PopulationInfo]:
        """Say which models were pooled."""
        return [
            PopulationInfo(
                name=self._name(members),
                baseline=None if members[0] < self.subject.n_dense else self._dense_name(),
                members=[str(self.subject.models[member].name) for member in members],
            )
            for members in self.populations.values()
        ]

    @property
    def multiclass(self) -> bool:
        """Whether models choose one class."""
        return self.subject.models[0].task == "multiclass"

    def _correlations(
        self, model: int, statistics: Statistics, estimates: list[Estimates]
    ) -> pl.DataFrame:
        """Lay out how the attributes of one model hang together."""
        dense = None
        if model >= self.subject.n_dense:
            dense = _shift(self.measured[self.subject.baseline(model)])
        return correlation_rows(
            str(self.subject.models[model].name),
            self.subject.attributes,
            statistics.total().predicted,
            self.measurer.labelled,
            _shift(estimates),
            dense,
            self.settings.confidence,
        )

    def _compared_top_ones(self, baseline: int, model: int, tops: list[Estimates]) -> Compared:
        """Compare the one answer of a multi-class model with that of its dense one."""
        transitions = self.evidence.top_one_changes(baseline, model)
        counts = transitions.total().counts[..., 1, :, :]  # of changed answers: right before, after
        right = mcnemar(counts[..., 1, 0], counts[..., 0, 1])
        exact = {} if self.settings.cluster is not None else {"top1_accuracy": right}
        beside = zip(self.top_ones[baseline], tops, strict=True)
        found: Compared = [
            (one, compare(one, dense, exact.get(one.metric))) for dense, one in beside
        ]
        flips, *others = self.measurer.top_one_pair(transitions)
        churn = None if self.top_churn is None else compare(flips, self.top_churn)
        return [*found, (flips, churn), *((one, None) for one in others)]

    def _compared(self, baseline: int, model: int, estimates: list[Estimates]) -> Compared:
        """Compare a compressed model with its dense one."""
        transitions = self.evidence.transitions(baseline, model)
        exact = self._exact(transitions)
        found: Compared = []
        of_dense = zip(self.measured[baseline], self.whole[baseline], strict=True)
        for (dense, whole), one in zip(of_dense, estimates, strict=True):
            both = dense.ok & one.ok
            same = np.array_equal(both, dense.ok)
            beside = whole if same else self._summarized(dense, both)
            mine = self._summarized(one, both)
            found.append((mine, compare(mine, beside, exact.get(one.metric))))
        for one in self.measurer.pair(transitions):
            mine = self._summarized(one, one.ok)
            if one.metric == "excess_accuracy_gap":
                found.append((mine, from_zero(mine)))
            elif one.metric in exact:
                found.append((mine, tested(mine, exact[one.metric])))
            elif one.metric == "flip_rate" and self.churn is not None:
                found.append((mine, compare(mine, self.churn)))
            else:
                found.append((mine, None))
        return found

    def _exact(self, transitions: Transitions) -> dict[str, Floats]:
        """Return exact p-values, which independent samples allow; none for the summary."""
        if self.settings.cluster is not None:
            return {}
        p_values = exact_p_values(transitions.total().counts)
        return {name: np.pad(p, ((0, 0), (0, 1)), constant_values=np.nan)
                for name, p in p_values.items()}  # fmt: skip

    def _dense_pairs(self) -> list[tuple[int, int]]:
        n = self.subject.n_dense
        return [(first, second) for second in range(n) for first in range(second)]

    def _churn(self) -> Estimates | None:
        """Estimate the flips between dense models: the mean over their pairs."""
        pairs = self._dense_pairs()
        if not pairs:
            return None
        counts = sum(self.evidence.transitions(*pair).counts for pair in pairs)
        [flips, *_] = self.measurer.pair(Transitions(np.asarray(counts) / len(pairs)))
        return replace(self._summarized(flips, flips.ok), metric="churn")

    def _top_churn(self) -> Estimates | None:
        """Estimate how often the one answer of multi-class models differs between dense ones."""
        pairs = self._dense_pairs()
        if not pairs or not self.multiclass:
            return None
        counts = sum(self.evidence.top_one_changes(*pair).counts for pair in pairs)
        [flips, *_] = self.measurer.top_one_pair(Transitions(np.asarray(counts) / len(pairs)))
        return flips

    def _summarized(self, estimates: Estimates, usable: NDArray[np.bool_]) -> Estimates:
        return summarize(estimates, usable, self.sizes)

    def _pool(self, model: int, found: Compared) -> None:
        """Take a model into its population; lay the population out after its last member."""
        members = next((m for m in self.populations.values() if model in m), None)
        if members is None:
            return
        if members[0] not in self.pooled:
            draws = students(len(members), self.settings.replicates, self.settings.seed)
            self.pooled[members[0]] = [Pooled(draws) for _ in found]
        for one, (estimates, comparison) in zip(self.pooled[members[0]], found, strict=True):
            one.add(estimates, comparison)
        if model == members[-1]:
            means = [(one.estimates(), one.comparison()) for one in self.pooled.pop(members[0])]
            first = self.subject.models[members[0]]
            metadata = first.model_copy(update={"seed": None})
            beside = self._beside(model)
            if members[0] in self.exemplars:
                counted, listed = self.exemplars.pop(members[0]).result()
                beside = [beside[0], *counted]
                self.more["cies"].append(listed)
            self.tables.append(self._table(self._name(members), metadata, means, beside))

    def _submit_exemplars(self, pool: Executor, models: range) -> None:
        """Begin to look for the exemplars of the populations of some compressed models."""
        if self.subject.n_dense < 2:
            return
        for first, members in self.populations.items():
            if first in models and first >= self.subject.n_dense:
                self.exemplars[first] = pool.submit(
                    exemplars,
                    self.subject,
                    self.evidence,
                    self.measurer,
                    members,
                    self._name(members),
                )

    def _dense_name(self) -> str:
        """Name what populations are compared with."""
        dense = list(range(self.subject.n_dense))
        return self._name(dense) if len(dense) > 1 else str(self.subject.models[0].name)

    def _name(self, members: list[int]) -> str:
        """Name a population after what was done to its models."""
        how = self.subject.models[members[0]].compression
        share = f" {how.sparsity:.6g}" if how.sparsity else ""
        return f"{how.method}{share} ({len(members)} seeds)"

    def _table(
        self, name: str, metadata: Metadata, found: Compared, beside: list[Columns]
    ) -> pl.DataFrame:
        """Lay out one model's rows, name the model in each, and correct for many comparisons."""
        slices, confidence = self.subject.layout.slices, self.settings.confidence
        parts = [rows(one, slices, confidence, comparison) for one, comparison in found]
        parts += beside
        how = metadata.compression
        told = {"method": how.method, "sparsity": how.removed, "seed": metadata.seed}
        table = add_q_values(to_frame(parts, model=name, **told))
        return add_verdicts(table, self.settings.alpha, dict(self.settings.min_effect))

    def _beside(self, model: int) -> list[Columns]:
        """Lay out what stands beside the flips of a compressed model: churn, and its exemplars.

        Both take several seeds; without them the rows say so.
        """
        if model < self.subject.n_dense:
            return []
        slices, confidence = self.subject.layout.slices, self.settings.confidence
        seeds = self._cannot("cie_rate", "it takes several dense and several compressed seeds")
        if self.churn is not None:
            return [rows(self.churn, slices, confidence), seeds]
        return [self._cannot("churn", "it takes two dense models of different seeds"), seeds]

    def _cannot(self, metric: str, reason: str) -> Columns:
        """Lay out one row that says why an estimate cannot be made."""
        row = {"metric": metric, "n": self.sizes[0], "status": UNDEFINED, "reason": reason}
        return {name: np.array([value]) for name, value in row.items()}

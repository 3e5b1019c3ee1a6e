"""From evidence to the audit's table: estimates, comparisons, seeds, verdicts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.affected import Affected
from prunescope.audit.comparison import Comparison, Pairs, compare, from_zero
from prunescope.audit.correlations import correlation_rows
from prunescope.audit.estimates import (
    CORRELATION_SHIFT,
    TOP_ONE_METRICS,
    UNDEFINED,
    Estimates,
    summarize,
)
from prunescope.audit.evidence import Evidence
from prunescope.audit.exemplars import exemplars
from prunescope.audit.extremes import change_of
from prunescope.audit.inverted import inverted
from prunescope.audit.measure import Measurer
from prunescope.audit.populations import Pooled, means_of
from prunescope.audit.result import TABLES, Audit, AuditInfo, PopulationInfo
from prunescope.audit.significance import add_q_values, mcnemar, paired
from prunescope.audit.subject import Subject
from prunescope.audit.support import Supports
from prunescope.audit.table import Columns, rows, to_frame
from prunescope.audit.verdicts import add_verdicts, agreement
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
    table = pl.concat(work.tables)
    names = [str(model.name) for model in subject.models]
    info = AuditInfo(
        n_samples=n_samples,
        attributes=subject.attributes,
        settings=subject.settings,
        models=subject.infos(),
        populations=work.told(),
        notes=notes,
        warnings=[*warnings, *inverted(table, names, subject.models[0].task)],
        affected=affected,
    )
    more = {
        name: pl.concat(parts) if parts else pl.DataFrame(schema=TABLES[name])
        for name, parts in work.more.items()
    }
    return Audit(table, info, **more)


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
        first = evidence.statistics(0)
        self.counted = {0: first}
        self.measurer = Measurer(
            attributes=subject.attributes,
            slices=subject.layout.slices,
            train=subject.train,
            labels=evidence.labels(),
            supports=Supports(first.counts, evidence.units()),
            min_support=settings.min_support,
            trigger=settings.trigger,
            classes=self.multiclass,
        )
        self.sizes = evidence.sizes()
        self.churn: dict[str, list[Estimates]] = {}
        self.measured: dict[int, list[Estimates]] = {}
        self.summaries: dict[int, list[Estimates]] = {}
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
        self.churn = self._churn()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for models in (range(n_dense), range(n_dense, n)):
                self._submit_exemplars(pool, models)
                outcomes = pool.map(self._outcome, models)
                for model, outcome in zip(models, outcomes, strict=True):
                    if model < n_dense:
                        self.measured[model] = outcome.estimates
                        self.summaries[model] = [
                            self._summary(one, one.ok) for one in outcome.estimates
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
        statistics = self.counted.pop(model, None) or self.evidence.statistics(model)
        estimates = self.measurer.model(statistics, self.evidence.ranking(model))
        tops = []
        if self.multiclass:
            tops = self.measurer.top_one(self.evidence.top_one(model), statistics)
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
            found = []
            for one in estimates:
                found += [(part, None) for part in self._with_summary(one, one.ok)]
            found += [(one, None) for one in tops]
        if statistics.pairs.shape[-1] and not self.multiclass:
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

    def _compared(self, baseline: int, model: int, estimates: list[Estimates]) -> Compared:
        """Compare the attributes, or classes, of a compressed model with its dense one's."""
        transitions = self.evidence.transitions(baseline, model)
        pairs = paired(transitions.total().counts)
        found = self._changes(baseline, estimates, pairs)
        if self.multiclass:
            return found
        for one in self.measurer.pair(transitions):
            found += self._changed(one)
        return found

    def _changes(
        self, baseline: int, estimates: list[Estimates], pairs: Mapping[str, Pairs]
    ) -> Compared:
        """Compare estimates of one model with the dense one's, with their means."""
        found: Compared = []
        changes: dict[str, Comparison] = {}
        of_dense = zip(self.measured[baseline], self.summaries[baseline], strict=True)
        for (dense, summary), one in zip(of_dense, estimates, strict=True):
            both = dense.ok & one.ok
            if one.metric != CORRELATION_SHIFT:
                changes[one.metric] = self._change(dense, one, pairs, changes)
                found.append((one, changes[one.metric]))
            if self._of_one_answer(one):
                continue
            beside = summary if np.array_equal(both, dense.ok) else self._summary(dense, both)
            mine = self._summary(one, both)
            found.append((mine, compare(mine, beside)))
        return found

    def _change(
        self,
        dense: Estimates,
        one: Estimates,
        pairs: Mapping[str, Pairs],
        changes: Mapping[str, Comparison],
    ) -> Comparison:
        """Compare one metric of two models; `changes` are those of other metrics."""
        if one.extreme is not None:
            return change_of(dense, one, changes)
        of_share = None if one.trials is None else pairs.get(one.metric)
        return compare(one, dense, self._exact(of_share), of_share)

    def _compared_top_ones(self, baseline: int, model: int, tops: list[Estimates]) -> Compared:
        """Compare the one answer of a multi-class model with that of its dense one."""
        transitions = self.evidence.top_one_changes(baseline, model)
        counts = transitions.total().counts  # of changed answers: right before, right after
        n = counts[..., :2, :, :].sum(axis=(-3, -2, -1))
        right = Pairs(counts[..., 1, 0, 1], counts[..., 1, 1, 0], n)
        found: Compared = []
        changes: dict[str, Comparison] = {}
        for dense, one in zip(self.top_ones[baseline], tops, strict=True):
            changes[one.metric] = self._change(dense, one, {"top1_accuracy": right}, changes)
            found.append((one, changes[one.metric]))
        for one in self.measurer.top_one_pair(transitions):
            found += self._changed(one)
        return found

    def _changed(self, one: Estimates) -> Compared:
        """Test one metric of a change, and its mean over attributes where it has one."""
        total = one.attributes == (None,)
        parts = [one] if total else [one, self._summary(one, one.ok)]
        if one.metric.startswith("excess"):
            return [(part, from_zero(part)) for part in parts]
        beside = self.churn.get(one.metric, [])
        return [
            (part, compare(part, churn) if churn else None)
            for part, churn in zip_longest(parts, beside)
        ]

    def _exact(self, pairs: Pairs | None) -> Floats | None:
        """Return McNemar's p-values, which independent samples allow."""
        if pairs is None or self.measurer.slice_support.clustered:
            return None
        return mcnemar(pairs.lost, pairs.gained)

    def _dense_pairs(self) -> list[tuple[int, int]]:
        n = self.subject.n_dense
        return [(first, second) for second in range(n) for first in range(second)]

    def _churn(self) -> dict[str, list[Estimates]]:
        """Estimate how many answers differ between dense models: the mean over pairs, both ways."""
        pairs = self._dense_pairs()
        if not pairs:
            return {}
        evidence, measurer = self.evidence, self.measurer
        of = evidence.top_one_changes if self.multiclass else evidence.transitions
        counts = np.asarray(sum(of(*pair).counts for pair in pairs)) / len(pairs)
        labelled = counts[..., :2, :, :]
        labelled[:] = (labelled + labelled.swapaxes(-1, -2)) / 2  # no seed comes first
        measure = measurer.top_one_pair if self.multiclass else measurer.pair
        return {
            one.metric: [one] if self.multiclass else self._with_summary(one, one.ok)
            for one in measure(Transitions(counts))
            if one.metric.endswith("flip_rate")
        }

    def _summary(self, estimates: Estimates, usable: NDArray[np.bool_]) -> Estimates:
        columns = "classes" if self.multiclass else "attributes"
        support = self.measurer.slice_support
        return summarize(estimates, usable, self.sizes, support, columns)

    def _of_one_answer(self, one: Estimates) -> bool:
        """Tell whether what stands over all classes is not a mean, but of the one answer."""
        return self.multiclass and one.metric in TOP_ONE_METRICS

    def _with_summary(self, one: Estimates, usable: NDArray[np.bool_]) -> list[Estimates]:
        """Return the estimates, and their summary; of pairs of attributes the summary alone."""
        if self._of_one_answer(one):
            return [one]
        summary = self._summary(one, usable)
        return [summary] if one.metric == CORRELATION_SHIFT else [one, summary]

    def _pool(self, model: int, found: Compared) -> None:
        """Take a model into its population; lay the population out after its last member."""
        members = next((m for m in self.populations.values() if model in m), None)
        if members is None:
            return
        if members[0] not in self.pooled:
            self.pooled[members[0]] = [Pooled() for _ in found]
        for one, (estimates, comparison) in zip(self.pooled[members[0]], found, strict=True):
            one.add(estimates, comparison)
        if model == members[-1]:
            means = means_of(self.pooled.pop(members[0]))
            first = self.subject.models[members[0]]
            metadata = first.model_copy(update={"seed": None})
            beside = self._beside(model)
            if members[0] in self.exemplars:
                counted, listed = self.exemplars.pop(members[0]).result()
                beside = [*beside[:-1], *counted]
                self.more["cies"].append(listed)
            table = self._table(self._name(members), metadata, means, beside)
            names = [str(self.subject.models[member].name) for member in members]
            of_members = [one for one in self.tables if one["model"][0] in names]
            self.tables.append(agreement(table, of_members))

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
        if self.churn:
            flips = self.churn["top1_flip_rate" if self.multiclass else "flip_rate"]
            churn = [replace(one, metric="churn") for one in flips]
            return [*(rows(one, slices, confidence) for one in churn), seeds]
        return [self._cannot("churn", "it takes two dense models of different seeds"), seeds]

    def _cannot(self, metric: str, reason: str) -> Columns:
        """Lay out one row that says why an estimate cannot be made."""
        row = {"metric": metric, "n": self.sizes[0], "status": UNDEFINED, "reason": reason}
        return {name: np.array([value]) for name, value in row.items()}

"""What is fixed throughout an audit, and how rows of its table are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from prunescope.audit.affected import Affected
from prunescope.audit.comparison import Comparison
from prunescope.audit.estimates import UNDEFINED, Estimates
from prunescope.audit.evidence import Evidence
from prunescope.audit.ground import Ground
from prunescope.audit.intervals.significance import add_q_values
from prunescope.audit.measure import Measurer
from prunescope.audit.sample_answers import SampleAnswers
from prunescope.audit.subject import Subject
from prunescope.audit.support import Supports
from prunescope.audit.table import Columns, rows, to_frame
from prunescope.audit.verdicts import add_verdicts
from prunescope.data.samples import TrainRates
from prunescope.metrics import Statistics
from prunescope.predictions import Metadata

Compared = list[tuple[Estimates, Comparison | None]]
"""Estimates, each with how it compares with the dense model's, if it does."""

TABLE = "table"
"""The name of the audit's own table, beside those of `prunescope.audit.result.TABLES`."""


@dataclass(frozen=True)
class Part:
    """A part of an audit's result: of one model, or of one population.

    Parameters
    ----------
    tables : dict
        Name → rows.
    affected : list of Affected
    """

    tables: dict[str, pl.DataFrame]
    affected: list[Affected] = field(default_factory=list)


@dataclass(frozen=True)
class Given:
    """What is fixed throughout an audit.

    Parameters
    ----------
    subject : Subject
    evidence : Evidence
    measurer : Measurer
    samples : SampleAnswers, optional
        The answers to every sample, where they are held.
    counted : dict
        Model → its statistics, where they were counted already; kept until they are asked for.
    """

    subject: Subject
    evidence: Evidence
    measurer: Measurer
    samples: SampleAnswers | None = None
    counted: dict[int, Statistics] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        subject: Subject,
        evidence: Evidence,
        train: TrainRates,
        samples: SampleAnswers | None = None,
    ) -> Given:
        """Count the first model, whose labels tell what all estimates rest on."""
        first, settings = evidence.statistics(0), subject.settings
        ground = Ground(
            subject.attributes,
            subject.layout.slices,
            Supports(first.counts, evidence.units()),
            settings.min_support,
            subject.multiclass,
        )
        measurer = Measurer(ground, train, evidence.labels(), settings.trigger)
        return cls(subject, evidence, measurer, samples, {0: first})

    @property
    def ground(self) -> Ground:
        """What all estimates stand on."""
        return self.measurer.ground

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.ground.supports.sizes[0])

    def statistics(self, model: int) -> Statistics:
        """Return what one model's answers add up to."""
        found = self.counted.pop(model, None)
        return self.evidence.statistics(model) if found is None else found

    def rows(self, estimates: Estimates, comparison: Comparison | None = None) -> Columns:
        """Lay out estimates as rows of the audit's table."""
        confidence = self.subject.settings.confidence
        return rows(estimates, self.ground.slices, confidence, comparison)

    def row_without_value(self, metric: str, reason: str) -> Columns:
        """Lay out one row that says why an estimate cannot be made."""
        row = {"metric": metric, "n": self.n_samples, "status": UNDEFINED, "reason": reason}
        return {name: np.array([value]) for name, value in row.items()}

    def table(
        self, name: str, metadata: Metadata, found: Compared, beside: Sequence[Columns] = ()
    ) -> pl.DataFrame:
        """Lay out one model's rows, name the model in each, and correct for many comparisons."""
        parts = [self.rows(one, comparison) for one, comparison in found]
        how, settings = metadata.compression, self.subject.settings
        told = {"method": how.method, "sparsity": how.removed, "seed": metadata.seed}
        table = add_q_values(to_frame([*parts, *beside], model=name, **told))
        return add_verdicts(table, settings.alpha, dict(settings.min_effect))

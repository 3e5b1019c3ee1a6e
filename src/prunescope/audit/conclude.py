"""From evidence to the audit's tables: dense models, compressed models, their means over seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

import polars as pl

from prunescope.audit.changes import churn_between_dense
from prunescope.audit.evidence import Evidence
from prunescope.audit.exemplars import exemplars
from prunescope.audit.given import TABLE, Given, Part
from prunescope.audit.inverted import inverted
from prunescope.audit.models import Outcome, compressed_model, dense_model
from prunescope.audit.result import TABLES, Audit, AuditInfo
from prunescope.audit.sample_answers import SampleAnswers
from prunescope.audit.seeds.over_seeds import with_means
from prunescope.audit.subject import Subject
from prunescope.data.samples import TrainRates
from prunescope.metrics.statistics import on_one_thread

Progress = Callable[[int, int], None]


@on_one_thread
def conclude(
    subject: Subject,
    evidence: Evidence,
    train: TrainRates,
    notes: list[str],
    warnings: list[str],
    samples: SampleAnswers | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Estimate every metric of every model, of every change from dense, and over seeds.

    Parameters
    ----------
    subject : Subject
    evidence : Evidence
    train : TrainRates
    notes, warnings : list of str
        What to tell beside the results.
    samples : SampleAnswers, optional
        Where the answers to every sample are held: without them, exemplars are counted, not listed,
        and which class became which is not told.
    progress : callable, optional
        Called with the number of models done and of all.
    """
    n, n_dense = len(subject.models), subject.n_dense
    given = Given.of(subject, evidence, train, samples)
    churn = churn_between_dense(given)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        dense = list(
            _told(threads.map(partial(dense_model, given), range(n_dense)), 0, n, progress)
        )
        sought = {
            members[0]: threads.submit(exemplars, given, members) for members in subject.rivals()
        }
        of_one = partial(compressed_model, given, [one.measured for one in dense], churn)
        compressed = _told(threads.map(of_one, range(n_dense, n)), n_dense, n, progress)
        parts = list(with_means(given, churn, sought, chain(dense, compressed)))

    table = pl.concat([part.tables[TABLE] for part in parts])
    names = [str(model.name) for model in subject.models]
    info = AuditInfo(
        n_samples=given.n_samples,
        attributes=subject.attributes,
        settings=subject.settings,
        models=subject.infos(),
        populations=subject.population_infos(),
        notes=notes,
        warnings=[*warnings, *inverted(table, names, subject.models[0].task)],
        affected=[image for part in parts for image in part.affected],
    )
    return Audit(table, info, **{name: _together(parts, name) for name in TABLES})


def _told(
    outcomes: Iterable[Outcome], done: int, n: int, progress: Progress | None
) -> Iterator[Outcome]:
    """Yield what models came to, and tell how many of all n are done."""
    for number, outcome in enumerate(outcomes, done + 1):
        yield outcome
        if progress:
            progress(number, n)


def _together(parts: Sequence[Part], name: str) -> pl.DataFrame:
    """Put the rows of one table together."""
    found = [part.tables[name] for part in parts if name in part.tables]
    return pl.concat(found) if found else pl.DataFrame(schema=TABLES[name])

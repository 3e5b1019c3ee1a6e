"""What an audit tells of one model: its estimates, how they compare with the dense model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from prunescope.audit.changes import Churn, Measured, changes
from prunescope.audit.correlations import correlation_rows
from prunescope.audit.estimates import CORRELATION_SHIFT, Estimates
from prunescope.audit.given import TABLE, Compared, Given, Part
from prunescope.audit.intervals.jackknife import jackknife

NO_EXEMPLARS = "it takes several dense and several compressed seeds"


@dataclass(frozen=True)
class Outcome:
    """What one model came to.

    Parameters
    ----------
    measured : Measured
    found : Compared
        The estimates that the table holds.
    part : Part
        Of the audit's result.
    """

    measured: Measured
    found: Compared
    part: Part


def dense_model(given: Given, model: int) -> Outcome:
    """Estimate every metric of a dense model."""
    measured = _measure(given, model)
    metrics = [*measured.estimates, *measured.top_one]
    found: Compared = [(part, None) for one in metrics for part in one.shown()]
    metadata = given.subject.models[model]
    tables = {TABLE: given.table(str(metadata.name), metadata, found)}
    return Outcome(measured, found, Part(tables | _correlations(given, model, measured, None)))


def compressed_model(given: Given, dense: Sequence[Measured], churn: Churn, model: int) -> Outcome:
    """Estimate every metric of a compressed model, and of its change from the dense one."""
    before, metadata = given.subject.baseline(model), given.subject.models[model]
    measured = _measure(given, model)
    found = changes(given, before, model, dense[before], measured, churn)
    beside = [*churn.columns, given.row_without_value("cie_rate", NO_EXEMPLARS)]
    tables = {TABLE: given.table(str(metadata.name), metadata, found, beside)}
    tables |= _correlations(given, model, measured, dense[before])
    if given.samples is not None and given.ground.classes:
        names = (pl.lit(metadata.name).alias("model"), pl.all())
        tables["confusions"] = given.samples.confusions(before, model).select(*names)
    affected = given.evidence.affected(before, model, given.subject.settings.n_affected)
    return Outcome(measured, found, Part(tables, affected))


def _measure(given: Given, model: int) -> Measured:
    """Estimate every metric of one model."""
    found, evidence, measurer = jackknife(given.statistics(model)), given.evidence, given.measurer
    estimates, top_one = measurer.model(found, evidence.ranking(model)), []
    if given.ground.classes:
        top_one = measurer.top_one(jackknife(evidence.top_one(model)), found)
    with_mean = given.ground.with_mean
    return Measured(
        [with_mean(one) for one in estimates],
        [with_mean(one) for one in top_one],
        found[0].predicted,
    )


def _correlations(
    given: Given, model: int, measured: Measured, dense: Measured | None
) -> dict[str, pl.DataFrame]:
    """Lay out how the attributes of one model hang together, where pairs of them are counted."""
    if given.ground.classes or not measured.predicted.second.size:
        return {}
    rows = correlation_rows(
        str(given.subject.models[model].name),
        given.subject.attributes,
        measured.predicted,
        given.measurer.dependence.labelled,
        _shift(measured),
        None if dense is None else _shift(dense),
        given.subject.settings.confidence,
    )
    return {"correlations": rows}


def _shift(measured: Measured) -> Estimates:
    """Return the estimates of the correlation shift."""
    return next(one.each for one in measured.estimates if one.each.metric == CORRELATION_SHIFT)

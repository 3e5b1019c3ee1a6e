"""What an audit found, in words: the largest damage first, and only what can be told from chance.

A finding rests on changes whose q-value is at most 1 - confidence, and that are not negligible by
the audit's settings. Its severity is a matter of size alone (`prunescope.report.rules`); the limits
are conventions, and stated in the report.
"""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.audit import Audit, ModelInfo
from prunescope.audit.roles import Roles, roles
from prunescope.report import words
from prunescope.report.confusions import gained
from prunescope.report.rules import rules
from prunescope.report.structure import Finding, Severity
from prunescope.report.table import Table

SEVERITIES: tuple[Severity, ...] = ("severe", "moderate", "slight", "none", "unknown", "note")


def findings(audit: Audit) -> list[Finding]:
    """Say what changed for the worse from each dense model to its compressed ones.

    Returns
    -------
    list of Finding
        Model by model, in the audit's order, the most severe first; models that differ by their
        seed alone are told of together, under their population's name: what is found in any. A
        model without supported damage has a finding of severity "none" that says so, or "unknown"
        where nothing could be compared or tested.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from prunescope.audit import audit
    >>> from prunescope.data import Samples
    >>> from prunescope.predictions import Metadata, Predictions
    >>> labels = np.tile([[1], [0], [0], [0]], (100, 1)).astype(np.int8)
    >>> samples = Samples(pl.Series([str(i) for i in range(400)]), ("Bald",), labels)
    >>> dense = Predictions(samples, labels * 8.0 - 4, Metadata(name="dense"))
    >>> sparse = Predictions(samples, np.full(labels.shape, -4.0), Metadata(name="sparse"))
    >>> result = audit(dense, sparse, train_rates=samples.rates(), replicates=200)
    >>> first = findings(result)[0]
    >>> first.severity, first.clause
    ('severe', 'the rarer answer is never given any more for Bald')
    """
    cast = roles(audit.info)
    return judge(audit, Table(audit), cast.compressed, cast)


def judge(audit: Audit, table: Table, models: Sequence[ModelInfo], cast: Roles) -> list[Finding]:
    """Do the work of `findings` for some models, on a table that is read already."""
    found: list[Finding] = []
    for model in models:
        name, seeds = model.name, cast.models_of(model.name)
        of_model = [one for rule in rules(table.noun) if (one := rule.judge(table, name, seeds))]
        if not any(one.severity != "note" for one in of_model):
            of_model.append(_nothing(table, name, seeds))
        of_model += [*gained(audit, name, seeds), *_notes(table, name)]
        found += sorted(of_model, key=lambda finding: SEVERITIES.index(finding.severity))
    return found


def _nothing(table: Table, model: str, seeds: Sequence[str]) -> Finding:
    """Tell that no damage is supported, or that nothing could be compared or tested in a seed."""
    told: list[Finding] = []
    for seed in seeds:
        rows = [row for rule in rules(table.noun) for row in rule.rows(table, seed)]
        compared = [row for row in rows if row.delta is not None or row.q_value is not None]
        severity: Severity = "unknown"
        if any(row.q_value is not None for row in compared):
            severity = "none"
            text, clause = words.nothing_found(table.accuracy(seed), table.resampled)
        else:
            text, clause = words.nothing_tested() if compared else words.nothing_compared()
        told.append(Finding(model=model, severity=severity, metric=None, text=text, clause=clause))
    worst = max(told, key=lambda finding: SEVERITIES.index(finding.severity))
    if len(seeds) == 1:
        return worst
    n_like = sum(finding.severity == worst.severity for finding in told)
    where = words.in_seeds((n_like, len(seeds)))
    return worst.model_copy(update={"text": f"{where[0].upper()}{where[1:]}: {worst.text}"})


def _notes(table: Table, model: str) -> list[Finding]:
    """Tell what changed without being better or worse."""
    kind = "top1_" if table.noun == "class" else ""
    flips = [
        table.overall(model, kind + metric)
        for metric in ("flip_rate", "harmful_flip_rate", "helpful_flip_rate")
    ]
    linked = table.overall(model, "interdependence")
    told = []
    if flips[0] is not None and flips[0].value is not None:
        text = words.flips(*flips)
        told.append((flips[0].metric, text, [row for row in flips if row is not None]))
    if linked is not None and linked.supported:
        told.append(("interdependence", words.hangs_together(linked), [linked]))
    return [
        Finding(model=model, severity="note", metric=metric, text=text, clause=clause, rows=rows)
        for metric, (text, clause), rows in told
    ]

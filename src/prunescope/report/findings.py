"""What an audit found, in words: what the judge calls beyond chance, the gravest first.

Which rows those are, and how grave, is the judge's to say (`prunescope.verdict`); here it is put
into sentences. One model is shipped, so of several seeds each row is told as in the model that it
is worst in, with the number of seeds in which there is such damage. What the mean over seeds alone
shows is a note.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from prunescope.audit import Audit, ModelInfo
from prunescope.audit.roles import Roles, roles
from prunescope.report import notes, words
from prunescope.report.confusions import gained
from prunescope.report.structure import Estimate, Finding, Severity
from prunescope.report.table import Table, estimates_of
from prunescope.verdict import Criterion, Judge, Policy, shipped
from prunescope.verdict import Finding as Found

SEVERITIES: tuple[Severity, ...] = ("severe", "moderate", "slight", "none", "note")

PLACE = ("attribute", "group", "group_value")


def findings(audit: Audit, policy: Policy | None = None) -> list[Finding]:
    """Say what changed for the worse from each dense model to its compressed ones.

    Parameters
    ----------
    audit : Audit
    policy : Policy, optional
        What counts as damage, and from which size on. Default: the shipped one.

    Returns
    -------
    list of Finding
        Model by model, in the audit's order, the most severe first; models that differ by their
        seed alone are told of together, under their population's name: what is found in any. Damage
        that is beyond chance and inside the limits is "slight". A model without any has a finding
        of severity "none" that says so.

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
    >>> [finding.severity for finding in findings(result)]
    ['severe', 'severe', 'severe', 'severe', 'severe', 'note']
    """
    cast = roles(audit.info)
    return tell(Judge(audit, policy or shipped()), Table(audit), cast.compressed, cast)


def tell(judge: Judge, table: Table, models: Sequence[ModelInfo], cast: Roles) -> list[Finding]:
    """Do the work of `findings` for some models, on an audit that is read already."""
    found: list[Finding] = []
    for model in models:
        name, seeds = model.name, cast.models_of(model.name)
        of_model = _of_criteria(judge, table, name, seeds)
        if not any(one.severity != "note" for one in of_model):
            tested = any(one.rows["q"].count() for s in seeds for one in judge.findings(s))
            text = words.NOTHING if tested else words.UNTESTED
            told = {"severity": "none", "metric": None, "text": text, "clause": ""}
            of_model.append(Finding.model_validate({"model": name, **told}))
        of_model += [*gained(judge.audit, name, seeds), *_notes(table, name)]
        found += sorted(of_model, key=lambda finding: SEVERITIES.index(finding.severity))
    return found


def _of_criteria(judge: Judge, table: Table, model: str, seeds: Sequence[str]) -> list[Finding]:
    """Tell what each criterion finds: in any seed, else as a note in their mean."""
    of_mean = judge.findings(model) if model not in seeds else [None] * len(judge.criteria)
    told = []
    for mean, *each in zip(of_mean, *map(judge.findings, seeds), strict=True):
        criterion = each[0].criterion
        if table.n_attributes == 1 and criterion.single and criterion.metric == "accuracy":
            continue  # what is said of all is said of one
        finding = _one(criterion, each, table, model)
        if finding is None and mean is not None:
            where = f", on average over {len(seeds)} seeds and in none of them beyond chance"
            finding = _one(criterion, [mean], table, model, where)
            finding = finding and finding.model_copy(update={"severity": "note"})
        told += [finding] if finding else []
    return told


def _one(
    criterion: Criterion, of_seeds: Sequence[Found], table: Table, model: str, where: str = ""
) -> Finding | None:
    """Tell what one criterion finds; `where` stands after its name.

    In how many seeds that is stands there, too, where it is one number, else beside each row.
    """
    rows = _damaged(of_seeds)
    if rows.is_empty():
        return None
    states, limits = set(rows["state"]), SEVERITIES[:2]
    severity: Severity = next((name for name in limits if name in states), "slight")
    hit = [
        row.model_copy(
            update={
                "supported": True,
                "seeds": (n, len(of_seeds)) if len(of_seeds) > 1 else None,
                "reason": words.NEVER if _never(criterion, row, table) else row.reason,
            }
        )
        for row, n in zip(estimates_of(rows, table.alpha), rows["n_seeds"], strict=True)
    ]
    alike = len({row.seeds for row in hit}) == 1
    places = pl.concat([one.rows for one in of_seeds])
    told = [row.model_copy(update={"seeds": None}) for row in hit] if alike else hit
    n_places = places.select(PLACE).n_unique()
    n_broken = int(rows["state"].is_in(limits).sum())
    sentence = words.sentence(words.kind_of(criterion), told, n_places, table.noun, n_broken)
    if sentence is None or criterion.bounded:
        if severity == "slight":
            return None
        worst = max(of_seeds, key=lambda one: one.judged.state == "broken")
        text, clause = worst.judged.text, f"“{criterion.title}” is broken"
    else:
        text, clause = sentence
    in_seeds = f", {words.in_seeds(hit[0].seeds)}" if hit[0].seeds else ""
    return Finding(
        model=model,
        severity=severity,
        metric=criterion.metric,
        text=f"{criterion.title}{where}{in_seeds if alike else ''}: {text}",
        clause=clause + where + in_seeds,
        rows=hit,
    )


def _damaged(of_seeds: Sequence[Found]) -> pl.DataFrame:
    """Return the rows that are damaged beyond chance, the largest damage first.

    Of several seeds each as in the one in which it is worst; `n_seeds` says in how many it is.
    """
    beyond = pl.col("beyond_chance") | pl.col("state").is_in(["severe", "moderate"])
    return (
        pl.concat([one.rows for one in of_seeds])
        .filter(beyond)
        .with_columns(n_seeds=pl.len().over(PLACE))
        .sort("damage", descending=True, maintain_order=True)
        .unique(PLACE, keep="first", maintain_order=True)
    )


def _never(criterion: Criterion, row: Estimate, table: Table) -> bool:
    """Whether a row is the recall of a class that its model does not give any more."""
    return criterion.metric == "tpr" and any(
        one.attribute == row.attribute and one.status == "undefined"
        for one in table.by_attribute(row.model, "precision")
    )


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
        text = notes.flips(*flips)
        told.append((flips[0].metric, text, [row for row in flips if row is not None]))
    if linked is not None and linked.supported:
        told.append(("interdependence", notes.hangs_together(linked), [linked]))
    return [
        Finding(model=model, severity="note", metric=metric, text=text, clause=clause, rows=rows)
        for metric, (text, clause), rows in told
    ]

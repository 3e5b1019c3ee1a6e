"""The rows of an audit that the report tells of, looked up by what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from prunescope.audit import Audit
from prunescope.audit.verdicts import harm_of
from prunescope.report.structure import Estimate
from prunescope.report.words import noun_of, side
from prunescope.verdict.glossary import legend

OK, WORST = "ok", "worst_group_accuracy"


def estimates_of(rows: pl.DataFrame, alpha: float) -> Iterator[Estimate]:
    """Read rows of an audit's table; a change is supported where its q-value is at most `alpha`."""
    columns = [name for name in Estimate.model_fields if name not in ("supported", "seeds", "harm")]
    for row in rows.select(*columns, harm_of()).iter_rows(named=True):
        q_value = row["q_value"]
        told_apart = q_value is not None and q_value <= alpha
        yield Estimate(**row, supported=told_apart and row["verdict"] != "negligible")


class Table:
    """The estimates of one audit, by model, metric and slice; its columns are of a `noun`.

    A change is supported where its q-value is at most `alpha`, 1 - confidence, and its verdict is
    not ``negligible``.
    """

    def __init__(self, audit: Audit) -> None:
        self.noun = noun_of(audit)
        self.alpha = audit.info.settings.alpha
        self.n_attributes = len(audit.info.attributes)
        whole = pl.col("group").is_null() | pl.col("attribute").is_null()
        told = whole | pl.col("metric").is_in(["bias_amplification", "cie_odds_ratio"])
        rows = audit.table.filter(pl.col("metric").is_in(list(legend(self.noun))) & told)
        self._rows: dict[tuple[str, str], list[Estimate]] = {}
        for estimate in estimates_of(rows, self.alpha):
            self._rows.setdefault((estimate.model, estimate.metric), []).append(estimate)

    def has(self, metric: str) -> bool:
        """Whether a metric was estimated for any model."""
        return any(metric == estimated for _, estimated in self._rows)

    def _of(self, model: str, metric: str) -> Iterable[Estimate]:
        return self._rows.get((model, metric), [])

    def overall(self, model: str, metric: str) -> Estimate | None:
        """Return the row over all images and attributes."""
        found = (r for r in self._of(model, metric) if r.attribute is None and r.group is None)
        return next(found, None)

    def key(self, model: str, metric: str) -> Estimate | None:
        """Return the row of a key figure: over everything, or of the worst of all groups."""
        if metric != WORST:
            return self.overall(model, metric)
        rows = self.by_group(model, metric)
        known = [row for row in rows if row.value is not None]
        if not known:
            return next(iter(rows), None)
        worst = min(known, key=lambda row: row.value or 0.0)
        reason = "; ".join(filter(None, [side(worst), worst.reason]))
        return worst.model_copy(update={"reason": reason})

    def accuracy(self, model: str) -> Estimate | None:
        """Return the accuracy over everything: of the one answer, in a multi-class task."""
        return self.overall(model, "top1_accuracy") or self.overall(model, "accuracy")

    def by_attribute(self, model: str, metric: str) -> list[Estimate]:
        """Return one row per attribute, over all images."""
        return [r for r in self._of(model, metric) if r.attribute is not None and r.group is None]

    def by_group(self, model: str, metric: str) -> list[Estimate]:
        """Return the rows per group, or value of a group, over all attributes."""
        return [r for r in self._of(model, metric) if r.attribute is None and r.group is not None]

    def cells(self, model: str, metric: str) -> list[Estimate]:
        """Return one row per attribute × group."""
        return [
            r for r in self._of(model, metric) if r.attribute is not None and r.group is not None
        ]

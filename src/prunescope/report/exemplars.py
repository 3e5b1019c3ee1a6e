"""Compression-identified exemplars (CIEs), for people: how many, whom they gather in, which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from prunescope.audit import Audit
from prunescope.report import words
from prunescope.report.records import Exemplar, Exemplars
from prunescope.report.structure import Estimate
from prunescope.report.table import Table
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.numbers import counted

MOST_EXAMPLES = 12
MOST_GATHERINGS = 8


def exemplars(audit: Audit, table: Table, model: str) -> Exemplars | None:
    """Return the exemplars of one population; None where there are too few seeds to have any."""
    rate = table.overall(model, "cie_rate")
    if rate is None or rate.value is None:
        return None
    noun = words.noun_of(audit)
    listed = audit.cies.filter(model=model, definition="modal")
    by_group = [*table.by_group(model, "cie_odds_ratio"), *table.cells(model, "cie_odds_ratio")]
    return Exemplars(
        text=_text(rate, listed, audit.info.n_samples, noun),
        rate=rate,
        n=listed.height,
        n_images=listed["id"].n_unique(),
        n_harmful=_true(listed["harmful"]),
        n_doubted=_true(listed["label_may_be_wrong"]),
        groups=_gathered(by_group),
        rare=_gathered(table.by_attribute(model, "cie_rare_odds_ratio")),
        examples=[_example(row, noun) for row in listed.head(MOST_EXAMPLES).to_dicts()],
    )


def _gathered(rows: Iterable[Estimate]) -> list[Estimate]:
    """Return the odds ratios above 1 that can be told from chance.

    In order of the lower end of the interval: a ratio of small counts may be large by accident.
    """
    found = [row for row in rows if row.supported and (row.value or 0) > 1]
    return sorted(found, key=lambda row: -(row.low or 0))[:MOST_GATHERINGS]


def _text(rate: Estimate, listed: pl.DataFrame, n_samples: int, noun: str) -> str:
    """Tell how many exemplars there are, how many were harmed, and how many may be label noise."""
    share = GLOSSARY["cie_rate"].unit.value
    n, n_images = listed.height, listed["id"].n_unique()
    if noun == "class" and n:
        text = (
            "Most compressed models choose another class than most dense ones for "
            f"{counted(n, 'image')} ({share(n / n_samples)})."
        )
    else:
        text = (
            "Most compressed models answer otherwise than most dense ones in "
            f"{share(rate.value or 0)} of the answers"
        )
        where = f"{counted(n, 'exemplar')} on {share(n_images / n_samples)} of the images"
        text += f": {where}." if n else "."
    if labelled := listed["harmful"].count():
        harmed = _true(listed["harmful"]) / labelled
        text += f" Of those with a label, {share(harmed)} went from right to wrong."
    if doubted := _true(listed["label_may_be_wrong"]):
        text += (
            f" {counted(doubted, 'exemplar')} ({share(doubted / n)}) may be label noise: every "
            "dense model confidently contradicts the label."
        )
    return text


def _true(column: pl.Series) -> int:
    """Count what is true."""
    return column.filter(column).len()


def _example(row: dict[str, Any], noun: str) -> Exemplar:
    """Describe one exemplar."""
    label = row["label"]
    if noun == "class":
        about = f"{row['dense']} → {row['compressed']}"
        truth = "unlabelled" if label is None else f"truly {label}"
    else:
        about = row["attribute"]
        truth = {"True": "truly yes", "False": "truly no"}.get(label, "unlabelled")
    return Exemplar(
        id=row["id"],
        about=about,
        truth=truth,
        dense=round(row["dense_probability"], 4),
        compressed=round(row["compressed_probability"], 4),
        dense_share=row["dense_share"],
        compressed_share=row["compressed_share"],
        harmful=row["harmful"],
        doubted=row["label_may_be_wrong"],
    )

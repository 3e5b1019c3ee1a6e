"""The page of a forecast: what pruning would break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data import Dataset
from prunescope.errors import shorten
from prunescope.forecast import Forecast
from prunescope.forecast.plain import agreements, rarities
from prunescope.report.html import write_page
from prunescope.report.lines import Line, Scale, draw_lines
from prunescope.report.thumbnails import thumbnails
from prunescope.verdict.numbers import SHARE, counted, removed

MOST_IMAGES, MOST_ANSWERS, MOST_ROWS = 24, 4, 40
"""Images shown, answers told of each, and rows of a table."""

WORD = {"multilabel": "attribute", "multiclass": "class"}


def build_forecast(
    forecast: Forecast, *, title: str | None = None, dataset: Dataset | None = None
) -> dict[str, Any]:
    """Put together what the page of a forecast shows, by the names that its template knows."""
    info = forecast.info
    images = _images(forecast)
    pictures = {} if dataset is None else thumbnails(dataset, [image["id"] for image in images])
    planned = forecast.at()
    return {
        "title": title or f"{info.model}, {removed(info.sparsity)} of the weights removed",
        "headline": _headline(forecast),
        "noun": WORD[info.task],
        "info": info,
        "fates": _fates(planned, rarities(forecast)),
        "leanings": _leanings(planned),
        "leanings_scorer": next(iter(planned["scorer"].to_list()), None),
        "plain": agreements(forecast),
        "curves": _curves(forecast),
        "images": images,
        "thumbnails": pictures,
    }


def _headline(forecast: Forecast) -> str:
    """Say in one sentence what is to be expected."""
    info, planned = forecast.info, forecast.at()
    overall = planned.filter(pl.col("group").is_null())
    of_classes = info.task == "multiclass"
    metric = "top1_flip_rate" if of_classes else "flip_rate"
    flips = overall.filter(metric=metric)["expected"].drop_nulls().to_list()
    ratio = overall.filter(pl.col("metric") == "rare_value_ratio", pl.col("change") < 0)
    losing = ratio.sort("change")["attribute"].to_list()
    if not flips:
        return f"{info.n_samples} images are too few to tell what pruning would break."
    text = f"With {removed(info.sparsity)} of the weights removed"
    share = SHARE.value(sum(flips) / len(flips))
    names = shorten(losing, 3)
    if of_classes:
        text += f", about {share} of the images will get another class"
        rarer = f"; {counted(len(losing), 'class')} will be named less often, most of all {names}"
    else:
        text += f", about {share} of the answers will flip"
        rarer = f"; for {counted(len(losing), 'attribute')} the rarer of yes and no will be "
        rarer += f"answered less often than by the dense model, most of all for {names}"
    if losing:
        text += rarer
    return text + "."


def _fates(planned: pl.DataFrame, rarity: dict[str, float]) -> list[dict[str, Any]]:
    """Return what each attribute is in for, beside how rare it is: most flips first."""
    whole = planned.filter(pl.col("group").is_null())
    flips = whole.filter(metric="flip_rate").select("attribute", flips="expected")
    ratio = whole.filter(metric="rare_value_ratio").select(
        "attribute", "dense", "expected", "reason", rises="probability"
    )
    rows = flips.join(ratio, on="attribute", how="left", maintain_order="left")
    ordered = rows.sort("flips", descending=True, nulls_last=True).to_dicts()
    return [row | {"rarity": rarity.get(row["attribute"])} for row in ordered]


def _leanings(planned: pl.DataFrame) -> list[dict[str, Any]]:
    """Return bias amplification by attribute and group: the largest rise first."""
    rows = planned.filter(
        pl.col("metric") == "bias_amplification", pl.col("expected").is_not_null()
    )
    ordered = rows.sort("change", descending=True).head(MOST_ROWS)
    return ordered.select("attribute", "group", "dense", "expected", rises="probability").to_dicts()


def _curves(forecast: Forecast) -> list[dict[str, Any]]:
    """Return means over attributes against sparsity, of one scorer of tier A."""
    along = forecast.attributes.filter(
        pl.col("group_value").is_null(), pl.col("expected").is_not_null()
    )
    scorers = along["scorer"].unique(maintain_order=True).to_list()
    along = along.filter(scorer=scorers[-1]) if scorers else along
    # means at all sparsities are over the attributes that have a value at each
    n = along["sparsity"].n_unique()
    key = ["metric", "group", "attribute"]
    along = along.filter(pl.len().over(key) == n)
    means = along.group_by("metric", "group", "sparsity", maintain_order=True).agg(
        pl.col("dense").mean(), pl.col("expected").mean()
    )
    found = []
    for (metric, group), rows in means.group_by("metric", "group", maintain_order=True):
        points = sorted(rows.select("sparsity", "expected").rows())
        points = [(0.0, float(rows["dense"][0])), *points]
        found.append({"metric": metric, "group": group, "points": points})
    return found


def _images(forecast: Forecast) -> list[dict[str, Any]]:
    """Return the images with the most expected flips, or the riskiest answers."""
    of_classes = forecast.info.task == "multiclass"
    by_image = (
        forecast.risk.max(axis=1)
        if forecast.probability is None or of_classes
        else forecast.probability.sum(axis=1)
    )
    chosen = np.argsort(-by_image, kind="stable")[:MOST_IMAGES]
    found = []
    for row in chosen:
        order = np.argsort(-forecast.risk[row], kind="stable")
        if of_classes:
            order = np.flatnonzero(forecast.answer[row])
        chances = None if forecast.probability is None else forecast.probability[row]
        more = 0 if chances is None else int((chances[order[MOST_ANSWERS:]] >= 0.5).sum())
        answers = [_at_risk(forecast, int(row), int(a)) for a in order[:MOST_ANSWERS]]
        found.append({"id": forecast.ids[int(row)], "answers": answers, "more": more})
    return found


def _at_risk(forecast: Forecast, row: int, a: int) -> dict[str, Any]:
    """Tell of one answer; where classes are chosen with the class that it would rather become."""
    names, of_classes = forecast.info.attributes, forecast.info.task == "multiclass"

    def number(table: NDArray[Any] | None, digits: int) -> float | None:
        return None if table is None else round(float(table[row, a]), digits)

    return {
        "attribute": names[a],
        "answer": bool(forecast.answer[row, a]),
        "becomes": names[forecast.rivals[row]] if of_classes else None,
        "chance": number(forecast.probability, 3),
        "margin": number(forecast.margin, 2),
        "expected": number(forecast.expected, 2),
        "why": forecast.info.reasons[forecast.why[row, a]],
    }


def _charts(told: dict[str, Any]) -> Iterator[tuple[str, list[Line], str]]:
    """Draw each metric against sparsity."""
    kept = Scale(
        "weights left, %", log=True, ticks=(100, 50, 20, 10, 5, 2, 1), factor=100, reverse=True
    )
    flips = "top1_flip_rate" if told["noun"] == "class" else "flip_rate"
    titles = {
        flips: "answers that flip, %",
        "rare_value_ratio": "rare-value ratio",
        "bias_amplification": "bias amplification, points",
    }
    for metric, title in titles.items():
        of_metric = [curve for curve in told["curves"] if curve["metric"] == metric]
        lines = [
            Line(curve["group"] or "all", [(1 - s, v) for s, v in curve["points"]], place)
            for place, curve in enumerate(of_metric)
        ]
        if lines:
            up = Scale(title, factor=1.0 if metric == "rare_value_ratio" else 100.0)
            yield metric, lines, draw_lines(lines, kept, up, title)


def write_forecast(
    forecast: Forecast,
    folder: str | Path,
    *,
    title: str | None = None,
    dataset: Dataset | None = None,
) -> Path:
    """Write ``forecast.html`` to a folder, whole or not at all; return its path.

    Pictures are looked up in `dataset`, by id.
    """
    told = build_forecast(forecast, title=title, dataset=dataset)
    return write_page(folder, "forecast", told, charts=_charts(told))

"""How many images a policy needs before it can say "ship", from the dense model alone.

A model that compression did not change, but for a share of flips, is like the dense one of another
seed. Such a pair is made from the dense logits z by noise e: z + e and z - e are exchangeable, so
nothing is worse in either, and the size of e is what makes as many answers differ as are asked for.
One audit of a pair tells the standard error of every figure that a policy looks at, and many pairs
how the figures move together; with n images errors shrink with the square root of n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from prunescope.audit import Audit, audit
from prunescope.audit.estimates import NOT_APPLICABLE
from prunescope.audit.intervals.ends import student
from prunescope.errors import ConfigError
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions
from prunescope.verdict.damage import POWER, Asked, one_sided
from prunescope.verdict.judge import Judge
from prunescope.verdict.noise import Noise
from prunescope.verdict.policy import Policy, shipped

SIZES = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
"""Numbers of images on the curve."""

KEY = ["metric", "attribute", "group", "group_value"]
DRAWS, LOTS = 4_000, 400
PAIRS = 32
LARGEST = 10**8
"""More images than anybody has."""


@dataclass(frozen=True)
class Power:
    """What a policy can say of a model that compression did not harm.

    Parameters
    ----------
    flips : float
        Share of answers that differ, as was assumed.
    n : int
        Images of the dense model's file.
    curve : polars.DataFrame
        ``n``, and the probabilities of ``ship_or_care`` and of ``ship``.
    rows : polars.DataFrame
        A row per figure that the policy looks at: ``criterion``, ``decides``, ``metric``,
        ``attribute``, ``group``, ``group_value``, ``limit``, ``reach`` (how much worse may remain
        open at the present number of images, on the average), ``foretold`` (the file has enough
        images to tell) and ``needed``: how many images rule the limit out with probability 0.8;
        null: that is not foretold, or no number does.
    needed : int or None
        Images from which ship, or ship with care, has probability 0.8.
    """

    flips: float
    n: int
    curve: pl.DataFrame
    rows: pl.DataFrame
    needed: int | None


def foretell(
    dense: Predictions,
    flips: float,
    policy: Policy | None = None,
    *,
    sizes: Sequence[int] = SIZES,
    pairs: int = PAIRS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    **settings: Any,  # noqa: ANN401 - checked by Settings
) -> Power:
    """Foretell whether a policy can be kept, before anything is compressed.

    Parameters
    ----------
    dense : Predictions
        With labels; more images make the forecast surer.
    flips : float
        Share of answers (of images, where one class is chosen) that will differ, in (0, 0.5):
        assumed, or the churn of two dense seeds.
    policy : Policy, optional
        Default: the shipped one.
    sizes : sequence of int
        Numbers of images to foretell for.
    pairs : int
        Pairs of exchangeable models, at least 8.
    seed : int
    progress : callable, optional
        Called with the number of pairs made.
    **settings
        Of the audit: cluster, identity, confidence, min_support, ...

    Raises
    ------
    ConfigError
        `flips` or `pairs` make no sense, or a criterion is about what the file does not have.
    """
    if not 0 < flips < 0.5:
        raise ConfigError(f"flips {flips:g}: expected a share between 0 and 0.5, such as 0.04")
    if not sizes or min(sizes) < 1:
        raise ConfigError("numbers of images: expected one or more, each 1 at least")
    if pairs < 8:
        raise ConfigError(f"{pairs} pairs: expected at least 8")
    rng = np.random.default_rng(seed)
    noisy = Noise(dense, flips, rng)
    found = audit(*noisy.pair(), n_affected=0, **settings)
    figures = _Figures(Judge(found, policy or shipped()))
    for number in range(pairs):
        figures.add(audit(*noisy.pair(), n_affected=0, **settings))
        if progress:
            progress(number + 1)
    draws = figures.draws(rng)
    n = found.info.n_samples
    chances = [figures.answers(draws, np.sqrt(n / size)) for size in sizes]
    curve = pl.DataFrame(
        {
            "n": list(sizes),
            "ship_or_care": [one for one, _ in chances],
            "ship": [both for _, both in chances],
        }
    )

    def enough(size: float) -> bool:
        return figures.answers(draws, np.sqrt(n / size))[0] >= POWER

    return Power(
        flips=noisy.flips,
        n=n,
        curve=curve,
        rows=figures.table(n),
        needed=_least(enough),
    )


class _Parts(NamedTuple):
    """What a figure is the mean over: units of its slice, each part's share of them, its place."""

    size: float
    shares: Floats
    place: slice


class _Figures:
    """The figures that a policy looks at, in many pairs of models: their errors and limits."""

    def __init__(self, judge: Judge) -> None:
        self.alpha = judge.audit.info.settings.alpha
        self.least = judge.audit.info.settings.min_support
        [self.model] = [m.name for m in judge.audit.info.models if m.baseline is not None]
        self.found = [
            (one.criterion, one.rows) for one in judge.findings(self.model) if one.rows.height
        ]
        self.asked = [Asked(criterion, rows, self.alpha) for criterion, rows in self.found]
        self.places = pl.concat([rows.select(KEY) for _, rows in self.found])
        self.owner = [criterion for criterion, rows in self.found for _ in range(rows.height)]
        self.decides = np.array([criterion.decides for criterion in self.owner])
        self.usable = np.concatenate([one.usable & np.isfinite(one.reach) for one in self.asked])
        units = np.concatenate([rows["units"].fill_null(0).to_numpy() for _, rows in self.found])
        self.rests = np.maximum(units, 1)
        self.quantile = student(np.maximum(units - 1.0, 1), 1 - self.alpha)
        self.moves: list[Floats] = []
        self.halves: list[Floats] = []
        self.moves_of_parts: list[Floats] = []
        self.centre = np.concatenate([np.where(one.fixed, one.at, 0.0) for one in self.asked])
        self.parts = self._parts(judge.audit.table)
        self.lots = np.random.default_rng(0).integers(0, LOTS, (DRAWS, len(self.parts)))

    def _parts(self, table: pl.DataFrame) -> list[_Parts]:
        """Return what each figure is the mean over: attributes or classes; a single one itself."""
        parts = table.filter(pl.col("attribute").is_not_null(), pl.col("model") == self.model)
        sizes = table.filter(pl.col("metric").is_in(["accuracy", "top1_accuracy"]))
        smallest = dict(
            sizes.filter(pl.col("attribute").is_null(), pl.col("group").is_not_null())
            .group_by("group")
            .agg(pl.col("units").min())
            .rows()
        )
        every = int(sizes["units"].fill_null(0).to_numpy().max())
        found, start = [], 0
        self.places_of_parts = self.places.clear()
        for _, rows in self.found:
            for row in rows.iter_rows(named=True):
                mine = parts.filter(
                    pl.col("metric") == row["metric"],
                    pl.col("group").eq_missing(row["group"]),
                    pl.col("status") != NOT_APPLICABLE,
                )
                if row["attribute"] is not None or mine.is_empty():
                    mine = pl.DataFrame([row], schema_overrides=rows.schema)
                units = mine["units"].fill_null(0).to_numpy()
                size = float(max(smallest.get(row["group"], every), units.max(), 1))
                self.places_of_parts.extend(mine.select(KEY))
                found.append(_Parts(size, units / size, slice(start, start + mine.height)))
                start += mine.height
        return found

    def add(self, found: Audit) -> None:
        """Take in another pair: its figures, and how wide their intervals are."""
        told = found.table.filter(pl.col("model") == self.model).unique(KEY)

        def of(places: pl.DataFrame) -> pl.DataFrame:
            return places.join(told, on=KEY, how="left", nulls_equal=True, maintain_order="left")

        rows, asked = of(self.places), []
        for criterion, one in self.found:
            asked.append(Asked(criterion, rows.head(one.height), self.alpha))
            rows = rows.slice(one.height)
        self.moves.append(np.concatenate([one.at for one in asked]))
        self.halves.append(np.concatenate([one.half for one in asked]))
        at = of(self.places_of_parts).select(pl.coalesce("delta", "value"))
        self.moves_of_parts.append(at.to_series().to_numpy().astype(float))

    def draws(self, rng: np.random.Generator) -> Floats:
        """Draw figures that move together as in the pairs, by the errors that intervals tell."""
        moves, halves = np.ma.masked_invalid(self.moves), np.ma.masked_invalid(self.halves)
        self.usable &= ~np.ma.getmaskarray(halves.mean(axis=0))
        self.half = halves.mean(axis=0).filled(0.0)
        self.error = self.half / self.quantile
        of_draw = halves.filled(0.0)[rng.integers(0, len(halves), DRAWS)]
        self.width = np.where(of_draw > 0, of_draw, self.half)
        centred = (moves - moves.mean(axis=0)).filled(0.0)
        spread = centred.std(axis=0, ddof=1)
        drawn = rng.standard_normal((DRAWS, len(centred))) @ centred / np.sqrt(len(centred) - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(spread > 0, drawn / spread, 0.0) * self.error)

    def of_fewer(self, shrink: float) -> tuple[NDArray[np.bool_], Floats]:
        """Draw which parts have enough units: whether any of a figure, and the error of their mean.

        That is told as a multiple of the error of the mean over all parts; (DRAWS, figures) both.
        """
        rng, moves = np.random.default_rng(0), np.array(self.moves_of_parts)
        enough, times = np.ones((LOTS, len(self.parts)), bool), np.ones((LOTS, len(self.parts)))
        for figure, parts in enumerate(self.parts):
            whole = rng.poisson(parts.size / shrink**2, (LOTS, 1))
            there = rng.binomial(whole, parts.shares) >= self.least
            enough[:, figure] = there.any(axis=1)
            mine = moves[:, parts.place]
            known = np.isfinite(mine).all(axis=0)
            if known.sum() > 1:
                mine, there = mine[:, known], there[:, known]
                means = mine @ (there / np.maximum(there.sum(axis=1, keepdims=True), 1)).T
                of_all = mine.mean(axis=1).std()
                times[:, figure] = means.std(axis=0) / of_all if of_all > 0 else 1.0
        each = np.arange(len(self.parts))
        return enough[self.lots, each], times[self.lots, each]

    def held(self, draws: Floats, shrink: float) -> NDArray[np.bool_]:
        """Tell which figures are ruled out in each draw, where errors shrink by a factor."""
        ratio = one_sided(self.alpha)
        enough, times = self.of_fewer(shrink)
        at = self.centre + draws * shrink * times
        reach = self.width * ratio * shrink * times
        results, start = [], 0
        for asked in self.asked:
            mine = slice(start, start + len(asked.at))
            start += len(asked.at)
            slack = np.nan_to_num(asked.slack) * shrink * times[:, mine]
            worst = np.maximum(
                asked.damage_of(at[:, mine] - reach[:, mine], slack),
                asked.damage_of(at[:, mine] + reach[:, mine], slack),
            )
            results.append(asked.ruled_out(worst))
        return np.asarray(np.concatenate(results, axis=1) & self.usable & enough)

    def answers(self, draws: Floats, shrink: float) -> tuple[float, float]:
        """Return how probable ship or care is, and ship."""
        held = self.held(draws, shrink)
        return float(held[:, self.decides].all(axis=1).mean()), float(held.all(axis=1).mean())

    def table(self, n: int) -> pl.DataFrame:
        """Lay out how many images each figure needs."""
        gap = np.array([one.to_rule_out for one in self.owner]) - np.concatenate(
            [one.damage_of(np.where(one.fixed, one.at, 0.0)) for one in self.asked]
        )
        sure = ndtri(1 - self.alpha) + ndtri(POWER)
        with np.errstate(invalid="ignore", divide="ignore"):
            precise = (sure * self.error / gap) ** 2
            needed = np.ceil(n * np.maximum(precise, self.least / self.rests))
        known = self.usable & (gap > 0) & (needed < LARGEST)
        told = {
            "criterion": [one.title for one in self.owner],
            "decides": self.decides,
            "limit": [None if one.bounded else one.to_rule_out for one in self.owner],
            "foretold": self.usable,
            "reach": np.concatenate([one.reach for one in self.asked]),
            "needed": pl.Series(
                [int(x) if ok else None for x, ok in zip(needed, known, strict=True)],
                dtype=pl.Int64,
            ),
        }
        return pl.DataFrame(told).hstack(self.places)


def _least(enough: Callable[[float], bool]) -> int | None:
    """Return the least number of images that is enough, to a hundredth; None where none is."""
    low, high = 1.0, 1.0
    while not enough(high):
        low, high = high, high * 2
        if high > LARGEST:
            return None
    while high / low > 1.01:
        middle = np.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return int(np.ceil(high))

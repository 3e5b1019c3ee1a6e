"""How large a damage is, how large it may still be, and what that makes of a criterion's rows."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from prunescope.audit.estimates import NOT_APPLICABLE, OK
from prunescope.audit.intervals.ends import student
from prunescope.audit.intervals.significance import benjamini_hochberg
from prunescope.audit.verdicts import HIGHER, TARGETS
from prunescope.metrics.statistics import Floats
from prunescope.verdict.criterion import Criterion

POWER = 0.8
"""How probable it is that as many units as are asked for rule a damage out that is not there."""

STEPS = 20
"""Of Newton's method: more than it takes."""

NO_VALUE = "it has no value"
NO_CHANGE = "its change from dense is not known"
NO_INTERVAL = "it has no interval"
NOT_FINITE = "its figures are no numbers: the audit's table is damaged"


def judge_rows(
    criterion: Criterion, rows: pl.DataFrame, alpha: float, share: float = 1.0
) -> pl.DataFrame:
    """Judge the rows of one model that a criterion looks at.

    Parameters
    ----------
    criterion : Criterion
    rows : polars.DataFrame
        Of an audit table, one model's.
    alpha : float
        1 - confidence of the audit's intervals.
    share : float
        Of alpha, which the p-values of this criterion are held to.

    Returns
    -------
    polars.DataFrame
        The rows that are applicable, with the columns ``damage`` (the estimate, in the metric's
        unit; of a bound, how far the estimate lies beyond it), ``reach`` (its upper confidence
        bound at level 1 - alpha), ``q`` (one-sided, of "there is none", corrected for the rows of
        this criterion), ``beyond_chance``, ``more`` (how many more units would rule it out) and
        ``state``:

        ``severe``, ``moderate``
            Broken: beyond chance, and at or beyond that limit.
        ``held``
            The reach lies inside what has to be ruled out.
        ``open``
            It does not.
        ``not judged``
            There is no estimate, or nothing to compare it with; ``reason`` says why.

    >>> row = {"metric": "accuracy", "status": "ok", "value": 0.9, "low": 0.89, "high": 0.91,
    ...        "baseline": 0.95, "delta": -0.05, "delta_low": -0.06, "delta_high": -0.04,
    ...        "p_value": 1e-9, "units": 900, "reason": None, "verdict": "worse"}
    >>> judged = judge_rows(
    ...     Criterion(metric="accuracy", moderate=0.005, severe=0.02), pl.DataFrame([row]), 0.05
    ... )
    >>> judged.select("damage", pl.col("reach").round(3), "state").row(0)
    (0.05, 0.058, 'severe')
    """
    kept = rows.filter(pl.col("status").ne_missing(NOT_APPLICABLE))
    asked = Asked(criterion, kept, alpha)
    limit = criterion.to_rule_out
    damage, reach = asked.damage, asked.reach
    state = np.where(asked.ruled_out(reach), "held", "open").astype(object)
    least, level = criterion.limits[-1][1], alpha * share
    q = asked.q(least)
    beyond_chance = (q <= level) & (damage > 0) & ~asked.negligible
    for name, size in reversed(criterion.limits):
        of_size = q if size == least else asked.q(size)
        broken = (of_size <= level) & (damage >= size) & (damage > 0)
        state[broken] = name
        q = np.where(broken, of_size, q)
        beyond_chance |= broken
    state[~asked.usable] = "not judged"
    next_limit = np.where(state == "moderate", criterion.limits[0][1], limit)
    return kept.with_columns(
        pl.Series("damage", damage).fill_nan(None),
        pl.Series("reach", np.where(asked.usable, reach, np.nan)).fill_nan(None),
        pl.Series("q", q).fill_nan(None),
        pl.Series("beyond_chance", beyond_chance),
        pl.Series("more", asked.more(next_limit)).fill_nan(None),
        pl.Series("state", state.tolist(), dtype=pl.String()),
        pl.Series("reason", asked.reasons(), dtype=pl.String()),
    )


def one_sided(alpha: float) -> float:
    """Return how far a one-sided bound at level 1 - alpha lies inside a two-sided interval's end.

    >>> round(one_sided(0.05), 4)
    0.8392
    """
    return float(ndtri(1 - alpha) / ndtri(1 - alpha / 2))


class Asked:
    """What a criterion asks of some rows: a quantity, its interval, the damage that it means."""

    def __init__(self, criterion: Criterion, rows: pl.DataFrame, alpha: float) -> None:
        self.criterion, self.rows, self.alpha = criterion, rows, alpha
        self.negligible = (rows["verdict"] == "negligible").fill_null(value=False).to_numpy()
        value, delta = self._column("value"), self._column("delta")
        on_value = np.full(len(rows), criterion.bounded and not criterion.relative)
        if criterion.metric.startswith("excess") or criterion.metric.endswith("flip_rate"):
            on_value |= np.isnan(delta)  # a change by itself; of flips what exceeds churn, if known
        self.on_value = on_value
        self.fixed = on_value & (not criterion.metric.startswith("excess"))  # not 0 by nature
        self.at = np.where(on_value, value, delta)
        self.ends = [
            np.where(on_value, self._column(end), self._column(f"delta_{end}"))
            for end in ("low", "high")
        ]
        ok = (rows["status"] == OK).fill_null(value=False).to_numpy()
        others = [self._column("baseline"), self._column("p_value")]
        infinite = np.isinf([value, delta, *self.ends, *others]).any(axis=0)
        self.broken_figures = ok & (infinite | self._nan())
        self.usable = ok & np.isfinite(self.at) & ~self.broken_figures
        with np.errstate(invalid="ignore"):
            self.damage = np.where(self.usable, self.damage_of(self.at), np.nan)
            ratio = one_sided(alpha)
            self.slack = ratio * (self._column("high") - self._column("low")) / 2
            ends = [
                self.damage_of(self.at + (end - self.at) * ratio, self.slack) for end in self.ends
            ]
            sides = [np.abs(end - self.at) for end in self.ends]
            self.half = np.maximum(*sides)
            further = np.where(ends[0] < ends[1], sides[1] - sides[0], sides[0] - sides[1])
            self.skewed = np.where(on_value, 0.0, ratio * np.maximum(further, 0))
        reach = np.maximum(*ends)
        self.reach = np.where(np.isnan(reach), np.inf, np.maximum(reach, self.damage))

    def _column(self, name: str) -> Floats:
        return self.rows[name].cast(pl.Float64).to_numpy().astype(float)

    def _nan(self) -> NDArray[np.bool_]:
        """Find figures that are NaN, which is not the same as absent."""
        names = (
            "value", "low", "high", "baseline", "delta", "delta_low", "delta_high", "p_value"
        )  # fmt: skip
        nan = pl.col(*names).cast(pl.Float64).is_nan().fill_null(value=False)
        return self.rows.select(pl.any_horizontal(nan)).to_series().to_numpy()

    def damage_of(self, at: Floats, slack: Floats | float = 0.0) -> Floats:
        """Return the damage that the quantity means where it is `at`.

        Of a metric that is best at a value that hangs on where the dense model is: at most `slack`
        from where it is measured, where it makes the damage largest.
        """
        criterion = self.criterion
        if criterion.bounded:
            beyond = [np.full(at.shape, -np.inf)]
            if criterion.lte is not None:
                beyond.append(at - criterion.lte)
            if criterion.gte is not None:
                beyond.append(criterion.gte - at)
            return np.asarray(np.max(beyond, axis=0))
        if criterion.metric not in TARGETS:
            return -at if criterion.metric in HIGHER else at
        before = self._column("baseline") - TARGETS[criterion.metric]
        if criterion.way is not None:
            at = np.minimum(at, 0) if criterion.way == "falls" else np.maximum(at, 0)
        before = before + np.sign(at) * slack
        return np.asarray(np.abs(before + at) - np.abs(before))

    def ruled_out(self, reach: Floats) -> NDArray[np.bool_]:
        """Tell whether a reach lies inside what has to be ruled out."""
        limit = self.criterion.to_rule_out
        return np.asarray(reach <= limit if self.criterion.bounded else reach < limit)

    def q(self, size: float) -> Floats:
        """Return q-values of "no damage"; where that is not tested, of "none beyond `size`"."""
        p = self._p(size)
        tested = ~np.isnan(p)
        if tested.any():
            p[tested] = benjamini_hochberg(p[tested])
        return p

    def _p(self, size: float) -> Floats:
        """Return one-sided p-values; NaN where there is no test."""
        with np.errstate(invalid="ignore", divide="ignore"):
            least = np.minimum(*map(self.damage_of, self.ends))
            error = np.abs(self.damage - least) / ndtri(1 - self.alpha / 2)
            p = ndtr(-(self.damage - size) / error)
        if not self.criterion.bounded:
            sided = self.criterion.way is not None or self.criterion.metric not in TARGETS
            of_change = self._column("p_value")
            of_damage = np.where(self.damage > 0, of_change / 2 if sided else of_change, 1.0)
            p = np.where(np.isnan(of_change), p, of_damage)
        return np.where(self.usable, p, np.nan)

    def more(self, limit: Floats) -> Floats:
        """Return how many more units rule the damage out, beside those there are, four in five.

        The n units that there are keep their estimate D, its standard error s; those to come have
        the truth T and the same spread. Of all u n of them the upper bound lies below the limit
        with probability `POWER` if

            (D + k + (u - 1) T + z_POWER s √(u - 1)) / u + z_{1-alpha} s / √u = limit

        T is taken to be as large as it is measured where it is beyond chance, else none; k is how
        much further the bound lies than that on the other side, for skewness. To ten, and NaN where
        it cannot be told, or no number would do.
        """
        units = self._column("units")
        with np.errstate(invalid="ignore", divide="ignore"):
            p = self._column("p_value")
            real = np.isnan(p) | (p <= self.alpha) | (self.on_value & self.criterion.bounded)
            truth = np.where(real, self.damage, self.damage_of(np.zeros(len(units))))
            gap, above = limit - truth, self.damage - truth + self.skewed
            quantile = student(np.maximum(units - 1, 1), 1 - self.alpha)
            reach = self.reach - self.damage - self.skewed
            error = reach / (one_sided(self.alpha) * quantile)
            times = _times(above / error, gap / error, ndtri(1 - self.alpha))
            needed = units * times
            still = self.at == 0  # and no unit differs: then the reach falls with 1/n
            squares = [student(df, 1 - self.alpha) ** 2 for df in (units - 1, np.full(1, np.inf))]
            still &= np.any([np.isclose(self.half, one / (units + one)) for one in squares], axis=0)
            needed = np.where(still, squares[1] * (one_sided(self.alpha) / gap - 1), needed)
            more = 10 * np.maximum(np.ceil((needed - units) / 10), 1)
        useful = np.isfinite(more) & (gap > 0) & self.usable & (self.reach >= limit)
        return np.where(useful, more, np.nan)

    def reasons(self) -> list[str | None]:
        """Say why rows are not judged, or judged without an interval; else what the audit says."""
        found: list[str | None] = self.rows["reason"].to_list()
        no_interval, value = self.usable & np.isinf(self.reach), self._column("value")
        for row in np.flatnonzero(~self.usable | no_interval):
            if self.broken_figures[row]:
                found[row] = NOT_FINITE
            elif no_interval[row]:
                found[row] = NO_INTERVAL
            else:
                found[row] = found[row] or (NO_VALUE if np.isnan(value[row]) else NO_CHANGE)
        return found


def _times(above: Floats, gap: Floats, level: float) -> Floats:
    """Return how many times the units close a gap, in standard errors; see `Asked.more`.

    gap u - above - level √u - z_POWER √(u - 1) is convex in u, and Newton's steps from beyond its
    last root come down to that; of none they stay at 1.
    """
    power = float(ndtri(POWER))
    sure = level + power
    root = (sure + np.sqrt(sure**2 + 4 * gap * np.maximum(above, 0))) / (2 * gap)
    u = np.maximum(root**2, 1)
    for _ in range(STEPS):
        rest = np.maximum(u - 1, 1e-12)
        excess = gap * u - above - level * np.sqrt(u) - power * np.sqrt(rest)
        slope = gap - level / (2 * np.sqrt(u)) - power / (2 * np.sqrt(rest))
        u = np.maximum(u - np.where(slope > 0, excess / slope, 0), 1)
    return np.asarray(u)

"""The highest sparsity that keeps a bias budget, from few trainings.

Candidates are judged on validation by the ends of intervals; the one that is chosen is confirmed
on test. What breaks the budget at one sparsity is taken to break it at any higher one, so a few
trials find where it breaks. Where damage is not monotone, that finds *a* sparsity that holds below
one that was seen to break, which need not be the highest that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from prunescope.audit import Budget, Outcome, decisive, outcome, place_of
from prunescope.errors import ConfigError, one_of
from prunescope.mitigate.search_result import (
    Choice,
    Confirmation,
    Search,
    SearchInfo,
)

SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)
"""The candidates unless others are given."""

VALIDATION, TEST = "val", "test"
"""The split that decides, and the one that confirms."""

Evaluate: TypeAlias = Callable[[str, float, str], pl.DataFrame]
"""Maps method, sparsity and split to an audit table with that model as the only compressed one."""

Holds: TypeAlias = Callable[[float], bool]

CONFIRMATIONS: Mapping[Outcome, Confirmation] = {
    "met": "confirmed",
    "broken": "not confirmed",
    "cannot tell": "cannot tell",
}


def bisect(holds: Holds, candidates: Sequence[float]) -> int:
    """Count the candidates up to the highest that holds, in ⌈log₂(n + 1)⌉ trials or fewer.

    Parameters
    ----------
    holds : callable
        Whether a candidate holds; if one does not, none above it does.
    candidates : sequence of float
        n, ascending.

    Returns
    -------
    int
        0: none holds. The candidate counted last was seen to hold, the next one to break.

    Examples
    --------
    >>> tried = []
    >>> bisect(lambda s: tried.append(s) or s <= 0.8, [0.5, 0.7, 0.8, 0.9, 0.95])
    3
    >>> tried
    [0.8, 0.95, 0.9]
    """
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if holds(candidates[middle]):
            low = middle + 1
        else:
            high = middle
    return low


def climb(holds: Holds, candidates: Sequence[float]) -> int:
    """Count the candidates below the first that breaks, one after the other.

    Examples
    --------
    >>> climb(lambda s: s <= 0.8, [0.5, 0.7, 0.8, 0.9, 0.95])
    3
    """
    for number, candidate in enumerate(candidates):
        if not holds(candidate):
            return number
    return len(candidates)


ORDERS: Mapping[str, Callable[[Holds, Sequence[float]], int]] = {
    "bisection": bisect,
    "climb": climb,
}
"""In which order candidates are tried: by halves, or upwards until one breaks."""


def highest_sparsity(
    budget: Budget,
    evaluate: Evaluate,
    methods: Sequence[str],
    sparsities: Iterable[float] = SPARSITIES,
    order: str = "bisection",
) -> Search:
    """Find the highest sparsity, and the method, that keeps a budget.

    A candidate holds if every row does that a constraint is about, by the interval's end on
    validation; a row that cannot be told does not hold. Of several methods the one that holds at
    most weights removed is chosen, in a tie the one whose worst row lies deeper inside its limit.
    The choice, and nothing else, is judged on test by the same constraints: where test does not
    confirm it, no other is chosen, as test would then have chosen it.

    Parameters
    ----------
    budget : Budget
    evaluate : callable
        Maps method, sparsity and split (``val`` or ``test``) to an audit table, in which one model
        is compressed; its column ``sparsity``, if there is one, tells the share of the weights that
        are gone. Called once for each trial.
    methods : sequence of str
    sparsities : iterable of float
        Candidates, each in (0, 1).
    order : {"bisection", "climb"}
        A key of `ORDERS`. Of n candidates, bisection tries ⌈log₂(n + 1)⌉ per method at most.

    Raises
    ------
    ConfigError
        There is no method or candidate, a candidate lies outside (0, 1), the order is unknown, or
        a constraint is about what the tables do not hold.

    Examples
    --------
    >>> def evaluate(method, sparsity, split):
    ...     row = {"model": "sparse", "method": method, "metric": "accuracy", "attribute": None,
    ...            "group": None, "group_value": None, "status": "ok", "reason": None, "n": 100}
    ...     lost = sparsity**8 / 100
    ...     changes = {"delta": -lost, "delta_low": -lost - 0.001, "delta_high": 0.001 - lost}
    ...     return pl.DataFrame([row | changes])
    >>> highest_sparsity(Budget.parse(["accuracy >= -0.005"]), evaluate, ["gmp-pt"])
    Search(gmp-pt at 85% keeps the budget on val; on test: confirmed)
    """
    methods, candidates = list(dict.fromkeys(methods)), sorted(set(sparsities))
    _check(methods, candidates, order)
    trials = _Trials(budget, evaluate)
    found = [trials.highest(method, candidates, order) for method in methods]
    held = [choice for choice in found if choice is not None]
    choice = max(held, key=_depth, default=None)
    confirmation = None
    if choice is None:
        lowest = candidates[0]
        fails = (
            f"{_named(method, lowest)}, {trials.failure(method, lowest, VALIDATION)}"
            for method in methods
        )
        reason = f"cannot: not even the lowest sparsity holds on {VALIDATION}: {'; '.join(fails)}"
    else:
        on_test = trials.run(choice.method, choice.sparsity, TEST)
        confirmation = CONFIRMATIONS[on_test]
        reason = _named(choice.method, choice.sparsity)
        if abs(_gone(choice) - choice.sparsity) > 0.01 * (1 - choice.sparsity):
            reason += f", which removes {100 * _gone(choice):.4g}% of the weights,"
        reason += f" keeps the budget on {VALIDATION}; "
        reason += f"on {TEST}: {confirmation}"
        if on_test != "met":
            reason += f", {trials.failure(choice.method, choice.sparsity, TEST)}"
    info = SearchInfo(
        budget=[str(constraint) for constraint in budget.constraints],
        methods=methods,
        sparsities=candidates,
        order=order,
        choice=choice,
        confirmation=confirmation,
        reason=reason,
    )
    return Search(trials.table(), info)


@dataclass
class _Trials:
    """The trials so far, each judged as it is made."""

    budget: Budget
    evaluate: Evaluate
    judged: dict[tuple[str, float, str], pl.DataFrame] = field(default_factory=dict)
    removed: dict[tuple[str, float], float] = field(default_factory=dict)

    def run(self, method: str, sparsity: float, split: str) -> Outcome:
        """Make a trial and judge it."""
        table = self.evaluate(method, sparsity, split)
        judged = self.budget.judge(table)
        if "sparsity" in table.columns:
            shares = table["sparsity"].to_numpy()  # of the dense model 0
            self.removed[method, sparsity] = float(shares.max())
        self.judged[method, sparsity, split] = judged
        return outcome(judged)

    def highest(self, method: str, candidates: Sequence[float], order: str) -> Choice | None:
        """Find the highest candidate of one method that holds on validation."""
        count = ORDERS[order](
            lambda sparsity: self.run(method, sparsity, VALIDATION) == "met", candidates
        )
        if not count:
            return None
        sparsity = candidates[count - 1]
        excess = self.judged[method, sparsity, VALIDATION]["excess"].max()
        assert isinstance(excess, float)
        removed = self.removed.get((method, sparsity), sparsity)
        return Choice(method=method, sparsity=sparsity, removed=removed, excess=excess)

    def failure(self, method: str, sparsity: float, split: str) -> str:
        """Say what a trial that does not hold hangs on."""
        row = decisive(self.judged[method, sparsity, split])
        why = row["reason"] or f"the interval reaches {row['end']:.4g}"
        place = place_of(row)
        return f"{row['constraint']} ({f'{place}: {why}' if place else why})"

    def table(self) -> pl.DataFrame:
        """Return all trials as one table."""
        names = ("method", "sparsity", "split")
        return pl.concat(
            judged.select(
                *(pl.lit(value).alias(name) for name, value in zip(names, trial, strict=True)),
                *judged.columns,
            )
            for trial, judged in self.judged.items()
        )


def _gone(choice: Choice) -> float:
    """Return the share of the weights that a choice lacks."""
    return choice.sparsity if choice.removed is None else choice.removed


def _depth(choice: Choice) -> tuple[float, float]:
    """Return what choices are compared by: weights removed, then how safely the budget is kept."""
    return _gone(choice), -choice.excess


def _named(method: str, sparsity: float) -> str:
    """Name a model for a sentence."""
    return f"{method} at {100 * sparsity:.4g}%"


def _check(methods: Sequence[str], candidates: Sequence[float], order: str) -> None:
    """Raise where there is nothing to search among."""
    if order not in ORDERS:
        raise ConfigError(one_of("order", order, ORDERS))
    if not methods or not candidates:
        raise ConfigError("a search needs at least one method and one sparsity")
    for sparsity in candidates:
        if not 0 < sparsity < 1:
            hint = f"; did you mean {sparsity / 100:g}?" if 1 < sparsity < 100 else ""
            raise ConfigError(f"sparsity {sparsity:g}: expected a share between 0 and 1{hint}")

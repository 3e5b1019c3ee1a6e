"""The highest sparsity that a policy allows, from few trainings.

Candidates are judged on validation, as every audit is; the one that is chosen is confirmed on test.
What does not hold at one sparsity is taken not to hold at any higher one, so a few trials find how
far one can go. Where damage is not monotone, that finds *a* sparsity that holds below one that was
seen not to, which need not be the highest that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from prunescope.audit import Audit
from prunescope.errors import ConfigError, one_of, outside_share, shorten
from prunescope.mitigate.search_result import (
    CONFIRMATIONS,
    TRIAL_SCHEMA,
    Choice,
    Search,
    SearchInfo,
    trial_rows,
)
from prunescope.verdict import WORDS, ModelVerdict, Policy

SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)
"""The candidates unless others are given."""

VALIDATION, TEST = "val", "test"
"""The split that decides, and the one that confirms."""

Evaluate: TypeAlias = Callable[[str, float, str], Audit]
"""Maps method, sparsity and split to an audit with that model as the only compressed one."""

Holds: TypeAlias = Callable[[float], bool]


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
        0: none holds. The candidate counted last was seen to hold, the next one not to.

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
    """Count the candidates below the first that does not hold, one after the other.

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
"""In which order candidates are tried: by halves, or upwards until one does not hold."""


def highest_sparsity(
    policy: Policy,
    evaluate: Evaluate,
    methods: Sequence[str],
    sparsities: Iterable[float] = SPARSITIES,
    order: str = "bisection",
) -> Search:
    """Find the highest sparsity, and the method, that a policy allows.

    A candidate holds if the answer about it on validation is ship, or ship with care. Of several
    methods the one that holds with the most weights removed is chosen; in a tie, ship before ship
    with care, then the one that leaves more room up to its nearest limit. The choice, and nothing
    else, is judged on test by the same policy: where test does not confirm it, no other is chosen,
    as test would then have chosen it.

    Parameters
    ----------
    policy : Policy
        Such as `Policy.of(["accuracy >= -0.005"])`, or `prunescope.verdict.shipped()`.
    evaluate : callable
        Maps method, sparsity and split (``val`` or ``test``) to an audit, in which one model is
        compressed; its metadata tell the share of the weights that are gone, else it is taken to be
        the sparsity. Called once for each trial.
    methods : sequence of str
    sparsities : iterable of float
        Candidates, each in (0, 1).
    order : {"bisection", "climb"}
        A key of `ORDERS`. Of n candidates, bisection tries ⌈log₂(n + 1)⌉ per method at most.

    Raises
    ------
    ConfigError
        There is no method or candidate, a candidate lies outside (0, 1), the order is unknown, a
        criterion is about what the audits do not hold, or an audit is not of one compressed model.

    Examples
    --------
    >>> import numpy as np
    >>> from prunescope import Predictions, Samples, audit
    >>> from prunescope.predictions import Metadata
    >>> labels = (np.arange(2000).reshape(-1, 1) % 2).astype(np.int8)
    >>> samples = Samples(pl.Series(map(str, range(2000))), ("Smiling",), labels, {})
    >>> def answers(name, wrong):
    ...     signs = np.where(np.arange(2000) < wrong, -1.0, 1.0)[:, None]
    ...     return Predictions(samples, signs * (2.0 * labels - 1), Metadata(name=name))
    >>> def evaluate(method, sparsity, split):
    ...     return audit(answers("dense", 0), answers("sparse", int(40 * sparsity**8)))
    >>> highest_sparsity(Policy.of(["accuracy >= -0.01"]), evaluate, ["gmp-pt"])
    Search(gmp-pt at 85% holds on val: ship; on test: confirmed)
    """
    methods, candidates = list(dict.fromkeys(methods)), sorted(set(sparsities))
    _check(methods, candidates, order)
    trials = _Trials(policy, evaluate)
    found = [trials.highest(method, candidates, order) for method in methods]
    choice = max((one for one in found if one is not None), key=_rank, default=None)
    confirmation = None
    if choice is None:
        lowest = candidates[0]
        fails = (
            f"{_named(method, lowest)}, {_why(trials.judged[method, lowest, VALIDATION])}"
            for method in methods
        )
        reason = f"cannot: not even the lowest sparsity holds on {VALIDATION}: {'; '.join(fails)}"
    else:
        on_test = trials.run(choice.method, choice.sparsity, TEST)
        confirmation = CONFIRMATIONS[on_test.answer]
        reason = _named(choice.method, choice.sparsity)
        if abs(choice.removed - choice.sparsity) > 0.01 * (1 - choice.sparsity):
            reason += f", which removes {100 * choice.removed:.4g}% of the weights,"
        reason += f" holds on {VALIDATION}: {WORDS[choice.answer].lower()}; "
        reason += f"on {TEST}: {confirmation}"
        if not on_test.passed:
            reason += f", {_why(on_test)}"
        elif on_test.answer != choice.answer:
            reason += f", {WORDS[on_test.answer].lower()}"
    info = SearchInfo(
        criteria=list(dict.fromkeys(trials.table["criterion"])),
        methods=methods,
        sparsities=candidates,
        order=order,
        choice=choice,
        confirmation=confirmation,
        reason=reason,
    )
    return Search(trials.table, info)


@dataclass
class _Trials:
    """The trials so far, each judged as it is made."""

    policy: Policy
    evaluate: Evaluate
    judged: dict[tuple[str, float, str], ModelVerdict] = field(default_factory=dict)
    removed: dict[tuple[str, float], float] = field(default_factory=dict)

    def run(self, method: str, sparsity: float, split: str) -> ModelVerdict:
        """Make a trial and judge it."""
        audit = self.evaluate(method, sparsity, split)
        compressed = [model for model in audit.info.models if model.baseline is not None]
        if len(compressed) != 1:
            told = shorten([model.name for model in compressed]) or "none"
            raise ConfigError(
                f"audit of {_named(method, sparsity)}: expected one compressed model, not {told}"
            )
        gone = compressed[0].metadata.compression.removed
        self.removed[method, sparsity] = gone or sparsity
        [verdict] = self.policy.judge(audit).models
        self.judged[method, sparsity, split] = verdict
        return verdict

    def highest(self, method: str, candidates: Sequence[float], order: str) -> Choice | None:
        """Find the highest candidate of one method that holds on validation."""
        count = ORDERS[order](
            lambda sparsity: self.run(method, sparsity, VALIDATION).passed, candidates
        )
        if not count:
            return None
        sparsity = candidates[count - 1]
        verdict = self.judged[method, sparsity, VALIDATION]
        return Choice(
            method=method,
            sparsity=sparsity,
            removed=self.removed[method, sparsity],
            answer=verdict.answer,
            room=_room(verdict),
        )

    @property
    def table(self) -> pl.DataFrame:
        """All trials as one table."""
        rows = [row for trial, one in self.judged.items() for row in trial_rows(*trial, one)]
        return pl.DataFrame(rows, TRIAL_SCHEMA)


def _rank(choice: Choice) -> tuple[float, bool, float]:
    """Return what choices are compared by: weights removed, the answer, the room that is left."""
    return choice.removed, choice.answer == "ship", choice.room


def _room(verdict: ModelVerdict) -> float:
    """Return what is left up to the nearest limit: a share of it, or up to a bound."""
    deciding = ((one.rows[0].reach, one.limit) for one in verdict.criteria if one.rows)
    return min(
        (1 - reach / limit if limit else -reach for reach, limit in deciding if reach is not None),
        default=0.0,
    )


def _why(verdict: ModelVerdict) -> str:
    """Say what keeps a model from holding."""
    if not verdict.blocking:
        return "nothing could be judged"
    first, *others = verdict.blocking
    more = f"; and {len(others)} more" if others else ""
    return f"{first.criterion}: {first.state}, {first.text}{more}"


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
            raise ConfigError(outside_share("sparsity", sparsity))

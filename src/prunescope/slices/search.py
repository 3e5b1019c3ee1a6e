"""The search half: short rules whose samples lose more than their margins foretell.

A beam search over conjunctions. What is best is how unlikely so much damage S beyond the expected
is, of a variance V, if damage comes in events of a size u as a Poisson count does: the logarithm of
the likelihood ratio,

    (V + uS) log(1 + uS/V) / u² - S/u,

which is about S²/2V where events are many, and less where they are few (a plain S / √V overrates
small slices). Samples weigh the less the more chance there is in their damage, v: w = v̄ / (v̄ + v),
so that a rule is no better for leaving out those of which the dense model is not sure. So
S = Σ w d, V = Σ w² v and u = V / Σ w v. Of L terms each one more than the first costs log L, as it
was chosen among so many. Nothing of this is told but as what the search saw: the other half judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.data.samples import Group
from prunescope.metrics.statistics import Floats
from prunescope.slices.damage import Losses, Target, strata_of
from prunescope.slices.features import levels_of
from prunescope.slices.rules import OF_ALL, Column, Feature, Flags, Rule, Term

BEAM = 5
"""Rules of a target that are made longer."""

MOST_TERMS = 3

PRIOR = 0.5
"""Events that are added to the variance, which is itself estimated: few are no sure ground."""

TINY = 1e-12

LEAST_STRIKING = 1.0
"""Log-likelihood ratio below which a rule is not worth a test."""

OVERLAP = 0.5
"""Share of the smaller of two slices that both have, from which on one is told for both."""

LARGEST = 0.5
"""Share of the samples from which on a slice is rather the rest."""

CUTS, CUTS_OF_ALL = (0.7, 0.9), (0.6, 0.7, 0.8, 0.9, 0.95)
"""Where the dense model's certainty is cut."""

OF_CATEGORY, OF_CATEGORIES = 64, 2_000
"""Values of a category that are searched, the most frequent ones, and of all categories."""

QUANTILES = (0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
"""Where other numbers are cut."""

MOST_LOOKS = 100
"""Times that a target is searched, for each slice that is told, at most."""


@dataclass(frozen=True)
class Candidate:
    """A rule, what it may lose, and how striking that looked."""

    rule: Rule
    target: str | None
    score: float


def terms_of(columns: Mapping[Feature, Column], seen: Flags, least: int) -> Iterator[Term]:
    """Yield the terms that a rule can have, cut by the samples that are seen."""
    categories = sum(isinstance(column, Group) for column in columns.values())
    most = min(OF_CATEGORY, max(2, OF_CATEGORIES // max(categories, 1)))
    for feature, column in columns.items():
        if isinstance(column, Group):
            for value in levels_of(column, seen, most):
                yield Term(feature=feature, test="is", value=value)
            continue
        known = column[seen & ~np.isnan(column)]
        if len(known) < 2 * least:
            continue
        if feature.kind == "sure":
            cuts = list(CUTS_OF_ALL if feature.name == OF_ALL else CUTS)
        else:
            cuts = sorted({float(f"{cut:.3g}") for cut in np.quantile(known, QUANTILES)})
        for cut in cuts:
            yield Term(feature=feature, test="below", value=cut)
            yield Term(feature=feature, test="from", value=cut)


@dataclass(frozen=True)
class Grid:
    """The terms with the samples of the search half that they hold of: (n, L) of 0 and 1."""

    terms: tuple[Term, ...]
    holds: NDArray[np.float32]

    @classmethod
    def of(cls, columns: Mapping[Feature, Column], seen: Flags, least: int) -> Grid:
        """Make it, without terms that too few samples tell apart or that say what another says."""
        n = int(seen.sum())
        known: dict[bytes, Term] = {}
        held = []
        for term in terms_of(columns, seen, least):
            holds = term.holds(columns[term.feature])[0][seen]
            if not least <= holds.sum() <= n - least:
                continue
            key = np.packbits(holds).tobytes()
            if key not in known:
                known[key] = term
                held.append(holds)
        matrix = np.empty((n, len(held)), np.float32)
        for number, holds in enumerate(held):
            matrix[:, number] = holds
        return cls(tuple(known.values()), matrix)

    def inside(self, terms: tuple[int, ...]) -> Flags:
        """Return the samples that terms, by their numbers, all hold of: (n,)."""
        return np.asarray(self.holds[:, list(terms)].all(axis=1))


def striking(excess: Floats, variance: Floats, size: Floats | float = 1.0) -> Floats:
    """Return how unlikely an excess of damage is: the log-likelihood ratio; 0 if there is none.

    Parameters
    ----------
    excess, variance : arrays
        S and V.
    size : array
        Of an event, u.

    Examples
    --------
    >>> striking(np.array([-1.0, 9.0, 200.0]), np.array([1.0, 1.0, 10_000.0])).round(2).tolist()
    [0.0, 11.43, 1.99]
    """
    s, v = np.maximum(excess, 0) / size, variance / np.square(size) + PRIOR
    return np.asarray(np.maximum((v + s) * np.log1p(s / v) - s, 0))


@dataclass
class _Sought:
    """One target on the search half: what is left of its damage to be told.

    Parameters
    ----------
    name : str or None
    left : array (n,)
        Damage beyond the expected, less that of the slices that were chosen.
    variance : array (n,)
        Of the damage of samples that expect as much.
    told : array (n,)
        1 where an answer could be damaged, else 0.
    weight : array (n,)
        Less where there is more chance in the damage.
    """

    name: str | None
    left: Floats
    variance: Floats
    told: Floats
    weight: Floats

    @classmethod
    def of(cls, target: Target, rows: NDArray[np.intp]) -> _Sought:
        """Read a target."""
        told = target.answers[rows] > 0
        left, variance = np.zeros(len(rows)), np.zeros(len(rows))
        if told.any():
            strata = strata_of(target, rows[told])
            excess: Floats = (target.damage - target.expected)[rows[told]].astype(np.float64)
            counts = np.maximum(np.bincount(strata), 1)
            excess = excess - (np.bincount(strata, weights=excess) / counts)[strata]
            left[told] = excess
            variance[told] = (np.bincount(strata, weights=excess**2) / counts)[strata]
        typical = variance.sum() / max(told.sum(), 1)
        weight = np.where(told, typical / np.maximum(typical + variance, TINY), 0)
        return cls(target.name, left, variance, told.astype(np.float64), weight)

    def best(self, grid: Grid, least: int) -> tuple[float, tuple[int, ...]]:
        """Return the most striking rule, and its score: terms by number; none where none fits."""
        spread = self.weight * self.variance
        sums = np.stack(
            [self.weight * self.left, self.weight * spread, spread, self.told], axis=1
        ).astype(np.float32)
        most, price = LARGEST * self.told.sum(), np.log(max(len(grid.terms), 1))
        found: tuple[float, tuple[int, ...]] = (0.0, ())
        parents: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        for depth in range(MOST_TERMS):
            children: dict[tuple[int, ...], float] = {}
            for score, terms in parents:
                holds, here = grid.holds, sums
                if terms:
                    inside = np.flatnonzero(grid.inside(terms))
                    holds, here = holds[inside], here[inside]
                excess, variance, plain, counts = (here.T @ holds).astype(np.float64)
                sizes = np.where(plain > 0, variance / np.maximum(plain, TINY), 1.0)
                scores = striking(excess, variance, sizes) - price * depth
                fits = (counts >= least) & (counts < here[:, 3].sum()) & (scores > score)
                fitting = np.flatnonzero(fits)
                for number in fitting[np.argsort(-scores[fitting], kind="stable")][:BEAM]:
                    children[tuple(sorted((*terms, int(number))))] = float(scores[number])
                small = fitting[counts[fitting] <= most]
                if len(small):
                    number = int(small[scores[small].argmax()])
                    found = max(found, (float(scores[number]), tuple(sorted((*terms, number)))))
            parents = sorted(((s, t) for t, s in children.items()), reverse=True)[:BEAM]
        return found

    def cover(self, inside: Flags) -> None:
        """Take out the mean of what is lost in a slice: a part of it counts by what it adds."""
        told = inside & (self.weight > 0)
        if told.any():
            mean = np.average(self.left[told], weights=self.weight[told])
            self.left[told] -= max(float(mean), 0.0)
            self.variance[told] = np.maximum(self.variance[told], (self.left[told] ** 2).mean())


def search(
    columns: Mapping[Feature, Column],
    losses: Losses,
    seen: Flags,
    *,
    least: int,
    most: int,
) -> list[Candidate]:
    """Return the most striking rules.

    When one is chosen, its mean damage is taken out of all targets, and the next is the most
    striking of what is left. Of slices of one target that overlap the most striking is told; of
    two targets both are, unless they are much the same samples.

    Parameters
    ----------
    columns : dict
        Features of the N samples.
    losses : Losses
    seen : array (N,) of bool
        The search half.
    least : int
        Samples that a slice has at least.
    most : int
        Rules that are returned at most.
    """
    grid, rows = Grid.of(columns, seen, least), np.flatnonzero(seen)
    targets = [_Sought.of(target, rows) for target in losses.targets()]
    # Taking out damage makes no rule more striking, but for noise: an old best is a bound.
    bests = [target.best(grid, least) for target in targets]
    fresh = [True] * len(targets)
    chosen: list[tuple[Candidate, Flags]] = []
    for _ in range(MOST_LOOKS * most):
        at = max(range(len(targets)), key=lambda number: bests[number][0])
        score, terms = bests[at]
        if score < LEAST_STRIKING or len(chosen) == most:
            break
        if not fresh[at]:
            bests[at], fresh[at] = targets[at].best(grid, least), True
            continue
        rule, inside = Rule(terms=tuple(grid.terms[term] for term in terms)), grid.inside(terms)
        name = targets[at].name
        if not any(
            _overlap(of, inside) > OVERLAP if one.target == name else _alike(of, inside) > OVERLAP
            for one, of in chosen
        ):
            chosen.append((Candidate(rule, name, score), inside))
        for target in targets:
            target.cover(inside)
        fresh = [False] * len(targets)
    return [candidate for candidate, _ in chosen]


def _overlap(one: Flags, other: Flags) -> float:
    """Return the share of the smaller slice that both have."""
    return float((one & other).sum() / min(one.sum(), other.sum()))


def _alike(one: Flags, other: Flags) -> float:
    """Return the share of the samples of either slice that both have."""
    return float((one & other).sum() / (one | other).sum())

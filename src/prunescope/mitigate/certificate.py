"""Certificates: how often a routed model may be wrong at most, proved from a finite sample.

Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei, 2021). A *cut* sends answers whose
risk reaches it to the dense model or a person, and keeps the others. For each cut, the null
hypothesis that the loss exceeds α is tested; cuts are tested in a fixed order, from the one that
sends everything to the one that sends nothing, until one test fails. The last cut that passed keeps
the loss within α with probability at least 1 - δ over the draw of the sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import ConfigError
from prunescope.metrics.statistics import Floats, binomial_cdf

_UP = np.geomspace(1e-4, 1e4, 257)
CUTS = np.concatenate([[np.finfo(np.float32).min], -_UP[::-1], [0.0], _UP])
"""The cuts that are tested, from the one that sends everything: the same whatever the sample, so
that none is chosen by it. Neighbours are 7% apart."""


ORDER = 0
"""Seed of the order in which units are bet on: always the same, as one could be picked until a test
passes."""

AT_ONCE = 32
"""Cuts that are tested at once: most are never reached."""


@dataclass(frozen=True)
class Certificate:
    """What is proved of a cut.

    Parameters
    ----------
    loss : str
        What is bounded, such as ``disagreement``.
    who : str
        Whose: ``all samples``, or each value of a group at once.
    alpha, delta : float
        P(loss ≤ alpha) ≥ 1 - delta.
    n : int
        Independent units that it rests on: with several groups of the smallest one.
    cut : float or None
        Send answers whose risk is at least this; None: nothing can be proved.
    routed : float or None
        Share of the answers of the sample that it sends.
    observed : float or None
        Loss on the sample: with several groups the highest.
    p_value : float or None
        Of the cut's test.
    reason : str
        Why nothing can be proved.
    """

    loss: str
    who: str
    alpha: float
    delta: float
    n: int
    cut: float | None = None
    routed: float | None = None
    observed: float | None = None
    p_value: float | None = None
    reason: str = ""


def binomial_p_values(losses: Floats, alpha: float) -> Floats:
    """Test that a loss of 0 or 1 has a mean of at most α: exact p-values of mean > α.

    P(Bin(n, α) ≤ Σ losses).

    Parameters
    ----------
    losses : array (n, ...)

    Examples
    --------
    >>> binomial_p_values(np.zeros((30, 1)), alpha=0.1).round(4).tolist()
    [0.0424]
    """
    return binomial_cdf(losses.sum(axis=0), len(losses), alpha)


def betting_p_values(losses: Floats, alpha: float, delta: float) -> Floats:
    """Test that a loss in [0, 1] has a mean of at most α, by betting against mean > α.

    A gambler who stakes ν_i on "below α" before each sample has the capital Π (1 - ν_i (L_i - α)),
    a supermartingale if the mean exceeds α; so 1 / its maximum is a p-value (Ville). Stakes follow
    the mean and variance seen so far (Waudby-Smith and Ramdas, 2024). Far sharper than a bound
    that does not look at the variance, such as Hoeffding's and Bentkus's.

    Parameters
    ----------
    losses : array (n, ...)
        In a random order.
    alpha : float
        In (0, 1).
    delta : float
        The level that stakes are sized for; p-values are valid whatever it is.

    Examples
    --------
    >>> betting_p_values(np.full((200, 1), 0.01), alpha=0.05, delta=0.1).round(4).tolist()
    [0.0005]
    """
    n = len(losses)
    count = np.arange(1, n + 1).reshape(n, *[1] * (losses.ndim - 1))
    mean = (0.5 + losses.cumsum(axis=0)) / (count + 1)
    variance = (0.25 + np.square(losses - mean).cumsum(axis=0)) / (count + 1)
    before = np.concatenate([np.full_like(variance[:1], 0.25), variance[:-1]])
    stake = np.minimum(1.0, np.sqrt(2 * math.log(1 / delta) / (n * before)))
    capital = np.log1p(-stake * (losses - alpha)).cumsum(axis=0)
    return np.asarray(np.exp(-np.maximum(capital.max(axis=0), 0.0)))


def certify(
    risk: Floats,
    kept: Floats,
    routed: Floats,
    *,
    loss: str,
    alpha: float = 0.05,
    delta: float = 0.1,
    members: Mapping[str, NDArray[np.intp]] | None = None,
    who: str = "all samples",
    units: NDArray[np.integer[Any]] | None = None,
) -> Certificate:
    """Find the cut that sends least while the loss is proved to stay within α.

    The loss of a sample is its share of wrong answers; of a unit, the mean of its samples'. Units
    are taken to be drawn independently from where the model will be used. Where several groups are
    named, the loss of each is within α at once: a cut passes if every group's test does, which
    needs no correction (an intersection-union test).

    Parameters
    ----------
    risk : array (N, A)
        Higher is sent first.
    kept, routed : array (N, A) in [0, 1]
        The loss of each answer if it is kept, and if it is sent; NaN where it is not known.
    loss : str
        Its name.
    alpha, delta : float
        In (0, 1).
    members : mapping, optional
        Group value → its samples. Default: all samples are one group.
    who : str
    units : array (N,) of int, optional
        Which unit each sample belongs to (a person's images, say); default: each is its own.

    Raises
    ------
    ConfigError
        α or δ is outside (0, 1).

    Examples
    --------
    >>> risk = np.linspace(-2, 0, 400)[:, None]
    >>> wrong = (risk > -0.2).astype(float)
    >>> found = certify(risk, wrong, 0 * wrong, loss="disagreement", alpha=0.05)
    >>> 0.05 < found.routed < 0.1, found.observed < 0.05
    (True, True)
    """
    for name, value in (("alpha", alpha), ("delta", delta)):
        if not 0 < value < 1:
            raise ConfigError(f"{name} is {value}: expected a share between 0 and 1")
    known = np.asarray((~(np.isnan(kept) | np.isnan(routed))).any(axis=1))
    rng = np.random.default_rng(ORDER)
    everyone = {"": np.arange(len(risk))}
    groups = {
        name: _Units.of(rows[known[rows]], units, rng)
        for name, rows in (everyone if members is None else members).items()
    }
    smallest = min(groups, key=lambda name: groups[name].n)
    n, fewest = groups[smallest].n, fewest_units(alpha, delta)
    proof = partial(Certificate, loss=loss, who=who, alpha=alpha, delta=delta, n=n)
    if n < fewest:
        name = f"{smallest}: " if smallest else ""
        return proof(reason=f"{name}{n} independent units; even without a loss {fewest} are needed")
    binary = risk.shape[1] == 1 and units is None
    passed = None
    for start in range(0, len(CUTS), AT_ONCE):
        cuts = CUTS[start : start + AT_ONCE]
        losses = sample_losses(risk, kept, routed, cuts)
        of_groups = [group.losses(losses) for group in groups.values()]
        worst = np.max([one.mean(axis=0) for one in of_groups], axis=0)
        p = np.max([_p_values(one, alpha, delta, binary=binary) for one in of_groups], axis=0)
        failed = np.flatnonzero(p > delta)
        last = (int(failed[0]) if len(failed) else len(p)) - 1
        if last >= 0:
            passed = float(cuts[last]), float(worst[last]), float(p[last])
        elif passed is None:
            with_all = f"with every answer sent the loss is {worst[0]:.3g}"
            return proof(reason=f"{with_all}, which {n} units do not prove to be within {alpha}")
        if len(failed):
            break
    assert passed is not None
    cut, observed, p_value = passed
    share = float((risk >= cut).mean())
    return proof(cut=cut, routed=share, observed=observed, p_value=p_value)


@dataclass(frozen=True)
class _Units:
    """The independent units of one group: which samples, the unit of each, an order of units."""

    rows: NDArray[np.intp]
    place: NDArray[np.intp] | None
    order: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        rows: NDArray[np.intp],
        units: NDArray[np.integer[Any]] | None,
        rng: np.random.Generator,
    ) -> _Units:
        """Find the units of some samples, and draw the order in which they are bet on."""
        if units is None:
            return cls(rows, None, rng.permutation(len(rows)))
        _, place = np.unique(units[rows], return_inverse=True)
        return cls(rows, place, rng.permutation(place.max(initial=-1) + 1))

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.order)

    def losses(self, losses: Floats) -> Floats:
        """Return the mean loss of each unit, given that of each sample: (N, C) → (n, C)."""
        mine = losses[self.rows]
        if self.place is not None:
            sums = np.zeros((self.n, mine.shape[1]))
            np.add.at(sums, self.place, mine)
            mine = sums / np.bincount(self.place)[:, None]
        return np.asarray(mine[self.order])


def _p_values(losses: Floats, alpha: float, delta: float, *, binary: bool) -> Floats:
    """Test each column: exactly where losses are 0 or 1 by their nature, else by betting."""
    if binary and ((losses == 0) | (losses == 1)).all():
        return binomial_p_values(losses, alpha)
    return betting_p_values(losses, alpha, delta)


def fewest_units(alpha: float, delta: float) -> int:
    """Return how many units without any loss it takes to prove a loss of at most α.

    The least n with (1 - α)ⁿ ≤ δ: no test can do with fewer.

    Examples
    --------
    >>> fewest_units(alpha=0.05, delta=0.1)
    45
    """
    return math.ceil(math.log(delta) / math.log1p(-alpha))


def sample_losses(risk: Floats, kept: Floats, routed: Floats, cuts: Floats = CUTS) -> Floats:
    """Return the loss of each sample at each of some rising cuts: (N, C).

    Its mean over the answers that are known, each by whether its risk reaches the cut; NaN for a
    sample without one.
    """
    known = ~(np.isnan(kept) | np.isnan(routed))
    saved = np.where(known, kept - routed, 0.0)  # by sending an answer
    n_known = known.sum(axis=1)
    with np.errstate(invalid="ignore"):
        start = np.where(known, routed, 0.0).sum(axis=1) / n_known
        saved = saved / n_known[:, None]
    # an answer is kept at every cut above its risk
    first = np.searchsorted(cuts, risk, side="right")
    shape = len(risk), len(cuts) + 1
    place = np.arange(len(risk))[:, None] * shape[1] + first
    steps = np.bincount(place.ravel(), saved.ravel(), shape[0] * shape[1]).reshape(shape)
    return np.asarray(start[:, None] + steps[:, :-1].cumsum(axis=1))

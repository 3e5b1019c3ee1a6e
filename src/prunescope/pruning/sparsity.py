"""The one rule that turns a sparsity into a number of weights."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from prunescope.errors import ConfigError, percent_as_share


def check_sparsity(sparsity: float) -> float:
    """Return `sparsity` as a float if it lies in [0, 1).

    Raises
    ------
    ConfigError
        It does not, or is no number.

    Examples
    --------
    >>> check_sparsity(95)
    Traceback (most recent call last):
    prunescope.errors.ConfigError: sparsity 95 is outside [0, 1): 95 percent is 0.95
    """
    try:
        value = float(sparsity)
    except (TypeError, ValueError):
        raise ConfigError(
            f"sparsity {sparsity!r} is not a number: expected one in [0, 1)"
        ) from None
    if 0 <= value < 1:
        return value
    advice = percent_as_share(sparsity) or "it is the share of weights to remove"
    if value == 1:
        advice = "1 would remove every weight"
    raise ConfigError(f"sparsity {sparsity} is outside [0, 1): {advice}")


def count_kept(n_weights: int, sparsity: float) -> int:
    """Return how many of `n_weights` stay: (1 − sparsity) · n_weights, rounded.

    The sparsity counts as the decimal number it is written as, so 0.95 is exactly 95/100, and
    halves round up (one weight more is kept). Every mask in prunescope follows this rule.

    Raises
    ------
    ConfigError
        The sparsity lies outside [0, 1), or so near to 1 that no weight would be left.

    Examples
    --------
    >>> count_kept(11_000_000, 0.95)
    550000
    >>> count_kept(5, 0.9)
    1
    """
    kept = round_kept(n_weights, check_sparsity(sparsity))
    if kept == 0:
        raise ConfigError(
            f"sparsity {sparsity} of {n_weights} weights keeps none of them: "
            "choose a lower sparsity or a larger model"
        )
    return kept


def round_kept(n: int, sparsity: float) -> int:
    """Return (1 − sparsity) · n in decimal arithmetic, rounded, halves up; it may be 0.

    Examples
    --------
    >>> round_kept(5, 0.9), round_kept(4, 0.9)
    (1, 0)
    """
    share = 1 - Decimal(str(sparsity))
    return int((share * n).to_integral_value(ROUND_HALF_UP))

"""One level for each layer, within a budget: a multiple-choice knapsack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CELLS = 20_000
"""Into how many equal parts a budget is cut; costs are rounded up to whole parts."""


def cheapest(
    losses: Sequence[Sequence[float]], costs: Sequence[Sequence[float]], budget: float
) -> list[int] | None:
    """Choose one option of each row so that the losses add up to the least within a budget.

    By dynamic programming over what is spent, exactly, but that costs are rounded up to a
    20,000th of the budget: so a choice is never above it, and may miss one that only just fits. Of
    equal sums the first option of the later rows is taken.

    Parameters
    ----------
    losses, costs : sequences of rows of numbers ≥ 0
        Of each option.
    budget : float

    Returns
    -------
    list of int or None
        The option of each row; None where even the cheapest ones cost more.

    Examples
    --------
    >>> cheapest([[0, 3], [0, 1]], [[4, 1], [4, 1]], 5)
    [0, 1]
    """
    if sum(min(row) for row in costs) > budget:
        return None
    whole = all(float(cost).is_integer() for row in costs for cost in row)
    part = 1.0 if whole and budget <= CELLS else max(budget, 1e-300) / CELLS
    cells = int(budget // part)
    best = np.zeros(cells + 1)
    chosen: list[NDArray[np.int16]] = []
    for row, spent in zip(losses, costs, strict=True):
        found = np.full(cells + 1, np.inf)
        option = np.zeros(cells + 1, np.int16)
        for place, (loss, cost) in enumerate(zip(row, spent, strict=True)):
            width = int(np.ceil(cost / part - 1e-9))
            if width > cells:
                continue
            with_it = np.full(cells + 1, np.inf)
            with_it[width:] = best[: cells + 1 - width] + loss
            better = with_it < found
            found[better], option[better] = with_it[better], place
        best = found
        chosen.append(option)
    if not np.isfinite(best[cells]):
        return None
    at, picked = cells, []
    for option, spent in zip(reversed(chosen), reversed(costs), strict=True):
        place = int(option[at])
        picked.append(place)
        at -= int(np.ceil(spent[place] / part - 1e-9))
    return picked[::-1]

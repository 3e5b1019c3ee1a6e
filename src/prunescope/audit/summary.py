"""The figure over all attributes: the mean over those that have a value."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.estimates import CORRELATION_SHIFT, OK, UNDEFINED, Estimates
from prunescope.audit.support import Support
from prunescope.metrics import frobenius_norm
from prunescope.metrics.statistics import Floats, divide


class WithMean(NamedTuple):
    """Estimates, and the figure over all attributes where they have one."""

    each: Estimates
    mean: Estimates | None

    def shown(self) -> list[Estimates]:
        """Return what the audit's table holds: of pairs of attributes, the norm over them alone."""
        parts = (None if self.each.metric == CORRELATION_SHIFT else self.each, self.mean)
        return [part for part in parts if part is not None]


def summarize(
    estimates: Estimates,
    usable: NDArray[np.bool_],
    sizes: NDArray[Any],
    rests: Support,
    columns: str = "attributes",
) -> Estimates:
    """Return the figure over all attributes, under the name None: the mean over the usable ones.

    For the correlation shift, it is the norm over the usable pairs.

    Parameters
    ----------
    estimates : Estimates
    usable : array of bool, of the shape of the values
        In a comparison, the cells that both models have a value of: then both summaries are over
        the same attributes.
    sizes : array (S,)
        Samples in each slice, which the summary rests on.
    rests : Support
        The units behind them: (S, 1).
    columns : str
        What the columns are, in the plural.
    """
    of_pairs = estimates.metric == CORRELATION_SHIFT
    reduce = frobenius_norm if of_pairs else _mean
    cells = estimates.value, estimates.replicates, estimates.cleared, estimates.bias
    value, replicates, cleared, bias, excess = (
        None
        if of_cells is None
        else reduce(of_cells if usable.all() else np.where(usable, of_cells, np.nan))[..., None]
        for of_cells in (*cells, estimates.excess)
    )
    assert value is not None
    assert replicates is not None

    total, n_usable = usable.shape[-1], usable.sum(axis=-1, keepdims=True)
    over = ("norm", "pairs") if of_pairs else ("mean", columns)
    texts = [f"{over[0]} over {k} of {total} {over[1]}" for k in range(total)] + [None]
    texts[0] = f"none of the {total} {over[1]} has a value"
    status = np.full((*value.shape[:-1], 1), OK, object)
    reason = np.array(texts, object)[n_usable]
    for row in map(tuple, np.argwhere(n_usable[..., 0] == 0)):
        status[row] = _commonest(estimates.status[row])
        why = estimates.reason[row][estimates.status[row] == status[row][0]]
        if len(why) and why[0] is not None:
            reason[row] = f"{texts[0]}: {why[0]}"
    n = sizes[:, None] if value.ndim == 2 else sizes[:1]
    return estimates.averaged(
        attributes=(None,),
        value=value,
        replicates=replicates,
        support=np.broadcast_to(n, value.shape).astype(np.int64),
        rests=rests if value.ndim == 2 else rests.take(0),
        status=status,
        reason=reason,
        group_value=None if estimates.group_value is None else np.array([-1]),
        bias=bias,
        excess=excess,
        cleared=cleared,
    )


def _commonest(statuses: NDArray[Any]) -> str:
    """Return the commonest status other than ok."""
    others = [str(status) for status in statuses if status != OK]
    return max(sorted(set(others)), key=others.count, default=UNDEFINED)


def _mean(values: Floats) -> Floats:
    """Average over the last axis, leaving out NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    if defined.all():
        total, n = values.sum(axis=-1), np.int64(values.shape[-1])
    else:
        total, n = np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1)
    return divide(total, n).astype(values.dtype)

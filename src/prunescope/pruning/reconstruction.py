"""Second-order pruning of one layer: which weights go, and what the others become.

A layer multiplies inputs X by weights W. What it gives changes, when they become V, by

    E(V) = ‖(V − W) X‖² = tr (V − W) H (V − W)ᵀ,   H = X Xᵀ

to which each output, a row, adds on its own. So of a row, H alone says which weights others make
up for best, and how. Here `H` is the mean over columns of X, damped: `DAMPING` times the mean of
its diagonal is added there, so that it can be inverted where there are fewer images than inputs,
where inputs depend on each other, or are dead.

The weights that go are found in an order of columns that all rows share: each goes, or stays as it
is, and those to its right make up for it (SparseGPT); where a layer is small, one by one in each
row, always the one that costs least (OBC). The ones that stay are the least-squares solution on
what is left (`fit`), or, in few bits, rounded in the same order of columns (`rounded`, GPTQ).

References
----------
Hassibi and Stork, "Second order derivatives for network pruning: optimal brain surgeon", NeurIPS
1992. Frantar and Alistarh, "Optimal brain compression", NeurIPS 2022; "SparseGPT", ICML 2023.
Frantar et al., "GPTQ", ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prunescope.pruning.patterns import Block, NOfM, Pattern
from prunescope.pruning.rounding import on_grid, step_of

DAMPING = 0.03
"""Beside the mean of the diagonal; 0.03 and 0.1 did as well with half of the images as 0.01."""

TINIEST = 1e-30
"""A mean of the diagonal up to which inputs count as none: their products vanish in float32."""

BLOCK = 128
"""Columns among which weights of a layer compete, once the columns before have been decided."""

SMALL = 2e8
"""Rows · columns³ up to which weights go one by one."""

SHRINK = torch.linspace(1, 0.5, 21, dtype=torch.float64).tolist()
"""By what the largest weight of an output is multiplied in the search for the step of its grid."""


def damped(moments: Tensor, damping: float = DAMPING) -> Tensor:
    """Return second moments (C, C) in float64 that can be inverted.

    Examples
    --------
    >>> damped(torch.zeros(1, 1))
    tensor([[1.]], dtype=torch.float64)
    """
    result = moments.to(torch.float64, copy=True)
    mean = result.diagonal().mean().item()
    result.diagonal().add_(damping * mean if mean > TINIEST else 1.0)
    return result


def inverse_factor(moments: Tensor) -> Tensor:
    """Return the upper triangle U with H⁻¹ = Uᵀ U.

    The inverse of what is left of H when the first j rows and columns are gone is the same product
    of the last rows and columns of U.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor


def error(weights: Tensor, others: Tensor, moments: Tensor) -> float:
    """Return by how much the output of a layer changes, tr (V − W) H (V − W)ᵀ."""
    change = others - weights
    return float(((change @ moments) * change).sum())


class Cut(NamedTuple):
    """A layer of which some weights went: the others, made up for it, and which they are."""

    weights: list[Tensor]
    keep: list[Tensor]


def cutter(
    weights: Sequence[Tensor], moments: Sequence[Tensor], pattern: Pattern
) -> Callable[[int], Cut]:
    """Return what decides which weights of a layer's groups stay, given how many units in all.

    What does not depend on how many is computed once.

    Parameters
    ----------
    weights : sequence of tensor
        For each group (R, C).
    moments : sequence of tensor
        For each group (C, C), damped.
    pattern : Pattern
        Along the columns; of N:M it says itself how many stay.

    Examples
    --------
    >>> alike = torch.tensor([[1.0, 1.0], [1.0, 1.0]]).double()
    >>> cutter([torch.tensor([[3.0, 2.0]]).double()], [damped(alike)], Pattern())(1).keep
    [tensor([[ True, False]])]
    """
    size = pattern.size if isinstance(pattern, Block) else 1
    n_steps = sum(len(w) * float(w.shape[1]) ** 3 for w in weights)
    if size == 1 and not isinstance(pattern, NOfM) and n_steps <= SMALL:
        return _one_by_one(weights, moments)
    factors = [inverse_factor(h) for h in moments]
    alone = [
        _costs(w, torch.linalg.cholesky(_squares(u, size), upper=True))
        for w, u in zip(weights, factors, strict=True)
    ]

    def cut(n_kept: int) -> Cut:
        gone: list[list[int]] = [[] for _ in weights]
        if not isinstance(pattern, NOfM):
            for counts, kept in zip(gone, Pattern().masks(alone, n_kept), strict=True):
                counts += [int((~part).sum()) for part in torch.split(kept, BLOCK // size, dim=1)]
        swept = [
            _cut_in_order(w, u, pattern, counts)
            for w, u, counts in zip(weights, factors, gone, strict=True)
        ]
        return Cut([left for left, _ in swept], [keep for _, keep in swept])

    return cut


def fit(best: Tensor, moments: Tensor, keep: Tensor) -> Tensor:
    """Return the weights on what is left that change a layer's output least; (R, C).

    Each row v minimises (v − b) H (v − b)ᵀ with zeros where `keep` says so. Of few that are left
    their own equations are solved; of few that are gone, theirs.

    Parameters
    ----------
    best : tensor
        (R, C): the rows b, which would change nothing.
    moments : tensor
        (C, C), damped.
    keep : tensor
        (R, C), boolean.

    Examples
    --------
    >>> alike = torch.tensor([[1.0, 1.0], [1.0, 1.0]]).double()
    >>> fit(torch.tensor([[3.0, 2.0]]).double(), alike, torch.tensor([[True, False]]))
    tensor([[5., 0.]], dtype=torch.float64)
    """
    fitted = torch.zeros_like(best)
    wanted, inverse = best @ moments, None
    for row, mask in enumerate(keep):
        stay, go = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
        if len(stay) <= len(go):
            own = torch.linalg.cholesky(moments[stay[:, None], stay])
            fitted[row, stay] = torch.cholesky_solve(wanted[row, stay, None], own)[:, 0]
            continue
        if inverse is None:
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
        lost = torch.linalg.cholesky(inverse[go[:, None], go])
        moved = torch.cholesky_solve(best[row, go, None], lost)
        fitted[row, stay] = best[row, stay] - (inverse[stay[:, None], go] @ moved)[:, 0]
    return fitted


def rounded(weights: Tensor, moments: Tensor, keep: Tensor, bits: int) -> Tensor:
    """Return weights of so many bits: −m … m times a step for each output, m = 2^(bits − 1) − 1.

    Column by column; those to the right make up for what rounding changed. The step of an output
    comes from its largest weight; below 8 bits it may be down to half of that, whatever rounds the
    weights best (squared, each by its input's second moment). What is gone stays exactly 0.

    Parameters
    ----------
    weights : tensor
        (R, C), as `fit` leaves them.
    moments : tensor
        (C, C), damped.
    keep : tensor
        (R, C), boolean.
    bits : int
        2 to 8.

    Examples
    --------
    >>> apart = torch.eye(2).double()
    >>> rounded(torch.tensor([[3.0, 1.2]]).double(), apart, torch.ones(1, 2, dtype=torch.bool), 3)
    tensor([[3., 1.]], dtype=torch.float64)
    """
    largest = step_of(weights, bits)[:, 0]
    step, least = largest, torch.full_like(largest, torch.inf)
    for shrink in SHRINK if bits < 8 else [1.0]:
        tried = largest * shrink
        change = on_grid(weights, tried[:, None], bits) - weights
        cost = (change**2 * moments.diagonal()).sum(dim=1)
        step, least = torch.where(cost < least, tried, step), torch.minimum(cost, least)

    def settle(left: Tensor, column: int) -> Tensor:
        return on_grid(left[:, column], step, bits) * keep[:, column]

    return _sweep(weights, inverse_factor(moments), lambda *_: None, settle)


def _sweep(
    weights: Tensor,
    factor: Tensor,
    enter: Callable[[Tensor, int, int], None],
    settle: Callable[[Tensor, int], Tensor],
) -> Tensor:
    """Settle weights column by column; those to the right make up for each change.

    `enter` is told of each block of columns before its first is settled. What the columns of a
    block change further right is done at its end, in one product.
    """
    left = weights.t().clone(memory_format=torch.contiguous_format).t()  # a column lies together
    for start in range(0, left.shape[1], BLOCK):
        end = min(start + BLOCK, left.shape[1])
        enter(left, start, end)
        changes = torch.zeros_like(left[:, start:end])
        for column in range(start, end):
            settled = settle(left, column)
            change = (left[:, column] - settled) / factor[column, column]
            left[:, column] = settled
            left[:, column + 1 : end] -= change[:, None] * factor[column, column + 1 : end]
            changes[:, column - start] = change
        left[:, end:].addmm_(changes, factor[start:end, end:], alpha=-1)
    return left


def _cut_in_order(
    weights: Tensor, factor: Tensor, pattern: Pattern, gone: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Remove weights in the order of columns: `gone` units of each block, or as N:M says."""
    keep = torch.ones_like(weights, dtype=torch.bool)
    size = pattern.size if isinstance(pattern, Block) else 1

    def enter(left: Tensor, start: int, end: int) -> None:
        if isinstance(pattern, NOfM):
            return
        costs = _costs(left[:, start:end], _blocks(factor[start:end, start:end], size))
        stay = torch.ones(costs.numel(), dtype=torch.bool, device=left.device)
        stay[costs.flatten().argsort(stable=True)[: gone[start // BLOCK]]] = False
        keep[:, start:end] = stay.view(costs.shape).repeat_interleave(size, dim=1)

    def settle(left: Tensor, column: int) -> Tensor:
        if isinstance(pattern, NOfM) and column % pattern.m == 0:
            some = slice(column, column + pattern.m)
            costs = (left[:, some] / factor.diagonal()[some]) ** 2
            least = costs.argsort(dim=1, stable=True)[:, : pattern.m - pattern.n]
            keep[:, some] = keep[:, some].scatter(1, least, value=False)
        return left[:, column] * keep[:, column]

    return _sweep(weights, factor, enter, settle), keep


def _one_by_one(weights: Sequence[Tensor], moments: Sequence[Tensor]) -> Callable[[int], Cut]:
    """Remove weights of each row one by one, always the one that costs least.

    A row's next removal waits for the one before, so of all rows those go first that are cheap all
    the way.
    """
    rows = torch.cat(list(weights))
    left, n = rows.clone(), rows.shape[1]
    inverse = torch.cat(
        [
            torch.cholesky_inverse(torch.linalg.cholesky(h)).expand(len(w), n, n)
            for w, h in zip(weights, moments, strict=True)
        ]
    ).clone()
    order = torch.zeros(rows.shape, dtype=torch.long, device=rows.device)
    costs = torch.zeros_like(rows)
    gone = torch.zeros_like(rows, dtype=torch.bool)
    each = torch.arange(len(rows), device=rows.device)
    for step in range(n):
        cost = left**2 / inverse.diagonal(dim1=1, dim2=2)
        costs[:, step], column = cost.masked_fill(gone, torch.inf).min(dim=1)
        order[:, step] = column
        own = inverse[each, column]
        pivot = own[each, column]
        left -= own * (left[each, column] / pivot)[:, None]
        inverse -= own[:, :, None] * (own / pivot[:, None])[:, None, :]
        gone[each, column] = True
        left.masked_fill_(gone, 0)
        inverse.diagonal(dim1=1, dim2=2).masked_fill_(gone, 1)
    # Backwards, as among equal costs the first in the list stay.
    dearest = costs.cummax(dim=1).values.flip(1)

    def cut(n_kept: int) -> Cut:
        stays = Pattern().masks([dearest], n_kept)[0].flip(1).to(rows.device)
        keep = torch.empty_like(gone).scatter_(1, order, stays)
        kept = list(torch.split(keep, [len(w) for w in weights]))
        fitted = [fit(w, h, k) for w, h, k in zip(weights, moments, kept, strict=True)]
        return Cut(fitted, kept)

    return cut


def _blocks(square: Tensor, size: int) -> Tensor:
    """Return the blocks (C / size, size, size) along the diagonal."""
    n = len(square) // size
    at = torch.arange(n, device=square.device)
    return square.view(n, size, n, size)[at, :, at, :]


def _squares(factor: Tensor, size: int) -> Tensor:
    """Return the blocks (C / size, size, size) along the diagonal of Uᵀ U, and no others."""
    columns = factor.view(len(factor), -1, size).transpose(0, 1)
    return columns.transpose(1, 2) @ columns


def _costs(weights: Tensor, factors: Tensor) -> Tensor:
    """Return what the loss of each unit costs, ‖w U⁻¹‖², (R, C / size)."""
    if factors.shape[1] == 1:
        return (weights / factors[:, 0, 0]) ** 2
    units = weights.view(len(weights), len(factors), -1).transpose(0, 1)
    solved: Tensor = torch.linalg.solve_triangular(factors, units, upper=True, left=False)
    return (solved**2).sum(dim=2).t()

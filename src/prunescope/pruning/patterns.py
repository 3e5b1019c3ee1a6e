"""In what shape weights are kept: what goes or stays together.

A pattern groups the weights of a layer into *units* that go or stay as one. Sparsity is the share
of units that is pruned, which is the share of weights as well wherever units are of one size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.errors import ConfigError, shorten
from prunescope.pruning.layers import layer_of

Shapes = Mapping[str, Sequence[int]]


class Pattern:
    """Units of weights; here, each weight is one.

    Examples
    --------
    >>> Pattern().masks([torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0])], 3)
    [tensor([True, True]), tensor([False,  True])]
    """

    def check(self, shapes: Shapes, sparsity: float) -> None:
        """Raise a ConfigError if layers of these shapes cannot be pruned so, to this sparsity."""

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a layer's units, given that of its weights."""
        return tuple(shape)

    def score(self, scores: Tensor) -> Tensor:
        """Return the scores of the units, given those of the weights."""
        return scores

    def spread(self, kept: Tensor, shape: Sequence[int]) -> Tensor:
        """Return which weights are kept, given which units are."""
        return kept

    def masks(self, scores: Sequence[Tensor], n_kept: int) -> list[Tensor]:
        """Keep exactly the `n_kept` units with the highest scores, in layers that compete.

        Among equal scores the earlier layer wins, and within a layer the lower index in row-major
        order. The ranking runs on the CPU in single precision, so it does not depend on the
        device.

        Parameters
        ----------
        scores : sequence of tensors
            Of the weights, without NaN.
        n_kept : int
            Between 0 and the number of units.

        Returns
        -------
        list of tensors
            Boolean, on the CPU, in the shapes of `scores`.
        """
        units = [self.score(score.to("cpu", torch.float32)) for score in scores]
        kept = _highest(np.concatenate([unit.numpy().ravel() for unit in units]), n_kept)
        parts = torch.split(torch.from_numpy(kept), [unit.numel() for unit in units])
        return [
            self.spread(part.view(unit.shape), score.shape)
            for part, unit, score in zip(parts, units, scores, strict=True)
        ]


@dataclass(frozen=True)
class NOfM(Pattern):
    """N of every M weights in a row along the input channels are kept: N:M sparsity.

    Of each M the N with the highest scores are safe; of the others the lowest go first, in all
    layers alike. So at sparsity 1 - N/M exactly N of each M are left, and a schedule may go there
    gradually.

    References
    ----------
    Mishra et al., "Accelerating sparse deep neural networks", 2021.

    Examples
    --------
    >>> NOfM(2, 4).masks([torch.tensor([[4.0, 3.0, 2.0, 1.0, 1.0, 2.0, 9.0, 8.0]])], 4)[0].int()
    tensor([[1, 1, 0, 0, 0, 0, 1, 1]], dtype=torch.int32)
    """

    n: int
    m: int

    def check(self, shapes: Shapes, sparsity: float) -> None:
        """Raise unless every layer's input channels are whole groups of M."""
        _check_inputs(shapes, self.m, f"{self.n}:{self.m}")
        if Fraction(str(sparsity)) != 1 - Fraction(self.n, self.m):
            raise ConfigError(
                f"{self.n}:{self.m} keeps {self.n} of every {self.m} weights: expected sparsity "
                f"{1 - self.n / self.m:g}, got {sparsity:g}"
            )

    def score(self, scores: Tensor) -> Tensor:
        """Return the same scores, infinite for those that are safe."""
        rows = scores.movedim(1, -1)
        groups = rows.reshape(-1, self.m)
        columns = groups.t().contiguous()
        safe = torch.empty_like(columns, dtype=torch.bool)
        for i, own in enumerate(columns):  # as there are few, this beats sorting several times
            better = [own < other if j > i else own <= other for j, other in enumerate(columns)
                      if j != i]  # fmt: skip
            safe[i] = sum(column.to(torch.int8) for column in better) < self.n
        return scores.masked_fill(safe.t().reshape(rows.shape).movedim(-1, 1), torch.inf)


@dataclass(frozen=True)
class Block(Pattern):
    """Blocks of `size` weights in a row along the input channels go or stay as one.

    A block counts as much as its weights together.

    Examples
    --------
    >>> Block(2).masks([torch.tensor([[1.0, 9.0, 4.0, 4.0]])], 1)
    [tensor([[ True,  True, False, False]])]
    """

    size: int

    def check(self, shapes: Shapes, sparsity: float) -> None:
        """Raise unless every layer's input channels are whole blocks."""
        _check_inputs(shapes, self.size, f"blocks of 1×{self.size}")

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a layer's blocks: its input channels divided by the size."""
        return (shape[0], shape[1] // self.size, *shape[2:])

    def score(self, scores: Tensor) -> Tensor:
        """Add up the scores in each block."""
        blocks = scores.reshape(scores.shape[0], -1, self.size, *scores.shape[2:])
        return blocks.sum(dim=2)

    def spread(self, kept: Tensor, shape: Sequence[int]) -> Tensor:
        """Repeat each block's fate for its weights."""
        return kept.repeat_interleave(self.size, dim=1)


@dataclass(frozen=True)
class Channel(Pattern):
    """All weights of an output channel go or stay as one; channels of all layers compete.

    A channel counts by the mean score of its weights. Masks do not make a layer smaller: the
    method ``structured`` removes channels for good.

    Examples
    --------
    >>> Channel().masks([torch.tensor([[1.0, 1.0], [3.0, 0.0]])], 1)
    [tensor([[False, False],
            [ True,  True]])]
    """

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the number of output channels."""
        return (shape[0],)

    def score(self, scores: Tensor) -> Tensor:
        """Average the scores in each channel."""
        return scores.flatten(1).mean(dim=1)

    def spread(self, kept: Tensor, shape: Sequence[int]) -> Tensor:
        """Repeat each channel's fate for its weights."""
        return kept.view(-1, *[1] * (len(shape) - 1)).expand(*shape).contiguous()


PATTERNS: dict[str, Pattern] = {
    "unstructured": Pattern(),
    "2:4": NOfM(2, 4),
    "1:4": NOfM(1, 4),
    "block-1x4": Block(4),
    "channel": Channel(),
}


def _highest(scores: NDArray[np.float32], n: int) -> NDArray[np.bool_]:
    """Mark the n highest scores; among equals, the first."""
    if n == 0:
        return np.zeros(len(scores), np.bool_)
    # Negated, because numpy's partition is twenty times slower when the lowest values are tied,
    # as the scores of pruned weights are.
    costs = -scores
    threshold = np.partition(costs, n - 1)[n - 1]
    kept = np.asarray(costs < threshold)
    tied = np.flatnonzero(costs == threshold)
    kept[tied[: n - np.count_nonzero(kept)]] = True
    return kept


def _check_inputs(shapes: Shapes, size: int, what: str) -> None:
    """Raise if some layers' input channels are not a multiple of `size`."""
    unfit = [f"{layer_of(name)} with {shape[1]}" for name, shape in shapes.items()
             if shape[1] % size]  # fmt: skip
    if unfit:
        raise ConfigError(
            f"{what} needs layers whose input channels are a multiple of {size}, unlike "
            f"{shorten(unfit)}: leave these dense with ignore"
        )

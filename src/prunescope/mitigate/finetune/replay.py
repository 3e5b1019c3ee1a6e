"""Replay buffers: the last outcomes of every cell, so that no small one is judged by one batch."""

from __future__ import annotations

import torch
from torch import Tensor


class Replay:
    """For each of G × U cells the last `length` outcomes, right or wrong.

    Parameters
    ----------
    shape : (int, int)
        G and U.
    length : int
    device : torch.device, optional

    Attributes
    ----------
    outcomes : tensor (G, U, length) of bool
        True for right; a place that was never written is False.
    written : tensor (G, U) of int64
        How many outcomes ever came. The next goes to place ``written % length``.

    Examples
    --------
    >>> replay = Replay((2, 1), length=2)
    >>> codes = torch.tensor([[0], [0], [0], [-1]])
    >>> right = torch.tensor([[True], [True], [False], [True]])
    >>> replay.add(codes, right, torch.ones(4, 1, dtype=torch.bool))
    >>> replay.accuracy().T, replay.written.T
    (tensor([[0.5000,    nan]]), tensor([[3, 0]]))
    """

    def __init__(
        self, shape: tuple[int, int], length: int, device: torch.device | None = None
    ) -> None:
        self.length = length
        self.outcomes = torch.zeros(*shape, length, dtype=torch.bool, device=device)
        self.written = torch.zeros(shape, dtype=torch.int64, device=device)

    def add(self, codes: Tensor, right: Tensor, known: Tensor) -> None:
        """Take in a batch; of more than `length` outcomes of a cell the last count.

        Parameters
        ----------
        codes : tensor (B, C) of int64
            In which rows each sample is; -1 for none.
        right, known : tensor (B, U) of bool
            Outcomes, and whether they count.
        """
        n_rows = len(self.written)
        # A row more takes the samples that are in none.
        member = torch.zeros(len(codes), n_rows + 1, dtype=torch.bool, device=codes.device)
        member.scatter_(1, codes % (n_rows + 1), True)
        new = member[:, :n_rows, None] & known[:, None, :]
        order = new.cumsum(0)  # int64 (B, G, U): 1 for the first outcome of a cell, …
        arrived = order[-1]
        sample, row, unit = (new & (order > arrived - self.length)).nonzero(as_tuple=True)
        place = (self.written[row, unit] + order[sample, row, unit] - 1) % self.length
        self.outcomes[row, unit, place] = right[sample, unit]
        self.written += arrived

    @property
    def filled(self) -> Tensor:
        """How many outcomes each cell holds: int64 (G, U)."""
        return self.written.clamp(max=self.length)

    def accuracy(self) -> Tensor:
        """Return the share of right outcomes: float32 (G, U), NaN where there is none."""
        return self.outcomes.sum(-1) / self.filled

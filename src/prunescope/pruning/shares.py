"""An order of weights in which every group keeps its share: merged lists, one per group."""

from __future__ import annotations

import torch
from torch import Tensor


def order_by_shares(importance: Tensor) -> Tensor:
    """Return the place of each weight in an order that treats groups alike; 0 is kept longest.

    Scaled so that each group's importances add up to 1, let each group list the weights from its
    most important down, and let ``C(g, w)`` be the share of g's importance that stands in its list
    before w. Again and again the group whose list has got to the smallest share gives its next
    weight, so that the order is by

        min_g C(g, w).

    However many weights are kept, they are the union of the tops of all lists down to one share c:
    every group keeps at least c of its importance. A group whose importance is spread over many
    weights gets more of them. Equal weights come in their own order, and those that matter to no
    group last.

    Parameters
    ----------
    importance : tensor (G, W)
        ≥ 0, and in each row more than 0 in total.

    Returns
    -------
    tensor (W,) of int64
        A permutation of 0 … W − 1.

    Examples
    --------
    The second group's importance is small, and spread over the last three weights:

    >>> importance = torch.tensor([[60.0, 40, 0, 0, 0], [0, 0, 4, 3, 3]])
    >>> order_by_shares(importance)
    tensor([0, 3, 1, 2, 4])
    """
    ranked = importance.double().sort(dim=1, descending=True, stable=True)
    reached = ranked.values.cumsum(1)
    before = torch.cat([torch.zeros_like(reached[:, :1]), reached[:, :-1]], dim=1)
    # What matters not at all comes after all that matters, however little.
    before = torch.where(ranked.values > 0, before / reached[:, -1:], torch.inf)
    first = torch.empty_like(before).scatter_(1, ranked.indices, before).min(dim=0).values
    order = first.argsort(stable=True)
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))

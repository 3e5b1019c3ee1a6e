"""What of a pruned model is dense: the weights that no mask covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from prunescope.models import computed_weights, plain
from prunescope.pruning.layers import module_of, names_of_weights


@dataclass(frozen=True)
class StaysDense:
    """A weight of two or more dimensions that pruning leaves as it is.

    Parameters
    ----------
    name : str
        Of the parameter.
    reason : str
        Why: ``ignored``; ``computed by WeightNorm`` (until the model is folded); or the
        kind of module that holds it, where that is of none that is pruned (``Embedding``).
    n_weights : int
    share : float
        Of all parameters of the model, in (0, 1].
    """

    name: str
    reason: str
    n_weights: int
    share: float


def what_stays_dense(
    model: nn.Module, masks: Mapping[str, Tensor] | None = None
) -> list[StaysDense]:
    """List the weights of a model that no mask covers, the largest first.

    Biases and the factors of normalisation, which have one dimension, are not listed.

    Parameters
    ----------
    model : torch.nn.Module
    masks : mapping of str to tensor, optional
        By the names of its parameters, such as `Masks`; by default, ones of all that can be pruned.

    Examples
    --------
    >>> model = nn.Sequential(nn.Embedding(2, 4), nn.Linear(4, 4, bias=False))
    >>> what_stays_dense(model, {"1.weight": model[1].weight != 0})
    [StaysDense(name='0.weight', reason='Embedding', n_weights=8, share=0.3333333333333333)]
    """
    computed = computed_weights(model)
    model = plain(model)
    prunable = names_of_weights(model)
    total = sum(parameter.numel() for parameter in model.parameters())
    found = []
    for name, weight in model.named_parameters():
        if name in (masks or {}) or weight.ndim < 2:
            continue
        reason = type(model.get_submodule(module_of(name))).__name__
        if name in computed:
            reason = f"computed by {computed[name]}"
        elif name in prunable:
            if masks is None:
                continue
            reason = "ignored"
        found.append(StaysDense(name, reason, weight.numel(), weight.numel() / total))
    return sorted(found, key=lambda each: -each.n_weights)

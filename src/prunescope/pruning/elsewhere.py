"""Models that another tool pruned: their masks, and what is left of them."""

from __future__ import annotations

from torch import nn

from prunescope.errors import ConfigError
from prunescope.models import computed_weights, fold, plain, shapes_of, torch_masks
from prunescope.pruning.layers import answers_of, names_of_weights
from prunescope.pruning.left import count_left
from prunescope.pruning.masks import Masks
from prunescope.pruning.run import Pruned

IMPORTED = "imported"
"""The method that is told of them."""

NOTICED = 0.01
"""Share of zeros from which a model without masks counts as pruned: some have a few anyway."""


def pruned_elsewhere(
    model: nn.Module, n_answers: int, dense: nn.Module | None = None
) -> Pruned | None:
    """Take in a model that another tool pruned.

    Parameters
    ----------
    model : torch.nn.Module
        With masks of ``torch.nn.utils.prune``, with weights that are exactly 0, or narrower than
        the dense one.
    n_answers : int
        How many outputs it has, which are no channels.
    dense : torch.nn.Module, optional
        What it was made from. Without it, a network that was made narrower cannot be told.

    Returns
    -------
    Pruned or None
        The folded model, its masks (`Masks.of`; None where nothing is 0), and its compression, with
        method ``imported``, as counted. None where nothing is pruned.

    Raises
    ------
    ConfigError
        The model has more weights or channels than the dense one.

    Examples
    --------
    >>> from torch.nn.utils import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 1), "weight", amount=3)
    >>> found = pruned_elsewhere(layer, 1)
    >>> found.masks
    Masks(1 layer, 1 of 4 weights kept, sparsity 0.75)
    >>> found.compression["method"], found.compression["weights_kept"]
    ('imported', 0.25)
    """
    if not names_of_weights(plain(model)):
        return None
    found = Masks.of(model)
    masks = found if torch_masks(model) or found.sparsity >= NOTICED else None
    narrower = dense is not None and shapes_of(dense) != shapes_of(model)
    if masks is None and not narrower:
        return None
    answers = answers_of(plain(model), n_answers) if narrower else None
    left = count_left(model if dense is None else dense, model, masks, answers)
    if max(left["weights_kept"], left.get("channels_kept", 0)) > 1:
        raise ConfigError(
            "the model is larger than the dense one (--dense): expected one that was made from it, "
            f"with fewer weights, and this has {left['weights_kept']:.3g} times as many; are the "
            "two swapped?"
        )
    compression = {
        "method": IMPORTED,
        # Nobody knows what was asked for; what is gone, to three digits of what is left.
        "sparsity": round(1 - float(f"{left['weights_kept']:.3g}"), 12),
        **left,
    }
    if computed := computed_weights(model):
        compression["folded"] = computed
    return Pruned(fold(model).eval(), masks, None, compression, None)

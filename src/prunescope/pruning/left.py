"""What pruning leaves of a model, counted beside the model that it began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.models import plain
from prunescope.pruning.layers import layer_of, outputs_first, prunable_weights


def count_left(
    before: nn.Module,
    after: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    answers: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Count which shares of a model's weights and channels are left.

    Parameters
    ----------
    before, after : torch.nn.Module
        The model, and what pruning made of it.
    masks : mapping of str to tensor, optional
        Which weights it keeps; what has no mask it keeps whole.
    answers : sequence of str, optional
        Where whole channels were removed: the layers that give the model's answers, which are no
        channels.

    Returns
    -------
    dict
        ``weights_kept``: of the weights of all layers that may be pruned (`prunable_weights`), the
        share that is left; ``weights_before``: their number in `before`; where whole channels were
        removed, ``channels_kept``: the share of the channels that these layers give.

    Examples
    --------
    >>> before = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    >>> after = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    >>> count_left(before, after, answers=["1"])
    {'weights_kept': 0.5, 'weights_before': 48, 'channels_kept': 0.5}
    """
    (all_weights, all_channels), (weights, channels) = (
        _count(model, kept, answers or ()) for model, kept in ((before, {}), (after, masks or {}))
    )
    found: dict[str, Any] = {
        "weights_kept": weights / all_weights,
        "weights_before": all_weights,
    }
    return found if answers is None else {**found, "channels_kept": channels / all_channels}


def _count(
    model: nn.Module, masks: Mapping[str, Tensor], answers: Sequence[str]
) -> tuple[int, int]:
    """Count the weights of a model that are kept, and the channels with any."""
    n_weights = n_channels = 0
    model = plain(model)
    weights = prunable_weights(model)
    kept = {
        name: masks[name] if name in masks else torch.ones_like(weight, dtype=torch.bool)
        for name, weight in weights.items()
    }
    for name, mask in outputs_first(kept, model).items():
        n_weights += int(mask.sum())
        if layer_of(name) not in answers:
            n_channels += int(mask.flatten(1).any(dim=1).sum())
    return n_weights, n_channels


def left_after(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Tell of a second compression what is left beside the dense model, as of the first.

    Each is told beside the model that went in; of that, channels may have been gone. Where it is
    not told how many weights the first began with, nobody knows.

    Parameters
    ----------
    before, now : mapping
        The two compressions.

    Examples
    --------
    >>> narrow = {"method": "structured", "weights_kept": 0.25, "weights_before": 400,
    ...           "channels_kept": 0.5}
    >>> left_after(narrow, {"weights_kept": 0.5, "weights_before": 100})
    {'weights_kept': 0.125, 'weights_before': 400, 'channels_kept': 0.5}
    """
    told = dict(now)
    if "weights_before" not in now:
        return told
    if "weights_before" not in before:
        if "structured" in before["method"].split("+"):
            for name in ("weights_kept", "weights_before", "channels_kept"):
                told.pop(name, None)
        return told
    there = now["weights_before"] / before["weights_before"]
    told["weights_kept"] = there * now["weights_kept"]
    told["weights_before"] = before["weights_before"]
    if there < 1:
        told["channels_kept"] = before.get("channels_kept", 1.0) * now.get("channels_kept", 1.0)
    return told

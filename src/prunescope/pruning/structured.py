"""Structured pruning: channels are removed for good, so the model gets smaller and faster."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from prunescope.errors import ConfigError, TrainingError, one_of, shorten
from prunescope.models.classifier import logits_of
from prunescope.models.folding import fold
from prunescope.models.quantized import check_float
from prunescope.models.widths import BATCH_NORMS, is_depthwise, layers_of, select_, shapes_of
from prunescope.pruning.channels import ChannelGroup, channel_groups
from prunescope.pruning.sparsity import check_sparsity, round_kept

TOLERANCE = 1e-5
"""By how much, relative to the largest, logits in double precision may differ in the proof."""


def remove_channels(
    model: nn.Module,
    share: float,
    *,
    example: Tensor,
    score: str = "magnitude",
    distribution: str = "uniform",
    ignore: str | Sequence[str] = (),
) -> nn.Module:
    """Return a smaller copy of a model, without a share of its channels.

    Channels that only make sense together, such as those of layers whose outputs are added up, are
    one channel of a *group*, and go with all the weights that make and read them. The model's
    outputs, and the channels that a layer to ignore gives, all stay.

    ``uniform``: of n channels of each group (1 − share) · n stay, rounded, halves up, and at least
    one. ``global``: that many of the channels of all groups together, and at least one of each.
    Those with the highest scores stay, among equal ones those of the group whose layer the model
    registers first, and in a group those with the lowest number. They keep their order.

    Nothing makes up for what is lost: re-estimate batch normalisation, or train what is left.

    Parameters
    ----------
    model : torch.nn.Module
        Of convolutions, linear layers and batch normalisation, at least where channels are removed.
        Weights that a layer computes (``weight_norm``) are made plain first.
    share : float
        In [0, 1).
    example : tensor
        An input of the model, to follow its channels; its values do not matter.
    score : str
        A key of `CHANNEL_SCORES`.
    distribution : {"uniform", "global"}
    ignore : str or sequence of str
        Names or shell patterns of layers.

    Returns
    -------
    torch.nn.Module
        In the same mode and on the same device.

    Raises
    ------
    ConfigError
        A name is unknown, the model is in int8, the share makes no sense or leaves fewer channels
        than there are groups, or channels cannot be removed here: the message names the layer. A
        removal is proved on random weights: the smaller network has to answer as the whole one
        does when nothing in it reads these channels.
    TrainingError
        A weight is NaN or infinite.
    MissingExtraError
        Torch-Pruning is not installed.

    References
    ----------
    Fang et al., "DepGraph: towards any structural pruning", CVPR 2023.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4 * 4, 2))
    >>> remove_channels(model, 0.75, example=torch.zeros(1, 3, 6, 6))
    Sequential(
      (0): Conv2d(3, 2, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
      (2): Flatten(start_dim=1, end_dim=-1)
      (3): Linear(in_features=32, out_features=2, bias=True)
    )
    """
    if score not in CHANNEL_SCORES:
        raise ConfigError(one_of("channel score", score, CHANNEL_SCORES))
    if distribution not in CHANNEL_DISTRIBUTIONS:
        raise ConfigError(one_of("distribution of channels", distribution, CHANNEL_DISTRIBUTIONS))
    share = check_sparsity(share)
    check_float(model, "to remove channels")
    model = fold(model)
    groups = channel_groups(model, example, ignore)
    scores = {group.name: CHANNEL_SCORES[score](model, group) for group in groups}
    for name, values in scores.items():
        if not values.isfinite().all():
            raise TrainingError(
                f"the channels of {name} have weights that are NaN or infinite, which cannot be "
                "ranked: training has diverged; lower the learning rate"
            )
    kept = CHANNEL_DISTRIBUTIONS[distribution](scores, share)
    _prove(model, groups, kept, example)
    return _without(model, groups, kept)


def group_norm(model: nn.Module, group: ChannelGroup) -> Tensor:
    """Score a channel by the L2 norm of all the weights that make, scale and read it, biases apart.

    Returns
    -------
    tensor
        Of shape (n_channels,), in double precision on the CPU.
    """
    layers = layers_of(model)
    squares = torch.zeros(group.n_channels, dtype=torch.float64)
    for member in group.members:
        weight: Tensor | None = layers[member.layer].weight
        if weight is None:  # batch normalisation that does not scale
            continue
        each = weight.detach().to("cpu", torch.float64).square()
        if member.side == "taken":
            each = each.transpose(0, 1)
        per_channel = each.flatten(1).sum(1) if each.ndim > 1 else each
        squares.index_add_(
            0, torch.tensor(member.roots), per_channel[torch.tensor(member.channels)]
        )
    return squares.sqrt()


CHANNEL_SCORES: dict[str, Callable[[nn.Module, ChannelGroup], Tensor]] = {"magnitude": group_norm}


def keep_uniform(scores: Mapping[str, Tensor], share: float) -> dict[str, list[int]]:
    """Keep the best channels of each group, the same share everywhere.

    Examples
    --------
    >>> keep_uniform({"a": torch.tensor([1.0, 9.0, 3.0]), "b": torch.tensor([2.0])}, 0.5)
    {'a': [1, 2], 'b': [0]}
    """
    return {
        name: _best(values, max(1, round_kept(len(values), share)))
        for name, values in scores.items()
    }


def keep_global(scores: Mapping[str, Tensor], share: float) -> dict[str, list[int]]:
    """Keep the best channels of all groups together, and the best of each.

    Norms of groups that differ in size say nothing to each other, so each is divided by the root
    mean square of its group's.

    Raises
    ------
    ConfigError
        There are more groups than channels to keep.

    Examples
    --------
    >>> keep_global({"a": torch.tensor([1.0, 9.0, 3.0]), "b": torch.tensor([2.0, 2.0])}, 0.4)
    {'a': [1], 'b': [0, 1]}
    """
    relative = []
    for values in scores.values():
        scale = values.square().mean().sqrt()
        values = values / scale if scale > 0 else values.clone()
        values[_best(values, 1)] = torch.inf
        relative.append(values)
    pooled = torch.cat(relative)
    n_kept = round_kept(len(pooled), share)
    if n_kept < len(scores):
        raise ConfigError(
            f"share {share} of {len(pooled)} channels keeps {n_kept}, less than one in each of "
            f"{len(scores)} groups: remove fewer"
        )
    chosen = torch.zeros(len(pooled), dtype=torch.bool)
    chosen[_best(pooled, n_kept)] = True
    parts = torch.split(chosen, [len(values) for values in relative])
    return {
        name: part.nonzero().flatten().tolist() for name, part in zip(scores, parts, strict=True)
    }


CHANNEL_DISTRIBUTIONS: dict[str, Callable[[Mapping[str, Tensor], float], dict[str, list[int]]]] = {
    "uniform": keep_uniform,
    "global": keep_global,
}


def _best(scores: Tensor, n: int) -> list[int]:
    """Return the places of the n highest scores, in order; among equals, the first."""
    order = torch.sort(scores, descending=True, stable=True).indices
    return sorted(order[:n].tolist())


def _removed(
    groups: Sequence[ChannelGroup], kept: Mapping[str, Sequence[int]]
) -> dict[tuple[str, str], set[int]]:
    """Return what the layers lose: (layer, side) → numbers of its channels."""
    removed: dict[tuple[str, str], set[int]] = defaultdict(set)
    for group in groups:
        stay = set(kept[group.name])
        for member in group.members:
            removed[member.layer, member.side].update(
                channel
                for channel, root in zip(member.channels, member.roots, strict=True)
                if root not in stay
            )
    return removed


def _without(
    model: nn.Module, groups: Sequence[ChannelGroup], kept: Mapping[str, Sequence[int]]
) -> nn.Module:
    """Return a copy of the model that has only the channels to keep."""
    smaller = copy.deepcopy(model)
    layers, widths = layers_of(smaller), shapes_of(smaller)
    removed = _removed(groups, kept)
    for name in dict.fromkeys(name for name, _ in removed):
        given, taken, _ = widths[name]
        select_(
            layers[name],
            [channel for channel in range(given) if channel not in removed[name, "given"]],
            [channel for channel in range(taken) if channel not in removed[name, "taken"]],
        )
    return smaller


def _prove(
    model: nn.Module,
    groups: Sequence[ChannelGroup],
    kept: Mapping[str, Sequence[int]],
    example: Tensor,
) -> None:
    """Raise unless the network without these channels answers as one that does not read them.

    The weights are random, or else zeros and tiny numbers in those of the model would hide a
    mistake.
    """
    images = torch.rand(example[:2].shape, generator=torch.Generator().manual_seed(0)).double()
    probe = _randomised(model)
    problem = _difference(probe, groups, kept, images)
    if problem is None:
        return
    alone = {group.name: _difference(probe, [group], kept, images) for group in groups}
    guilty = {name: reason for name, reason in alone.items() if reason} or {
        group.name: problem for group in groups
    }
    raise ConfigError(
        f"cannot remove channels of {shorten(guilty, 3)}: {next(iter(guilty.values()))}; leave "
        f"these whole with ignore=[{shorten(map(repr, guilty), 40)}], or prune weights instead"
    )


@torch.no_grad()
def _difference(
    probe: nn.Module,
    groups: Sequence[ChannelGroup],
    kept: Mapping[str, Sequence[int]],
    images: Tensor,
) -> str | None:
    """Say in what way removing channels is not the same as not reading them; None if it is."""
    unread = copy.deepcopy(probe)
    for (name, side), channels in _removed(groups, kept).items():
        layer = layers_of(unread)[name]
        if side == "taken" and not (isinstance(layer, BATCH_NORMS) or is_depthwise(layer)):
            layer.weight[:, sorted(channels)] = 0
    try:
        expected = logits_of(unread(images))
    except Exception as error:
        raise ConfigError(
            "removing channels is tried in double precision first, in which "
            f"{type(probe).__name__} fails: {type(error).__name__}: {error}"
        ) from error
    try:
        found = logits_of(_without(probe, groups, kept)(images))
    except Exception as error:  # whatever a network raises that counts on its channels
        return f"without them the network fails ({type(error).__name__}: {error})"
    if found.shape == expected.shape:
        difference = (found - expected).abs().max()
        if difference <= TOLERANCE * expected.abs().max():
            return None
    return "the network does more with them than read them one by one"


def _randomised(model: nn.Module) -> nn.Module:
    """Return a copy in double precision on the CPU, its weights of ordinary size."""
    probe = copy.deepcopy(model).to("cpu", torch.float64).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in probe.parameters():
        data = parameter.detach()
        if data.ndim > 1:
            data.normal_(std=(len(data) / max(1, data.numel())) ** 0.5, generator=generator)
        else:
            data.uniform_(0.5, 1.5, generator=generator)
    return probe

"""Ways to compress one layer and no other: what its weights are at a level.

A *way* says which layers go together (its *units*), what their weights become at a level, and what
is left to store and to multiply. Another way to make the weights is another class with the same
four members, and a line in `WAYS`.
"""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, get_args

import torch
from torch import Tensor, nn

from prunescope.errors import ConfigError, PrunescopeWarning, one_of
from prunescope.models.widths import is_depthwise
from prunescope.pruning import PATTERNS, Criterion, Masks, check_sparsity, prunable_weights
from prunescope.pruning import methods as pruning
from prunescope.pruning.calibration import Calibration
from prunescope.pruning.channels import ChannelGroup, channel_groups
from prunescope.pruning.layers import answers_of, layer_of, matches, outputs_first
from prunescope.pruning.methods.reconstruct import RECONSTRUCT, reconstruct
from prunescope.pruning.patterns import NOfM
from prunescope.pruning.rounding import check_bits, round_to_bits
from prunescope.pruning.structured import CHANNEL_SCORES, keep_uniform
from prunescope.sensitivity.result import LayerMethod

if TYPE_CHECKING:
    from prunescope.sensitivity.one_layer.run import Job

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Unit:
    """Layers that are compressed together.

    Parameters
    ----------
    name : str
        The layer, or the pattern that they were named by.
    weights : tuple of str
        The weights that change.
    layers : tuple of str
    """

    name: str
    weights: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """A unit at a level.

    Parameters
    ----------
    weights : dict
        Name → the weight as it is then.
    kept : dict
        Name → how many of its numbers are left.
    n_bytes : float
        That they take (`docs/sensitivity.md`).
    """

    weights: dict[str, Tensor]
    kept: dict[str, int]
    n_bytes: float


class Way(Protocol):
    """A way to make the weights of a unit at a level."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels that are looked at unless others are asked for, the mildest first."""

    def check(self, level: float) -> float:
        """Return a level, or raise a ConfigError if it makes no sense."""

    def units(self, model: nn.Module, images: Tensor, together: Sequence[str]) -> list[Unit]:
        """Return the units of a model, in the order in which it registers its layers."""

    def make(self, job: Job, unit: Unit, level: float) -> Made:
        """Return a unit at a level, or raise a ConfigError if it cannot be; the job is read."""


@dataclass(frozen=True)
class Sparse:
    """The smallest weights of each layer become zero, as `prune` at once does.

    A layer of w numbers of which k are left takes 4·k bytes, and w/8 that say which.
    """

    pattern: str = "unstructured"
    method: str = "one-shot"

    def __post_init__(self) -> None:
        Criterion(pattern=self.pattern)  # knows the names

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels unless others are asked for."""
        fixed = PATTERNS[self.pattern]
        if isinstance(fixed, NOfM):
            return (float(1 - Fraction(fixed.n, fixed.m)),)
        return (0.5, 0.7, 0.8, 0.9, 0.95)

    def check(self, level: float) -> float:
        """Return the level, or raise."""
        if not check_sparsity(level):
            raise ConfigError("sparsity 0 changes nothing: expected levels above 0")
        return float(level)

    def units(self, model: nn.Module, images: Tensor, together: Sequence[str]) -> list[Unit]:
        """Return the units."""
        return layer_units(model, together)

    def make(self, job: Job, unit: Unit, level: float) -> Made:
        """Return a unit at a level."""
        model = job.model
        weights = prunable_weights(model)
        made: dict[str, Tensor] = {}
        kept, n_bytes = {}, 0.0
        criterion = Criterion(pattern=self.pattern)
        for name in unit.weights:
            if self.pattern == "channel" and layer_of(name) in answers_of(
                model, len(weights[name])
            ):
                raise ConfigError("it gives the model's answers, which are no channels")
            own = Masks({name: torch.ones(weights[name].shape, dtype=torch.bool)})
            criterion.check(own, level, model)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PrunescopeWarning)  # of a layer that vanishes
                mask = criterion.update(model, own, level)[name].to(weights[name].device)
            made[name] = weights[name].detach().masked_fill(~mask, 0)
            kept[name] = int(mask.sum())
            n_bytes += FLOAT_BYTES * kept[name] + mask.numel() / 8
        left = Made(made, kept, n_bytes)
        if self.method == "one-shot":
            return left
        return _reconstructed(job, unit, level, left, self.pattern)


@dataclass(frozen=True)
class Rounded:
    """Weights are rounded to so many bits, with one scale per output (`round_to_bits`).

    A layer of w numbers and o outputs takes w·b/8 bytes, and 4·o of scales.
    """

    method: str = "one-shot"
    levels: tuple[float, ...] = (8, 4, 3, 2)

    def check(self, level: float) -> float:
        """Return the level, or raise."""
        return float(check_bits(level))

    def units(self, model: nn.Module, images: Tensor, together: Sequence[str]) -> list[Unit]:
        """Return the units."""
        return layer_units(model, together)

    def make(self, job: Job, unit: Unit, level: float) -> Made:
        """Return a unit at a level."""
        model = job.model
        weights = {name: w.detach() for name, w in prunable_weights(model).items()}
        own = {name: weights[name] for name in unit.weights}
        lying = outputs_first(own, model)
        rounded = {name: round_to_bits(weight, int(level)) for name, weight in lying.items()}
        n_bytes = sum(w.numel() * level / 8 + FLOAT_BYTES * len(w) for w in lying.values())
        kept = {name: weight.numel() for name, weight in own.items()}
        made = Made(outputs_first(rounded, model), kept, n_bytes)
        return made if self.method == "one-shot" else _reconstructed(job, unit, level, made, None)


@dataclass(frozen=True)
class Narrow:
    """Whole channels are removed, those of layers that depend on each other together.

    The network in which nothing reads them answers as the one without them
    (`prunescope.pruning.structured.remove_channels` proves it), so that is what is run.
    """

    levels: tuple[float, ...] = (0.25, 0.5, 0.75)
    _groups: dict[str, ChannelGroup] = field(default_factory=dict, repr=False, compare=False)

    def check(self, level: float) -> float:
        """Return the level, or raise."""
        if not check_sparsity(level):
            raise ConfigError("share 0 changes nothing: expected levels above 0")
        return float(level)

    def units(self, model: nn.Module, images: Tensor, together: Sequence[str]) -> list[Unit]:
        """Return the units."""
        if together:
            raise ConfigError(
                "channels go together as the network needs: leave out which layers do"
            )
        for group in channel_groups(model, images[:1]):
            self._groups[group.name] = group
        return [
            Unit(
                name,
                tuple(f"{layer}.weight" for layer in _readers(model, group)),
                tuple(dict.fromkeys(m.layer for m in group.members if m.side == "given"
                                    and f"{m.layer}.weight" in prunable_weights(model))),
            )
            for name, group in self._groups.items()
        ]  # fmt: skip

    def make(self, job: Job, unit: Unit, level: float) -> Made:
        """Return a unit at a level."""
        model = job.model
        group = self._groups[unit.name]
        scores = {group.name: CHANNEL_SCORES["magnitude"](model, group)}
        stay = set(keep_uniform(scores, level)[group.name])
        weights = prunable_weights(model)
        made: dict[str, Tensor] = {}
        gone: dict[str, Tensor] = {}
        for member in group.members:
            name = f"{member.layer}.weight"
            if name not in weights:
                continue
            channels = [c for c, root in zip(member.channels, member.roots, strict=True)
                        if root not in stay]  # fmt: skip
            mask = gone.setdefault(name, torch.zeros(weights[name].shape, dtype=torch.bool))
            if member.side == "given":
                mask[channels] = True
            elif name in unit.weights:
                mask[:, channels] = True
                made[name] = made.get(name, weights[name].detach()).clone()
                made[name][:, channels] = 0
        kept = {name: int((~mask).sum()) for name, mask in gone.items()}
        return Made(made, kept, float(FLOAT_BYTES * sum(kept.values())))


def _reconstructed(job: Job, unit: Unit, level: float, made: Made, pattern: str | None) -> Made:
    """Return a unit whose weights that stay make up for the others; without a pattern, in bits.

    As `prune` does by method reconstruct. As much is left, and what is made is kept at once.
    """
    model = copy.deepcopy(job.model)
    dense = {name: torch.ones(w.shape, dtype=torch.bool) for name, w in made.weights.items()}
    n_images = min(RECONSTRUCT.calibration_images or 0, len(job.training))
    of = f"{job.kept.key} {unit.name} {level}"
    folder = hashlib.sha256(of.encode()).hexdigest()[:16]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrunescopeWarning)  # of a layer that vanishes
        reconstruct(
            pruning.Job(
                model=model, dataset=job.training, sparsity=level if pattern else 0.0,
                masks=Masks(dense), recipe=None, ignore=(), seed=job.seed, device=job.device,
                criterion=Criterion(distribution="uniform", pattern=pattern or "unstructured"),
                resume_dir=None if job.kept.folder is None else job.kept.folder / folder,
                bits={} if pattern else {"*": int(level)}, told=("distribution",),
                calibration=Calibration(job.training, n_images, seed=job.seed),
            )
        )  # fmt: skip
    return replace(made, weights={name: model.get_parameter(name).detach() for name in dense})


WAYS: Mapping[str, Callable[[str, str], Way]] = {
    "sparsity": Sparse,
    "bits": lambda _, method: Rounded(method),
    "channels": lambda _, __: Narrow(),
}
"""What levels are → the way to make weights, given the pattern of zeros, and the method."""


def way_of(kind: str, pattern: str = "unstructured", method: str = "one-shot") -> Way:
    """Return the way of a kind of level.

    Raises
    ------
    ConfigError
        A name is unknown, a pattern is given for another kind than sparsity, or the method makes
        no such levels.
    """
    if kind not in WAYS:
        raise ConfigError(one_of("kind of level", kind, WAYS))
    if kind != "sparsity" and pattern != "unstructured":
        raise ConfigError(f"pattern {pattern} is of sparsities: leave it out for {kind}")
    if method not in get_args(LayerMethod):
        raise ConfigError(one_of("method of layers", method, get_args(LayerMethod)))
    if method == "reconstruct" and "channel" in (pattern, kind.removesuffix("s")):
        raise ConfigError("reconstruct removes no channels: choose method one-shot")
    return WAYS[kind](pattern, method)


def layer_units(model: nn.Module, together: Sequence[str]) -> list[Unit]:
    """Return a unit for each layer, and for each pattern one of all layers that match it.

    A weight that layers share is one layer; of several patterns the first that matches counts.

    Raises
    ------
    ConfigError
        A pattern matches no layer.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    >>> [unit.name for unit in layer_units(model, ["[01]"])]
    ['[01]', '2']
    """
    weights = list(prunable_weights(model))
    units: dict[str, list[str]] = {}
    for weight in weights:
        name = next((one for one in together if matches(weight, one)), layer_of(weight))
        units.setdefault(name, []).append(weight)
    for pattern in together:
        if pattern not in units:
            raise ConfigError(
                one_of("layers that go together", pattern, [layer_of(name) for name in weights])
            )
    return [
        Unit(name, tuple(of), tuple(layer_of(weight) for weight in of))
        for name, of in units.items()
    ]


def _readers(model: nn.Module, group: ChannelGroup) -> list[str]:
    """Return the layers that read the channels of a group, and do not merely hand them on."""
    weights = prunable_weights(model)
    found = [
        member.layer
        for member in group.members
        if member.side == "taken"
        and f"{member.layer}.weight" in weights
        and not is_depthwise(model.get_submodule(member.layer))
    ]
    return list(dict.fromkeys(found))

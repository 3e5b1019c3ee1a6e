"""The composition: score × distribution × pattern → masks, and what holds them in training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from prunescope.errors import (
    CheckpointError,
    ConfigError,
    PrunescopeWarning,
    TrainingError,
    one_of,
    shorten,
)
from prunescope.pruning.calibration import Calibration
from prunescope.pruning.distributions import DISTRIBUTIONS, Distribution, PerLayer
from prunescope.pruning.layers import layer_of, outputs_first
from prunescope.pruning.masks import Masks
from prunescope.pruning.patterns import PATTERNS
from prunescope.pruning.schedules import Schedule
from prunescope.pruning.scores import GROUP_SCORES, SCORES, ScoreInputs
from prunescope.pruning.sparsity import check_sparsity, count_kept
from prunescope.training import Callback, LoopState, Processes


@dataclass(frozen=True)
class Criterion:
    """What decides which weights are kept.

    Parameters
    ----------
    score, distribution, pattern : str
        Keys of `SCORES`, `DISTRIBUTIONS` and `PATTERNS`.
    seed : int
        Of scores that draw random numbers.
    per_layer : PerLayer, optional
        Sparsities of single layers; takes the place of the distribution.
    calibration : Calibration, optional
        Images for scores that look at gradients.

    Raises
    ------
    ConfigError
        A name is unknown, or two choices exclude each other.

    Examples
    --------
    >>> model = nn.Linear(4, 1)
    >>> _ = model.weight.data.copy_(torch.tensor([[1.0, -4.0, 3.0, 2.0]]))
    >>> Criterion().update(model, Masks.dense(model), sparsity=0.5)["weight"]
    tensor([[False,  True,  True, False]])
    """

    score: str = "magnitude"
    distribution: str = "global"
    pattern: str = "unstructured"
    seed: int = 0
    per_layer: PerLayer | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        for axis, choices in (
            ("score", SCORES),
            ("distribution", DISTRIBUTIONS),
            ("pattern", PATTERNS),
        ):
            value = getattr(self, axis)
            if value not in choices:
                raise ConfigError(one_of(axis, value, choices))
        fixed = ":" in self.pattern
        if fixed and (self.per_layer or self.distribution == "erk"):
            raise ConfigError(
                f"pattern {self.pattern} prunes every layer alike: leave out sparsities of single "
                "layers, and choose distribution 'global' or 'uniform'"
            )
        if self.score in GROUP_SCORES and self.pattern != "unstructured":
            raise ConfigError(
                f"score {self.score} ranks weights one by one, so that their sums over pattern "
                f"{self.pattern} mean nothing: choose pattern 'unstructured', or another score"
            )

    def check(self, masks: Masks, sparsity: float, model: nn.Module) -> None:
        """Raise a ConfigError if layers of a model cannot be pruned so, to this sparsity."""
        lying = outputs_first(masks, model)
        shapes = {name: tuple(mask.shape) for name, mask in lying.items()}
        PATTERNS[self.pattern].check(shapes, sparsity)
        units = self._units(lying)
        self._share_out(units, count_kept(_total(units), sparsity))

    def update(self, model: nn.Module, masks: Masks, sparsity: float) -> Masks:
        """Return the masks of `model` at `sparsity`; the model is only read.

        Exactly `count_kept` units of the pattern (weights, where it is unstructured) of those that
        `masks` covers are kept. Weights that `masks` has pruned come last in the ranking: they
        come back only where a layer is given more weights than it has left.

        Raises
        ------
        TrainingError
            A weight is NaN or infinite.

        Warns
        -----
        PrunescopeWarning
            A layer loses its last weight.
        """
        weights = masks.check(model)
        scores = SCORES[self.score](ScoreInputs(weights, self.seed, model, self.calibration))
        for name, score in scores.items():
            if not score.isfinite().all():
                raise TrainingError(
                    f"{layer_of(name)} has weights that are NaN or infinite, which cannot be "
                    "ranked: training has diverged; lower the learning rate"
                )
            scores[name] = score.masked_fill(~masks[name].to(score.device), -torch.inf)
        scores = outputs_first(scores, model)
        units = self._units(outputs_first(masks, model))
        kept: dict[str, Tensor] = {}
        for pool in self._share_out(units, count_kept(_total(units), sparsity)):
            of_pool = [scores[name] for name in pool.layers]
            chosen = PATTERNS[self.pattern].masks(of_pool, pool.n_kept)
            kept.update(zip(pool.layers, chosen, strict=True))
        kept = outputs_first(kept, model)  # back
        updated = Masks(Processes.current().agree({name: kept[name] for name in weights}))
        warn_if_layers_vanish(masks, updated)
        return updated

    def _units(self, lying: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
        """Return the shape of each layer, outputs first, in units of the pattern."""
        pattern = PATTERNS[self.pattern]
        return {name: pattern.shape(tensor.shape) for name, tensor in lying.items()}

    @property
    def _share_out(self) -> Distribution:
        return self.per_layer or DISTRIBUTIONS[self.distribution]


class Masked(Callback):
    """Trains a model whose pruned weights stay zero.

    Parameters
    ----------
    masks : Masks
        Where to begin, such as ``Masks.dense(model)``.
    plan : str
        What the masks are made for, which tells runs apart.

    Attributes
    ----------
    masks : Masks
        The masks as of now.
    """

    def __init__(self, masks: Masks, plan: str) -> None:
        self.masks = masks
        self.plan = plan
        self._hold: RemovableHandle | None = None

    def change(self, state: LoopState, masks: Masks) -> None:
        """Hold other masks from now on; weights that go or come back start without momentum."""
        for pruned in (self.masks, masks):
            pruned.forget(state.model, state.optimizer)
        self.release()
        self.masks = masks
        self._hold = masks.hold(state.model, state.optimizer)

    def on_train_start(self, state: LoopState) -> None:
        """Zero what the masks have pruned already."""
        self._hold = self.masks.hold(state.model, state.optimizer)

    def on_train_end(self, state: LoopState) -> None:
        """Let go of the optimizer; the zeros stay."""
        self.release()
        self.masks.apply_(state.model)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the masks and what they were made for."""
        plan = torch.frombuffer(bytearray(self.plan.encode()), dtype=torch.uint8)
        return {**self.masks, _PLAN: plan}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the masks of an interrupted run.

        Raises
        ------
        CheckpointError
            That run pruned another way, so going on would give neither its result nor this one's.
        """
        plan = bytes(state[_PLAN].tolist()).decode()
        if plan != self.plan or state.keys() - {_PLAN} != self.masks.keys():
            raise CheckpointError(
                f"the run to resume prunes to {plan}, this one to {self.plan}, or other layers: "
                "resume with the settings it began with, or choose another folder"
            )
        self.masks = Masks({name: state[name] for name in self.masks})

    def release(self) -> None:
        """Let go of the optimizer; the model stays as it is."""
        if self._hold is not None:
            self._hold.remove()
            self._hold = None


class PruneOnSchedule(Masked):
    """Prunes a model while it trains: updates the masks on a schedule and holds them in between.

    Parameters
    ----------
    masks : Masks
        Where to begin, such as ``Masks.dense(model)``.
    sparsity : float
        The target, in [0, 1).
    schedule : Schedule
    criterion : Criterion

    Attributes
    ----------
    updates : dict
        Step → sparsity from that step on, once training has started.

    Raises
    ------
    ConfigError
        The sparsity makes no sense; or, as training starts, it is too short for the schedule.
    """

    def __init__(
        self, masks: Masks, sparsity: float, schedule: Schedule, criterion: Criterion
    ) -> None:
        super().__init__(masks, f"sparsity {sparsity} by {schedule} and {criterion}")
        self.sparsity = check_sparsity(sparsity)
        self.schedule = schedule
        self.criterion = criterion
        self.updates: dict[int, float] = {}

    def on_train_start(self, state: LoopState) -> None:
        """Resolve the schedule to steps; zero what the masks have pruned already."""
        self.updates = self.schedule.updates(self.sparsity, state.total_steps)
        super().on_train_start(state)

    def on_step_start(self, state: LoopState) -> None:
        """Update the masks if the schedule says so."""
        sparsity = self.updates.get(state.step)
        if sparsity is not None:
            self.change(state, self.criterion.update(state.model, self.masks, sparsity))


_PLAN = "plan"


def _total(shapes: dict[str, tuple[int, ...]]) -> int:
    """Return the number of units in all layers."""
    return sum(prod(shape) for shape in shapes.values())


def warn_if_layers_vanish(before: Masks, after: Masks) -> None:
    """Warn of layers that lost their last weight."""
    gone = [layer_of(name) for name in after if before[name].any() and not after[name].any()]
    if gone:
        warnings.warn(
            f"pruning to sparsity {after.sparsity:.4g} leaves no weight of {shorten(gone)}: what "
            "enters there is lost; prune less, spread the weights with distribution='erk', or "
            "keep these layers with ignore",
            PrunescopeWarning,
            stacklevel=3,
        )

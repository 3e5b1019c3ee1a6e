"""The composition: score × distribution × pattern → masks, and with a schedule a callback."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

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
from prunescope.pruning.distributions import DISTRIBUTIONS
from prunescope.pruning.layers import layer_of
from prunescope.pruning.masks import Masks
from prunescope.pruning.patterns import PATTERNS
from prunescope.pruning.schedules import Schedule
from prunescope.pruning.scores import SCORES, ScoreInputs
from prunescope.pruning.sparsity import check_sparsity, count_kept
from prunescope.training import Callback, TrainState


@dataclass(frozen=True)
class Criterion:
    """What decides which weights are kept.

    Parameters
    ----------
    score, distribution, pattern : str
        Keys of `SCORES`, `DISTRIBUTIONS` and `PATTERNS`.
    seed : int
        Of scores that draw random numbers.

    Raises
    ------
    ConfigError
        A name is unknown.

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

    def __post_init__(self) -> None:
        for axis, choices in (
            ("score", SCORES),
            ("distribution", DISTRIBUTIONS),
            ("pattern", PATTERNS),
        ):
            value = getattr(self, axis)
            if value not in choices:
                raise ConfigError(one_of(axis, value, choices))

    def update(self, model: nn.Module, masks: Masks, sparsity: float) -> Masks:
        """Return the masks of `model` at `sparsity`; the model is only read.

        Exactly `count_kept` weights of those that `masks` covers are kept. Weights that `masks`
        has pruned come last in the ranking: they come back only where a layer is given more
        weights than it has left.

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
        scores = SCORES[self.score](ScoreInputs(weights, self.seed))
        for name, score in scores.items():
            if not score.isfinite().all():
                raise TrainingError(
                    f"{layer_of(name)} has weights that are NaN or infinite, which cannot be "
                    "ranked: training has diverged; lower the learning rate"
                )
            scores[name] = score.masked_fill(~masks[name].to(score.device), -torch.inf)
        shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        kept: dict[str, Tensor] = {}
        for pool in DISTRIBUTIONS[self.distribution](shapes, count_kept(masks.n_weights, sparsity)):
            chosen = PATTERNS[self.pattern]([scores[name] for name in pool.layers], pool.n_kept)
            kept.update(zip(pool.layers, chosen, strict=True))
        updated = Masks({name: kept[name] for name in weights})
        _warn_if_layers_vanish(masks, updated)
        return updated


class Pruner(Callback):
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
    masks : Masks
        The masks as of now.

    Raises
    ------
    ConfigError
        The sparsity makes no sense; or, as training starts, it is too short for the schedule.
    """

    def __init__(
        self, masks: Masks, sparsity: float, schedule: Schedule, criterion: Criterion
    ) -> None:
        self.masks = masks
        self.sparsity = check_sparsity(sparsity)
        self.schedule = schedule
        self.criterion = criterion
        self._updates: dict[int, float] = {}
        self._hold: RemovableHandle | None = None

    def on_train_start(self, state: TrainState) -> None:
        """Resolve the schedule to steps; zero what the masks have pruned already."""
        self._updates = self.schedule.updates(self.sparsity, state.total_steps)
        self._hold = self.masks.hold(state.model, state.optimizer)

    def on_step_start(self, state: TrainState) -> None:
        """Update the masks if the schedule says so."""
        if state.step in self._updates:
            self.masks = self.criterion.update(state.model, self.masks, self._updates[state.step])
            self._release()
            self._hold = self.masks.hold(state.model, state.optimizer)

    def on_train_end(self, state: TrainState) -> None:
        """Let go of the optimizer; the zeros stay."""
        self._release()
        self.masks.apply_(state.model)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the masks and what they were made for."""
        plan = torch.frombuffer(bytearray(self._plan().encode()), dtype=torch.uint8)
        return {**self.masks, _PLAN: plan}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the masks of an interrupted run.

        Raises
        ------
        CheckpointError
            That run pruned another way, so going on would give neither its result nor this one's.
        """
        plan = bytes(state[_PLAN].tolist()).decode()
        if plan != self._plan() or state.keys() - {_PLAN} != self.masks.keys():
            raise CheckpointError(
                f"the run to resume prunes to {plan}, this one to {self._plan()}, or other layers: "
                "resume with the settings it began with, or choose another folder"
            )
        self.masks = Masks({name: state[name] for name in self.masks})

    def _plan(self) -> str:
        return f"sparsity {self.sparsity} by {self.schedule} and {self.criterion}"

    def _release(self) -> None:
        if self._hold is not None:
            self._hold.remove()
            self._hold = None


_PLAN = "plan"


def _warn_if_layers_vanish(before: Masks, after: Masks) -> None:
    gone = [layer_of(name) for name in after if before[name].any() and not after[name].any()]
    if gone:
        warnings.warn(
            f"pruning to sparsity {after.sparsity:.4g} leaves no weight of {shorten(gone)}: what "
            "enters there is lost; prune less, spread the weights with distribution='erk', or "
            "keep these layers with ignore",
            PrunescopeWarning,
            stacklevel=3,
        )

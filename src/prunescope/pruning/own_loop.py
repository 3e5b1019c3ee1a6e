"""`Pruner`: pruning in a training loop of one's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from prunescope.errors import CheckpointError, ConfigError, PrunescopeWarning, shorten
from prunescope.models import check_float, computed_weights, plain
from prunescope.pruning.layers import layer_of
from prunescope.pruning.masks import Masks
from prunescope.pruning.methods.gradual import FROM_TRAINED
from prunescope.pruning.pruner import Criterion, PruneOnSchedule
from prunescope.pruning.refilled import refilled_alone, stay_dense
from prunescope.pruning.schedules import Schedule
from prunescope.pruning.unwrap import check_trained, network_of, optimizer_of
from prunescope.training import LoopState

MAGNITUDE = Criterion()


class Pruner:
    """Prunes a model while a loop of one's own trains it, by three calls.

    Masks change on a schedule and are held in between: what is pruned is zero after every step of
    the optimizer, whatever its momentum and weight decay, and has no gradient, so that it does not
    count when gradients are clipped. The loop, the data and the loss are the caller's. Given what
    `train` is given, the masks are the same to the last bit.

    Steps are those that the optimizer makes: not micro-batches whose gradients are gathered, nor
    steps that a `GradScaler` skips.

    Parameters
    ----------
    model : torch.nn.Module
        On its device; compiled, in `DataParallel` or in `DistributedDataParallel` as well.
    optimizer : torch.optim.Optimizer
        Trains all weights that are pruned; accelerate's and Lightning's wrappers are seen through.
    sparsity : float
        The target, in [0, 1).
    steps : int
        How many steps the optimizer will make.
    schedule : Schedule
        Default: that of method ``gmp-pt``, for a trained model.
    criterion : Criterion
        Which weights go; default: the smallest anywhere.
    ignore : str or sequence of str
        Names or shell patterns of layers to leave dense.

    Raises
    ------
    ConfigError
        A choice makes no sense, there are too few steps for the schedule, no layer can be pruned,
        weights are sharded or computed from others (``weight_norm``), or the optimizer does not
        train them.

    Warns
    -----
    PrunescopeWarning
        A layer computes with other weights than its own, which leaves it dense.

    Examples
    --------
    >>> from prunescope.pruning import OneShot
    >>> model = nn.Linear(4, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> pruner = Pruner(model, optimizer, sparsity=0.5, steps=3, schedule=OneShot())
    >>> for _ in range(3):
    ...     pruner.step()
    ...     model(torch.ones(2, 4)).sum().backward()
    ...     optimizer.step()
    >>> pruner.finish()
    Masks(1 layer, 2 of 4 weights kept, sparsity 0.5)
    >>> int((model.weight == 0).sum())
    2
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        sparsity: float,
        steps: int,
        schedule: Schedule = FROM_TRAINED,
        criterion: Criterion = MAGNITUDE,
        ignore: str | Sequence[str] = (),
    ) -> None:
        if steps < 1:
            raise ConfigError(f"steps is {steps}: expected how many the optimizer will make")
        if criterion.pattern == "channel" and not ignore:
            raise ConfigError(
                "pattern channel would remove answers of the model with the channels of its last "
                "layer: name that layer in ignore"
            )
        network = network_of(model)
        check_float(network, "to prune")
        masks = _all_kept(network, [ignore] if isinstance(ignore, str) else ignore)
        criterion.check(masks, sparsity, network)
        weights = masks.check(network)
        optimizer = optimizer_of(optimizer)
        check_trained(weights, optimizer)
        self._loop = LoopState(network, optimizer, 0, steps)
        self._last_seen = -1
        self._pruned: dict[int, Tensor] = {}
        self._on_schedule = PruneOnSchedule(masks, sparsity, schedule, criterion)
        self._on_schedule.on_train_start(self._loop)
        self._hooks = [
            optimizer.register_step_post_hook(self._count),
            *(
                weight.register_post_accumulate_grad_hook(self._mask_gradient)  # type: ignore[no-untyped-call]
                for weight in weights.values()
                if weight.requires_grad
            ),
        ]

    @property
    def masks(self) -> Masks:
        """The masks as of now."""
        return self._on_schedule.masks

    @property
    def model(self) -> nn.Module:
        """The network that is pruned, out of its wrappers."""
        return self._loop.model

    @property
    def n_steps(self) -> int:
        """Steps that the optimizer has made."""
        return self._loop.step

    def step(self) -> None:
        """Change the masks if the schedule says so; call it before each forward pass.

        Between two steps of the optimizer, further calls do nothing.

        Raises
        ------
        TrainingError
            A weight is NaN or infinite.
        """
        before = self.masks
        for number in range(self._last_seen + 1, self.n_steps + 1):
            self._on_schedule.on_step_start(replace(self._loop, step=number))
        self._last_seen = self.n_steps
        if self.masks is not before:
            self._mask_gradients()

    def apply_(self, model: nn.Module) -> None:
        """Set to zero what is pruned in another model of the same layers, such as an average.

        An average over steps holds a rest of each weight that was pruned on the way.

        Raises
        ------
        CheckpointError
            It is of another architecture.
        """
        self.masks.apply_(network_of(model))

    def finish(self) -> Masks:
        """Let go of the model and the optimizer, and return the masks; the zeros stay.

        Warns
        -----
        PrunescopeWarning
            Training ended before the schedule did.
        """
        self.release()
        self._on_schedule.on_train_end(self._loop)
        left = [step for step in self._on_schedule.updates if step > self._last_seen]
        if left:
            warnings.warn(
                f"the masks are at sparsity {self.masks.sparsity:.4g} instead of "
                f"{self._on_schedule.sparsity}: the optimizer has made {self.n_steps} of "
                f"{self._loop.total_steps} steps, and {len(left)} mask updates were to come; give "
                "steps as the optimizer makes them, and call step() before each forward pass",
                PrunescopeWarning,
                stacklevel=2,
            )
        return self.masks

    def release(self) -> None:
        """Let go of the model and the optimizer as they are, as where training was given up."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._on_schedule.release()

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that is needed to resume, beside the model's and the optimizer's own."""
        counts = torch.tensor([self.n_steps, self._last_seen, self._loop.total_steps])
        return {**self._on_schedule.state_dict(), _STEPS: counts}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where `state_dict` was taken.

        The model and the optimizer are loaded by their own methods, before or after.

        Raises
        ------
        CheckpointError
            It is the state of something else, or of a run that pruned another way.
        """
        missing = {_STEPS, *self._on_schedule.state_dict()} - state.keys()
        if missing:
            raise CheckpointError(
                f"the state to resume from lacks {shorten(sorted(missing))}: expected what "
                "Pruner.state_dict returned for the same layers"
            )
        step, last_seen, total = state[_STEPS].tolist()
        if total != self._loop.total_steps:
            raise CheckpointError(
                f"the run to resume has {total} steps, this one {self._loop.total_steps}, and the "
                f"schedule depends on them: give steps={total}"
            )
        self._on_schedule.load_state_dict({k: v for k, v in state.items() if k != _STEPS})
        self._on_schedule.change(self._loop, self.masks)
        self._loop.step, self._last_seen = step, last_seen
        self._mask_gradients()

    def _count(self, optimizer: Optimizer, *_: Any) -> None:  # noqa: ANN401
        # Fused optimizers are called by a GradScaler even where they are to skip the step.
        overflow = getattr(optimizer, "found_inf", None)
        if overflow is None or not overflow.item():
            self._loop.step += 1

    def _mask_gradients(self) -> None:
        """Follow the masks."""
        weights = self.masks.check(self._loop.model)
        self._pruned = {
            id(weight): (~self.masks[name]).to(weight.device) for name, weight in weights.items()
        }

    def _mask_gradient(self, weight: Tensor) -> None:
        pruned = self._pruned.get(id(weight))
        if pruned is not None and weight.grad is not None:
            weight.grad.masked_fill_(pruned, 0)


_STEPS = "steps"


def _all_kept(network: nn.Module, ignore: Sequence[str]) -> Masks:
    """Return masks of all weights in which zeros would stay."""
    masks = Masks.dense(plain(network), ignore)
    computed = {name: how for name, how in computed_weights(network).items() if name in masks}
    if computed:
        raise ConfigError(
            f"{shorten(map(layer_of, computed), 3)}: the weights are computed by "
            f"{shorten(dict.fromkeys(computed.values()))}, so zeros would not stay in them: train "
            "prunescope.models.fold(model) instead, and make the optimizer of that one's "
            "parameters; or name these layers in ignore"
        )
    refilled = stay_dense(refilled_alone(network, masks))
    return Masks.dense(plain(network), [*ignore, *refilled]) if refilled else masks

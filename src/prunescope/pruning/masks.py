"""Masks: which weights of a model are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from prunescope.errors import CheckpointError, ConfigError, one_of
from prunescope.files import replacing
from prunescope.inputs import read_safetensors
from prunescope.models import fold, plain, torch_masks
from prunescope.pruning.layers import layer_of, prunable_weights


class Masks(Mapping[str, Tensor]):
    """For each weight tensor that may be pruned, which of its weights are kept.

    A mapping from the name of the parameter (``layer1.conv.weight``) to a boolean tensor of its
    shape on the CPU, True where the weight is kept. It never changes; a new state is a new object.
    Masks are separate from the model, which stays what it was: the same classes, parameters and
    buffers, with zeros where weights are pruned. So it can be copied, saved and exported as any.

    Parameters
    ----------
    masks : mapping of str to bool tensor

    Raises
    ------
    ConfigError
        There is no mask, or one is not boolean.

    Examples
    --------
    >>> masks = Masks({"fc.weight": torch.tensor([[True, False, False, True]])})
    >>> masks
    Masks(1 layer, 2 of 4 weights kept, sparsity 0.5)
    >>> model = nn.Sequential()
    >>> model.fc = nn.Linear(4, 1)
    >>> masks.apply_(model)
    >>> (model.fc.weight == 0).tolist()
    [[False, True, True, False]]
    """

    def __init__(self, masks: Mapping[str, Tensor]) -> None:
        if not masks:
            raise ConfigError("masks are empty: expected one for each layer that may be pruned")
        for name, mask in masks.items():
            if mask.dtype != torch.bool:
                raise ConfigError(
                    f"the mask of {name} holds {mask.dtype}: expected torch.bool, True where kept"
                )
        self._masks = {name: mask.detach().cpu().contiguous() for name, mask in masks.items()}

    @classmethod
    def dense(cls, model: nn.Module, ignore: str | Sequence[str] = ()) -> Masks:
        """Return masks that keep every weight of every layer that may be pruned.

        Weights that a layer computes from others (``weight_norm``) are not among them until the
        model is folded: ``what_stays_dense(model)`` names them, and `prune` folds by itself.

        `ignore` and the errors are those of `prunable_weights`.
        """
        weights = prunable_weights(model, ignore)
        return cls({name: torch.ones(w.shape, dtype=torch.bool) for name, w in weights.items()})

    @classmethod
    def of(cls, model: nn.Module, ignore: str | Sequence[str] = ()) -> Masks:
        """Return the masks of a model that another tool pruned.

        Where ``torch.nn.utils.prune`` holds a mask, that is it; elsewhere, the weights that are
        exactly 0 count as pruned. They go by the names that the weights have once the model is
        folded: ``fold(model)`` is what `apply_`, `hold` and training take. A network that
        Torch-Pruning made narrower has no masks of what is gone: `count_left` counts it beside the
        dense one.

        `ignore` and the errors are those of `prunable_weights`.

        Examples
        --------
        >>> from torch.nn.utils import prune
        >>> layer = prune.l1_unstructured(nn.Linear(4, 1), "weight", amount=3)
        >>> Masks.of(layer)
        Masks(1 layer, 1 of 4 weights kept, sparsity 0.75)
        """
        held = torch_masks(model)
        weights = prunable_weights(plain(model), ignore)
        return cls({name: held.get(name, weight != 0) for name, weight in weights.items()})

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __eq__(self, other: object) -> bool:
        """Tell whether the same weights of the same layers are kept."""
        if not isinstance(other, Masks):
            return NotImplemented
        return self.keys() == other.keys() and all(
            torch.equal(mask, other[name]) for name, mask in self.items()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        layers = "1 layer" if len(self) == 1 else f"{len(self)} layers"
        kept = f"{self.n_kept:,} of {self.n_weights:,} weights kept"
        return f"Masks({layers}, {kept}, sparsity {self.sparsity:.6g})"

    @property
    def n_weights(self) -> int:
        """Number of weights that may be pruned."""
        return sum(mask.numel() for mask in self.values())

    @property
    def n_kept(self) -> int:
        """Number of weights that are kept."""
        return sum(int(mask.sum()) for mask in self.values())

    @property
    def sparsity(self) -> float:
        """Share of the prunable weights that are pruned, in [0, 1]."""
        return 1 - self.n_kept / self.n_weights

    def report(self) -> list[dict[str, Any]]:
        """Return one row per layer: layer, shape, weights, kept, sparsity.

        Examples
        --------
        >>> Masks({"fc.weight": torch.tensor([[True, False]])}).report()
        [{'layer': 'fc', 'shape': (1, 2), 'weights': 2, 'kept': 1, 'sparsity': 0.5}]
        """
        return [
            {
                "layer": layer_of(name),
                "shape": tuple(mask.shape),
                "weights": mask.numel(),
                "kept": (kept := int(mask.sum())),
                "sparsity": 1 - kept / mask.numel(),
            }
            for name, mask in self.items()
        ]

    def check(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """Return the weights that the masks are for, by name, in the order of the model.

        Raises
        ------
        CheckpointError
            The model lacks one of them or has it in another shape.
        """
        parameters = dict(model.named_parameters())
        for name, mask in self.items():
            if name not in parameters:
                problem = one_of("weight", name, parameters)
                raise CheckpointError(f"the masks belong to another architecture: {problem}")
            expected, found = tuple(mask.shape), tuple(parameters[name].shape)
            if expected != found:
                raise CheckpointError(
                    f"the masks belong to another architecture: {name} has shape {found} "
                    f"and its mask {expected}"
                )
        return {name: weight for name, weight in parameters.items() if name in self}

    @torch.no_grad()
    def apply_(self, model: nn.Module) -> None:
        """Set the pruned weights of `model` to zero, in place.

        Raises
        ------
        CheckpointError
            The masks belong to another architecture.
        """
        for name, weight in self.check(model).items():
            # Not a product: that would leave −0, which compresses badly, and NaN.
            weight.masked_fill_(~self[name].to(weight.device), 0)

    @torch.no_grad()
    def hold(self, model: nn.Module, optimizer: Optimizer) -> RemovableHandle:
        """Keep the pruned weights of `model` at zero while `optimizer` trains it.

        They are set to zero now and after every step of the optimizer, whatever its momentum and
        weight decay.

        Returns
        -------
        RemovableHandle
            Its ``remove()`` ends this.

        Raises
        ------
        CheckpointError
            The masks belong to another architecture.

        Examples
        --------
        >>> model = nn.Linear(2, 1, bias=False)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> handle = Masks({"weight": torch.tensor([[True, False]])}).hold(model, optimizer)
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
        >>> (model.weight == 0).tolist()
        [[False, True]]
        """
        self.apply_(model)
        named = self.check(model)
        weights: list[Tensor] = list(named.values())
        # One product with masks of the weights' own type and memory layout is several times
        # cheaper than filling by boolean masks.
        kept = [torch.empty_like(weight).copy_(self[name]) for name, weight in named.items()]

        @torch.no_grad()
        def hold_at_zero(*_: Any) -> None:  # noqa: ANN401
            torch._foreach_mul_(weights, kept)

        return optimizer.register_step_post_hook(hold_at_zero)

    @torch.no_grad()
    def forget(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Set to zero what `optimizer` remembers of pruned weights: momentum, Adam's moments.

        It gathers gradients of them all the while; weights that come back must not move by these.
        """
        for name, weight in self.check(model).items():
            for moment in optimizer.state.get(weight, {}).values():
                if isinstance(moment, Tensor) and moment.shape == weight.shape:
                    moment.masked_fill_(~self[name].to(moment.device), 0)

    def save(self, path: str | Path) -> None:
        """Write the masks as a safetensors file; `path` is replaced only once it is complete."""
        with replacing(Path(path)) as beside:
            save_file(self._masks, beside)

    @classmethod
    def load(cls, path: str | Path) -> Masks:
        """Read what `save` wrote; layers come in alphabetical order.

        Raises
        ------
        CheckpointError
            The file is absent, damaged, or holds something else than masks.
        """
        try:
            return cls(read_safetensors(Path(path), "pt")[0])
        except (OSError, ValueError, ConfigError) as error:
            raise CheckpointError(
                f"cannot read masks from {path}: {error}; expected a file that Masks.save wrote"
            ) from error


def strip(model: nn.Module, masks: Masks) -> nn.Module:
    """Return a copy of `model` that stands alone, with its pruned weights baked in as zeros.

    The copy has no tie to the masks or to a training run: no hook, no gradient, every weight a
    plain parameter. Anything may follow, such as export, or training all weights again.

    Raises
    ------
    CheckpointError
        The masks belong to another architecture.

    Examples
    --------
    >>> dense = nn.Linear(2, 1)
    >>> sparse = strip(dense, Masks({"weight": torch.tensor([[True, False]])}))
    >>> (sparse.weight == 0).tolist(), (dense.weight == 0).any().item()
    ([[False, True]], False)
    """
    stripped = fold(model)
    masks.apply_(stripped)
    return stripped

"""What the outputs of a model of transformers stand for, and the data's order of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from prunescope.data.samples import Task
from prunescope.errors import ConfigError, shorten

PROBLEM_TYPES: dict[Task, Literal["multi_label_classification", "single_label_classification"]] = {
    "multilabel": "multi_label_classification",
    "multiclass": "single_label_classification",
}
"""What transformers calls the tasks."""

GENERIC = re.compile(r"LABEL_\d+")
"""The names that transformers gives to outputs that nobody named."""


def names_of_outputs(config: PretrainedConfig) -> tuple[str, ...] | None:
    """Return the names of the outputs in their order; None if nobody named them.

    Raises
    ------
    ConfigError
        They are not numbered from 0, or one stands twice.

    Examples
    --------
    >>> from transformers import ResNetConfig
    >>> names_of_outputs(ResNetConfig(id2label={1: "Bald", 0: "Smiling"}))
    ('Smiling', 'Bald')
    >>> names_of_outputs(ResNetConfig(num_labels=2))
    """
    named: dict[Any, Any] = dict(config.id2label or {})
    if sorted(named) != list(range(len(named))):
        raise ConfigError(
            f"id2label numbers its outputs {shorten(sorted(named))}: expected 0, 1, 2, ..."
        )
    names = tuple(str(named[index]) for index in range(len(named)))
    if all(GENERIC.fullmatch(name) for name in names):
        return None
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ConfigError(f"id2label has {shorten(twice)} more than once: expected one name each")
    return names


def task_of(config: PretrainedConfig) -> Task | None:
    """Return whether the outputs exclude each other; None if nobody said.

    Examples
    --------
    >>> from transformers import ResNetConfig
    >>> task_of(ResNetConfig(problem_type="single_label_classification"))
    'multiclass'
    >>> task_of(ResNetConfig())
    """
    problem = getattr(config, "problem_type", None)
    return next((task for task, name in PROBLEM_TYPES.items() if name == problem), None)


def order_of(has: Sequence[str], asked: Sequence[str]) -> list[int] | None:
    """Return the place of each name that is asked for among those that are there.

    Case, and whether words are parted by spaces, ``_`` or ``-``, may differ, if no two names are
    alike then. None unless both are the same names.

    Examples
    --------
    >>> order_of(["Smiling", "Bald"], ["Bald", "Smiling"])
    [1, 0]
    >>> order_of(["no beard", "bald"], ["Bald", "No_Beard"])
    [1, 0]
    >>> order_of(["Smiling"], ["Bald"])
    """
    for form in (str, _plain):
        places = {form(name): place for place, name in enumerate(has)}
        wanted = [form(name) for name in asked]
        if len(places) == len(has) and sorted(places) == sorted(wanted):
            return [places[name] for name in wanted]
    return None


def rows_of_labels(network: PreTrainedModel) -> dict[str, int]:
    """Return the weights that grow with the number of outputs, and in which dimension.

    Found by building the same network with one output more, without memory.
    """
    config = copy.deepcopy(network.config)
    config.num_labels = (network.config.num_labels or 0) + 1
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        wider = type(network)(config).state_dict()
    found = {}
    for name, tensor in network.state_dict().items():
        pairs = zip(tensor.shape, wider[name].shape, strict=True)
        grown = [dim for dim, (before, after) in enumerate(pairs) if before != after]
        if grown:
            found[name] = grown[0]
    return found


@torch.no_grad()
def reorder_outputs(network: PreTrainedModel, order: list[int], images: Tensor) -> None:
    """Put the outputs of a network into another order, by its weights.

    Parameters
    ----------
    network : PreTrainedModel
        In evaluation mode.
    order : list of int
        For each new place the old one.
    images : tensor
        An input, to see that it worked.

    Raises
    ------
    ConfigError
        Its weights do not tell its outputs apart.
    """
    before = network(images).logits
    state = network.state_dict()
    for name, dim in rows_of_labels(network).items():
        if state[name].shape[dim] == len(order):
            state[name].copy_(state[name].index_select(dim, torch.tensor(order)))
    if not torch.allclose(network(images).logits, before[:, order], rtol=1e-4, atol=1e-5):
        raise ConfigError(
            f"the outputs of {type(network).__name__} cannot be put into another order: name the "
            "attributes in the model's own"
        )


def _plain(name: str) -> str:
    """Return a name without what spelling may change."""
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))

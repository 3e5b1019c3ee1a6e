"""How the weights that are kept are shared out among the layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TypeAlias


@dataclass(frozen=True)
class Pool:
    """Layers whose weights compete with each other, and how many of these weights are kept."""

    layers: tuple[str, ...]
    n_kept: int


Distribution: TypeAlias = Callable[[Mapping[str, Sequence[int]], int], list[Pool]]
"""Turns the shape of each layer and a total into pools whose `n_kept` add up to that total."""


def everywhere(shapes: Mapping[str, Sequence[int]], n_kept: int) -> list[Pool]:
    """Let all layers compete in one pool: what a layer keeps depends on its scores alone.

    Examples
    --------
    >>> everywhere({"a": (4, 2), "b": (2,)}, 5)
    [Pool(layers=('a', 'b'), n_kept=5)]
    """
    return [Pool(tuple(shapes), n_kept)]


def uniform(shapes: Mapping[str, Sequence[int]], n_kept: int) -> list[Pool]:
    """Keep the same share of every layer.

    Examples
    --------
    >>> uniform({"a": (4, 2), "b": (2,)}, 5)
    [Pool(layers=('a',), n_kept=4), Pool(layers=('b',), n_kept=1)]
    """
    share = Fraction(n_kept, sum(prod(shape) for shape in shapes.values()))
    return _round({layer: share * prod(shape) for layer, shape in shapes.items()})


def erk(shapes: Mapping[str, Sequence[int]], n_kept: int) -> list[Pool]:
    """Keep a share ε · Σ(shape) / Π(shape) of each layer: the Erdős–Rényi-kernel rule.

    Small and narrow layers stay denser. A layer whose share would exceed 1 is kept whole, and
    ε grows for the others until the total is exact.

    References
    ----------
    Evci et al., "Rigging the Lottery", ICML 2020, section 3.

    Examples
    --------
    >>> erk({"a": (2, 2), "b": (10, 10)}, 54)
    [Pool(layers=('a',), n_kept=4), Pool(layers=('b',), n_kept=50)]
    """
    sizes = {layer: prod(shape) for layer, shape in shapes.items()}
    # The rule gives each layer ε · Σ(shape) weights; ε only ever grows, so a layer that is full
    # stays full.
    kept: dict[str, Fraction] = {}
    while True:
        rest = [layer for layer in shapes if layer not in kept]
        left = n_kept - sum(kept.values())
        scale = Fraction(left) / max(sum(sum(shapes[layer]) for layer in rest), 1)
        full = [layer for layer in rest if scale * sum(shapes[layer]) > sizes[layer]]
        if not full:
            break
        kept |= {layer: Fraction(sizes[layer]) for layer in full}
    kept |= {layer: scale * sum(shapes[layer]) for layer in rest}
    return _round({layer: kept[layer] for layer in shapes})


DISTRIBUTIONS: dict[str, Distribution] = {"global": everywhere, "uniform": uniform, "erk": erk}


def _round(kept: Mapping[str, Fraction]) -> list[Pool]:
    """Round to whole weights with the same total: the largest remainders go up, earlier first."""
    floors = {layer: int(share) for layer, share in kept.items()}
    n_left = int(sum(kept.values())) - sum(floors.values())
    by_remainder = sorted(kept, key=lambda layer: floors[layer] - kept[layer])
    for layer in by_remainder[:n_left]:
        floors[layer] += 1
    return [Pool((layer,), n) for layer, n in floors.items()]

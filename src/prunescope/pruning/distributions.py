"""How what is kept is shared out among the layers, in units of the pattern: mostly weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TypeAlias

from prunescope.errors import ConfigError, one_of
from prunescope.pruning.layers import layer_of, matches
from prunescope.pruning.sparsity import check_sparsity


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
    return _round({layer: share * prod(shape) for layer, shape in shapes.items()}, n_kept)


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
    return _round({layer: kept[layer] for layer in shapes}, n_kept)


@dataclass(frozen=True)
class PerLayer:
    """Some layers have sparsities of their own; the others share the rest evenly.

    On the way to the target each layer is as far on its way as the whole.

    Parameters
    ----------
    sparsities : tuple of (str, float)
        Layer, by name or shell pattern, and its sparsity in [0, 1); of several patterns that match
        a layer the first counts.
    target : float
        The sparsity of the whole.

    Examples
    --------
    >>> half = PerLayer((("a", 0.5),), target=0.5)
    >>> half({"a.weight": (4, 2), "b.weight": (4,)}, 6)
    [Pool(layers=('a.weight',), n_kept=4), Pool(layers=('b.weight',), n_kept=2)]
    """

    sparsities: tuple[tuple[str, float], ...]
    target: float

    def __call__(self, shapes: Mapping[str, Sequence[int]], n_kept: int) -> list[Pool]:
        """Share out `n_kept` units.

        Raises
        ------
        ConfigError
            A pattern matches no layer, or the others cannot make up for those given.
        """
        layers = [layer_of(name) for name in shapes]
        for pattern, sparsity in self.sparsities:
            check_sparsity(sparsity)
            if not any(matches(name, pattern) for name in shapes):
                raise ConfigError(one_of("layer with a sparsity", pattern, layers))
        sizes = {name: prod(shape) for name, shape in shapes.items()}
        total, target = sum(sizes.values()), Fraction(str(self.target))
        way = (1 - Fraction(n_kept, total)) / target if target else Fraction(0)
        kept: dict[str, Fraction] = {}
        for name, size in sizes.items():
            given = self._given(name)
            if given is not None:
                kept[name] = size * (1 - way * given)
        rest = {name: size for name, size in sizes.items() if name not in kept}
        left, room = Fraction(n_kept - sum(kept.values())), sum(rest.values())
        if not -1 < left < room + 1:
            given_alone = 1 - sum(kept.values()) / total, 1 - (sum(kept.values()) + room) / total
            low, high = (f"{float(share):.4g}" for share in sorted(given_alone))
            raise ConfigError(
                f"the sparsities given to layers leave {low} to {high} for the whole, and "
                f"{float(1 - Fraction(n_kept, total)):.4g} was asked for: change one or the other"
            )
        share = min(max(left / room, Fraction(0)), Fraction(1)) if room else Fraction(0)
        kept |= {name: share * size for name, size in rest.items()}
        return _round({name: kept[name] for name in shapes}, n_kept)

    def _given(self, name: str) -> Fraction | None:
        """Return the sparsity given to a layer."""
        found = (s for pattern, s in self.sparsities if matches(name, pattern))
        sparsity = next(found, None)
        return None if sparsity is None else Fraction(str(sparsity))


DISTRIBUTIONS: dict[str, Distribution] = {"global": everywhere, "uniform": uniform, "erk": erk}


def _round(kept: Mapping[str, Fraction], n_kept: int) -> list[Pool]:
    """Round to whole units, `n_kept` in all: the largest remainders go up, earlier ones first."""
    floors = {layer: int(share) for layer, share in kept.items()}
    n_left = n_kept - sum(floors.values())
    by_remainder = sorted(kept, key=lambda layer: floors[layer] - kept[layer])
    for layer in by_remainder[:n_left]:
        floors[layer] += 1
    return [Pool((layer,), n) for layer, n in floors.items()]

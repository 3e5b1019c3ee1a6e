"""Worlds with a planted damage, drawn and not trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from prunescope.data.samples import Group, Samples
from prunescope.predictions import Metadata, Predictions


@dataclass(frozen=True)
class World:
    """A dense model, a compressed one, and who is hurt."""

    dense: Predictions
    sparse: Predictions
    hurt: NDArray[np.bool_]


def world(
    seed: int = 0, n: int = 3000, attributes: int = 4, share: float = 0.08, damage: float = 0.25,
    persons: int = 0,
) -> World:  # fmt: skip
    """Draw one: the answers to the first attribute of some samples are turned."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(n, attributes))
    labels = (seen > rng.normal(0.3, 0.6, attributes)).astype(np.int8)
    logits = 2 * (seen - 0.3) + rng.normal(size=seen.shape) * 0.8
    hurt = rng.random(n) < share
    sparse = logits + rng.normal(size=logits.shape) * 0.25
    turned = hurt & (rng.random(n) < damage)
    sparse[turned, 0] *= -1
    groups = {
        "hat": Group.from_series(pl.Series(hurt)),
        "town": Group.from_series(pl.Series(rng.choice(["a", "b", "c"], n))),
    }
    if persons:
        groups["who"] = Group.from_series(pl.Series(rng.integers(0, persons, n)))
    names = tuple(f"a{i}" for i in range(attributes))
    ids = pl.Series("id", [f"i{i}" for i in range(n)])
    samples = Samples(ids, names, labels, groups, "who" if persons else None)
    return World(
        Predictions(samples, logits, Metadata(name="dense")),
        Predictions(samples, sparse, Metadata(name="sparse")),
        hurt,
    )


@pytest.fixture(scope="package")
def planted() -> World:
    """Return a world in which people with hats are hurt."""
    return world()

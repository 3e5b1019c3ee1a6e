"""Dense models whose fate is planted."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from prunescope.data.samples import Group, Samples
from prunescope.predictions import Compression, Metadata, Predictions

RATES = (0.1, 0.3, 0.5, 0.85)
NAMES = ("Bald", "Big_Nose", "Smiling", "Young")


@pytest.fixture(scope="session")
def planted():
    """Return a function that makes a dense model, and sparse ones from logits (N, A).

    Logits of different attributes are correlated; each attribute is commoner among men.
    """

    def make(n=3000, seed=0):
        rng = np.random.default_rng(seed)
        male = rng.random(n) < 0.5
        shared = rng.normal(0, 1, (n, 1)) + 0.8 * male[:, None]
        base = np.log(np.divide(RATES, 1 - np.array(RATES)))
        logits = (1.5 * base + 2 * shared + rng.normal(0, 1.5, (n, len(RATES)))).astype(np.float32)
        labels = (logits + rng.logistic(0, 1, logits.shape) > 0).astype(np.int8)
        samples = Samples(
            ids=pl.Series([f"face-{i}" for i in range(n)]),
            attributes=NAMES,
            labels=labels,
            groups={"Male": Group.from_series(pl.Series(male))},
        )
        rates = samples.rates()
        known = {
            "train_prevalence": dict(rates.prevalence),
            "train_group_rates": {g: dict(v) for g, v in rates.group_rates.items()},
            "weights": f"digest of seed {seed}",
        }

        def pruned(sparse, name="sparse", sparsity=0.95, method="gmp-pt", kept=None, **more):
            more = {"parent": known["weights"], **more}
            how = Compression(method=method, sparsity=sparsity, weights_kept=kept)
            return Predictions(
                samples,
                np.asarray(sparse, np.float32),
                Metadata(name=name, compression=how, **more),
            )

        dense = Predictions(samples, logits, Metadata(name="dense", **known))
        return SimpleNamespace(dense=dense, rates=rates, pruned=pruned, z=logits, rng=rng)

    return make


CLASSES = ("cat", "dog", "owl", "yak")
SHARES = (0.5, 0.3, 0.15, 0.05)


@pytest.fixture(scope="session")
def classes():
    """Return a function that makes a dense model of four classes, from common to rare."""

    def make(n=3000, seed=0):
        rng = np.random.default_rng(seed)
        male = rng.random(n) < 0.5
        drawn = np.log(SHARES) + rng.normal(0, 2, (n, 4)) + 0.5 * male[:, None] * np.eye(4)[1]
        logits = drawn.astype(np.float32)
        true = (logits + rng.gumbel(0, 1, logits.shape)).argmax(axis=1)
        samples = Samples(
            ids=pl.Series([f"image-{i}" for i in range(n)]),
            attributes=CLASSES,
            labels=np.eye(4, dtype=np.int8)[true],
            groups={"Male": Group.from_series(pl.Series(male))},
            task="multiclass",
        )
        rates = samples.rates()
        known = {
            "task": "multiclass",
            "weights": f"digest of seed {seed}",
            "train_prevalence": dict(rates.prevalence),
            "train_group_rates": {g: dict(v) for g, v in rates.group_rates.items()},
        }

        def pruned(sparse, name="sparse", sparsity=0.95, method="gmp-pt"):
            how = Compression(method=method, sparsity=sparsity)
            metadata = Metadata(
                name=name, task="multiclass", compression=how, parent=known["weights"]
            )
            return Predictions(samples, np.asarray(sparse, np.float32), metadata)

        dense = Predictions(samples, logits, Metadata(name="dense", **known))
        return SimpleNamespace(dense=dense, rates=rates, pruned=pruned, z=logits, rng=rng)

    return make

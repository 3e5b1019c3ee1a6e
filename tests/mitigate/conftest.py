"""A pruned model with a bias of known size beside a dense one without."""

import numpy as np
import polars as pl
import pytest

from prunescope.data.samples import Group, Samples
from prunescope.predictions import Compression, Metadata, Predictions

SHIFT = 1.5
"""By how much the pruned model's logits on the rare attribute are too low."""
GAP = 1.0
"""By how much more they are too low where Male is false."""
HEAT = 2.0
"""By how much the pruned model is too sure on the common attribute."""


@pytest.fixture(scope="session")
def planted():
    """Return a function that draws a dense and a pruned model on a split.

    The dense model is calibrated. The pruned one shifts "rare" down by `SHIFT`, by `GAP` more for
    women; it multiplies the logits of "common" by `HEAT`, and leaves "same" as it is but for noise.
    """

    def draw(split, n=6000, women=0.5):
        rng = np.random.default_rng([7, len(split)])
        male = rng.random(n) >= women
        z = np.stack(
            [rng.normal(-2, 2.5, n), rng.normal(0, 1.5, n), rng.normal(-0.5, 2, n)], axis=1
        )
        labels = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(np.int8)
        samples = Samples(
            pl.Series([f"{split}-{i}" for i in range(n)]),
            ("rare", "common", "same"),
            labels,
            {"Male": Group.from_series(pl.Series(male))},
        )
        rates = {
            "train_prevalence": {"rare": 0.2, "common": 0.5, "same": 0.45},
            "train_group_rates": {
                "Male": {
                    "True": {"rare": 0.3, "common": 0.5, "same": 0.6},
                    "False": {"rare": 0.1, "common": 0.5, "same": 0.3},
                }
            },
        }
        pruned = z.copy()
        pruned[:, 0] -= SHIFT + GAP * ~male
        pruned[:, 1] *= HEAT
        pruned[:, 2] += rng.normal(0, 0.5, n)
        how = Compression(method="gmp-pt", sparsity=0.95)
        return (
            Predictions(samples, z.astype("f4"), Metadata(name="dense", split=split, **rates)),
            Predictions(
                samples,
                pruned.astype("f4"),
                Metadata(name="sparse", split=split, compression=how, **rates),
            ),
        )

    return draw

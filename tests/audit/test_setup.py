"""What an audit says before it counts anything."""

import numpy as np
import polars as pl
import pytest

from prunescope.audit import audit
from prunescope.audit.setup import swapped, told
from prunescope.data import Samples
from prunescope.predictions import Compression, Metadata, Predictions

TOLD = Compression(method="gmp", sparsity=0.8)
SILENT = Compression()


def settled(dense, compressed):
    """Return what is said of models whose files tell these compressions."""
    models = [Metadata(name=f"m{i}", compression=how) for i, how in enumerate(dense + compressed)]
    return swapped(told(models, len(dense))[0], len(dense))


@pytest.mark.parametrize(
    ("dense", "compressed", "asked"),
    [
        ([TOLD], [SILENT], True),
        ([Compression(method="int8", bits=8)], [SILENT], True),
        ([SILENT, TOLD], [TOLD, SILENT], True),
        ([SILENT], [TOLD], False),
        ([SILENT], [SILENT], False),
        ([TOLD], [TOLD], False),
        ([TOLD], [Compression(sparsity=0.9)], False),
    ],
)
def test_whether_dense_and_compressed_may_be_swapped(dense, compressed, asked):
    assert bool(settled(dense, compressed)) == asked


def test_who_may_be_swapped_is_named():
    (text,) = settled([TOLD], [SILENT])
    assert text.startswith(
        "Are dense and compressed swapped? Given as dense: m0 (gmp, 80% of the weights removed). "
        "Given as compressed, though its file tells of no compression: m1."
    )


def test_an_audit_warns_of_models_that_may_be_swapped():
    labels = np.tile([[1], [0]], (20, 1)).astype(np.int8)
    samples = Samples(pl.Series([str(i) for i in range(40)]), ("Bald",), labels)
    small, whole = (
        Predictions(samples, labels * 2.0 - 1, Metadata(name=name, compression=how))
        for name, how in (("small", TOLD), ("whole", SILENT))
    )
    rates = {"train_rates": samples.rates(), "replicates": 0}
    assert not audit(whole, small, **rates).info.warnings
    assert "swapped?" in audit(small, whole, **rates).info.warnings[0]

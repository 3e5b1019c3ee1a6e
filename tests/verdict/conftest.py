"""Audits written by hand, so that what a gate must say is known beforehand."""

import polars as pl
import pytest

from prunescope.audit import SCHEMA, Audit, AuditInfo, ModelInfo, PopulationInfo, Settings
from prunescope.predictions import Compression, Metadata

HOSTILE = "x\x1b[31m\x00</script>|`@who` #12\nhttps://a.b <!-- \ufffe"


def info_of(models, populations=(), replicates=1000):
    """Tell of compressed models beside one dense one."""
    told = [ModelInfo(name="dense", baseline=None, metadata=Metadata(name="dense"))]
    for name in models:
        how = Compression(method="gmp", sparsity=0.9)
        metadata = Metadata(name=name, compression=how)
        told.append(ModelInfo(name=name, baseline="dense", metadata=metadata))
    return AuditInfo(
        n_samples=1000,
        attributes=("Bald", "Smiling"),
        settings=Settings(replicates=replicates),
        models=told,
        populations=[PopulationInfo(name=n, baseline="dense", members=m) for n, m in populations],
    )


@pytest.fixture(scope="session")
def made():
    """Return a function that makes an audit of rows; what a row leaves out is usual."""

    def make(*rows, models=("sparse",), populations=(), replicates=1000):
        usual = {
            "model": models[0], "method": "gmp", "metric": "accuracy", "status": "ok", "n": 1000,
        }  # fmt: skip
        table = pl.DataFrame([usual | row for row in rows], SCHEMA)
        return Audit(table, info_of(models, populations, replicates))

    return make


ROW = {
    "value": 0.9, "low": 0.88, "high": 0.92, "delta": -0.02, "delta_low": -0.03, "delta_high": 0.01
}  # fmt: skip


@pytest.fixture(scope="session")
def row():
    """A row with a value of 0.9 (0.88 to 0.92), 0.02 (-0.01 to 0.03) below dense."""
    return ROW


@pytest.fixture(scope="session")
def hostile(made, row):
    """An audit whose every name tries to break what shows it, and a policy for it."""
    group = {"group": HOSTILE, "group_value": HOSTILE}
    rows = [{**row, "attribute": HOSTILE, **group}, {"attribute": "Bald", "status": "undefined"}]
    return made({**rows[0]}, {**rows[1], "reason": HOSTILE, **group}, models=(HOSTILE,))

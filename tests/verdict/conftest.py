"""Audits written by hand, so that what a judge must say is known beforehand."""

import polars as pl
import pytest

from prunescope.audit import SCHEMA, Audit, AuditInfo, ModelInfo, PopulationInfo, Settings
from prunescope.predictions import Compression, Metadata

HOSTILE = "x\x1b[31m\x00</script>|`@who` #12\nhttps://a.b <!-- \ufffe"


def info_of(models, populations=(), task="multilabel", shared=1.0, **settings):
    """Tell of compressed models beside one dense one."""
    dense = Metadata(name="dense", task=task)
    told = [ModelInfo(name="dense", baseline=None, metadata=dense)]
    for name in models:
        how = Compression(method="gmp", sparsity=0.9)
        metadata = Metadata(name=name, compression=how, task=task)
        told.append(ModelInfo(name=name, baseline="dense", metadata=metadata))
    return AuditInfo(
        n_samples=1000,
        shared=shared,
        attributes=("Bald", "Smiling"),
        settings=Settings(**settings),
        models=told,
        populations=[PopulationInfo(name=n, baseline="dense", members=m) for n, m in populations],
    )


@pytest.fixture(scope="session")
def made():
    """Return a function that makes an audit of rows; what a row leaves out is usual."""

    def make(*rows, models=("sparse",), populations=(), **about):
        usual = {
            "model": models[0], "method": "gmp", "metric": "accuracy", "status": "ok", "n": 1000,
            "units": 1000,
        }  # fmt: skip
        table = pl.DataFrame([usual | row for row in rows], SCHEMA)
        return Audit(table, info_of(models, populations, **about))

    return make


ROW = {
    "value": 0.9, "low": 0.88, "high": 0.92, "baseline": 0.91, "delta": -0.01, "delta_low": -0.02,
    "delta_high": 0.0, "p_value": 0.04,
}  # fmt: skip


@pytest.fixture(scope="session")
def row():
    """A row of 90% (88 to 92), one point (0 to 2) below dense."""
    return ROW


@pytest.fixture(scope="session")
def hostile(made, row):
    """An audit whose every name tries to break what shows it."""
    group = {"group": HOSTILE, "group_value": HOSTILE}
    rows = [{**row, "attribute": HOSTILE}, {"attribute": "Bald", "status": "undefined"}]
    return made({**rows[0], **group}, {**rows[1], "reason": HOSTILE, **group}, models=(HOSTILE,))

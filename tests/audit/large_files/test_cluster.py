"""Counting on a real Ray cluster of two machines, both of them processes here."""

import time

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from prunescope.audit.large_files.cluster import on_ray
from prunescope.audit.large_files.streaming import audit_files
from prunescope.errors import ConfigError, DataError
from prunescope.predictions.shards import Shards

# the warnings are Ray's own
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
FAST = {"replicates": 100, "min_support": 3, "rows": 10}


@pytest.fixture(scope="module")
def cluster(two_machines):
    with two_machines(200) as both:
        yield both


@pytest.fixture
def files(draw, tmp_path):
    """The files of a dense and a compressed model."""
    found = []
    for model in draw(2, n=400, models=2):
        model.save(tmp_path / f"{model.name}.parquet")
        found.append(Shards.scan(tmp_path / f"{model.name}.parquet"))
    return found


def test_no_cluster_at_an_address(files):
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at '127\.0\.0\.1:9'"):
        audit_files(files[:1], files[1:], engine=on_ray("127.0.0.1:9"), **FAST)


def test_an_error_on_a_machine_is_told_as_it_is_here(cluster, files, draw, tmp_path):
    machines, _ = cluster
    model = draw(2, n=400, models=2)[1]
    order = np.arange(400)
    order[[250, 251]] = order[[251, 250]]
    model.take(order).save(tmp_path / "moved.parquet")
    moved = Shards.scan(tmp_path / "moved.parquet", name="moved")
    start = time.monotonic()
    with pytest.raises(DataError, match=r"row 251 is 's250' and 's251'.*sort them by id"):
        audit_files(files[:1], [moved], engine=on_ray(machines.address), **FAST)
    assert time.monotonic() - start < 120


def test_a_cluster_gives_the_same_and_outlives_a_machine(cluster, files):
    machines, second = cluster
    here = audit_files(files[:1], files[1:], **FAST)
    killed = []

    def progress(done, of):
        if done == 5 and not killed:
            machines.remove_node(second, allow_graceful=False)
            killed.append((done, of))

    there = audit_files(
        files[:1], files[1:], engine=on_ray(machines.address), progress=progress, **FAST
    )
    assert killed == [(5, 40)]
    assert_frame_equal(there.table, here.table, check_exact=True)
    assert_frame_equal(there.correlations, here.correlations, check_exact=True)
    assert there.info == here.info

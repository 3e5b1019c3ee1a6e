"""What must hold of any audit: more of the same data, and more damage, never flatter a model."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunescope.audit import audit
from prunescope.audit.verdicts import HIGHER, TARGETS
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Metadata, Predictions
from prunescope.verdict import Judge, shipped

ANSWERS = ("ship", "care", "stop")
"""From best to worst; "unknown" is none: more damage may turn it into one, but not into "ship"."""

FEW = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def draw(seed, n, width, classes, noise, lost):
    """Draw labels, and the logits of a dense and a compressed model that loses right answers."""
    rng = np.random.default_rng(seed)
    male = rng.random(n) < 0.4
    if classes:
        label = rng.integers(0, width, n)
        labels = np.eye(width, dtype=np.int8)[label]
        dense = rng.normal(0, 1, (n, width)) + 3 * labels
    else:
        labels = (rng.random((n, width)) < np.linspace(0.2, 0.5, width)).astype(np.int8)
        dense = rng.normal(0, 1, (n, width)) + 2.5 * (2 * labels - 1)
    compressed = dense + noise * rng.normal(0, 1, (n, width))
    right = (dense > 0) == (labels == 1)
    compressed[right & (rng.random((n, width)) < lost)] *= -1
    return labels, dense, compressed, male


def audited(labels, dense, compressed, male, *, classes, times=1):
    """Audit them; `times` as many samples, all alike."""
    tiled = [np.tile(one, (times, 1)) for one in (labels, dense, compressed)]
    samples = Samples(
        pl.Series([f"i{k}" for k in range(len(tiled[0]))]),
        tuple(f"a{k}" for k in range(labels.shape[1])),
        tiled[0],
        {"Male": Group.from_series(pl.Series(np.tile(male, times)))},
        task="multiclass" if classes else "multilabel",
    )
    models = [
        Predictions(samples, logits, Metadata(name=name, task=samples.task))
        for name, logits in zip(("dense", "pruned"), tiled[1:], strict=True)
    ]
    return audit(*models, train_rates=samples.rates(), replicates=100, n_affected=0)


def answer(found):
    """Return the answer about the only compressed model."""
    return Judge(found, shipped()).model("pruned").answer


WORLDS = {
    "seed": st.integers(0, 10**6),
    "n": st.sampled_from([12, 40, 150, 600, 2_000]),
    "width": st.integers(2, 6),
    "classes": st.booleans(),
    "noise": st.sampled_from([0.0, 0.1, 0.4]),
    "lost": st.sampled_from([0.0, 0.002, 0.02, 0.1]),
}


@FEW
@given(**WORLDS)
def test_more_samples_of_the_same_rates_never_turn_ship_into_cannot_tell(
    seed, n, width, classes, noise, lost
):
    world = draw(seed, n, width, classes, noise, lost)
    before = answer(audited(*world, classes=classes))
    after = answer(audited(*world, classes=classes, times=4))
    if before in ("ship", "care"):
        assert after != "unknown"
    if before == "ship":
        assert after == "ship"


def worsen(table, row, by):
    """Make one row of a table worse: its estimate, interval and test."""
    metric = table["metric"][row]
    move = -by if metric in HIGHER else by
    if metric in TARGETS:  # further away on the side where it is
        move = by if (table["value"][row] or 0) >= TARGETS[metric] else -by
    number = pl.arange(pl.len()) == row
    moved = [
        pl.when(number).then(pl.col(name) + move).otherwise(name).alias(name)
        for name in ("value", "low", "high", "delta", "delta_low", "delta_high")
    ]
    harmed = pl.when(number).then(pl.col("p_value") / 10).otherwise("p_value").alias("p_value")
    return table.with_columns(*moved, harmed)


@FEW
@given(**WORLDS, pick=st.integers(0, 10**6), by=st.sampled_from([0.002, 0.01, 0.05, 0.4]))
def test_a_damage_added_to_any_cell_never_improves_an_answer(
    seed, n, width, classes, noise, lost, pick, by
):
    found = audited(*draw(seed, n, width, classes, noise, lost), classes=classes)
    before = answer(found)
    criteria = shipped().of_task("multiclass" if classes else "multilabel")
    looked_at = pl.col("metric").is_in({one.metric for one in criteria})
    worse = [
        row
        for row in found.table.with_row_index().filter(looked_at, pl.col("model") == "pruned")
        .iter_rows(named=True)
        if harmful_way(row)
    ]  # fmt: skip
    if not worse:
        return
    after = answer(replace(found, table=worsen(found.table, worse[pick % len(worse)]["index"], by)))
    if before == "unknown":
        assert after != "ship"
    elif after != "unknown":
        assert ANSWERS.index(after) >= ANSWERS.index(before)


def harmful_way(row):
    """Tell whether a row has a damage that can be made worse without becoming another kind."""
    if row["status"] != "ok" or row["value"] is None:
        return False
    if row["metric"] not in TARGETS:
        return True
    side = row["value"] - TARGETS[row["metric"]]
    return row["delta"] is not None and row["delta"] * side >= 0


def test_what_is_called_worse_is_worse():
    """The helper above moves a fall down and a rise up."""
    world = draw(3, 600, 3, False, 0.2, 0.0)
    table = audited(*world, classes=False).table
    over_all = pl.col("attribute").is_null() & pl.col("group").is_null()
    pruned = table.with_row_index().filter(over_all, pl.col("model") == "pruned")
    for metric, way in (("accuracy", -1), ("uncertainty", 1)):
        row = pruned.filter(metric=metric)["index"][0]
        moved = worsen(table, row, 0.1)
        assert moved["delta"][row] == pytest.approx(table["delta"][row] + way * 0.1)

"""The figures that docs/results/slices/README.md tells are those of the tables beside it."""

import re
from pathlib import Path

import polars as pl
import pytest

HERE = Path(__file__).parents[2] / "docs/results/slices"


@pytest.fixture(scope="module")
def text():
    return re.sub(r"\s+", " ", (HERE / "README.md").read_text("utf-8"))


def read(name, table):
    return pl.read_csv(HERE / name / f"{table}.csv", infer_schema_length=None)


def leaned(rows):
    """Return "k of n": rows that a slice leans to."""
    return f"{(rows['lean_to_it'] > 0).sum()} of {rows.height}"


def cells(name, **of):
    """Return that of cells that are hurt, and of those that are not, searched beyond nothing."""
    rows = read(name, "groups").filter(pl.col("attribute").is_not_null(), beyond="nothing", **of)
    return leaned(rows.filter("hurt")), leaned(rows.filter(~pl.col("hurt")))


def test_real_faces(text):
    slices = read("celeba64", "slices").filter(beyond="margin")
    slices = slices.unique(["sparsity", "seed", "slice"])
    assert f"At 95% {slices.filter(sparsity=95).height or 'no'} slice is told" in text
    told = slices.filter(sparsity=98).sort("damage", descending=True)
    assert f"at 98% {told.height}," in text
    worst = told.row(0, named=True)
    assert worst["attribute"] in text
    ends = (f"{100 * worst[key]:.0f}" for key in ("damage", "low", "high"))
    assert "+{} points, {} to {}".format(*ends) in text
    values = read("celeba64", "groups").filter(pl.col("attribute").is_null())
    hurt = values.filter("hurt")
    least, most = 100 * hurt["loses"].min(), 100 * hurt["loses"].max()
    assert f"by {least:.1f} to {most:.1f} points" in text
    beyond = values.filter(beyond="nothing")
    assert f"{leaned(beyond.filter('hurt'))} values that are hurt" in text
    assert f"{leaned(beyond.filter(~pl.col('hurt')))} that are not" in text
    old = hurt.filter(beyond="nothing", group="Young", sparsity=98, seed=0).row(0, named=True)
    assert old["most"] in text
    assert f"{old['share_inside']:.0%} old inside, {old['share_outside']:.0%} outside" in text
    of_hurt, of_others = cells("celeba64")
    assert f"{of_hurt} that are hurt have a slice" in text
    assert f"against {of_others} that are not" in text


@pytest.mark.parametrize("sparsity", [95, 99])
def test_drawn_faces(text, sparsity):
    of_hurt, of_others = cells("synthetic", sparsity=sparsity)
    assert f"at {sparsity}% {of_hurt} against {of_others}" in text

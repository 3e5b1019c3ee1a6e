"""`prunescope samples`, with good input and bad."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import polars as pl
import pytest

from prunescope.predictions import Predictions

DOCS = Path(__file__).parents[2] / "docs" / "samples.md"


@pytest.fixture
def files(tmp_path, answers):
    return answers(tmp_path)


def test_a_table_of_samples(files, tmp_path, prunescope):
    dense, sparse = files
    assert prunescope("forecast", dense, "-o", tmp_path / "forecast").code == 0
    out = tmp_path / "new" / "samples.parquet"
    ran = prunescope("samples", dense, "--compressed", sparse, "--forecast", tmp_path / "forecast",
                     "-o", out, "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    table = pl.read_parquet(out)
    assert ran.json["n_samples"] == table.height == 200
    before, after = Predictions.load(dense), Predictions.load(sparse)
    flips = (before.decisions != after.decisions).sum(axis=1)
    assert table["n_flips__sparse"].to_list() == flips.tolist()
    assert ran.json["tags"]["flip"] == (flips > 0).sum() > 0
    assert table["risk"].null_count() == 0
    ran = prunescope("samples", dense, "--compressed", sparse, "-o", out)
    assert f"200 samples: {out}" in ran.out
    assert "flip" in ran.out


def test_thresholds_count(files, tmp_path, prunescope):
    dense, sparse = files
    limits, out = tmp_path / "limits.json", tmp_path / "samples.parquet"
    limits.write_text(json.dumps({"Bald": 99}))
    ran = prunescope("samples", dense, "--compressed", sparse, "--thresholds", limits, "-o", out)
    assert ran.code == 0, ran.err
    said = pl.read_parquet(out)["answers__sparse"].explode(empty_as_null=True).unique().to_list()
    assert "Smiling" in said
    assert "Bald" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--compressed", "SPARSE", "-o", "samples.xlsx"), "expected a file that ends in .parquet"),
        (("--compressed", "none.csv"), "no such file"),
        (("--compressed", "DENSE"), "two models are called dense"),
        (("--compressed", "SPARSE", "--forecast", "none"), "holds no forecast"),
        (("--compressed", "SPARSE", "--band", "0.9", "0.1"), "band 0.9 to 0.1: expected"),
    ],
)
def test_bad_input_is_one_clear_error(files, tmp_path, prunescope, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    names = {"DENSE": files[0], "SPARSE": files[1]}
    ran = prunescope("samples", files[0], *(names.get(word, word) for word in arguments))
    assert ran.code == 2
    assert message in ran.err
    assert set(tmp_path.rglob("*")) == before


class Kept:
    """Stands for a class of FiftyOne's: keeps what it is given."""

    def __init__(self, *names, **fields):
        self.names, self.fields = names, fields

    def add_samples(self, samples):
        self.samples = samples


def test_the_documented_lines_load_it(files, tmp_path, prunescope, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fiftyone = SimpleNamespace(Classification=Kept, Classifications=Kept, Sample=Kept, Dataset=Kept)
    monkeypatch.setitem(sys.modules, "fiftyone", fiftyone)
    for kind in ("parquet", "json"):
        ran = prunescope("samples", files[0], "--compressed", files[1], "-o", f"samples.{kind}")
        assert ran.code == 0, ran.err
    pandas, voxel = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    space = {}
    exec(voxel, space)
    first = space["dataset"].samples[0].fields
    assert first["sample_id"] == "face-0"
    assert first["filepath"].endswith("face-0")
    table = pl.read_parquet("samples.parquet")
    told = [one.fields for one in first["sparse"].fields["classifications"]]
    assert [one["label"] for one in told] == table["answers__sparse"][0].to_list()
    assert {frozenset(one) for one in told} <= {frozenset(["label", "confidence", "logit"])}

    def read(path):  # which pandas does with another library
        return pd.DataFrame(pl.read_parquet(path).to_dicts())

    monkeypatch.setattr(pd, "read_parquet", read)
    exec(pandas, space)
    assert (space["worst"]["n_harmful__sparse"].diff().dropna() <= 0).all()
    assert set(space["worst"]["tags"].explode()) >= {"harmful"}

"""`slices` and `groups`, as a person types them."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.predictions import Embeddings, Predictions


@pytest.fixture(scope="module")
def folder(tmp_path_factory, world):
    """Return a folder with predictions, embeddings and metadata of a planted world."""
    folder = tmp_path_factory.mktemp("slices")
    one = world(n=2000, attributes=2)
    one.dense.save(folder / "dense.parquet")
    one.sparse.save(folder / "sparse.parquet")
    ids = one.dense.samples.ids
    light = np.where(one.hurt, 1.0, 5.0) + np.random.default_rng(0).random(2000)
    pl.DataFrame({"filename": ids, "light": light}).write_csv(folder / "metadata.csv")
    rng = np.random.default_rng(1)
    seen = rng.normal(size=(2000, 8)) + 4 * one.hurt[:, None] * (np.arange(8) == 3)
    Embeddings.of(seen, ids).save(folder / "embeddings.parquet")
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_find_and_use_on_other_data(prunescope, here, tmp_path, world):
    done = prunescope(
        "slices", "dense.parquet", "--compressed", "sparse.parquet", "-o", tmp_path / "found",
        "--save-groups", tmp_path / "rules.json",
    )  # fmt: skip
    assert done.code == 0
    assert "One sub-population loses more than others" in done.out
    assert "hat" in done.out
    other = world(7, n=1000, attributes=2)
    other.dense.save(tmp_path / "dense.parquet")
    added = "groups", tmp_path / "rules.json"
    made = prunescope(*added, tmp_path / "dense.parquet", "-o", tmp_path / "grouped")
    assert f"slice 1: hat: {other.hurt.sum()} of 1,000 images" in made.out
    taken = prunescope(*added, tmp_path / "grouped/dense.parquet", "-o", tmp_path / "again")
    assert taken.code == 2
    assert "has a group slice 1: hat already" in taken.err
    assert not list(tmp_path.glob("again/*"))


def test_names_stay_on_their_line(prunescope, here, tmp_path):
    for name in ("dense", "sparse"):
        frame = pl.read_parquet(f"{name}.parquet").drop("group__town")
        frame = frame.rename({"group__hat": "group__h\nat\x1b[31m"})
        frame.write_parquet(tmp_path / f"{name}.parquet")
    files = tmp_path / "dense.parquet", "--compressed", tmp_path / "sparse.parquet"
    rules = tmp_path / "rules.json"
    done = prunescope("slices", *files, "-o", tmp_path / "found", "--save-groups", rules)
    assert "“h at\ufffd[31m”" in done.out
    made = prunescope("groups", rules, files[0], "-o", tmp_path / "grouped")
    assert "slice 1: h at\ufffd[31m: " in made.out


def test_by_metadata_and_on_to_an_audit(prunescope, here, tmp_path):
    read = Predictions.load("dense.parquet")
    for name in ("dense", "sparse"):
        frame = pl.read_parquet(f"{name}.parquet").drop("group__hat", "group__town")
        frame.write_parquet(tmp_path / f"{name}.parquet")
    files = tmp_path / "dense.parquet", "--compressed", tmp_path / "sparse.parquet"
    told = ["--metadata", "metadata.csv", "--map", "id=filename"]
    done = prunescope(
        "slices", *files, *told, "-o", tmp_path / "found", "--json",
        "--save-groups", tmp_path / "rules.json",
    )  # fmt: skip
    [found] = done.json["found"]
    assert found["rule"].startswith("light below")
    grouped = prunescope(
        "groups", tmp_path / "rules.json", tmp_path / "dense.parquet", tmp_path / "sparse.parquet",
        *told, "-o", tmp_path / "grouped", "--json",
    )  # fmt: skip
    name = f"slice 1: {found['rule']}"
    assert grouped.json["members"] == {name: found["n"]}
    audit = prunescope(
        "audit", tmp_path / "grouped/dense.parquet", "--replicates", "0", "-o", tmp_path / "audit",
        "--compressed", tmp_path / "grouped/sparse.parquet", "--slices", tmp_path / "found",
    )  # fmt: skip
    assert audit.code == 0
    table = pl.read_parquet(tmp_path / "audit/audit.parquet")
    assert name in table["group"].unique().to_list()
    assert "Where it hurts most" in (tmp_path / "audit/report.html").read_text("utf-8")
    assert len(read.samples) == found["n_search"] + found["n_test"] + 2000 - found["n"]


def test_by_embeddings(prunescope, here, tmp_path):
    frame = pl.read_parquet("dense.parquet").drop("group__hat", "group__town")
    frame.write_parquet(tmp_path / "dense.parquet")
    pl.read_parquet("sparse.parquet").drop("group__hat", "group__town").write_parquet(
        tmp_path / "sparse.parquet"
    )
    seen = ["--embeddings", "embeddings.parquet"]
    done = prunescope(
        "slices", tmp_path / "dense.parquet", "--compressed", tmp_path / "sparse.parquet", *seen,
        "-o", tmp_path / "found", "--save-groups", tmp_path / "rules.json", "--json",
    )  # fmt: skip
    assert any(word in done.json["found"][0]["rule"] for word in ("cluster", "direction"))
    rules = json.loads((tmp_path / "rules.json").read_text())
    assert rules["space"] is not None
    grouped = ["groups", tmp_path / "rules.json", tmp_path / "dense.parquet", "-o", tmp_path / "g"]
    assert prunescope(*grouped, *seen, "--json").json["members"] == {
        f"slice {one['slice']}: {one['rule']}": one["n"] for one in done.json["found"]
    }
    blind = prunescope(*grouped)
    assert blind.code == 2
    assert "give the embeddings" in blind.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--embeddings", "none.parquet"], "none.parquet: no such file"),
        (["--embeddings", "metadata.csv"], "no column 'id'"),
        (["--metadata", "metadata.csv"], "no column 'id'"),
        (["--metadata", "sparse.txt"], "expected metadata as .parquet or .csv"),
        (["--cluster", "nobody"], "cluster column 'nobody'"),
        (["--beyond", "churn"], "second dense model"),
        (["--model", "m", "--embeddings", "embeddings.parquet"], "give one of both"),
        (["--confidence", "2"], "a share in (0, 1)"),
        (["--save-groups", "dense.parquet"], "let it end in .json"),
        (["--device", "cpu"], "for a model that makes embeddings"),
        (["--factory", "a:b"], "for a model that makes embeddings"),
        (["--images", "."], "name it by --data"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(prunescope, here, tmp_path, more, message):
    files = "dense.parquet", "--compressed", "sparse.parquet"
    done = prunescope("slices", *files, "-o", tmp_path / "found", *more)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("found/*"))


def test_groups_are_written_into_the_folder_alone(prunescope, here, tmp_path):
    """A name in a file's metadata is a stranger's: it may not say where to write."""
    wearing = {"feature": {"kind": "answer", "name": "a0"}, "test": "is", "value": True}
    rules = {"format_version": 1, "dense": "other", "rules": {"one": {"terms": [wearing]}}}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    dense = Predictions.load("dense.parquet")
    for name in ("../above", "a/b"):
        metadata = dense.metadata.model_copy(update={"name": name})
        replace(dense, metadata=metadata).save(tmp_path / "named.parquet")
        done = prunescope(
            "groups", tmp_path / "rules.json", tmp_path / "named.parquet", "-o", tmp_path / "in"
        )
        assert done.code == 2
        assert "is no name for a file" in done.err
    assert not (tmp_path / "above.parquet").exists()
    taken = prunescope(
        "groups", tmp_path / "rules.json", "dense.parquet", "-o", tmp_path / "in", "--json"
    )
    assert taken.code == 0
    assert "dense is taken for it" in taken.err


def test_no_slice_is_no_rule(prunescope, here, tmp_path):
    rules = tmp_path / "rules.json"
    done = prunescope(
        "slices", "dense.parquet", "--compressed", "dense.parquet", "-o", tmp_path / "found",
        "--save-groups", rules,
    )  # fmt: skip
    assert "no slice was confirmed" in done.err
    assert "nothing in one half" in done.out.replace("\n", " ")
    taken = prunescope("groups", rules, "dense.parquet", "-o", tmp_path / "grouped")
    assert "holds no slice" in taken.err


def test_a_folder_with_a_strangers_members_is_left_alone(prunescope, here, tmp_path):
    (tmp_path / "members.parquet").write_text("mine")
    done = prunescope("slices", "none.parquet", "--compressed", "none.parquet", "-o", tmp_path)
    assert done.code == 2
    assert "has members.parquet" in done.err  # before anything is read
    assert (tmp_path / "members.parquet").read_text() == "mine"

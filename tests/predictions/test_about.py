"""What a person says of files: texts and YAML."""

from pathlib import Path

import pytest

from prunescope.errors import ConfigError
from prunescope.predictions import Compression, Metadata, Told, is_about, read_about

FILES = ["dense.parquet", "out/small.parquet", r"C:\x.parquet", "shards-*.parquet", "a", "a:b.csv"]


@pytest.mark.parametrize(
    ("text", "file", "told"),
    [
        ("dense.parquet:name=a", FILES[0], Told(name="a")),
        ("./out/../out/small.parquet:sparsity=0.9,seed=3", FILES[1], Told(sparsity=0.9, seed=3)),
        (r"C:\x.parquet:name=a", FILES[2], Told(name="a")),
        ("shards-*.parquet: method=gmp , scores=probability", FILES[3], None),
        ("a:b.csv:name=gmp-1:4", FILES[5], Told(name="gmp-1:4")),
        ("dense.parquet:name=007", FILES[0], Told(name="007")),
        ("dense.parquet:name=dense.parquet:x", FILES[0], Told(name="dense.parquet:x")),
    ],
)
def test_a_text_tells_of_one_file(text, file, told):
    told = told or Told(method="gmp", scores="probability")
    assert read_about([text], None, FILES) == {file: told}
    assert is_about(text)


def test_texts_of_one_file_add_up():
    texts = ["dense.parquet:name=a", str(Path("dense.parquet").resolve()) + ":seed=1"]
    assert read_about(texts, None, FILES) == {"dense.parquet": Told(name="a", seed=1)}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["dens.parquet:name=a"], "unknown file 'dens.parquet': did you mean dense.parquet"),
        (["small.parquet:name=a"], "unknown file 'small.parquet'"),
        (["dense.parquet"], "expected FILE:KEY=VALUE,"),
        (["dense.parquet:nam=a"], "unknown key 'nam': did you mean name"),
        (["dense.parquet:name=a,b"], "'b' is no KEY=VALUE; a value holds no comma"),
        (
            ["dense.parquet:name=a=b"],
            "'name=a=b' is no KEY=VALUE; a value holds no comma and no '=",
        ),
        (["dense.parquet:"], "'' is no KEY=VALUE"),
        (["dense.parquet:name=a,name=b"], "name stands twice"),
        (["dense.parquet:name=a", "dense.parquet:name=b"], "its name is 'a' already"),
        (["dense.parquet:name="], "name: String should have at least 1 character"),
        (["dense.parquet:sparsity=95"], r"sparsity: Input should be less than 1 \(got '95'\)"),
        (["dense.parquet:sparsity=nan"], "sparsity: Input should be"),
        (["dense.parquet:seed=one"], "seed: Input should be a valid integer"),
        (["dense.parquet:seed=-1"], "seed: Input should be greater than or equal to 0"),
        (["dense.parquet:scores=softmax"], "scores: Input should be 'logits' or 'probability'"),
    ],
)
def test_texts_that_make_no_sense(texts, message):
    with pytest.raises(ConfigError, match=message):
        read_about(texts, None, FILES)


def test_what_is_no_text_about_a_file():
    assert not any(map(is_about, ["dense", "module:factory", "hf:org/name", r"C:\dense"]))


def test_yaml_for_many(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    yaml = tmp_path / "out" / "models.yaml"
    yaml.write_text(
        "../dense.parquet: {name: 'a, b = c', seed: 1}\n"
        "small.parquet: {method: gmp, sparsity: 0, scores: probability}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert read_about(["dense.parquet:seed=2"], yaml, FILES) == {
        "dense.parquet": Told(name="a, b = c", seed=2),
        "out/small.parquet": Told(method="gmp", sparsity=0.0, scores="probability"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.parquet: {name: x}", "models.yaml:1: unknown file 'a.parquet'"),
        ("dense.parquet:\n  nam: x", "models.yaml:2: unknown key 'nam': did you mean name"),
        ("dense.parquet: {sparsity: 95}", "models.yaml:1: .*sparsity: Input should be less than 1"),
        ("dense.parquet: {sparsity: '0.9'}", "valid number"),
        ("dense.parquet: {seed: true}", "valid integer"),
        ("dense.parquet: {name: 7}", "valid string"),
        ("dense.parquet: small", "models.yaml:1: 'small': expected keys, name, method"),
        ("dense.parquet: {name: a}\n./dense.parquet: {name: b}", "models.yaml:2: .*stands twice"),
        ("dense.parquet: {name: a}\ndense.parquet: {name: b}", "stands twice in one mapping"),
        ("- dense.parquet", "expected files of predictions as lines"),
        ("dense.parquet: [", "not YAML"),
        (None, "models.yaml cannot be read"),
    ],
)
def test_yaml_that_makes_no_sense(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_about([], tmp_path / "models.yaml", FILES)


def test_what_is_told_goes_over_what_a_file_says():
    counted = Compression(method="structured", sparsity=0.5, weights_kept=0.3, channels_kept=0.5)
    metadata = Metadata(name="old", seed=1, compression=counted)
    assert Told().over(metadata) == metadata
    named = Told(name="new").over(metadata)
    assert (named.name, named.seed, named.compression) == ("new", 1, counted)
    sparse = Told(sparsity=0.9).over(metadata).compression
    assert (sparse.method, sparse.removed) == ("structured", 0.9)
    assert Told(seed=0).over(metadata).seed == 0

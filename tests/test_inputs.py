import os

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from prunescope.data.decode import decode
from prunescope.errors import DataError, ImageError, PrunescopeError
from prunescope.inputs import (
    DEEPEST,
    LARGEST_YAML,
    LONGEST,
    MOST,
    YamlError,
    parse_json,
    parse_yaml,
    read_safetensors,
    read_text,
)
from prunescope.integrations.transformers import _load
from prunescope.predictions import Predictions, read_thresholds
from prunescope.pruning import Masks
from prunescope.verdict import Policy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "more than 50 deep"),
        ("[" * 100_000, "more than 50 deep"),
        ("9" * (LONGEST + 1), "401 digits: at most 400"),
        ("[NaN]", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        ("1e999", "1e999 is more than any number"),
        ('{"a": {"b": 1, "b": 2}}', "'b' is named twice"),
        (b"\xff\xfe1\x00", "UTF-16"),
        (b"\x80", "no UTF-8"),
        ("[1,", "line 1"),
    ],
)
def test_json_that_is_refused(text, told):
    with pytest.raises(ValueError, match=told):
        parse_json(text)


def test_json_at_the_limits():
    assert parse_json("9" * LONGEST) == int("9" * LONGEST)
    value = parse_json("[" * DEEPEST + "]" * DEEPEST)
    for _ in range(DEEPEST - 1):
        [value] = value
    assert value == []
    assert parse_json(b"\xef\xbb\xbf[1.5, true, null]") == [1.5, True, None]


def doubling(n):
    """Return YAML whose list i holds list i - 1 twice, so the last one holds 2 ** n values."""
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, n))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a [*a]", "an alias holds itself"),
        ("a: &a {<<: *a}", "an alias holds itself"),
        (doubling(30), f"more than {MOST:,} values"),
        ("- 1\n" * (MOST + 1) + "]", f"more than {MOST:,} values"),  # read no further than there
        ("#" * (LARGEST_YAML + 1), "1,048,577 characters: at most 1,048,576"),
        ("a: " + "9" * (LONGEST + 1), "401 digits"),
        ("[" * 200 + "]" * 200, "more than 50 deep"),
        ("{a: " * 5000, "more than 50 deep"),
        ("a: 1\na: 2", "'a' is named twice"),
        ("a: 2024-13-45", "a value is not what it looks like"),
        ("a: !!timestamp x", "a value is not what it looks like"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
    ],
)
def test_yaml_that_is_refused(text, told):
    with pytest.raises(YamlError, match=told):
        parse_yaml(text)


def test_a_chain_of_aliases_is_as_deep_as_what_it_stands_for():
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 60))]
    with pytest.raises(YamlError, match="more than 50 deep"):
        parse_yaml("\n".join(lines))


@pytest.mark.parametrize(
    "text", ["a: &x [1, 2]\nb: *x", "a: &x {k: 1}\nb: {<<: *x, l: 2}", doubling(8)]
)
def test_aliases_that_people_write_are_read(text):
    assert parse_yaml(text)[1] == yaml.safe_load(text)


def test_a_text_too_large_for_a_text(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(2**28 + 1)  # of holes: it takes no room
    with pytest.raises(ValueError, match="268,435,457 bytes are no text file"):
        read_text(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path):
    """A pipe that nobody writes to would be waited for forever: the time limit of tests tells."""
    readers = {
        "a.parquet": Predictions.load,
        "a.csv": Predictions.load,
        "a.json": read_thresholds,
        "a.yaml": Policy.load,
        "a.png": lambda path: decode(path, 8),
        "a.safetensors": Masks.load,
        "pruning.safetensors": lambda path: _load(None, path.parent),
    }
    for name, read in readers.items():
        os.mkfifo(tmp_path / name)
        with pytest.raises(PrunescopeError, match=r"pipe|no such file"):
            read(tmp_path / name)


def test_errors_are_of_the_kind_that_readers_raise(tmp_path):
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(DataError, match="a folder"):
        Predictions.load(tmp_path / "a.parquet")
    with pytest.raises(ImageError, match="a folder"):
        decode(tmp_path / "a.parquet", 8)


def test_safetensors_are_read_as_arrays_and_tensors(tmp_path):
    path, wanted = tmp_path / "a.safetensors", {"b": torch.arange(3), "a": torch.tensor([[True]])}
    save_file(wanted, path, {"told": "x"})
    for framework, kind in (("np", np.ndarray), ("pt", torch.Tensor)):
        found, texts = read_safetensors(path, framework)
        assert {type(value) for value in found.values()} == {kind}
        assert {name: value.tolist() for name, value in found.items()} == {
            "a": [[True]], "b": [0, 1, 2],
        }  # fmt: skip
        assert texts == {"told": "x"}
    save_file(wanted, path)
    assert read_safetensors(path, "np")[1] == {}
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="incomplete"):
        read_safetensors(path, "pt")

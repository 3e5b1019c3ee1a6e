from pathlib import Path

import pytest
from pydantic import ValidationError

from prunescope.data import Columns, DataConfig
from prunescope.errors import ConfigError


def test_defaults():
    config = DataConfig()
    assert config.source == "synthetic"
    assert (config.size, config.seed) == (64, 0)
    assert (config.n_train, config.n_val, config.n_test) == (6000, 1000, 2000)
    assert config.attributes is None
    assert config.groups is None


@pytest.mark.parametrize(
    "wrong", [{"sise": 64}, {"size": 0}, {"n_train": 0}, {"seed": -1}, {"on_bad_image": "ignore"}]
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        DataConfig(**wrong)


def test_frozen():
    with pytest.raises(ValidationError):
        DataConfig().size = 32


@pytest.mark.parametrize("role", ["attributes", "groups"])
def test_repeated_names_are_refused(role):
    with pytest.raises(ConfigError, match=f"{role} name b more than once"):
        DataConfig(**{role: ("a", "b", "b")})


def test_empty_attributes_are_refused():
    with pytest.raises(ConfigError, match="attributes are empty"):
        DataConfig(attributes=())


@pytest.mark.parametrize(
    ("given", "stated", "expected"),
    [
        ({}, {"groups": ("Male",)}, {"groups": ("Male",)}),
        ({"groups": ()}, {"groups": ("Male",)}, {"groups": ()}),
        ({"attributes": ("a",)}, {"attributes": ("a", "b")}, {"attributes": ("a",)}),
        ({"label": "kind"}, {"attributes": ("a", "b")}, {"label": "kind"}),
        ({"attributes": ("a",)}, {"label": "kind"}, {"attributes": ("a",)}),
        ({"id_column": "name"}, {"id_column": "id"}, {"id_column": "name"}),
        ({}, {"split_column": "part"}, {"split_column": "part"}),
    ],
)
def test_over_completes_what_is_not_given(given, stated, expected):
    assert DataConfig(**given).over(Columns(**stated)) == Columns(**expected)


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "there"))
    assert DataConfig().cache_folder == tmp_path / "there"
    assert DataConfig(cache=tmp_path / "here").cache_folder == tmp_path / "here"
    monkeypatch.setenv("PRUNESCOPE_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert DataConfig().cache_folder == tmp_path / ".cache" / "prunescope"
    assert DataConfig(cache=Path("~/c")).cache_folder == tmp_path / "c"

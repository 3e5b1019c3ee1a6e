import subprocess

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel, ValidationError

from prunescope.data.config import DataConfig
from prunescope.data.dataset import Dataset
from prunescope.data.samples import Group, Samples
from prunescope.models import Provenance, build_model


class Settings(BaseModel):
    steps: int = 3
    epochs: int | None = None


@pytest.fixture
def model():
    return build_model("resnet_small", ["Bald", "Male"], image_size=16)


@pytest.fixture
def dataset():
    people = Group.from_series(pl.Series([1, 1, 2]))
    samples = Samples(
        ids=pl.Series(["a", "b", "c"]),
        attributes=("Bald", "Male"),
        labels=np.array([[1, 1], [0, 1], [-1, 0]], np.int8),
        groups={"Male": Group.from_series(pl.Series([True, True, False])), "person": people},
        cluster="person",
    )
    return Dataset(
        name="three",
        fingerprint="abc",
        samples=samples,
        pixels=np.zeros((3, 3, 16, 16), np.uint8),
        rows=np.arange(3),
        splits=np.full(3, "train"),
    )


def test_it_tells_the_data_the_rates_and_the_settings(model, dataset):
    told = Provenance.of(
        model,
        dataset,
        recipe=Settings(),
        compression={"method": "gmp-ri", "sparsity": 0.9},
        seed=4,
        data=DataConfig(source="faces.csv"),
    )
    assert told.model == model.spec
    assert told.dataset.model_dump() == {
        "name": "three",
        "fingerprint": "abc",
        "cluster": "person",
    }
    assert told.data.source == "faces.csv"
    assert told.train_prevalence == {"Bald": 0.5, "Male": 2 / 3}
    assert told.train_group_rates == {
        "Male": {"True": {"Bald": 0.5, "Male": 1.0}, "False": {"Male": 0.0}}
    }
    assert told.recipe == {"steps": 3, "epochs": None}
    assert (told.compression["method"], told.seed) == ("gmp-ri", 4)
    assert {"prunescope", "python", "torch", "transformers"} <= told.versions.keys()


def test_a_model_that_nobody_trained_is_dense_and_has_no_data(model):
    told = Provenance.of(model)
    assert told.compression == {"method": "dense", "sparsity": 0.0}
    assert told.dataset is told.recipe is told.train_prevalence is told.seed is None


def test_it_survives_json(model, dataset):
    told = Provenance.of(model, dataset, recipe=Settings(), data=DataConfig())
    assert Provenance.model_validate_json(told.model_dump_json()) == told


def test_an_unknown_field_is_refused(model):
    with pytest.raises(ValidationError):
        Provenance.model_validate(Provenance.of(model).model_dump() | {"extra": 1})


def test_the_commit_is_that_of_the_repository_around(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert Provenance.of(model).git_commit is None
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    assert Provenance.of(model).git_commit == head


def test_without_git_there_is_no_commit(model, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert Provenance.of(model).git_commit is None

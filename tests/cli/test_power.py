"""`prunescope policy power`: how many images a policy needs, before compressing."""

from importlib import import_module

import numpy as np
import polars as pl
import pytest

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Metadata, Predictions


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Draw few pairs of models: what many foretell, other tests hold."""
    monkeypatch.setattr(import_module("prunescope.verdict.power"), "PAIRS", 8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write the answers of two dense models of different seeds."""
    rng, n, folder = np.random.default_rng(0), 1_200, tmp_path_factory.mktemp("power")
    labels = (rng.random((n, 2)) < 0.4).astype(np.int8)
    male = Group.from_series(pl.Series(rng.random(n) < 0.5))
    ids = pl.Series([f"i{row}" for row in range(n)])
    samples = Samples(ids, ("Bald", "Smiling"), labels, {"Male": male})
    signal = 2.0 * (2 * labels - 1) + rng.normal(0, 1.5, labels.shape)
    models = [
        Predictions(samples, signal + 0.35 * rng.normal(0, 1, labels.shape), Metadata(name=name))
        for name in ("one", "other")
    ]
    for model in models:
        model.save(folder / f"{model.metadata.name}.parquet")
    return folder, float((models[0].decisions != models[1].decisions).mean())


def test_churn_curve_and_figures_are_told(prunescope, files):
    folder, churn = files
    sizes = ("--images", "1000,50000")
    both = (folder / "one.parquet", "--second", folder / "other.parquet")
    told = prunescope("policy", "power", *both, *sizes, "--json").json
    assert told["flips"] == pytest.approx(churn, abs=0.002)
    assert [row["n"] for row in told["curve"]] == [1_000, 50_000]
    assert told["curve"][0]["ship_or_care"] <= told["curve"][1]["ship_or_care"]
    assert {row["criterion"] for row in told["figures"]} >= {"Accuracy falls", "Rare answers fade"}
    assert {row["attribute"] for row in told["figures"]} == {None, "Bald", "Smiling"}


def test_an_audit_tells_its_dense_model_and_its_churn(prunescope, files, tmp_path):
    folder, _ = files
    dense = (folder / "one.parquet", folder / "other.parquet")
    prunescope("audit", *dense, "--compressed", folder / "other.parquet", "-o", tmp_path / "a")
    assert prunescope("policy", "power", tmp_path / "a").code == 2
    made = prunescope("audit", dense[0], "--compressed", dense[1], "-o", tmp_path / "b")
    assert made.code == 0, made.err
    ran = prunescope("policy", "power", tmp_path / "b", "--flips", 0.05, "--images", "1000")
    assert ran.code == 0, ran.err
    assert "images are enough to say 'Ship' or 'Ship with care'" in " ".join(ran.out.split())
    assert "Accuracy falls" in ran.out


def test_an_audit_of_one_dense_model_tells_how_many_answers_differ(prunescope, files, tmp_path):
    folder, flips = files
    one, other = folder / "one.parquet", folder / "other.parquet"
    prunescope("audit", one, "--compressed", other, "-o", tmp_path / "a")
    ran = prunescope("policy", "power", tmp_path / "a", "--images", "1000", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["flips"] == pytest.approx(flips, abs=0.003)


@pytest.fixture(scope="module")
def audited(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    models = [Predictions.load(files[0] / f"{name}.parquet") for name in ("one", "other")]
    audit(*models, replicates=20, n_affected=0).save(folder / "a")
    return folder / "a"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--scores", "probability"),
        ("--scores", "logits"),  # the default, said
        ("--map", "id=image"),
        ("--thresholds", "cuts.json"),
        ("--confidence", "0.9"),
        ("--min-support", "50"),
        ("--second", "other.parquet"),
        ("--groups", "Male"),
        ("--model", "one.parquet:seed=1"),
    ],
)
def test_what_an_audit_says_is_not_said_beside_it(prunescope, audited, option, value):
    ran = prunescope("policy", "power", audited, option, value)
    assert ran.code == 2
    assert f"{option}: an audit says that itself" in ran.err


def test_a_model_in_several_files_is_refused_and_never_read_in_part(prunescope, files, tmp_path):
    rows = pl.read_parquet(files[0] / "one.parquet")
    for at in range(2):
        rows[at * 600 : (at + 1) * 600].write_parquet(tmp_path / f"{at}.parquet")
    ran = prunescope("policy", "power", tmp_path, "--flips", "0.04", "--images", "1000")
    assert ran.code == 2
    assert "is 2 files, which 'prunescope audit' alone reads together" in " ".join(ran.err.split())
    (tmp_path / "1.parquet").unlink()
    ran = prunescope("policy", "power", tmp_path, "--flips", "0.04", "--images", "1000", "--json")
    assert ran.code == 0, ran.err


def test_an_audit_of_arrays_says_that_the_dense_answers_are_wanted(prunescope, files, tmp_path):
    models = [Predictions.load(files[0] / f"{name}.parquet") for name in ("one", "other")]
    audit(*models, replicates=100, n_affected=0).save(tmp_path / "a")
    ran = prunescope("policy", "power", tmp_path / "a")
    assert ran.code == 2
    assert "dense.save('dense.parquet')" in ran.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--flips 0.04"),
        (("--flips", "0.7"), "expected a share between 0 and 0.5"),
        (("--flips", "0.04", "--images", "many"), "many"),
        (("--flips", "0.04", "--policy", "absent.yaml"), "policy init"),
        (("--flips", "0.04", "--cluster", "who"), "who"),
    ],
)
def test_what_makes_no_sense_is_refused(prunescope, files, options, message):
    ran = prunescope("policy", "power", files[0] / "one.parquet", *options)
    assert ran.code == 2
    assert message in ran.err

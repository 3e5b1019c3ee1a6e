"""Telling commands what their files are: --model and --models."""

import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.special import expit

from prunescope.audit import Audit
from prunescope.cli.power import _audited
from prunescope.cli.view import _answers

FAST = ("--replicates", 0)
SEEDED = "{name: small-0, method: gmp, sparsity: 0.9, seed: 0}"


@pytest.fixture
def files(tmp_path, answers):
    """Two models as another tool writes them: no metadata, one of them probabilities."""
    made = {}
    for name, path in zip(("dense", "small"), answers(tmp_path), strict=True):
        frame = pl.read_parquet(path)
        logits = [column for column in frame.columns if column.startswith("logit__")]
        if name == "small":
            made["logits"] = tmp_path / "logits.parquet"
            frame.write_parquet(made["logits"])
            frame = frame.with_columns(
                pl.Series(column, expit(frame[column].to_numpy().astype(float)))
                for column in logits
            )
        made[name] = tmp_path / f"{name}-x.parquet"
        frame.write_parquet(made[name])
    return made


def models(folder):
    return {
        one.name: (one.metadata.compression.method, one.metadata.compression.sparsity,
                   one.metadata.seed)
        for one in Audit.load(folder).info.models
    }  # fmt: skip


@pytest.mark.parametrize("how", ["--in-memory", "--stream"])
def test_an_audit_takes_files_as_they_are_told(tmp_path, files, prunescope, how):
    out = tmp_path / "out"
    about = "name=small,method=gmp,sparsity=0.9,seed=0,scores=probability"
    ran = prunescope(
        "audit", files["dense"], "--compressed", files["small"], "-o", out, how, *FAST,
        "--model", f"{files['dense']}:name=dense,seed=0", "--model", f"{files['small']}:{about}",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert models(out) == {"dense": ("dense", 0.0, 0), "small": ("gmp", 0.9, 0)}
    plain = tmp_path / "plain"
    prunescope(
        "audit", files["dense"], "--compressed", files["logits"], "-o", plain, how, *FAST,
        "--model", f"{files['logits']}:name=small", "--model", f"{files['dense']}:name=dense",
    )  # fmt: skip
    compared = [Audit.load(folder).table.drop("method", "sparsity", "seed") for folder in
                (out, plain)]  # fmt: skip
    assert_frame_equal(*compared, abs_tol=1e-9)


def test_a_yaml_says_the_same_and_a_file_of_its_own_scores_goes_first(tmp_path, files, prunescope):
    yaml = tmp_path / "models.yaml"
    yaml.write_text(f"dense-x.parquet: {{scores: logits}}\nsmall-x.parquet: {SEEDED}\n")
    out = tmp_path / "out"
    ran = prunescope(
        "audit", "--models", yaml, files["dense"], "--compressed", files["small"], "-o", out,
        "--scores", "probability", *FAST,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert models(out)["small-0"] == ("gmp", 0.9, 0)
    assert "every score lies" not in ran.err


def test_what_is_told_overrides_the_metadata(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)  # with metadata: name sparse, gmp
    out = tmp_path / "out"
    about = f"{sparse}:name=other,sparsity=0.25"
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", out, "--model", about, *FAST
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert models(out)["other"][1] == 0.25


@pytest.mark.parametrize("command", ["audit", "samples"])
def test_files_that_are_not_there_are_refused_before_the_work(tmp_path, files, prunescope, command):
    out = tmp_path / "out.parquet"
    ran = prunescope(
        command, files["dense"], "--compressed", files["small"], "-o", out, "--model", "x:name=y"
    )
    assert ran.code == 2
    assert "unknown file 'x'" in ran.err
    assert not out.exists()


def test_a_forecast_tells_files_from_models(tmp_path, files, prunescope):
    out = tmp_path / "out"
    about = f"{files['small']}:name=mine,scores=probability"
    ran = prunescope("forecast", files["small"], "-o", out, "--model", about)
    assert ran.code == 0, ran.err
    assert json.loads((out / "forecast.json").read_text())["model"] == "mine"
    plain = tmp_path / "plain"
    prunescope("forecast", files["logits"], "-o", plain)
    risks = [pl.read_parquet(folder / "forecast.parquet")["risk"] for folder in (out, plain)]
    np.testing.assert_allclose(*risks, rtol=1e-4)
    ran = prunescope("forecast", files["small"], "-o", out, "--model", "a", "--model", "b")
    assert ran.code == 2
    assert "--model names 2 models, a, b: expected one" in ran.err


def test_an_audit_remembers_what_was_told_when_its_files_are_read_again(
    tmp_path, files, prunescope
):
    out = tmp_path / "out"
    told = f"{files['small']}:name=my small,scores=probability"
    ran = prunescope(
        "audit", files["small"], "--compressed", files["logits"], "-o", out, "--model", told, *FAST
    )
    assert ran.code == 0, ran.err
    logits = pl.read_parquet(files["logits"])["logit__Bald"]
    for read in (_answers(Audit.load(out), out), _audited(Audit.load(out), out)[0]):
        assert read[0].name == "my small"
        at = read[0].attributes.index("Bald")
        np.testing.assert_allclose(read[0].logits[:, at], logits, atol=1e-5)
    ran = prunescope("policy", "power", out, "--flips", "0.05", "--model", "x:name=y")
    assert "--model: an audit says that itself" in ran.err
    ran = prunescope("view", out, "--model", told)
    assert ran.code == 2
    assert "tell of files that --predictions names" in ran.err


@pytest.mark.parametrize(
    "command",
    [
        ("mitigate", "thresholds", "small", "--criterion", "prevalence"),
        ("mitigate", "route", "small", "dense"),
        ("mitigate", "compare", "--fit", "small", "dense", "--test", "small", "dense"),
        ("policy", "power", "dense", "--second", "small"),
    ],
)
def test_every_command_that_reads_predictions_takes_it(files, prunescope, command):
    given = [files.get(word, word) for word in command]
    ran = prunescope(*given, "--model", f"{files['small']}:nam=x")
    assert ran.code == 2
    assert "unknown key 'nam'" in ran.err

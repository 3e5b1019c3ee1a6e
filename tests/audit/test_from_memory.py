"""Audits, forecasts and verdicts of what is in memory."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import prunescope as ps

RNG = np.random.default_rng(3)
N = 240
Z = RNG.normal(0, 2, (N, 2))
Y = (Z + RNG.normal(0, 1, Z.shape) > 0).astype(int)
SPARSE = Z + RNG.normal(0, 1, Z.shape)
SEX = RNG.choice(["f", "m"], N)
ABOUT = {"labels": Y, "groups": {"sex": SEX}, "attributes": ["a", "b"]}


@pytest.fixture
def files(tmp_path):
    """Write the same two models as files, by hand."""
    paths = []
    for name, logits in (("dense", Z), ("int8", SPARSE)):
        columns = {"id": [str(i) for i in range(N)], "group__sex": SEX}
        for a, attribute in enumerate("ab"):
            columns |= {f"y__{attribute}": Y[:, a] == 1, f"logit__{attribute}": logits[:, a]}
        paths.append(tmp_path / f"{name}.parquet")
        pl.DataFrame(columns).write_parquet(paths[-1])
    return paths


@pytest.mark.parametrize("form", ["arrays", "frames", "tables", "paths", "predictions", "mixed"])
def test_an_audit_of_any_form_is_that_of_the_files(form, files):
    dense, int8 = files
    want = ps.audit(ps.Predictions.load(dense), ps.Predictions.load(int8))
    more = ABOUT if form in ("arrays", "frames") else {}
    given = {
        "arrays": (Z, SPARSE),
        "frames": (pd.DataFrame(Z, columns=["a", "b"]), pl.DataFrame(SPARSE, ["a", "b"])),
        "tables": (pl.read_parquet(dense), pl.read_parquet(int8)),
        "paths": (dense, str(int8)),
        "predictions": (ps.Predictions.load(dense), ps.Predictions.load(int8)),
        "mixed": (dense, SPARSE),
    }[form]
    found = ps.audit(dense=given[0], compressed={"int8": given[1]}, **more)
    assert_frame_equal(found.table, want.table)
    assert found.info.n_samples == N
    assert "int8" in found._repr_html_()


def test_a_table_may_have_its_ids_in_the_index(files):
    dense, int8 = files
    tables = [pd.DataFrame(pl.read_parquet(path).to_dict(as_series=False)) for path in files]
    tables[1] = tables[1].set_index("id").iloc[::-1]
    found = ps.audit(tables[0], {"int8": tables[1]}, replicates=0)
    assert_frame_equal(found.table, ps.audit(dense, {"int8": int8}, replicates=0).table)


def test_answers_that_are_all_alike_are_told():
    found = ps.audit(Z, {"empty": np.full_like(Z, -2.0)}, **ABOUT, replicates=0)
    [told] = [text for text in found.info.warnings if "same for every sample" in text]
    assert told.startswith("empty: ")
    assert not any("same for" in text for text in ps.audit(Z, SPARSE, **ABOUT).info.warnings)


def test_seeds_make_a_population():
    found = ps.audit(
        [Z, Z + 0.1], {"gmp": [SPARSE, SPARSE + 0.1], "int8": SPARSE}, **ABOUT, replicates=0
    )
    assert [(p.name, p.members) for p in found.info.populations][1:] == [
        ("gmp (2 seeds)", ["gmp-seed0", "gmp-seed1"])
    ]
    baselines = {model.name: model.baseline for model in found.info.models}
    assert baselines["gmp-seed1"] == "dense-seed1"
    assert baselines["int8"] == "dense-seed0"


def test_labels_that_contradict_a_file_are_refused(files):
    with pytest.raises(ps.PrunescopeError, match="disagree on"):
        ps.audit(files[0], {"int8": SPARSE}, labels=1 - Y, attributes=["a", "b"])


def test_groups_by_name_choose_what_to_slice_by(files):
    found = ps.audit(*files, groups=[], replicates=0)
    assert found.by_group.is_empty()
    assert ps.audit(*files, groups=["sex"], replicates=0).by_group.height


def test_classes_from_memory():
    logits = RNG.normal(0, 1, (N, 3))
    labels = logits.argmax(axis=1)
    pruned = logits + RNG.normal(0, 1, logits.shape)
    found = ps.audit(logits, pruned, labels=labels, classes=["x", "y", "z"], replicates=0)
    rows = found.overall.filter(metric="top1_accuracy", model="compressed")
    assert rows["value"].item() == (pruned.argmax(axis=1) == labels).mean()


def test_a_verdict_from_memory_is_that_of_the_audit(tmp_path, files):
    audit = ps.audit(Z, {"int8": SPARSE}, **ABOUT)
    found = ps.verdict(dense=Z, compressed={"int8": SPARSE}, **ABOUT)
    assert found == ps.verdict(audit) == ps.verdict(audit, policy=None, models=["int8"])
    assert found.answers.keys() == {"int8"}
    assert repr(found) == f"Verdict({found.text})"
    html = found._repr_html_()
    assert html.startswith(f"<p><strong>{found.text}</strong></p>")
    blocking = found.of("int8").blocking[0]
    assert blocking.criterion in html
    assert blocking.outcome in html
    audit.save(tmp_path / "audit")
    assert ps.verdict(tmp_path / "audit") == found
    policy = tmp_path / "policy.yaml"
    policy.write_text("{version: 2, criteria: [{metric: accuracy, lte: 1}]}")
    assert ps.verdict(audit, policy=policy).answers == {"int8": "ship"}
    with pytest.raises(ps.PrunescopeError, match="labels: an audit is given"):
        ps.verdict(audit, labels=Y)


def test_a_forecast_from_memory_is_that_of_the_file(files):
    found = ps.forecast(Z, **ABOUT, sparsity=0.9)
    want = ps.forecast(ps.Predictions.load(files[0]), sparsity=0.9)
    assert_frame_equal(found.samples, want.samples)
    assert_frame_equal(found.attributes, want.attributes)
    assert_frame_equal(ps.forecast(files[0], sparsity=0.9).samples, want.samples)
    assert "dense" in found._repr_html_()


def test_a_forecast_is_calibrated_on_arrays(files):
    validation = ps.Predictions.of(Z, Y, attributes=["a", "b"], name="dense")
    found = ps.forecast(
        Z, **ABOUT, validation=validation, pruned_validation={"gmp": SPARSE}, sparsity=0.9
    )
    assert found.info.probabilities == "calibrated on gmp"
    with pytest.raises(ps.PrunescopeError, match="labels are missing: validation holds scores"):
        ps.forecast(Z, **ABOUT, validation=Z)
    with pytest.raises(ps.PrunescopeError, match="dense holds 2 models: expected one"):
        ps.forecast(list(files))

"""`prunescope audit` and `prunescope report`, with good input and bad."""

import json

import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.cli.audit import spread

FAST = ("--replicates", 100)


def test_audit_writes_table_json_and_report(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    ran = prunescope("audit", dense, "--compressed", sparse, "-o", tmp_path / "out", *FAST)
    assert ran.code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"audit.parquet", "audit.json", "report.html"} <= names
    table = Audit.load(tmp_path / "out").table
    frames = [pl.read_parquet(path) for path in (dense, sparse)]
    want = [((f["logit__Bald"] > 0) == f["y__Bald"]).mean() for f in frames]
    rows = table.filter(
        pl.col("metric") == "accuracy", pl.col("attribute") == "Bald", pl.col("group").is_null()
    )
    assert rows["value"].to_list() == pytest.approx(want)


def test_json_is_one_object_on_stdout(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", tmp_path / "out", "--json", *FAST
    )
    assert ran.json["headline"]
    assert ran.json["report"] == [str(tmp_path / "out" / "report.html")]


def test_several_compressed_files_follow_one_option(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    again = tmp_path / "again.parquet"
    frame = pl.read_parquet(sparse)
    frame.write_parquet(again)  # no metadata: named by its file, rates stand in
    ran = prunescope(
        "audit", dense, "--compressed", sparse, again, "-o", tmp_path / "out", "--json", *FAST
    )
    assert ran.code == 0
    models = Audit.load(tmp_path / "out").info.models
    assert [(m.name, m.baseline) for m in models] == [
        ("dense", None),
        ("sparse", "dense"),
        ("again", "dense"),
    ]


def test_report_in_other_formats(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    out = tmp_path / "out"
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", out, "--format", "json, md", *FAST
    )
    assert ran.code == 0
    assert not (out / "report.html").exists()
    assert json.loads((out / "report.json").read_text())["format_version"] == 1
    assert (out / "report.md").read_text().startswith("#")
    ran = prunescope("report", out, "--format", "pdf")
    assert ran.code == 2
    assert "unknown report format 'pdf'" in ran.err


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (["--compressed", "a"], ["--compressed", "a"]),
        (["d", "--compressed", "a", "b"], ["d", "--compressed", "a", "--compressed", "b"]),
        (["--compressed", "a", "--seed", "1", "d"], ["--compressed", "a", "--seed", "1", "d"]),
        (["--compressed", "a", "--compressed", "b"], ["--compressed", "a", "--compressed", "b"]),
        (["--compressed=a", "b"], ["--compressed=a", "--compressed", "b"]),
    ],
)
def test_spread(given, want):
    assert spread(given) == want


def test_report_is_written_again_elsewhere(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    prunescope("audit", dense, "--compressed", sparse, "-o", tmp_path / "out", *FAST)
    ran = prunescope("report", tmp_path / "out", "-o", tmp_path / "new", "--title", "Mine")
    assert ran.code == 0
    assert "Mine" in (tmp_path / "new" / "report.html").read_text()


def test_train_labels_replace_stand_in_rates(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    for path in (dense, sparse):
        pl.read_parquet(path).write_parquet(path)
    out = tmp_path / "out"
    ran = prunescope("audit", dense, "--compressed", sparse, "-o", out, *FAST)
    assert "rates of the training split" in ran.err
    labels = tmp_path / "train.csv"
    pl.read_parquet(dense).select(pl.selectors.starts_with("y__", "group__")).write_csv(labels)
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", out, "--train-labels", labels, *FAST
    )
    assert ran.code == 0
    assert "rates of the training split" not in ran.err


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda p: p.unlink(), "no such file"),
        (lambda p: p.write_bytes(p.read_bytes()[:500]), "cannot be read as parquet"),
        (lambda p: p.write_bytes(b""), "cannot be read as parquet"),
        (
            lambda p: pl.read_parquet(p).drop("id").write_parquet(p),
            "no column 'id'. Expected the columns id, y__<attribute>",
        ),
        (
            lambda p: pl.read_parquet(p).drop("y__Bald").write_parquet(p),
            "Bald stand only as y__ or only as logit__",
        ),
        (
            lambda p: (
                pl.read_parquet(p).with_columns(logit__Bald=pl.lit(float("nan"))).write_parquet(p)
            ),
            "is nan; expected a finite number",
        ),
        (
            lambda p: pl.read_parquet(p).with_columns(id=pl.lit("same")).write_parquet(p),
            "stands in rows 1 and 2: ids must be unique",
        ),
        (
            lambda p: pl.read_parquet(p).with_columns(id=pl.col("id") + "x").write_parquet(p),
            "share no sample",
        ),
        (
            lambda p: pl.read_parquet(p).with_columns(y__Bald=~pl.col("y__Bald")).write_parquet(p),
            "disagree on 200 labels",
        ),
        (lambda p: pl.read_parquet(p).head(0).write_parquet(p), "no samples"),
    ],
)
def test_bad_files_get_one_clear_error(tmp_path, answers, prunescope, spoil, complaint):
    dense, sparse = answers(tmp_path)
    spoil(sparse)
    ran = prunescope("audit", dense, "--compressed", sparse, "-o", tmp_path / "out", *FAST)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.split())
    assert ran.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--groups", "Mal"), "unknown group 'Mal': did you mean Male?"),
        (("--cluster", "who"), "unknown cluster column 'who'"),
        (("--replicates", 5), "greater than or equal to 100"),
        (("--confidence", 2), "less than 1"),
        (("--trigger", "Bald"), "unknown group 'Bald'"),
        (("--scores", "odds"), "'odds' is not one of"),
    ],
)
def test_bad_options_get_one_clear_error(tmp_path, answers, prunescope, options, complaint):
    dense, sparse = answers(tmp_path)
    ran = prunescope("audit", dense, "--compressed", sparse, "-o", tmp_path / "out", *options)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.replace("│", " ").split())


def test_two_models_of_one_name(tmp_path, answers, prunescope):
    dense, _ = answers(tmp_path)
    ran = prunescope("audit", dense, "--compressed", dense, "-o", tmp_path / "out", *FAST)
    assert ran.code == 2
    assert "two models are called dense" in ran.err


def test_probabilities_have_to_be_declared(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    logits = pl.selectors.starts_with("logit__")
    for path in (dense, sparse):
        frame = pl.read_parquet(path)
        frame.with_columns((logits.exp() / (logits.exp() + 1)).name.keep()).write_parquet(path)
    out = tmp_path / "out"
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "--scores", "probability", "-o", out, *FAST
    )
    assert ran.code == 0
    info = json.loads((out / "audit.json").read_text())
    assert info["n_samples"] == 200


def test_report_of_a_folder_without_audit(tmp_path, prunescope):
    ran = prunescope("report", tmp_path)
    assert ran.code == 2
    assert "holds no audit" in ran.err


def test_a_foreign_file_is_not_called_dense(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    for path in (dense, sparse):
        pl.read_parquet(path).write_csv(path.with_suffix(".csv"))
    files = [path.with_suffix(".csv") for path in (dense, sparse)]
    out = tmp_path / "out"
    ran = prunescope("audit", files[0], f"--compressed={files[1]}", "-o", out, *FAST)
    assert ran.code == 0
    assert "does not tell how the model was compressed" in ran.err
    methods = Audit.load(out).table.select("model", "method").unique().sort("model").rows()
    assert methods == [("dense", "dense"), ("sparse", "compressed")]
    leaning = Audit.load(out).table.filter(metric="bias_amplification", group="Male")
    assert "ok" in leaning["status"]  # groups of false and true in CSV, rates of the labels

"""`prunescope audit` and `prunescope report`, with good input and bad."""

import json
import os
import shlex

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prunescope.audit import Audit
from prunescope.cli.app import NAMES
from prunescope.cli.arguments import arguments

FAST = ("--replicates", 100)
RANKING = ["auc", "average_precision"]


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


@pytest.mark.parametrize("place", ["dense", "shards", "thresholds"])
def test_a_file_whose_name_is_no_text_is_refused(tmp_path, answers, prunescope, place):
    dense, sparse = answers(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    named = home / os.fsdecode(b"d\xff.parquet")
    try:
        named.write_bytes(dense.read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    if place == "thresholds":
        given = (dense, "--thresholds", named.with_suffix(".json"))
    else:
        given = (named if place == "dense" else home,)
    out = tmp_path / "out"
    ran = prunescope("audit", *given, "--compressed", sparse, "-o", out, *FAST)
    assert ran.code == 2
    assert "its name is no UTF-8: rename it" in ran.err
    assert not out.exists()


def test_json_is_one_object_on_stdout(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", tmp_path / "out", "--json", *FAST
    )
    assert ran.json["headline"]
    assert ran.json["report"] == [str(tmp_path / "out" / "report.html")]


def test_a_policy_of_ones_own_judges(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    policy = tmp_path / "policy.yaml"
    policy.write_text("{version: 2, criteria: [{name: Mine, metric: accuracy, lte: 0}]}")
    out = tmp_path / "out"
    ran = prunescope("audit", dense, "--compressed", sparse, "-o", out, "--policy", policy, *FAST)
    assert ran.code == 0
    assert ran.out.startswith("Do not ship.\n")
    assert "broken, severe: Mine: " in ran.out
    assert "Mine" in (out / "report.html").read_text()
    policy.write_text("{version: 2, criteria: [{name: Mine, metric: accuracy, lte: 1}]}")
    ran = prunescope("report", out, "--policy", policy, "--json")
    assert (ran.json["verdict"]["answer"], ran.json["verdict"]["text"]) == ("ship", "Ship.")
    assert ran.json["verdict"]["models"][0]["criteria"][0]["criterion"] == "Mine"
    policy.write_text("{version: 2, criteria: [{metric: acuracy, lte: 1}]}")
    ran = prunescope("report", out, "--policy", policy)
    assert ran.code == 2
    assert "policy.yaml" in ran.err


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
        "audit", dense, "--compressed", sparse, "-o", out, "--format", "json, md, csv", *FAST
    )
    assert ran.code == 0
    assert not (out / "report.html").exists()
    assert json.loads((out / "report.json").read_text())["format_version"] == 5
    assert pl.read_csv(out / "report.csv").height == Audit.load(out).table.height
    assert (out / "report.md").read_text().startswith("#")
    ran = prunescope("report", out, "--format", "pdf")
    assert ran.code == 2
    assert "unknown report format 'pdf'" in ran.err


def test_figures_and_gains_are_asked_for(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    out, gain = tmp_path / "out", tmp_path / "gain.json"
    gain.write_text(json.dumps({"models": [{"model": "sparse", "ms_batch_1": 2.5}]}))
    audit = ("audit", dense, "--compressed", sparse, "-o", out, *FAST)
    ran = prunescope(*audit, "--gain", gain, "--figures", "svg", "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert told["verdict"]["answers"].keys() == {"sparse"}
    assert str(out / "figures" / "trade-off.svg") in told["report"]
    assert "time per image, ms" in (out / "report.html").read_text()
    assert "time per image, ms" in (out / "figures" / "trade-off.svg").read_text()
    gain.write_text(json.dumps({"models": [{"model": "other", "ms_batch_1": 2.5}]}))
    ran = prunescope("report", out, "--gain", gain)
    assert ran.code == 2
    assert "the gain is of other, and the audit of sparse: expected the same names" in ran.err
    assert prunescope("report", out, "--gain", tmp_path / "none").code == 2
    assert prunescope("report", out, "--figures", "gif").code == 2


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
def test_arguments(given, want):
    assert arguments(given, NAMES) == want


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
        (("--replicates", 5), "expected 0, for no intervals, or at least 16"),
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


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--data", "no-such.csv"), "no-such.csv does not exist: expected 'synthetic'"),
        (("--slices", "no-such"), "no-such"),
        (("--policy", "no-such.yaml"), "no-such.yaml"),
        (("--gain", "no-such.json"), "no-such.json"),
        (("--format", "pdf"), "unknown report format 'pdf'"),
        (("--figures", "gif"), "unknown kind of figure 'gif'"),
        (("--base-model", "a/b/c"), "'a/b/c' is no name of a model"),
    ],
)
def test_what_the_page_is_made_of_is_checked_first(
    tmp_path, answers, prunescope, monkeypatch, options, complaint
):
    monkeypatch.setattr("prunescope.cli.files.Files.audit_in_memory", None)
    dense, sparse = answers(tmp_path)
    ran = prunescope("audit", dense, "--compressed", sparse, "-o", tmp_path / "out", *options)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "example"),
    [
        (["a.csv", "b.csv"], "prunescope audit a.csv --compressed b.csv"),
        (["a.csv"], "prunescope audit a.csv --compressed FILE"),
    ],
)
def test_without_compressed_models_it_says_how_they_are_named(prunescope, given, example):
    ran = prunescope("audit", *given)
    assert ran.code == 2
    assert "dense models come first, compressed ones after --compressed" in ran.err
    assert ran.err.endswith(f"for example: {example}\n")


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


# Files of other tools, large files, and what the audit is asked


def strangers(folder, n=60):
    """Two CSV files in a layout of their own: hard labels, probabilities, a group."""
    rng = np.random.default_rng(0)
    truth = rng.random((n, 2)) < 0.4
    paths = []
    for name, noise in (("mine", 1.0), ("small", 3.0)):
        p = 1 / (1 + np.exp(-(4 * truth - 2 + rng.normal(0, noise, truth.shape))))
        columns = {"filename": [f"{i}.jpg" for i in range(n)]}
        for a, attribute in enumerate(("Smiling", "Bald")):
            columns[f"{attribute}_true"] = truth[:, a].astype(int)
            columns[f"{attribute}_prob"] = p[:, a]
        columns["gender"] = ["m", "f"] * (n // 2)
        paths.append(folder / f"{name}.csv")
        pl.DataFrame(columns).write_csv(paths[-1])
    return paths


def test_a_strangers_files_say_what_to_add_and_then_work(tmp_path, prunescope):
    """The options that the error suggests are the ones that make it work."""
    dense, small = strangers(tmp_path)
    first = prunescope("audit", dense, "--compressed", small, "-o", tmp_path / "out", *FAST)
    assert first.code == 2
    advice = [line for line in first.err.splitlines() if "--map" in line]
    options = shlex.split(" ".join(advice))
    assert "--scores" in options
    ran = prunescope("audit", dense, "--compressed", small, "-o", tmp_path / "out", *options, *FAST)
    assert ran.code == 0
    table = Audit.load(tmp_path / "out").table
    assert set(table["attribute"].drop_nulls()) == {"Smiling", "Bald"}
    assert set(table["group"].drop_nulls()) == {"gender"}


def test_thresholds_effects_and_intersections_reach_the_audit(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    (tmp_path / "t.json").write_text('{"sparse": {"Bald": 50.0}}')
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", tmp_path / "out",
        "--thresholds", tmp_path / "t.json", "--min-effect", "0.9", "--min-effect", "tpr=0.01",
        "--intersect", "Male,Male", *FAST,
    )  # fmt: skip
    assert (ran.code, "expected two or more groups" in ran.err) == (2, True)
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", tmp_path / "out",
        "--thresholds", tmp_path / "t.json", "--min-effect", "0.9", "--min-effect", "tpr=0.01",
        *FAST,
    )  # fmt: skip
    assert ran.code == 0
    found = Audit.load(tmp_path / "out")
    row = pl.col("attribute") == "Bald", pl.col("group").is_null(), pl.col("model") == "sparse"
    rows = found.table.filter(*row)
    assert rows.filter(metric="selection_rate")["value"].to_list() == [0]
    assert rows.filter(metric="tpr")["verdict"].to_list() == ["worse"]
    assert rows.filter(metric="accuracy")["verdict"].to_list() == ["negligible"]


def test_streamed_files_give_the_same_table(tmp_path, answers, prunescope):
    paths = answers(tmp_path)
    for path in paths:
        folder = tmp_path / f"{path.stem}-shards"
        folder.mkdir()
        frame = pl.read_parquet(path)
        text = pl.read_parquet_metadata(path)["prunescope"]
        for part in range(2):
            frame[part * 100 : part * 100 + 100].write_parquet(
                folder / f"{part}.parquet", metadata={"prunescope": text}
            )
    tables = []
    for sources, options in (
        (paths, ()),
        (paths, ("--stream",)),
        ([tmp_path / f"{path.stem}-shards" for path in paths], ()),
        ([tmp_path / f"{path.stem}-shards" / "*.parquet" for path in paths], ()),
    ):
        out = tmp_path / f"out{len(tables)}"
        ran = prunescope(
            "audit", sources[0], "--compressed", sources[1], "-o", out, *options, *FAST
        )
        assert ran.code == 0, ran.err
        tables.append(Audit.load(out).table.filter(~pl.col("metric").is_in(RANKING)))
    for table in tables[1:]:
        assert_frame_equal(table, tables[0], check_exact=False, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--map", "filename"), "expected NEW=OLD"),
        (("--map", "group__age=nowhere"), "nowhere"),
        (("--min-effect", "much"), "expected a number, or METRIC=number"),
        (("--min-effect", "acuracy=1"), "did you mean accuracy"),
        (("--thresholds", "absent.json"), "no such file"),
        (("--in-memory", "--engine", "ray"), "leave out --in-memory"),
        (("--replicates", "7"), "expected 0, for no intervals, or at least 16"),
    ],
)
def test_options_about_files_are_checked(tmp_path, answers, prunescope, options, complaint):
    dense, sparse = answers(tmp_path)
    ran = prunescope("audit", dense, "--compressed", sparse, "-o", tmp_path / "out", *options)
    assert (ran.code, complaint in ran.err) == (2, True), ran.err
    assert not (tmp_path / "out").exists()


def test_without_replicates_there_are_no_intervals(tmp_path, answers, prunescope):
    dense, sparse = answers(tmp_path)
    ran = prunescope(
        "audit", dense, "--compressed", sparse, "-o", tmp_path / "out", "--replicates", 0
    )
    assert ran.code == 0, ran.err
    table = Audit.load(tmp_path / "out").table
    assert table["value"].count() > 100
    assert (
        table.select("low", "high", "delta_low", "delta_high").null_count().row(0)
        == (table.height,) * 4
    )

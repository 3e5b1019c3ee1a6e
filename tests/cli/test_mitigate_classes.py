"""`prunescope mitigate` and what reads its files, for models that choose one of several classes."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import recall_score

from prunescope.mitigate import Comparison
from prunescope.predictions import Predictions, adjust, read_adjustments

DOCS = Path(__file__).parents[2] / "docs" / "mitigate"
NAMES = ("cat", "dog", "emu", "owl")


@pytest.fixture
def files(tmp_path, build):
    """Write a dense and a pruned model of classes on two splits; return their paths."""
    found = {}
    for seed, split in enumerate(("val", "test")):
        rng = np.random.default_rng(seed)
        true = rng.choice(4, 600, p=[0.5, 0.25, 0.15, 0.1])
        z = rng.normal(0, 1.5, (600, 4)) + 3 * np.eye(4)[true]
        town = np.where(rng.random(600) < 0.5, "a", "b")
        paths = []
        for name, lost in (("sparse", [0, 0, 1, 2]), ("dense", [0, 0, 0, 0])):
            model = build(
                np.eye(4)[true], (z - lost).astype("f4"), task="multiclass", name=name,
                names=NAMES, ids=[f"{split}-{i}" for i in range(600)], groups={"town": town},
            )  # fmt: skip
            paths.append(tmp_path / f"{name}-{split}.parquet")
            model.save(paths[-1])
        found[split] = tuple(paths)
    return found


def given(model):
    return model.decisions.argmax(axis=1)


@pytest.mark.parametrize("how", ["--in-memory", "--stream"])
def test_offsets_then_audit(files, tmp_path, prunescope, how):
    out, (sparse, dense), test = tmp_path / "a.json", files["val"], files["test"]
    ran = prunescope(
        "mitigate", "thresholds", sparse, "--criterion", "dense-rate", "--dense", dense,
        "--test", *test, "-o", out, "--replicates", 100, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    mine = read_adjustments(out).of("sparse")
    assert mine.kind == "offsets"
    assert set(mine.offsets) == set(NAMES)
    [effects] = ran.json["effects"]
    assert effects["measures"][0]["needs"] == "nothing but the logits"
    assert [row["attribute"] for row in ran.json["thresholds"]["sparse"]] == [None, *NAMES]
    ran = prunescope(
        "audit", test[1], "--compressed", test[0], "--thresholds", out, "-o", tmp_path / "audit",
        "--replicates", 0, how,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    table = pl.read_parquet(tmp_path / "audit" / "audit.parquet")
    told = table.filter(pl.col("group").is_null(), metric="tpr", attribute="owl", model="sparse")[
        "value"
    ][0]
    model = Predictions.load(test[0])
    before, after = (
        recall_score(model.samples.labels.argmax(axis=1), given(one), average=None)[3]
        for one in (model, adjust(model, mine))
    )
    assert told == pytest.approx(after)
    assert after > before + 0.1


def test_a_person_sees_what_moved_and_how_far_floors_let_it(files, tmp_path, prunescope):
    ran = prunescope(
        "mitigate", "thresholds", files["val"][0], "--criterion", "macro-recall", "--group", "town",
        "--floor", "tpr >= -0.05", "--calibrate", "temperature", "-o", tmp_path / "a.json",
        "--min-support", 40,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    told = re.sub(r"\s+", " ", ran.out)
    assert "sparse: macro-recall, offsets that move most" in told
    assert "sparse: temperature curves for 4 classes" in told
    assert re.search(r"offsets of all: 0\.\d\d of the way keeps all floors, and no more", told)
    assert re.search(r"not fitted: .*owl of town=b \(\d+ of at least 40 samples\)", told)
    assert "needs town of each sample when it answers" in told


def test_offsets_reach_what_else_reads_predictions(files, tmp_path, prunescope):
    out, test = tmp_path / "a.json", files["test"]
    fitted = ("mitigate", "thresholds", files["val"][0], "--criterion", "prevalence", "-o", out)
    assert prunescope(*fitted).code == 0
    ran = prunescope(
        "mitigate", "route", *files["val"], "--share", 0.1, "--thresholds", out, "-o",
        tmp_path / "route", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    plain = prunescope("mitigate", "route", *files["val"], "--share", 0.1, "-o", tmp_path / "r",
                       "--json")  # fmt: skip
    assert ran.json["cut"] != plain.json["cut"]
    ran = prunescope("samples", test[1], "--compressed", test[0], "--thresholds", out, "-o",
                     tmp_path / "samples.csv")  # fmt: skip
    assert ran.code == 0, ran.err
    ran = prunescope("audit", files["val"][1], "--compressed", files["val"][0], "--thresholds", out,
                     "-o", tmp_path / "audit", "--replicates", 0)  # fmt: skip
    assert "were fitted to these samples, whose figures flatter it" in ran.err.replace("\n", " ")
    told = ("mitigate", "compare", "--fit", *files["val"], "--test", *test, "--replicates", 100,
            "--measures")  # fmt: skip
    ran = prunescope(*told, "route-dense", "--thresholds", out, "-o", tmp_path / "c")
    assert ran.code == 0, ran.err
    ran = prunescope(*told, "prevalence", "--thresholds", out, "-o", tmp_path / "d")
    assert ran.code == 2
    assert "sparse is adjusted already: fit to the logits that the model gives" in ran.err


def test_compare_ranks_offsets(files, tmp_path, prunescope):
    ran = prunescope(
        "mitigate", "compare", "--fit", *files["val"], "--test", *files["test"], "--group", "town",
        "-o", tmp_path / "comparison", "--replicates", 100,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    names = {one.name for one in Comparison.load(tmp_path / "comparison").info.measures}
    assert names == {
        "prevalence", "dense-rate", "macro-recall", "macro-f1", "group-prevalence", "temperature",
        "route-dense", "route-person",
    }  # fmt: skip
    assert (tmp_path / "comparison" / "comparison.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--criterion", "f1"), "criterion f1 is for attributes: use macro-f1"),
        (("--criterion", "equal-tpr", "--group", "town"), "use macro-recall, with the group"),
        (("--criterion", "macro-f2"), "did you mean macro-f1"),
        (("--criterion", "dense-rate"), "give its predictions"),
        (("--calibrate", "isotonic"), "use calibration temperature"),
        (("--criterion", "prevalence", "--floor", "tnr >= 0.5"), "unknown metric 'tnr'"),
    ],
)
def test_bad_input_is_one_clear_error(files, tmp_path, prunescope, arguments, message):
    out = tmp_path / "a.json"
    ran = prunescope("mitigate", "thresholds", files["val"][0], *arguments, "-o", out)
    assert ran.code == 2
    assert message in ran.err.replace("\n", " ")
    assert not out.exists()


def test_offsets_of_other_classes_are_refused(files, tmp_path, prunescope):
    (tmp_path / "a.json").write_text(
        json.dumps({"adjustments": {"sparse": {"offsets": {"cow": 1.0}}}})
    )
    ran = prunescope("audit", files["val"][1], "--compressed", files["val"][0], "--thresholds",
                     tmp_path / "a.json", "-o", tmp_path / "audit")  # fmt: skip
    assert ran.code == 2
    assert "unknown attribute 'cow'" in ran.err


def test_the_lines_for_users_of_onnx_do_the_same(files, tmp_path, prunescope):
    """The documented lines of NumPy give the class that prunescope gives."""
    out = tmp_path / "adjustments.json"
    ran = prunescope(
        "mitigate", "thresholds", files["val"][0], "--criterion", "macro-f1", "--calibrate",
        "temperature", "--group", "town", "-o", out,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    model = Predictions.load(files["test"][0])
    code = re.search(r"```python\n(import json.*?)```", (DOCS / "thresholds.md").read_text(), re.S)
    space = {}
    exec(code[1].replace("adjustments.json", str(out)), space)
    expected = given(adjust(model, read_adjustments(out).of("sparse")))
    towns = model.samples.groups["town"].to_series("town").to_list()
    found = [
        space["choose"](dict(zip(model.attributes, map(float, z), strict=True)), town)
        for z, town in zip(model.logits, towns, strict=True)
    ]
    assert found == [model.attributes[k] for k in expected]
    assert found != [model.attributes[k] for k in given(model)]

"""`prunescope mitigate thresholds`, `route` and `compare`, with good input and bad."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prunescope.mitigate import Comparison, Route
from prunescope.predictions import Predictions, adjust, read_adjustments

DOCS = Path(__file__).parents[2] / "docs" / "mitigate"


@pytest.fixture
def files(tmp_path, answers):
    """Write a dense and a sparse model on a validation and on a test split; return their paths."""
    found = []
    for seed, split in enumerate(("val", "test")):
        folder = tmp_path / split
        folder.mkdir()
        for path in answers(folder, n=400, seed=seed):
            frame = pl.read_parquet(path)
            model = Predictions.load(path)
            ids = pl.Series([f"{split}-{i}" for i in range(frame.height)])
            samples = type(model.samples)(
                ids, model.attributes, model.samples.labels, model.samples.groups
            )
            Predictions(samples, model.logits, model.metadata).save(path)
            found.append(path)
    dense, sparse, dense_test, sparse_test = found
    return {"val": (sparse, dense), "test": (sparse_test, dense_test)}


def test_thresholds_then_audit(files, tmp_path, prunescope):
    out = tmp_path / "a.json"
    (sparse, dense), test = files["val"], files["test"]
    ran = prunescope(
        "mitigate", "thresholds", sparse, "--criterion", "dense-rate", "--dense", dense,
        "--calibrate", "isotonic", "--test", *test, "-o", out, "--replicates", 100, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    mine = read_adjustments(out).of("sparse")
    assert (mine.criterion, mine.calibration) == ("dense-rate", "isotonic")
    [effects] = ran.json["effects"]
    assert effects["measures"][0]["needs"] == "nothing but the logits"
    ran = prunescope(
        "audit", test[1], "--compressed", test[0], "--thresholds", out, "-o", tmp_path / "audit",
        "--replicates", 0,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    table = pl.read_parquet(tmp_path / "audit" / "audit.parquet")
    told = table.filter(
        pl.col("group").is_null(), metric="selection_rate", attribute="Bald", model="sparse"
    )["value"][0]
    expected = adjust(Predictions.load(test[0]), mine).decisions[:, 2].mean()
    assert told == pytest.approx(expected)


def test_a_person_sees_what_moved_and_how_to_apply_it(files, tmp_path, prunescope):
    out = tmp_path / "a.json"
    ran = prunescope(
        "mitigate", "thresholds", files["val"][0], "--criterion", "prevalence", "--group", "Male",
        "-o", out,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "needs Male of each sample when it answers" in ran.out
    assert "not fitted: Male of Male=False (0 of at least 10 samples)" in ran.out.replace("\n", " ")
    assert "--thresholds" in ran.out


def test_route_then_its_folder(files, tmp_path, prunescope):
    out = tmp_path / "route"
    ran = prunescope(
        "mitigate", "route", *files["val"], "--certify", "disagreement", "--alpha", 0.2,
        "--certify-groups", "Male", "--test", *files["test"], "--macs", "40e6,6e6", "-o", out,
        "--replicates", 100, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert {path.name for path in out.iterdir()} == {
        "route.json", "curve.parquet", "route.html", "comparison.json", "comparison.parquet",
    }  # fmt: skip
    read = Route.load(out)
    assert read.info.cut == ran.json["cut"]
    assert len(ran.json["certificates"]) == 2
    assert read.info.macs == (40e6, 6e6)
    ran = prunescope("mitigate", "route", *files["val"], "--share", 0.1, "-o", out)
    assert "send answers whose risk is at least" in ran.out


def test_a_route_that_cannot_be_is_told_and_fails(files, tmp_path, prunescope):
    ran = prunescope(
        "mitigate", "route", *files["val"], "--certify", "error", "--alpha", 0.0001,
        "-o", tmp_path / "route",
    )  # fmt: skip
    assert ran.code == 1
    assert "cannot certify P(error ≤ 0.0001)" in ran.out.replace("\n", " ")
    assert "even without a loss 23025 are needed" in ran.out.replace("\n", " ")
    assert (tmp_path / "route" / "route.html").exists()


def reviewed(path, split):
    """Write what a person says who knows the labels, of 40 answers on Bald."""
    labels = pl.read_parquet(split)["y__Bald"].to_list()[:40]
    ids = pl.read_parquet(split)["id"].to_list()[:40]
    told = ["yes" if label else "no" for label in labels]
    pl.DataFrame({"id": ids, "attribute": "Bald", "answer": told, "by": "ann"}).write_csv(path)
    return path


@pytest.mark.parametrize("choice", [(), ("--share", 0.05)])
def test_route_with_what_people_said(files, tmp_path, prunescope, choice):
    out, split = tmp_path / "route", files["test"] if choice else files["val"]
    test = ("--test", *files["test"]) if choice else ()
    said = reviewed(tmp_path / "review.csv", split[0])
    told = (*choice, *test, "--overrides", said, "-o", out, "--replicates", 100)
    ran = prunescope("mitigate", "route", *files["val"], *told, "--json")
    assert ran.code == 0, ran.err
    names = {"nothing", "overrides"} | ({"routed", "routed+overrides"} if choice else set())
    assert {row["measure"] for row in ran.json["effects"]["effects"]} == names
    found = Comparison.load(out)
    [row] = found.table.filter(
        pl.col("group").is_null(), metric="accuracy", measure="overrides"
    ).to_dicts()
    pruned = Predictions.load(split[0])
    right = pruned.decisions == (pruned.samples.labels == 1)
    after = right.copy()
    after[:40, 2] = True
    assert (row["nothing"], row["value"]) == pytest.approx((right.mean(), after.mean()))
    info = Route.load(out).info
    assert (info.overrides.n, info.overrides.file) == (40, "review.csv")
    assert "Before and after" in (out / "route.html").read_text()
    ran = prunescope("mitigate", "route", *files["val"], *told)
    assert "review.csv: " in ran.out
    assert ("send answers whose risk is at least" in ran.out) == bool(choice)


def test_labels_that_people_call_wrong_leave_no_proof_of_errors(files, tmp_path, prunescope):
    said = tmp_path / "review.csv"
    said.write_text("id,attribute,answer\nval-0,Bald,label_wrong\n")
    told = ("--overrides", said, "--alpha", 0.3, "-o", tmp_path / "route", "--replicates", 100)
    ran = prunescope("mitigate", "route", *files["val"], "--certify", "error", *told)
    assert ran.code == 2
    assert "certify disagreement, which needs no label" in ran.err.replace("\n", " ")
    ran = prunescope("mitigate", "route", *files["val"], "--certify", "disagreement", *told)
    assert ran.code == 0, ran.err
    assert "note: these samples chose the cut, too" in ran.err


def test_route_by_a_forecast(files, tmp_path, prunescope):
    told = []
    for split in ("val", "test"):
        told.append(tmp_path / f"forecast-{split}")
        ran = prunescope("forecast", files[split][1], "-o", told[-1])
        assert ran.code == 0, ran.err
    ran = prunescope(
        "mitigate", "route", *files["val"], "--share", 0.1, "--forecast", told[0], "--test",
        *files["test"], "--test-forecast", told[1], "-o", tmp_path / "route", "--replicates", 100,
        "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["score"] == "a forecast by spectral-shrink"
    assert ran.json["effects"]["measures"][0]["name"] == "routed"


def test_compare_ranks_measures(files, tmp_path, prunescope):
    out = tmp_path / "comparison"
    ran = prunescope(
        "mitigate", "compare", "--fit", *files["val"], "--test", *files["test"],
        "--measures", "prevalence, route-person", "-o", out, "--replicates", 100,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "route-person: needs a person, for what is sent" in ran.out.replace("\n", " ")
    found = Comparison.load(out)
    assert {one.name for one in found.info.measures} == {"prevalence", "route-person"}
    assert (out / "comparison.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("thresholds", "SPARSE"), "nothing to fit: name a criterion"),
        (("thresholds", "SPARSE", "--criterion", "prevelance"), "did you mean prevalence"),
        (("thresholds", "SPARSE", "--criterion", "dense-rate"), "give its predictions"),
        (("thresholds", "SPARSE", "SPARSE", "--criterion", "f1"), "two of the models have"),
        (("thresholds", "SPARSE", "--criterion", "f1", "--test", "SPARSE"), "--test takes two"),
        (("thresholds", "SPARSE", "--criterion", "f1", "--test", "DENSE", "DENSE"),
         "'dense' is none of the models that were fitted"),
        (("thresholds", "none.parquet", "--criterion", "f1"), "no such file"),
        (("thresholds", "SPARSE", "--criterion", "f1", "--test", "SPARSE", "DENSE"),
         "validation samples of sparse are test samples, too"),
        (("route", "SPARSE", "DENSE", "--share", "0.1", "--test", "SPARSE", "DENSE"),
         "validation samples of sparse are test samples, too"),
        (("route", "SPARSE", "DENSE", "--share", "0.1", "--alpha", "0.1"), "go with --certify"),
        (("route", "SPARSE", "DENSE", "--share", "0.1", "--score", "margin", "--forecast", "no"),
         "two kinds of risk: name one"),
        (("route", "SPARSE", "DENSE", "--share", "0.1", "--cluster", "no"), "cluster 'no' is not"),
        (("route", "SPARSE", "DENSE", "--overrides", "no.csv"), "no such file; expected overrides"),
        (("route", "SPARSE", "DENSE", "--overrides", "SPARSE"), "no column attribute, answer"),
        (("compare", "--fit", "SPARSE", "DENSE", "--test", "SPARSE"), "--test takes two"),
        (("compare", "--models", "a", "b", "--thresholds", "t.json"), "no predictions are read"),
        (("route", "SPARSE", "DENSE"), "exactly one of a share, a target and a loss"),
        (("route", "SPARSE", "DENSE", "--share", "0.1", "--macs", "4"), "expected 2 positive"),
        (("route", "SPARSE", "DENSE", "--share", "0.1", "--forecast", "no"), "holds no forecast"),
        (("compare", "--fit", "SPARSE", "DENSE", "--test", "SPARSE", "DENSE"),
         "validation samples of sparse are test samples, too"),
        (("compare", "--fit", "SPARSE", "--test", "SPARSE", "DENSE"), "--fit takes two paths"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(files, tmp_path, prunescope, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    names = {"SPARSE": files["val"][0], "DENSE": files["val"][1]}
    ran = prunescope("mitigate", *(names.get(word, word) for word in arguments))
    assert ran.code == 2
    assert message in ran.err
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_adjustment_of_another_model_is_refused(files, tmp_path, prunescope):
    out = tmp_path / "a.json"
    assert prunescope(
        "mitigate", "thresholds", files["val"][0], "--criterion", "f1", "-o", out
    ).code == 0  # fmt: skip
    content = json.loads(out.read_text())
    content["adjustments"]["other"] = content["adjustments"].pop("sparse")
    out.write_text(json.dumps(content))
    ran = prunescope("audit", files["val"][1], "--compressed", files["val"][0], "--thresholds", out)
    assert ran.code == 2
    assert "thresholds: unknown model 'other'" in ran.err


def test_the_lines_for_users_of_onnx_do_the_same(files, tmp_path, prunescope):
    """The documented lines of NumPy give the answers that prunescope gives."""
    out = tmp_path / "adjustments.json"
    ran = prunescope(
        "mitigate", "thresholds", files["val"][0], "--criterion", "prevalence", "--calibrate",
        "isotonic", "--group", "Male", "-o", out,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    model = Predictions.load(files["test"][0])
    code = re.search(r"```python\n(import json.*?)```", (DOCS / "thresholds.md").read_text(), re.S)
    space = {}
    exec(code[1].replace("adjustments.json", str(out)), space)
    expected = adjust(model, read_adjustments(out).of("sparse")).decisions
    males = model.samples.groups["Male"].to_series("Male").to_list()
    for a, attribute in enumerate(model.attributes):
        found = [
            space["answer"](attribute, float(z), str(male))
            for z, male in zip(model.logits[:, a], males, strict=True)
        ]
        assert np.array_equal(found, expected[:, a])


def test_a_file_of_several_models_serves_commands_that_read_one(files, tmp_path, prunescope):
    one, both = tmp_path / "one.json", tmp_path / "both.json"
    fitted = ("mitigate", "thresholds", files["val"][0], "--criterion", "prevalence", "-o", one)
    assert prunescope(*fitted).code == 0
    content = json.loads(one.read_text())
    content["adjustments"]["sparser"] = content["adjustments"]["sparse"]
    both.write_text(json.dumps(content))
    told = ("--test", *files["test"], "--replicates", 100, "--thresholds", both)
    ran = prunescope("mitigate", "route", *files["val"], "--share", 0.1, *told,
                     "-o", tmp_path / "route", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    assert "is also for sparser: not read here" in ran.err
    ran = prunescope("mitigate", "compare", "--fit", *files["val"], *told,
                     "--measures", "route-dense", "-o", tmp_path / "c", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    plain = prunescope("mitigate", "compare", "--fit", *files["val"], *told[:-2],
                       "--measures", "route-dense", "-o", tmp_path / "d", "--json")  # fmt: skip
    nothing, before = (
        [row["value"] for row in found.json["effects"] if row["measure"] == "nothing"]
        for found in (ran, plain)
    )
    assert nothing != before
    ran = prunescope("mitigate", "compare", "--fit", *files["val"], *told,
                     "--measures", "prevalence", "-o", tmp_path / "e")  # fmt: skip
    assert ran.code == 2
    assert "sparse is adjusted already: fit to the logits that the model gives" in ran.err


def test_no_certificate_on_what_thresholds_were_fitted_to(files, tmp_path, prunescope):
    out = tmp_path / "a.json"
    fitted = ("mitigate", "thresholds", files["val"][0], "--criterion", "prevalence", "-o", out)
    assert prunescope(*fitted).code == 0
    told = ("--certify", "error", "--alpha", 0.2, "-o", tmp_path / "route", "--thresholds", out)
    ran = prunescope("mitigate", "route", *files["val"], *told)
    assert ran.code == 2
    assert "were fitted to these samples" in ran.err.replace("\n", " ")
    assert not (tmp_path / "route").exists()
    assert prunescope("mitigate", "route", *files["test"], *told).code in (0, 1)
    ran = prunescope("audit", files["val"][1], "--compressed", files["val"][0], "--thresholds", out,
                     "-o", tmp_path / "audit", "--replicates", 0)  # fmt: skip
    assert "were fitted to these samples, whose figures flatter it" in ran.err.replace("\n", " ")


def test_names_may_hold_markup(files, tmp_path, prunescope):
    """Rich reads brackets as markup: a name must be shown as it is, not end in a traceback."""
    odd = {}
    for split in ("val", "test"):
        model = Predictions.load(files[split][0], name="sparse [/b] [red]")
        odd[split] = tmp_path / f"{split}.parquet"
        model.save(odd[split])
    for arguments in (
        ("thresholds", odd["val"], "--criterion", "f1", "-o", tmp_path / "a.json"),
        ("route", odd["val"], files["val"][1], "--share", 0.1, "-o", tmp_path / "route"),
        ("compare", "--fit", odd["val"], files["val"][1], "--measures", "f1", "--replicates", 100,
         "--test", odd["test"], files["test"][1], "-o", tmp_path / "c"),
    ):  # fmt: skip
        ran = prunescope("mitigate", *arguments)
        assert ran.code == 0, ran.err
        assert "[/b] [red]" in ran.out.replace("\n", " ")

"""`prunescope forecast` and `prunescope forecast score`, with good input and bad."""

import numpy as np
import polars as pl
import pytest

from prunescope.forecast import Forecast, Score

FILES = {"forecast.parquet", "attributes.parquet", "forecast.json", "review.csv", "forecast.html"}


@pytest.fixture
def files(tmp_path, answers):
    """Write a dense model, a pruned one and two more seeds; return their paths."""
    dense, sparse = answers(tmp_path)
    frame = pl.read_parquet(sparse)
    paths = [dense, sparse]
    for seed in (1, 2):
        path = tmp_path / f"sparse-{seed}.parquet"
        logits = pl.selectors.starts_with("logit__")
        frame.with_columns(logits * (1 - 0.1 * seed) + 0.3 * seed).write_parquet(path)
        paths.append(path)
    return paths


def test_forecast_then_score(files, tmp_path, prunescope):
    dense, sparse, second, third = files
    out = tmp_path / "out"
    ran = prunescope("forecast", dense, "--sparsity", 0.9, "-o", out, "--review", 7, "--json")
    assert ran.code == 0, ran.err
    assert {path.name for path in out.iterdir()} == FILES
    told = ran.json
    assert (told["scorer"], told["tier"], told["sparsity"]) == ("spectral-shrink", "A", 0.9)
    assert pl.read_csv(out / "review.csv").height == 7
    assert Forecast.load(out).riskiest(1).to_dicts()[0] == told["riskiest"][0]
    assert prunescope("forecast", dense, "-o", out, "--review", 0).code == 0
    assert not (out / "review.csv").exists()  # that was another forecast's

    ran = prunescope(
        "forecast", "score", out, "--against", sparse, second, third, "--replicates", 100, "--json"
    )
    assert ran.code == 0, ran.err
    found = Score.load(out / "score")
    assert sorted(m for of in ran.json["runs"].values() for m in of) == [
        "sparse", "sparse-1", "sparse-2",
    ]  # fmt: skip
    assert found.table.height == len(ran.json["figures"])
    assert (out / "score" / "score.html").exists()


def test_a_person_sees_attributes_answers_and_the_page(files, tmp_path, prunescope):
    out = tmp_path / "out"
    ran = prunescope("forecast", files[0], "-o", out)
    assert "dense at 90.0%: spectral-shrink, tier A" in ran.out
    assert "Smiling" in ran.out
    assert f"report: {out / 'forecast.html'}" in ran.out.replace("\n", "")
    ran = prunescope(
        "forecast", "score", out, "--against", *files[1:], "--dense-seeds", files[0],
        "--replicates", 100,
    )  # fmt: skip
    assert ran.code == 2  # the other dense seed has the name of the first
    assert "two models are called dense" in ran.err
    ran = prunescope("forecast", "score", out, "--against", *files[1:], "--replicates", 100)
    assert "margin" in ran.out
    assert "gap closed" not in ran.out  # each file stands for itself


@pytest.fixture
def of_classes(tmp_path):
    """Write a dense model that chooses one of three classes, and a pruned one."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (400, 3)) + np.log([0.6, 0.3, 0.1])
    names, paths = ["cat", "dog", "owl"], []
    truth = [names[c] for c in (z + rng.gumbel(0, 1, z.shape)).argmax(axis=1)]
    for name, logits in (("dense", z), ("pruned", z + rng.normal(0, 0.6, z.shape))):
        table = {"id": [f"i{k}" for k in range(400)], "y": truth}
        table |= {f"logit__{c}": logits[:, k] for k, c in enumerate(names)}
        paths.append(tmp_path / f"{name}.csv")
        pl.DataFrame(table).write_csv(paths[-1])
    return paths


def test_of_classes_a_person_reads_of_images_and_what_they_become(of_classes, tmp_path, prunescope):
    dense, pruned = of_classes
    out = tmp_path / "out"
    ran = prunescope("forecast", dense, "-o", out, "--review", 400)
    assert ran.code == 0, ran.err
    told = ran.out.replace("\n", " ")
    assert "of the images will get another class" in told
    assert "rather " in told
    review = pl.read_csv(out / "review.csv")
    assert review["id"].n_unique() == 400
    assert (review["becomes"] != review["attribute"]).all()
    data = prunescope("forecast", dense, "-o", out, "--json").json
    assert {row["metric"] for row in data["attributes"]} == {
        "flip_rate", "top1_flip_rate", "rare_value_ratio",
    }  # fmt: skip
    assert "with rarity" in data["plain"][0]
    ran = prunescope("forecast", "score", out, "--against", pruned, "--replicates", 100)
    assert "ranks flips" in ran.out.replace("\n", " ")
    ran = prunescope("forecast", "score", out, "--against", pruned, "--replicates", 100, "--json")
    texts = [one["text"] for one in ran.json["findings"]]
    assert any("the margin" in text for text in texts)
    assert any("not compared with the plainest rules" in text for text in texts)


def test_probabilities_are_calibrated_on_a_pruned_model(files, tmp_path, prunescope):
    dense, sparse, second, _ = files
    ran = prunescope(
        "forecast", dense, "-o", tmp_path / "out", "--validation", dense,
        "--pruned-validation", sparse, second, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["probabilities"] == "calibrated on sparse, sparse-1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sparsity", "95"), "95 percent is 0.95"),
        (("--scorer", "margins"), "did you mean margin"),
        (("--tier", "B"), "give the model and its data"),
        (("--scorer", "temperature"), "validation split"),
        (("--groups", "Mael"), "did you mean Male"),
        (("--pruned-validation", "DENSE"), "give both"),
    ],
)
def test_bad_options_get_one_error_and_leave_no_file(
    files, tmp_path, prunescope, arguments, message
):
    out = tmp_path / "out"
    given = [files[0] if word == "DENSE" else word for word in arguments]
    ran = prunescope("forecast", files[0], "-o", out, *given)
    assert ran.code == 2
    assert message in ran.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello", "no samples"),
        ("id,y__Bald,logit__Bald\na,1,nan\n", "expected a finite number"),
        ("id,y__Bald\na,1\n", "logit__<attribute>"),
    ],
)
def test_bad_files_get_one_error(tmp_path, prunescope, content, message):
    path = tmp_path / "dense.csv"
    path.write_text(content)
    ran = prunescope("forecast", path, "-o", tmp_path / "out")
    assert ran.code == 2
    assert "error:" in ran.err
    assert message in ran.err
    assert not (tmp_path / "out").exists()


def test_a_score_without_a_forecast_says_how_to_make_one(files, tmp_path, prunescope):
    ran = prunescope("forecast", "score", tmp_path / "none", "--against", files[1])
    assert ran.code == 2
    assert "holds no forecast" in ran.err

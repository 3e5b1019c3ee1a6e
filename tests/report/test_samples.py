"""The sample table: by hand, against loops, with hostile names, and in each kind of file."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import ConfigError, DataError
from prunescope.forecast import forecast
from prunescope.metrics.agreement import Population
from prunescope.predictions import Compression
from prunescope.predictions.scores import sigmoid
from prunescope.report import TAGS, sample_table, write_samples
from prunescope.report.samples import nested

NAMES = ("Bald", "Hat")
LABELS = [[1, 0], [0, 0], [-1, 1]]


@pytest.fixture
def pair(build):
    told = {"names": NAMES, "groups": {"Male": [True, None, False]}}
    images = pl.Series(["0.png", "1.png", None])
    dense = build(LABELS, [[3.0, -3], [4, -4], [-3, 3]], name="dense", images=images, **told)
    sparse = build(LABELS, [[-3.0, -3], [-4, 1], [3, 3]], name="95%", images=images, **told)
    return dense, sparse


def test_by_hand(pair):
    table = sample_table(*pair)
    assert table.columns == [
        "id", "filepath", "tags", "group__Male", "ground_truth",
        "answers__dense", "confidence__dense", "logit__dense",
        "answers__95%", "confidence__95%", "logit__95%",
        "n_flips__95%", "n_harmful__95%", "n_helpful__95%", "n_uncertain__95%",
        "flips__95%", "moved__95%", "moved_attribute__95%",
    ]  # fmt: skip
    high, low = 1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3))
    first, second, third = table.to_dicts()
    assert first == {
        "id": "s0", "filepath": "0.png", "tags": ["flip", "harmful"], "group__Male": True,
        "ground_truth": ["Bald"],
        "answers__dense": ["Bald"], "confidence__dense": [pytest.approx(high)],
        "logit__dense": [3.0],
        "answers__95%": [], "confidence__95%": [], "logit__95%": [],
        "n_flips__95%": 1, "n_harmful__95%": 1, "n_helpful__95%": 0, "n_uncertain__95%": 0,
        "flips__95%": ["Bald"], "moved__95%": pytest.approx(low - high),
        "moved_attribute__95%": "Bald",
    }  # fmt: skip
    assert second["tags"] == ["flip", "harmful", "helpful", "uncertain"]
    assert (second["n_flips__95%"], second["n_harmful__95%"], second["n_helpful__95%"]) == (2, 1, 1)
    assert (second["ground_truth"], second["flips__95%"]) == ([], ["Bald", "Hat"])
    assert second["moved_attribute__95%"] == "Bald"
    # of an answer without a label nobody knows whether its flip did harm
    assert third["tags"] == ["flip", "unlabelled"]
    assert (third["n_flips__95%"], third["n_harmful__95%"], third["n_helpful__95%"]) == (1, 0, 0)
    assert third["filepath"] is None
    assert set().union(*table["tags"].to_list()) <= set(TAGS)


def test_the_band_is_strict(pair):
    dense, sparse = pair
    edge = float(sigmoid(np.array([1.0]))[0])
    assert "uncertain" in sample_table(dense, sparse, band=(0.5, edge + 1e-9))["tags"][1]
    assert "uncertain" not in sample_table(dense, sparse, band=(0.5, edge))["tags"][1]


def test_a_class_is_one_answer(build):
    told = {"task": "multiclass", "names": ("cat", "dog", "owl")}
    labels = [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [-1, -1, -1]]
    dense = build(labels, [[2.0, 1, 0], [0, 2, 0], [2, 0, 0], [0, 9, 0], [9, 0, 0]], **told,
                  name="dense")  # fmt: skip
    sparse = build(labels, [[0.0, 1, 0], [3, 0, 0], [0, 5, 0], [0, 9, 0], [0, 9, 0]], **told,
                   name="sparse")  # fmt: skip
    table = sample_table(dense, sparse)
    assert table["flips__sparse"].to_list() == [
        ["cat", "dog"], ["dog", "cat"], ["cat", "dog"], [], ["cat", "dog"],
    ]  # fmt: skip
    assert table["n_flips__sparse"].to_list() == [1, 1, 1, 0, 1]
    assert table["n_harmful__sparse"].to_list() == [1, 0, 0, 0, 0]
    assert table["n_helpful__sparse"].to_list() == [0, 1, 0, 0, 0]
    assert table["n_uncertain__sparse"].to_list() == [1, 0, 0, 0, 0]
    assert table["ground_truth"].to_list() == [["cat"], ["cat"], ["owl"], ["dog"], []]
    assert table["answers__sparse"].to_list() == [["dog"], ["cat"], ["dog"], ["dog"], ["dog"]]
    p = sparse.probabilities[0, 1]
    assert table["confidence__sparse"][0].to_list() == [pytest.approx(p)]
    assert table["tags"].to_list()[4] == ["flip", "unlabelled"]


@given(seed=st.integers(0, 2**32 - 1))
def test_against_loops(draw, seed):
    dense, *compressed = draw(seed, n=9, models=3)
    table = sample_table(dense, compressed).to_dicts()
    labels, names = dense.samples.labels, dense.attributes
    for i, row in enumerate(table):
        assert row["id"] == f"s{i}"
        assert row["ground_truth"] == [a for a, y in zip(names, labels[i], strict=True) if y == 1]
        assert row["group__town"] == dense.samples.groups["town"].to_series("town")[i]
        expected = {"unlabelled"} if -1 in labels[i] else set()
        for model in compressed:
            n = {"flips": 0, "harmful": 0, "helpful": 0, "uncertain": 0}
            moved = []
            for a in range(len(names)):
                before, after = dense.decisions[i, a], model.decisions[i, a]
                p, q = (1 / (1 + np.exp(-float(m.logits[i, a]))) for m in (dense, model))
                moved.append(q - p)
                n["uncertain"] += 0.1 < q < 0.9
                if before != after:
                    n["flips"] += 1
                    n["harmful"] += labels[i, a] == before
                    n["helpful"] += labels[i, a] == after
            for kind, count in n.items():
                assert row[f"n_{kind}__{model.name}"] == count
            words = ("flip", "harmful", "helpful", "uncertain")
            expected |= {word for word, count in zip(words, n.values(), strict=True) if count}
            yes = [a for a, z in zip(names, model.logits[i], strict=True) if z > 0]
            assert row[f"answers__{model.name}"] == yes
            assert row[f"logit__{model.name}"] == [z for z in model.logits[i] if z > 0]
            most = max(moved, key=abs)
            assert abs(row[f"moved__{model.name}"]) == pytest.approx(abs(most))
            at = names.index(row[f"moved_attribute__{model.name}"])
            assert row[f"moved__{model.name}"] == pytest.approx(moved[at])
        assert set(row["tags"]) == expected


def test_seeds_go_by_pairs_and_exemplars_by_populations(build):
    labels, how = [[1], [1]], Compression(method="gmp-pt", sparsity=0.9)
    logits = {0: [[1.0], [1]], 1: [[2.0], [-1]], 2: [[3.0], [2]]}
    dense = [build(labels, z, name=f"dense{s}", seed=s) for s, z in logits.items()]
    told = {"compression": how}
    after = {0: [[-1.0], [1]], 1: [[-2.0], [-1]], 2: [[1.0], [-2]]}
    sparse = [build(labels, z, name=f"sparse{s}", seed=s, **told) for s, z in after.items()]
    table = sample_table(dense, sparse)
    assert table["n_flips__sparse1"].to_list() == [1, 0]  # against dense1, not dense0
    # two of three say no where three said yes; then two of three say no where two said yes
    assert [("cie" in tags) for tags in table["tags"]] == [True, True]
    assert Population(sparse).modal_answers[:, 0].tolist() == [0, 0]
    fewer = sample_table(dense, [sparse[0], sparse[2], sparse[1]])
    assert fewer["tags"].to_list() == table["tags"].to_list()
    assert not any("cie" in tags for tags in sample_table(dense[:1], sparse)["tags"])


def test_risk_is_that_of_the_riskiest_answer(pair, planted_risk):
    dense, sparse = pair
    told = planted_risk(dense)
    table = sample_table(dense, sparse, told)
    assert table["risk"].to_list() == told.risk.max(axis=1).tolist()
    at = told.risk.argmax(axis=1)
    assert table["risk_attribute"].to_list() == [NAMES[a] for a in at]
    with pytest.raises(DataError, match="lacks 2 of the 3 samples"):
        sample_table(dense, sparse, planted_risk(dense.take(np.array([0]))))


CLASSES = ("cat", "dog", "owl")


def test_of_classes_the_risk_is_about_the_class_that_is_named(build):
    labels = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    logits = [[0.0, 1.0, -1.0], [0.0, 1.0, 1.5], [3.0, 0.0, 0.0]]
    rates = {"train_prevalence": dict(zip(CLASSES, (0.5, 0.3, 0.2), strict=True))}
    dense, sparse = (
        build(labels, z, names=CLASSES, task="multiclass", name=name, **rates)
        for name, z in (("dense", logits), ("sparse", np.roll(logits, 1, axis=1)))
    )
    told = forecast(dense, sparsity=0.9)
    table = sample_table(dense, sparse, told)
    assert table["risk_attribute"].to_list() == [CLASSES[c] for c in (1, 2, 0)]
    assert table["risk"].to_list() == told.risk[[0, 1, 2], [1, 2, 0]].tolist()


@pytest.fixture
def planted_risk():
    return lambda dense: forecast(dense, sparsity=0.9, scorer="margin")


def test_models_that_do_not_fit_are_refused(pair, build):
    dense, sparse = pair
    with pytest.raises(ConfigError, match="two models are called 95%"):
        sample_table(dense, [sparse, sparse])
    with pytest.raises(ConfigError, match="at least one dense and one compressed"):
        sample_table(dense, [])
    other = build(LABELS, np.zeros((3, 2)), names=NAMES, ids=["x", "y", "z"], name="other")
    with pytest.raises(DataError, match="share no sample"):
        sample_table(dense, other)
    with pytest.raises(ConfigError, match=r"ends in \.parquet, \.csv, \.json, \.jsonl"):
        write_samples(sample_table(dense, sparse), "samples.xlsx")


HOSTILE = ("=HYPERLINK(1)", 'a;"b",\n', "</script>")


@pytest.fixture
def hostile(build):
    labels = [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    told = {"names": HOSTILE, "ids": ["=1+1", "@a", "plain"], "groups": {"-g": ["+x", "\ty", "-1"]}}
    dense = build(labels, np.where(labels, 1.0, -1.0), name="id", **told)
    sparse = build(labels, np.where(labels, -1.0, 1.0), name="=cmd|a b", **told)
    third = build(labels, np.where(labels, -1.0, 1.0), name="=cmd|a_b", **told)
    return sample_table(dense, [sparse, third])


def test_parquet_keeps_all(hostile, tmp_path):
    path = write_samples(hostile, tmp_path / "samples.parquet")
    assert pl.read_parquet(path).equals(hostile)
    assert hostile["ground_truth"].to_list() == [list(HOSTILE[:2]), [HOSTILE[2]], []]


def test_csv_is_text_that_no_spreadsheet_runs(hostile, tmp_path):
    path = write_samples(hostile, tmp_path / "samples.csv")
    read = pl.read_csv(path, infer_schema=False)
    assert read["id"].to_list() == ["'=1+1", "'@a", "plain"]
    assert read["group__-g"].to_list() == ["'+x", "'\ty", "'-1"]
    assert read["ground_truth"].to_list() == ["'" + ";".join(HOSTILE[:2]), HOSTILE[2], ""]
    assert read["confidence__id"][0] == "0.7311;0.7311"
    assert read["n_flips__=cmd|a b"].to_list() == ["3", "3", "3"]
    starts = {cell[:1] for column in read for cell in column if column.name.startswith(TEXTS)}
    assert not starts & set("=+-@\t\r")
    numbers = read["moved__=cmd|a b"].cast(pl.Float64)  # numbers stay numbers, also negative ones
    assert numbers.to_list() == pytest.approx(hostile["moved__=cmd|a b"].to_list())
    assert numbers.min() < 0


TEXTS = ("id", "tags", "group__", "ground_truth", "answers__", "flips__", "moved_attribute__")


def test_json_lines_are_fiftyones_objects(hostile, tmp_path):
    path = write_samples(hostile, tmp_path / "samples.json")
    first, *rest = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(rest) == 2
    assert list(first)[:4] == ["sample_id", "tags", "group__g", "ground_truth"]
    assert first["sample_id"] == "=1+1"
    assert first["tags"] == ["flip", "harmful", "uncertain"]
    assert first["ground_truth"] == {"classifications": [{"label": name} for name in HOSTILE[:2]]}
    # names of fields are plain, none is FiftyOne's own, and no two are alike
    answers = {"label": HOSTILE[2], "confidence": pytest.approx(0.731, abs=1e-3), "logit": 1.0}
    assert first["m_cmd_a_b"] == first["m_cmd_a_b_2"] == {"classifications": [answers]}
    assert [one["label"] for one in first["id_2"]["classifications"]] == list(HOSTILE[:2])
    assert first["m_cmd_a_b_n_flips"] == first["m_cmd_a_b_2_n_flips"] == 3
    assert rest[1]["ground_truth"] == {"classifications": []}


def test_a_model_that_is_called_as_another_ones_column_is(build):
    labels = [[1]]
    dense, sparse, odd = (
        build(labels, [[1.0]], name=name) for name in ("dense", "sparse", "sparse_n_flips")
    )
    found = nested(sample_table(dense, [sparse, odd]))
    assert {"sparse_n_flips", "sparse_n_flips_2"} <= set(found.columns)
    assert found["sparse_n_flips"].to_list() == found["sparse_n_flips_2_n_flips"].to_list() == [0]


def test_the_file_is_as_it_was_where_writing_fails(pair, tmp_path):
    path = tmp_path / "samples.csv"
    path.mkdir()
    with pytest.raises(DataError, match="cannot write"):
        write_samples(sample_table(*pair), path)
    assert list(tmp_path.iterdir()) == [path]

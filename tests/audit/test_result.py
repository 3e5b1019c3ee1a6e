import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from prunescope.audit import SCHEMA, Audit, Settings, audit
from prunescope.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def result(draw):
    dense, sparse = draw(4, n=60, models=2)
    return audit(dense, sparse, replicates=100)


def test_save_and_load_give_the_same(result, tmp_path):
    folder = tmp_path / "new" / "audit"
    result.save(folder)
    loaded = Audit.load(folder)
    assert_frame_equal(loaded.table, result.table)
    assert loaded.info == result.info
    assert loaded.info.affected
    for name in ("correlations", "cies", "confusions"):
        assert_frame_equal(getattr(loaded, name), getattr(result, name))
    assert loaded.correlations.height == 6
    assert sorted(file.name for file in folder.iterdir()) == [
        "audit.json",
        "audit.parquet",
        "cies.parquet",
        "confusions.parquet",
        "correlations.parquet",
    ]


def test_overall_is_what_is_about_everything(result):
    assert result.overall["attribute"].null_count() == result.overall.height
    assert result.overall["group"].null_count() == result.overall.height
    assert set(result.overall["metric"]) >= {"accuracy", "correlation_shift", "churn", "flip_rate"}


def test_it_prints_well(result):
    n = f"{result.table.height:,}"
    assert repr(result) == f"Audit(model0, model1: {n} estimates on 60 samples × 3 attributes)"
    assert "<table" in result._repr_html_()
    assert "accuracy" in result._repr_html_()


def test_an_empty_folder_is_no_audit(tmp_path):
    with pytest.raises(DataError, match=r"holds no audit: expected audit\.parquet and audit\.json"):
        Audit.load(tmp_path)


def test_the_table_alone_is_no_audit(result, tmp_path):
    result.save(tmp_path)
    (tmp_path / "audit.json").unlink()
    with pytest.raises(DataError, match="holds no audit"):
        Audit.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("audit.parquet", b"PAR1 half"),
        ("audit.json", b"{nope"),
        ("audit.json", b"\xff\xfe"),
        ("audit.json", b"{}"),
        ("audit.json", b"[]"),
    ],
)
def test_a_damaged_file_is_a_data_error(result, tmp_path, name, content):
    result.save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="the audit cannot be read: "):
        Audit.load(tmp_path)


def test_another_format_version_is_a_data_error(result, tmp_path):
    result.save(tmp_path)
    info = json.loads((tmp_path / "audit.json").read_text("utf-8"))
    (tmp_path / "audit.json").write_text(json.dumps(info | {"format_version": 1}))
    with pytest.raises(DataError, match="format_version"):
        Audit.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        pl.DataFrame.lazy,
        lambda table: table.drop("q_value"),
        lambda table: table.with_columns(pl.col("n").cast(pl.Float64)),
        lambda table: table.select(reversed(table.columns)),
    ],
)
def test_other_columns_are_a_data_error(result, tmp_path, change):
    result.save(tmp_path)
    changed = change(result.table)
    if isinstance(changed, pl.LazyFrame):
        changed = changed.with_columns(more=1).collect()
    changed.write_parquet(tmp_path / "audit.parquet")
    with pytest.raises(DataError, match=r"audit\.parquet has the columns .*: expected model"):
        Audit.load(tmp_path)


def test_columns_and_types_are_exact(result):
    assert dict(result.table.schema) == SCHEMA


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicates": 15},
        {"replicates": 100_001},
        {"confidence": 0},
        {"confidence": 1},
        {"seed": -1},
        {"min_support": 0},
        {"n_bins": 0},
        {"band": (0.9, 0.1)},
        {"band": (0.5, 0.5)},
        {"band": (-0.1, 0.9)},
        {"band": (0.1, 1.1)},
        {"band": (float("nan"), 0.9)},
        {"n_affected": -1},
        {"groups": "Male"},
        {"bins": 10},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Settings(**wrong)


@pytest.fixture(scope="module")
def told(build):
    """An audit in which the compressed model fails one group on one attribute."""
    labels = np.array([[1, 1], [0, 0]] * 100)
    groups = {"g": ["x"] * 100 + ["y"] * 60 + [None] * 40}
    dense = build(labels, labels * 4.0 - 2, groups=groups, name="d")
    worse = dense.logits.copy()
    worse[:80, 0] *= -1
    return audit(dense, build(labels, worse, groups=groups, name="s"), replicates=100)


def test_differences_between_groups_and_to_all(told):
    def gap(method, attribute):
        found = told.difference("accuracy", method)
        row = found.filter(pl.col("model") == "s", pl.col("attribute").eq_missing(attribute))
        return row.row(0, named=True)

    between = gap("between_groups", "a0")
    assert between["difference"] == pytest.approx(1.0 - 0.2)
    assert (between["lowest"], between["highest"], between["n_left_out"]) == ("x", "y", 0)
    assert gap("to_overall", "a0")["difference"] == pytest.approx(abs(0.2 - 0.6))
    assert gap("between_groups", "a1")["difference"] == 0
    assert gap("between_groups", None)["difference"] == pytest.approx(0.4)
    for arguments, message in (
        (("acuracy",), "unknown metric by group 'acuracy': did you mean accuracy"),
        (("interdependence",), "unknown metric by group 'interdependence'"),
        (("accuracy", "ratio"), "unknown method 'ratio'"),
    ):
        with pytest.raises(ConfigError, match=message):
            told.difference(*arguments)


def test_the_worst_rows_come_first(told):
    worst = told.worst("accuracy")
    assert worst["harm"].to_list() == sorted(worst["harm"], reverse=True)
    first = worst.row(0, named=True)
    assert (first["attribute"], first["group_value"]) == ("a0", "x")
    assert first["harm"] == pytest.approx(0.8)
    every = told.worst(n=1)
    assert every["metric"].n_unique() == every.height > 3
    with pytest.raises(ConfigError, match="unknown metric 'acuracy': did you mean accuracy"):
        told.worst("acuracy")


def test_a_summary_counts_verdicts(told):
    rows = {row["metric"]: row for row in told.summary().filter(model="s").iter_rows(named=True)}
    table = told.table.filter(metric="accuracy", model="s")
    assert rows["accuracy"]["worse"] == (table["verdict"] == "worse").sum() > 0
    assert all(sum(v for v in row.values() if isinstance(v, int)) > 0 for row in rows.values())


def test_groups_and_pandas(told):
    assert told.by_group["group"].null_count() == 0
    assert told.by_group.height + told.table["group"].null_count() == told.table.height
    frame = told.to_pandas()
    assert frame.shape == told.table.shape
    assert frame["metric"].tolist() == told.table["metric"].to_list()

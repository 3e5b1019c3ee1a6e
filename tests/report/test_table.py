import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.report.table import Table


@pytest.fixture(scope="module")
def table(harmed):
    return Table(harmed)


def test_overall_is_the_row_over_everything(harmed, table):
    found = harmed.overall.filter(model="sparse95", metric="accuracy")
    assert table.overall("sparse95", "accuracy").value == found["value"].item()
    assert table.overall("sparse95", "no such metric") is None
    assert table.overall("no such model", "accuracy") is None


@pytest.mark.parametrize(
    ("get", "where"),
    [
        ("by_attribute", pl.col("attribute").is_not_null() & pl.col("group").is_null()),
        ("by_group", pl.col("attribute").is_null() & pl.col("group").is_not_null()),
    ],
)
def test_slices(harmed, table, get, where):
    rows = getattr(table, get)("sparse95", "rare_value_ratio")
    expected = harmed.table.filter(
        where, pl.col("model") == "sparse95", pl.col("metric") == "rare_value_ratio"
    )
    assert [row.value for row in rows] == expected["value"].to_list()
    assert rows


def test_cells_have_an_attribute_and_a_group(table):
    rows = table.cells("sparse95", "bias_amplification")
    assert [(row.attribute, row.group) for row in rows] == [
        (attribute, "Male") for attribute in ("Smiling", "Bald", "Big_Nose", "Male")
    ]


def test_supported_is_a_matter_of_the_q_value_and_the_confidence(harmed):
    def supported(q_value, confidence):
        settings = harmed.info.settings.model_copy(update={"confidence": confidence})
        info = harmed.info.model_copy(update={"settings": settings})
        changed = harmed.table.with_columns(q_value=pl.lit(q_value, pl.Float64))
        return Table(Audit(changed, info)).overall("sparse95", "accuracy").supported

    assert supported(0.05, 0.95)
    assert not supported(0.051, 0.95)
    assert not supported(0.05, 0.99)
    assert supported(0.1, 0.9)
    assert not supported(None, 0.95)

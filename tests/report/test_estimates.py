import base64
import csv
import io
import json
import zlib

import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.report import build
from prunescope.report import estimates as module
from prunescope.report.estimates import NAMES, NUMBERS, estimates, packed, shown, to_csv


def unpacked(told):
    """Read what the page's script reads."""
    data = json.loads(zlib.decompress(base64.b64decode(packed(told)), -zlib.MAX_WBITS))
    columns = {
        name: [value for value, n in zip(runs[::2], runs[1::2], strict=True) for _ in range(n)]
        for name, runs in data["runs"].items()
    }
    return data, columns | data["numbers"]


def near(found, told, tolerance):
    """Whether two columns are alike, with the same gaps."""
    assert [value is None for value in found] == [value is None for value in told]
    pairs = [(a, b) for a, b in zip(found, told, strict=True) if a is not None]
    return all(a == pytest.approx(b, rel=tolerance, abs=1e-12) for a, b in pairs)


def test_every_row_of_the_table_is_there_in_its_order(harmed):
    told = estimates(harmed)
    assert len(told) == harmed.table.height
    for column, names in NAMES.items():
        known = getattr(told, names)
        found = [None if i < 0 else known[i] for i in getattr(told, column)]
        assert found == harmed.table[column].to_list()
    for column, source in NUMBERS.items():
        assert near(getattr(told, column), harmed.table[source].to_list(), 1e-5)


def test_numbers_that_are_not_finite_are_left_out(harmed):
    table = harmed.table.with_columns(value=pl.lit(float("inf")), low=pl.lit(float("nan")))
    told = estimates(Audit(table, harmed.info))
    assert set(told.value) == set(told.low) == {None}


def test_the_page_gets_the_same_rows(harmed):
    told = estimates(harmed)
    data, columns = unpacked(told)
    for column, names in NAMES.items():
        assert columns[column] == getattr(told, column)
        assert data["names"][names] == getattr(told, names)
    assert columns["n"] == told.n
    for column in NUMBERS:
        assert near(columns[column], getattr(told, column), 0.05)
    assert near(columns["value"], told.value, 5e-4)
    accuracy = data["units"][told.metrics.index("accuracy")]
    assert (accuracy["label"], accuracy["scale"], accuracy["suffix"]) == ("Accuracy", 100, "%")


def test_of_too_many_rows_the_important_ones_stay(harmed, monkeypatch):
    told = estimates(harmed)
    whole = [i for i in range(len(told)) if told.attribute[i] < 0 and told.group[i] < 0]
    clear = {told.verdicts.index(v) for v in ("worse", "better", "changed") if v in told.verdicts}
    supported = {i for i in range(len(told)) if told.verdict[i] in clear}
    monkeypatch.setattr(module, "MOST_SHOWN", len({*whole} | supported) + 5)
    rows = shown(told)
    assert rows == sorted(rows)
    assert len(rows) == module.MOST_SHOWN
    assert {*whole} | supported < set(rows)
    monkeypatch.setattr(module, "MOST_SHOWN", len(whole))
    assert shown(told) == whole


def test_csv_has_a_row_for_each_estimate(harmed):
    rows = list(csv.DictReader(io.StringIO(to_csv(build(harmed)))))
    assert len(rows) == harmed.table.height
    for row, told in zip(rows, harmed.table.iter_rows(named=True), strict=True):
        for name in ("model", "metric", "attribute", "group", "group_value", "status", "verdict"):
            assert row[name] == (told[name] or "")
        for name in ("value", "low", "high", "delta", "delta_high", "q_value"):
            number = float(row[name]) if row[name] else None
            assert number == (
                told[name] if told[name] is None else pytest.approx(told[name], rel=1e-5)
            )


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_formulas_are_text_and_numbers_stay_numbers(planted, text):
    samples = planted.faces(names=("Smiling", text, "Big_Nose", "Male"))
    answers = planted.forget_bald(samples, planted.right(samples))
    found = planted.run(
        planted.model(samples, planted.right(samples), "dense"),
        planted.model(samples, answers, text, sparsity=0.9),
        replicates=100,
    )
    rows = list(csv.DictReader(io.StringIO(to_csv(build(found)), newline="")))
    assert {row["model"] for row in rows} == {"dense", f"'{text}"}
    assert f"'{text}" in {row["attribute"] for row in rows}
    changes = [row["delta"] for row in rows if row["delta"]]
    assert any(change.startswith("-") for change in changes)
    for change in changes:
        float(change)

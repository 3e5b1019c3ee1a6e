from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import DataError
from prunescope.predictions.cells import check_numbers, numbers


@given(st.lists(st.none() | st.floats(width=64)))
def test_numbers_that_are_written_as_text_are_read_back(values):
    texts = [None if value is None else f" {value!r}" for value in values]
    found = numbers(pl.Series(texts, dtype=pl.String))
    assert found.equals(pl.Series(values, dtype=pl.Float64))


def test_text_stays_text_if_one_cell_is_no_number():
    for odd in ("", "n/a", "1,5", "1 000", "0x10"):
        assert numbers(pl.Series(["1", odd])).to_list() == ["1", odd]
    assert numbers(pl.Series([1, 2])).dtype == pl.Int64


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1.5", "2,5"], r"^a\.csv: row 2 of column 'z' is '2,5', with a decimal comma: expected "
         r"numbers with a decimal point, 2\.5$"),
        (["-,5"], "row 1 of column 'z' is '-,5', with a decimal comma: .* -.5$"),
        (["1", "a", "b,c"], r"row 2 of column 'z' is 'a': expected a number$"),
        (["1,234.5"], r"row 1 of column 'z' is '1,234\.5': expected a number$"),
        (["1", None, "tensor(2)"], r"^a\.csv: row 3 of column 'z' is 'tensor\(2\)': expected a nu"),
        (["1", "", "2", " "], r"^a\.csv: row 2 of column 'z' is empty: .* \(2 such cells\)$"),
        (["1", None], "row 2 of column 'z' is empty"),
        ([1.0, None], r"row 2 of column 'z' is empty: expected a number in every row \(1 such"),
        ([None], "row 1 of column 'z' is empty"),
        (["1.5", "2.5"], "column 'z' holds text, such as '1.5': expected numbers; save the column"),
        ([True, False], "column 'z' holds Boolean: expected numbers; answers without scores are n"),
        ([[0.5]], r"column 'z' holds List\(Float64\): expected numbers, in one column per attrib"),
        ([b"1"], "column 'z' holds Binary: expected numbers"),
        ([date(2020, 1, 1)], "column 'z' holds Date: expected numbers"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_named_with_its_row(values, message):
    with pytest.raises(DataError, match=message):
        check_numbers(pl.Series("z", values), "a.csv")


def test_categories_are_text():
    with pytest.raises(DataError, match="row 1 of column 'z' is 'x': expected a number"):
        check_numbers(pl.Series("z", ["x"], dtype=pl.Categorical), "a.parquet")


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2)])
def test_every_kind_of_number_will_do(kind):
    check_numbers(pl.Series("z", [1, 2]).cast(kind), "a.parquet")

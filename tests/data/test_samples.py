import datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data.columns import UNKNOWN, check_ids, read_labels, read_text, whole
from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError, DataError


def make(labels, ids=None, **options):
    labels = np.asarray(labels, np.int8)
    ids = pl.Series(ids or [str(i) for i in range(len(labels))], dtype=pl.String)
    attributes = options.pop("attributes", tuple("abcdef"[: labels.shape[1]]))
    return Samples(ids, attributes, labels, **options)


COLUMNS = st.one_of(
    st.lists(st.none() | st.booleans()),
    st.lists(st.none() | st.integers(-(2**40), 2**40)),
    st.lists(st.none() | st.text()),
)


@given(COLUMNS)
def test_a_group_tells_every_value_and_which_are_unknown(column):
    group = Group.from_series(pl.Series("g", column))
    told = [None if code == UNKNOWN else group.values[code] for code in group.codes.tolist()]
    assert told == column
    assert [type(value) for value in told] == [type(value) for value in column]
    assert list(group.values) == sorted(set(group.values))
    assert group.codes.dtype == np.int32
    assert group.to_series("g").to_list() == column


def test_a_boolean_group_has_both_values_though_one_is_absent():
    group = Group.from_series(pl.Series("g", [True, True]))
    assert group.values == (False, True)
    assert group.codes.tolist() == [1, 1]


@pytest.mark.parametrize("kind", [pl.Null, pl.String, pl.Int64, pl.Categorical])
def test_a_group_that_nobody_knows_has_no_value(kind):
    group = Group.from_series(pl.Series("g", [None, None], dtype=kind))
    assert group.values == ()
    assert group.codes.tolist() == [UNKNOWN, UNKNOWN]
    assert group.to_series("g").to_list() == [None, None]


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["b", "a"])])
def test_categories_are_strings_in_alphabetical_order(kind):
    group = Group.from_series(pl.Series("g", ["b", None, "a"], dtype=kind))
    assert (group.values, group.codes.tolist()) == (("a", "b"), [1, -1, 0])


@pytest.mark.parametrize("column", [[0.5], [datetime.date(2020, 1, 1)], [["a"]], [{"a": 1}]])
def test_a_group_of_another_type_is_refused(column):
    with pytest.raises(DataError, match=r"^x.csv: group column 'g' holds .* cut a number into"):
        Group.from_series(pl.Series("g", column), "x.csv")


def test_taking_keeps_absent_values():
    group = Group.from_series(pl.Series(["a", "b", None])).take(np.array([2, 1]))
    assert (group.values, group.codes.tolist()) == (("a", "b"), [-1, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [[1, 0]], "ids": ["a", "b"]}, r"labels have shape \(1, 2\): expected \(2, 2\)"),
        ({"labels": [[2]]}, "labels must be 1 .true., 0 .false. or -1"),
        ({"labels": [[0, 0]], "attributes": ("x", "x")}, "attribute names repeat: x, x"),
        ({"labels": [[0]], "cluster": "who"}, "cluster 'who' is not a group"),
        ({"labels": [[0]], "images": pl.Series(["x", "y"])}, "images have 2 rows: expected 1"),
        (
            {"labels": [[0]], "groups": {"g": Group(np.zeros(3, np.int32), ("x",))}},
            "group 'g' has 3 rows: expected 1",
        ),
        ({"labels": [[0], [0]], "ids": ["a", "a"]}, "id 'a' stands in rows 1 and 2"),
        ({"labels": [[0], [0]], "ids": ["a", None]}, "row 2 has no id"),
    ],
)
def test_samples_that_do_not_fit_together_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        make(**options)


@pytest.mark.parametrize("rows", [np.array([2, 0]), np.array([True, False, True])])
def test_taking_some_samples(rows):
    samples = make(
        [[1, 0], [0, 0], [-1, 1]],
        groups={"g": Group.from_series(pl.Series(["x", "y", None]))},
        images=pl.Series(["0.png", "1.png", "2.png"]),
        cluster="g",
    )
    taken = samples.take(rows)
    order = [2, 0] if rows.dtype != bool else [0, 2]
    assert len(taken) == 2
    assert taken.ids.to_list() == [str(i) for i in order]
    assert taken.images.to_list() == [f"{i}.png" for i in order]
    assert taken.labels.tolist() == samples.labels[order].tolist()
    assert taken.groups["g"].codes.tolist() == samples.groups["g"].codes[order].tolist()
    assert taken.cluster == "g"


def test_taking_nothing():
    assert len(make([[1], [0]]).take(np.array([], np.int64))) == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_rates_equal_a_plain_count(seed, n):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (n, 3)).astype(np.int8)
    labels[:, 2] = -1
    towns = [[None, "x", "y"][i] for i in rng.integers(0, 3, n)]
    group = Group.from_series(pl.Series(towns, dtype=pl.String))
    rates = make(labels, groups={"town": group, "who": group}, cluster="who").rates()

    def share(rows, column):
        known = [label for label in labels[rows, column].tolist() if label != -1]
        return sum(known) / len(known) if known else None

    def told(shares):
        return [shares.get(name) for name in "abc"]

    every = list(range(n))
    assert told(rates.prevalence) == [share(every, column) for column in range(3)]
    assert set(rates.group_rates) == {"town"}
    assert set(rates.group_rates["town"]) == {town for town in towns if town is not None}
    for town, shares in rates.group_rates["town"].items():
        rows = [row for row in every if towns[row] == town]
        assert told(shares) == [share(rows, column) for column in range(3)]


def test_rates_name_values_as_strings():
    groups = {
        "Male": Group.from_series(pl.Series([True, True])),
        "age": Group.from_series(pl.Series([3, 3])),
    }
    assert make([[1], [0]], groups=groups).rates().group_rates == {
        "Male": {"False": {}, "True": {"a": 0.5}},
        "age": {"3": {"a": 0.5}},
    }


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([True, False, None]),
        pl.Series([1, 0, None]),
        pl.Series([1, 0, None], dtype=pl.UInt8),
        pl.Series([1.0, 0.0, None]),
        pl.Series([1.0, -0.0, None], dtype=pl.Float32),
        pl.Series([Decimal(1), Decimal(0), None]),
        pl.Series(["1", "0", None]),
        pl.Series(["True", "FALSE", ""]),
        pl.Series([" t ", "f", "  "]),
        pl.Series(["true", "false", ""], dtype=pl.Categorical),
    ],
)
def test_labels_are_read_from_many_types(column):
    labels = read_labels(column, "x.csv")
    assert labels.dtype == np.int8
    assert labels.tolist() == [1, 0, -1]


def test_a_column_of_nothing_is_unlabelled():
    assert read_labels(pl.Series([None, None]), "x.csv").tolist() == [-1, -1]
    assert read_labels(pl.Series([], dtype=pl.String), "x.csv").tolist() == []


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ([0, 1, -1], "row 3 of column 'y' is -1"),
        ([2, 0], "row 1 of column 'y' is 2"),
        ([0.0, 0.5], "row 2 of column 'y' is 0.5"),
        ([float("nan")], "row 1 of column 'y' is nan"),
        (["true", "yes"], "row 2 of column 'y' is 'yes'"),
        ([2**40], f"row 1 of column 'y' is {2**40}"),
        ([datetime.date(2020, 1, 1)], "row 1 of column 'y' is datetime.date"),
        ([["1"]], r"column 'y' holds List\(String\): expected text"),
        ([b"1"], "column 'y' holds Binary: expected text"),
    ],
)
def test_another_label_is_refused_with_file_and_row(column, shown):
    with pytest.raises(DataError, match=rf"^x\.csv: {shown}"):
        read_labels(pl.Series("y", column), "x.csv")


def test_text_is_read_from_simple_types():
    assert read_text(pl.Series([7, None]), "x.csv").to_list() == ["7", None]
    assert read_text(pl.Series([True]), "x.csv").to_list() == ["true"]
    assert read_text(pl.Series([None]), "x.csv").dtype == pl.String


def test_ids_are_checked_with_the_source():
    check_ids(pl.Series(["a", "b"]), "x.csv")
    with pytest.raises(DataError, match=r"^x\.csv: row 1 has no id: every sample needs one$"):
        check_ids(pl.Series([None, "a"]), "x.csv")
    with pytest.raises(DataError, match=r"^id 'b' stands in rows 2 and 4: ids must be unique$"):
        check_ids(pl.Series(["a", "b", "c", "b", "b"]))


@given(st.lists(st.none() | st.integers(-(2**53) + 1, 2**53 - 1)))
def test_whole_floats_are_the_integers_they_were(values):
    floats = pl.Series(values, dtype=pl.Int64).cast(pl.Float64)
    integers = pl.Series(values, dtype=pl.Int64)
    assert whole(floats).equals(integers, check_dtypes=True)
    assert whole(floats.fill_null(float("nan"))).equals(integers, check_dtypes=True)


@pytest.mark.parametrize("odd", [0.5, float("inf"), -float("inf"), 1e300, 2.0**53])
def test_floats_that_are_not_all_exact_integers_stay_floats(odd):
    assert whole(pl.Series([1.0, odd])).to_list() == [1.0, odd]
    assert whole(pl.Series([1.0, odd], dtype=pl.Float32)).dtype == pl.Float32


def test_other_columns_are_left_alone():
    for column in (pl.Series([True, None]), pl.Series(["1.0"]), pl.Series([None]), pl.Series([3])):
        assert whole(column) is column


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["Male", "Yung"], "unknown group 'Yung': did you mean Young"),
        (["Male", "Male"], "expected two or more groups"),
        (["Male"], "expected two or more groups"),
    ],
)
def test_an_intersection_that_makes_no_sense_is_told(names, words):
    groups = {name: Group.from_series(pl.Series(name, [True, False])) for name in ("Male", "Young")}
    with pytest.raises(ConfigError, match=words):
        make([[0], [1]], groups=groups).crossed([names])

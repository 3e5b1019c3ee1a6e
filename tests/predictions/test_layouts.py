from datetime import date

import polars as pl
import pytest

from prunescope.predictions.layouts import (
    IDS,
    LABELS,
    MAX_VALUES,
    SCORES,
    Look,
    Side,
    called,
    group_columns,
    id_column,
    in_unit_range,
    plain,
    sides,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Image ID", "image_id"),
        (" y_True ", "y_true"),
        ("a.b:c/d|e--f", "a_b_c_d_e_f"),
        ("", ""),
    ],
)
def test_names_are_compared_without_case_and_separators(name, written):
    assert plain(name) == written


def test_columns_by_their_whole_name_likeliest_first():
    assert called(["name", "x", "File Name", "IMAGE-ID"], IDS) == ["IMAGE-ID", "File Name", "name"]


@pytest.mark.parametrize(
    ("name", "pattern", "stem"),
    [
        ("Bald_prob", "*_prob", "Bald"),
        ("prob__Bald", "prob__*", "Bald"),
        ("Bald.Prob", "*.Prob", "Bald"),
        ("p_Wearing_Hat", "p_*", "Wearing_Hat"),
        ("Raw: Bald", "Raw: *", "Bald"),
    ],
)
def test_a_word_before_or_behind_tells_what_a_column_is(name, pattern, stem):
    [side] = sides([name], SCORES)
    assert (side.pattern, side.columns) == (pattern, {stem: name})
    assert side.word in plain(name)


@pytest.mark.parametrize(
    "name", ["probability", "Baldprob", "_prob", "prob_", "image_id", "y_true"]
)
def test_names_without_an_attribute_are_no_side(name):
    assert sides([name], SCORES) == []


def test_a_word_alone_beside_others_is_left_out():
    [side] = sides(["prob_", "prob_a"], SCORES)
    assert side.columns == {"a": "prob_a"}


def test_all_readings_of_a_name_are_kept():
    assert {side.pattern: side.columns for side in sides(["y_true_a"], LABELS)} == {
        "y_*": {"true_a": "y_true_a"},
        "y_true_*": {"a": "y_true_a"},
    }


def test_a_part_of_a_side():
    side = Side("*_p", {"a": "a_p", "b": "b_p"}, "p")
    assert side.only(["b"]) == side.of({"b_p", "c_p"}) == Side("*_p", {"b": "b_p"}, "p")


@pytest.mark.parametrize(
    ("values", "found", "binary", "number"),
    [
        ([0, 1, None], {"0", "1"}, True, True),
        ([1.0, NAN, 0.0], {"0", "1"}, True, True),
        ([True, None], {"true"}, True, False),
        (["True", "f", ""], {"True", "f"}, True, False),
        (["1.0", "0.0"], {"1", "0"}, True, True),
        ([2, 1], {"2", "1"}, False, True),
        ([0.5, 1.0], set(), False, True),
        (["0,5", "1,0"], {"0,5", "1,0"}, False, True),
        ([" .5"], {" .5"}, False, True),
        (["cat"], {"cat"}, False, False),
        (["1,5", "n/a"], {"1,5", "n/a"}, False, True),
        (["n/a", "1,5"], {"1,5", "n/a"}, False, False),
        ([None], set(), False, False),
        ([date(2020, 1, 1)], {"2020-01-01"}, False, False),
        ([[1, 0]], set(), False, False),
        ([b"x"], set(), False, False),
    ],
)
def test_what_a_column_holds(values, found, binary, number):
    look = Look.at(pl.Series(values))
    assert (look.values, look.is_binary, look.is_number) == (found, binary, number)
    assert look.is_nested == isinstance(values[0], list)


def test_a_column_of_many_values_is_not_listed():
    assert len(Look.at(pl.Series(range(MAX_VALUES))).values) == MAX_VALUES
    assert Look.at(pl.Series(range(MAX_VALUES + 1))).values == set()


@pytest.mark.parametrize(
    ("values", "inside"),
    [([0.0, 1.0], True), ([1.1], False), ([-0.1], False), ([NAN], False), (["0.5"], True)],
)
def test_numbers_between_0_and_1(values, inside):
    assert in_unit_range([pl.Series(values)]) == inside
    assert in_unit_range([pl.Series([0.5]), pl.Series(values)]) == inside


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"path": ["a", "b"], "image_id": ["c", "d"]}, "image_id"),
        ({"image_id": ["a", "a"], "path": ["a", "b"]}, "path"),
        ({"image_id": ["a", None], "face": ["a", "b"]}, "face"),
        ({"image_id": ["a", "a"], "n": [1, 2]}, "image_id"),
        ({"image_id": ["a", "a"], "path": ["b", "b"]}, "image_id"),
        ({"Unnamed: 0": [0, 1], "x": [0.5, 0.6]}, "Unnamed: 0"),
        ({"": [0, 1]}, ""),
        ({"image": ["a", "b"]}, "image"),
        ({"image_id": [[1], [2]], "n": [1, 2]}, "image_id"),
        ({"n": [1, 2]}, None),
    ],
)
def test_ids_by_name_and_by_being_distinct(columns, expected):
    assert id_column(pl.DataFrame(columns)) == expected


def test_groups_have_few_values_and_no_other_role():
    few, many = frozenset("ab"), frozenset(str(i) for i in range(65))
    looks = {
        "sex": Look(few, False),
        "constant": Look(frozenset("a"), False),
        "country": Look(many, False),
        "age": Look(frozenset(), True),
        "Bald_label": Look(few, False),
        "pred": Look(few, False),
        "index": Look(few, False),
    }
    assert group_columns(looks, 1000) == ["sex"]
    assert group_columns({"town": Look(frozenset("abc"), False)}, 5) == []
    assert group_columns({"town": Look(frozenset("abc"), False)}, 6) == ["town"]

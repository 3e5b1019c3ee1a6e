import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import ConfigError, DataError
from prunescope.predictions import read_mapping, rename
from prunescope.predictions.columns import is_ours

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*="), min_size=1)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("id", True),
        ("y", True),
        ("image", True),
        ("y__Bald", True),
        ("logit__Bald", True),
        ("group__Male", True),
        ("logit__*", True),
        ("y__", False),
        ("group__", False),
        ("ID", False),
        ("Bald", False),
        ("label", False),
    ],
)
def test_names_of_ours(name, ours):
    assert is_ours(name) == ours


def test_a_mapping_is_split_at_the_first_equals_sign():
    assert read_mapping(["id=a=b", "y=", "image=Unnamed: 0"]) == {
        "id": "a=b",
        "y": "",
        "image": "Unnamed: 0",
    }
    assert read_mapping([]) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["filename"], r"^mapping 'filename': expected NEW=OLD, such as id=filename$"),
        (["id=a", "id=b"], r"^mapping 'id=b': 'id' stands for 'a' already; name it once$"),
        (
            ["ids=a"],
            r"'ids' is no column of a prediction file; expected NEW=OLD with NEW one of id",
        ),
        (["file=id"], r"Are the sides swapped\? id=file$"),
        (["*_true=y__*"], r"Are the sides swapped\? y__\*=\*_true$"),
        (["y__=a"], r"'y__' is no column of a prediction file"),
        (["y__*=Bald"], r"expected no \* or one on each side, such as y__\*=\*_true$"),
        (["y__Bald=*_true"], r"expected no \* or one on each side"),
        (["y__*_*=*_true_*"], r"expected no \* or one on each side"),
        (["id=file", "image=file"], r"'file' is mapped to 'id' already; a column has one name$"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        read_mapping(texts)


def test_a_mapping_from_python_is_checked_too():
    with pytest.raises(ConfigError, match="'logits__Bald' is no column of a prediction file"):
        rename(["Bald"], {"logits__Bald": "Bald"})


def test_single_columns_and_patterns():
    columns = ["filename", "a_true", "b_true", "prob_a", "prob_b", "meta_age", "gender", "note"]
    mapping = {
        "id": "filename",
        "y__*": "*_true",
        "logit__*": "prob_*",
        "group__*": "meta_*",
        "group__Male": "gender",
    }
    assert rename(columns, mapping) == {
        "filename": "id",
        "a_true": "y__a",
        "b_true": "y__b",
        "prob_a": "logit__a",
        "prob_b": "logit__b",
        "meta_age": "group__age",
        "gender": "group__Male",
    }


def test_a_column_that_is_spelled_out_fits_no_pattern():
    assert rename(["a", "b"], {"y__*": "*", "group__a": "a"}) == {"a": "group__a", "b": "y__b"}


def test_the_pattern_with_most_letters_wins_in_any_order():
    columns = ["a", "a_prob", "x_a_prob"]
    mapping = {"y__*": "*", "logit__*": "*_prob", "group__*": "x_*_prob"}
    expected = {"a": "y__a", "a_prob": "logit__a", "x_a_prob": "group__a"}
    assert rename(columns, mapping) == expected
    assert rename(columns, dict(reversed(mapping.items()))) == expected


def test_names_of_ours_stay_unless_a_pattern_says_more():
    columns = ["id", "y", "y__a", "logit__b", "c", "y__d_score"]
    assert rename(columns, {"group__*": "*"}) == {"c": "group__c"}
    assert rename(["y__a", "y_b"], {"group__*": "y_*"}) == {"y_b": "group__b"}
    assert rename(columns, {"logit__*": "y__*_score"}) == {"y__d_score": "logit__d"}
    assert rename(["y__a"], {"logit__*": "y__*"}) == {"y__a": "logit__a"}
    assert rename(["y__a", "id"], {"logit__z": "y__a", "image": "id"}) == {
        "y__a": "logit__z",
        "id": "image",
    }


def test_a_star_stands_for_something():
    with pytest.raises(DataError, match=r"^y__\*=\*_true: unknown column '\*_true': did you mean"):
        rename(["_true"], {"y__*": "*_true"})
    assert rename(["_true", "a_true"], {"y__*": "*_true"}) == {"a_true": "y__a"}
    with pytest.raises(DataError, match="unknown column"):  # the ends may not overlap
        rename(["aba"], {"y__*": "ab*ba"})


def test_what_is_in_our_form_needs_no_mapping():
    """One mapping can serve for files of two tools."""
    mapping = {"id": "file", "y__*": "*_true", "logit__*": "*_prob"}
    assert rename(["id", "y__a", "logit__a"], mapping) == {}
    with pytest.raises(DataError, match=r"logit__\*=\*_prob: unknown column"):
        rename(["id", "y__a"], mapping)
    assert rename(["id", "y__a"], mapping, optional=("logit__",)) == {}


def test_swapped_names_are_no_conflict():
    assert rename(["id", "image"], {"id": "image", "image": "id"}) == {"id": "image", "image": "id"}


@pytest.mark.parametrize(
    ("columns", "mapping", "message"),
    [
        (
            ["filenam", "b"],
            {"id": "filename"},
            r"^a\.csv: id=filename: unknown column 'filename': did you mean filenam\? choose one",
        ),
        (
            ["a_label", "b"],
            {"y__*": "*_labels"},
            r"^a\.csv: y__\*=\*_labels: unknown column '\*_labels': did you mean a_label\?",
        ),
        (
            ["id", "file"],
            {"id": "file"},
            r"^a\.csv: columns 'id' and 'file' would both be 'id': leave one out of the mapping",
        ),
        (
            ["a_true", "b"],
            {"y__*": "*_true", "y__a": "b"},
            r"^a\.csv: columns 'a_true' and 'b' would both be 'y__a'",
        ),
        (["y__a", "a_true"], {"y__*": "*_true"}, r"'y__a' and 'a_true' would both be 'y__a'"),
        (
            ["a_b"],
            {"y__*": "a_*", "logit__*": "*_b"},
            r"^a\.csv: column 'a_b' fits y__\*=a_\* and logit__\*=\*_b alike: spell out what it "
            r"is, such as y__b=a_b$",
        ),
    ],
)
def test_columns_that_a_mapping_does_not_fit_are_named(columns, mapping, message):
    with pytest.raises(DataError, match=message):
        rename(columns, mapping, "a.csv")


@given(
    attributes=st.lists(NAMES, min_size=1, unique=True),
    key=NAMES,
    before=st.text("ab_", max_size=2),
    after=st.text("cd_", min_size=1, max_size=2),
)
def test_a_mapping_finds_what_was_renamed(attributes, key, before, after):
    theirs = {f"L>{name}": f"y__{name}" for name in attributes}
    theirs |= {f"S>{before}{name}{after}": f"logit__{name}" for name in attributes}
    theirs[f"I>{key}"] = "id"
    texts = ["y__*=L>*", f"logit__*=S>{before}*{after}", f"id=I>{key}"]
    assert rename(list(theirs), read_mapping(texts)) == theirs


@given(columns=st.lists(st.sampled_from(["id", "y", "y__a", "a", "b", "a_b", "b_a"]), unique=True))
def test_no_two_columns_get_one_name(columns):
    mapping = {"y__*": "*_b", "logit__*": "b_*", "id": "a", "group__*": "*"}
    optional = ("y__", "logit__", "id", "group__")
    if {"id", "a"} <= set(columns) or {"y__a", "a_b"} <= set(columns):
        with pytest.raises(DataError, match=r"would both be '(id|y__a)'"):
            rename(columns, mapping, optional=optional)
        return
    renamed = rename(columns, mapping, optional=optional)
    names = [renamed.get(column, column) for column in columns]
    assert len(set(names)) == len(names)
    assert all(is_ours(name) for name in names)

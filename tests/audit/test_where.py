"""What a metric is asked about: read, written again, and found in a table."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit import Where
from prunescope.audit.where import OVERALL
from prunescope.errors import ConfigError

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
awkward = st.sampled_from(
    ['a,"b"', "*", "attribute:x", "group:x", " Male ", "a]", "=", "x=y", '"', "Łódź", "\n"]
)
places = st.builds(
    lambda attribute, group, value: Where(
        attribute, group, value if group not in (None, "*") else None
    ),
    st.none() | names | awkward,
    st.none() | names | awkward,
    st.none() | names | awkward,
)


@given(places.filter(lambda where: where != OVERALL))
def test_what_is_written_is_read_again(where):
    assert Where.parse(str(where)) == where


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("Male", Where(group="Male")),
        (" Male = True ", Where(group="Male", group_value="True")),
        ("*", Where(attribute="*")),
        ("attribute:*", Where(attribute="*")),
        ("attribute: 5_o_Clock Shadow", Where(attribute="5_o_Clock Shadow")),
        ("Male × Young=True × False, *", Where("*", "Male × Young", "True × False")),
        ("group:*", Where(group="*")),
        ("group : Male=True, *", Where("*", "Male", "True")),
        ('"attribute:Bald"', Where(group="attribute:Bald")),
        ('"group:x"', Where(group="group:x")),
        ('town="a,""b"""', Where(group="town", group_value='a,"b"')),
    ],
)
def test_texts_mean(text, where):
    assert Where.parse(text) == where


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a group"),
        (" ", "expected a group"),
        ("Male,", "expected a group"),
        (",Male", "expected a group"),
        ("Male=", "expected a group"),
        ("*=1", "expected a group"),
        ("group:*=1", "expected a group"),
        ("group:*, Male", "at most one group"),
        ("attribute:Bald=1", "expected a group"),
        ('"Male', "expected a group"),
        ('""', "expected a group"),
        ("Male, Young", "at most one group"),
        ("*, attribute:Bald", "at most one group"),
    ],
)
def test_texts_that_mean_nothing_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        Where.parse(text)


def test_a_value_needs_a_group():
    with pytest.raises(ConfigError, match="of no group"):
        Where(group_value="True")
    with pytest.raises(ConfigError, match="of every group: name one"):
        Where(group="*", group_value="True")


@pytest.fixture
def table():
    """A table with the kinds of rows that an audit has, numbered."""
    rows = [
        ("accuracy", None, None, None),
        ("accuracy", None, "Male", "False"),
        ("accuracy", None, "Male", "True"),
        ("accuracy", "Bald", None, None),
        ("accuracy", "Smiling", None, None),
        ("accuracy", "Bald", "Male", "False"),
        ("accuracy", "Bald", "Male", "True"),
        ("accuracy", None, "Young", "True"),
        ("bias_amplification", None, "Male", None),
        ("bias_amplification", "Bald", "Male", "True"),  # the side it leans to
        ("bias_amplification", "Smiling", "Male", None),
        ("auc", None, None, None),
        ("auc", "Bald", None, None),
    ]
    schema = ["metric", "attribute", "group", "group_value"]
    return pl.DataFrame(rows, schema, orient="row").with_row_index("row")


@pytest.mark.parametrize(
    ("metric", "where", "rows"),
    [
        ("accuracy", None, [0]),
        ("accuracy", "Male", [1, 2]),
        ("accuracy", "Male=True", [2]),
        ("accuracy", "attribute:Bald", [3]),
        ("accuracy", "*", [3, 4]),
        ("accuracy", "attribute:Bald, Male", [5, 6]),
        ("accuracy", "*, Male=False", [5]),
        ("accuracy", "group:*", [1, 2, 7]),
        ("accuracy", "*, group:*", [5, 6]),
        ("bias_amplification", "group:*", [8]),
        ("bias_amplification", "Male", [8]),
        ("bias_amplification", "*, Male", [9, 10]),
        ("bias_amplification", "attribute:Bald, Male", [9]),
    ],
)
def test_rows_that_are_meant(table, metric, where, rows):
    where = OVERALL if where is None else Where.parse(where)
    assert where.rows(table, metric)["row"].to_list() == rows


@pytest.mark.parametrize(
    ("metric", "where", "message"),
    [
        ("acuracy", Where(), "unknown metric 'acuracy': did you mean accuracy"),
        ("accuracy", Where("Balt"), "unknown attribute 'Balt': did you mean Bald"),
        ("accuracy", Where(group="Mael"), "unknown group 'Mael': did you mean Male"),
        (
            "accuracy",
            Where(None, "Male", "true"),
            "unknown value of Male 'true': did you mean True",
        ),
        ("accuracy", Where(None, "Young", "False"), "unknown value of Young 'False'"),
        ("auc", Where(group="Male"), r"expected auc or auc\[attribute:NAME\]"),
        ("bias_amplification", Where(), r"expected bias_amplification\[GROUP\] or"),
        ("bias_amplification", Where("*", "Male", "True"), "compares the values of Male"),
    ],
)
def test_rows_that_are_not_there(table, metric, where, message):
    with pytest.raises(ConfigError, match=message):
        where.rows(table, metric)

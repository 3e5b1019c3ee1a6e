"""A view is its URL."""

from urllib.parse import parse_qs, parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prunescope.viewer.view import SORTS, View

TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(
    view=st.builds(
        View,
        model=TEXTS,
        attribute=TEXTS,
        group=TEXTS,
        label=st.sampled_from([None, "yes", "unlabelled"]),
        p_min=st.floats(0, 1),
        riskiest=st.none() | st.floats(0.001, 1),
        cie=st.booleans(),
        sort=st.sampled_from(list(SORTS)),
        page=st.integers(1, 1000),
    )
)
def test_a_view_reads_back_from_its_query(view):
    assert View(**dict(parse_qsl(view.query(), keep_blank_values=True))) == view


def test_defaults_and_blanks_stay_out_of_the_url():
    assert View().query() == ""
    assert View(label="", p_min="", flip="any").query() == "flip=any"
    assert parse_qs(View(attribute="a&b=c/<é>").query()) == {"attribute": ["a&b=c/<é>"]}


def test_groups_are_several_and_each_is_told_once():
    view = View(group=["Male=True", "", "Young=True", "Male=True"])
    assert view.group == ("Male=True", "Young=True")
    assert parse_qs(view.query()) == {"group": ["Male=True", "Young=True"]}
    assert View(group=["", ""]) == View(group="") == View()


def test_another_page_is_of_the_same_selection():
    assert View(page=3, size=240, label="no").unpaged == View(label="no").unpaged


@pytest.mark.parametrize(
    "asked",
    [
        {"sort": "harm"}, {"page": 0}, {"p_min": "nan"}, {"p_max": 2}, {"riskiest": 0},
        {"flip": "maybe"}, {"size": 10**6}, {"model": "x" * 1001},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(asked):
    with pytest.raises(ValidationError):
        View(**asked)

"""A part of the map: in a URL, and what lies in it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prunescope.errors import ConfigError
from prunescope.viewer.area import LONGEST, MOST_CORNERS, Area
from prunescope.viewer.layouts import SIDE, Layout
from prunescope.viewer.view import View

DIGEST = "0123abcd"
PLACE = st.tuples(st.integers(0, SIDE), st.integers(0, SIDE))


def layout_of(places):
    return Layout("pca", np.array(places, np.uint16), DIGEST)


def in_polygon(x, y, corners):
    """Count the sides that a line to the right crosses, in fractions."""
    crossed = 0
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        low, high = sorted([(y1, x1), (y2, x2)])
        if low[0] <= y < high[0]:
            at = low[1] + Fraction(y - low[0], high[0] - low[0]) * (high[1] - low[1])
            crossed += x < at
    return crossed % 2 == 1


@settings(max_examples=60)
@given(
    corners=st.lists(PLACE, min_size=3, max_size=8) | st.lists(PLACE, min_size=32, max_size=32),
    near=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=3, max_size=7),
)
def test_a_polygon_holds_what_a_line_to_the_right_leaves(corners, near):
    far = [(x, y) for x in range(0, SIDE + 1, 8191) for y in range(0, SIDE + 1, 8191)]
    close = [(x, y) for x in range(13) for y in range(13)]  # on its sides and corners, too
    for places, polygon in ((far, corners), (close, near)):
        found = Area("pca", DIGEST, tuple(polygon)).holds(layout_of(places))
        low, high = np.min(polygon, axis=0), np.max(polygon, axis=0)
        expected = [
            in_polygon(x, y, polygon) and low[0] <= x <= high[0] and low[1] <= y <= high[1]
            for x, y in places
        ]
        assert found.tolist() == expected


def test_what_a_line_runs_around_twice_is_outside():
    star = ((50, 0), (80, 100), (0, 40), (100, 40), (20, 100))
    found = Area("pca", DIGEST, star).holds(layout_of([[50, 55], [50, 20], [0, 0]]))
    assert found.tolist() == [False, True, False]


@pytest.mark.parametrize("corners", [((2, 3), (7, 5)), ((7, 5), (2, 3)), ((2, 5), (7, 3))])
def test_the_edges_of_a_rectangle_belong_to_it(corners):
    places = [[x, y] for x in range(10) for y in range(10)]
    found = Area("pca", DIGEST, corners).holds(layout_of(places))
    assert found.tolist() == [2 <= x <= 7 and 3 <= y <= 5 for x, y in places]


@given(
    layout=st.sampled_from(["pca", "umap"]),
    corners=st.lists(PLACE, min_size=2, max_size=MOST_CORNERS),
)
def test_an_area_reads_back_from_a_url(layout, corners):
    area = Area(layout, DIGEST, tuple(corners))
    assert len(str(area)) <= LONGEST
    assert View(area=str(area)).query() == f"area={area}"  # nothing in it has to be escaped
    assert Area.parse(View(area=str(area)).area) == area


HOSTILE = [
    "pca", "pca.0123abcd", "pca.0123abcd_1.2", "pca.0123abcd_1.2_3", "pca.0123abcd_1.2_nan.3",
    "pca.0123abcd_-1.2_3.4", "pca.0123abcd_1.2_3.4\n", "pca.0123ABCD_1.2_3.4", "_1.2_3.4",
    "pca.0123abcd_1.2_3.1e9", "pca.0123abcd_1.2_3.999999", "pca.0123abcd_1.2_3.٣",
    "pca.0123abcd" + "_1.2" * (MOST_CORNERS + 1), "pca.0123abcd" + "_1.2" * 100_000,
    "../../etc.0123abcd_1.2_3.4", "<b>.0123abcd_1.2_3.4",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_area_is_refused(text):
    with pytest.raises(ConfigError, match=r"expected LAYOUT\.DIGEST_X\.Y_X\.Y with 2 to 32"):
        Area.parse(text)
    with pytest.raises(ValidationError):
        View(area=text)


def test_an_area_of_another_map_is_told():
    with pytest.raises(ConfigError, match="the area was drawn on another map"):
        Area("pca", "ffffffff", ((0, 0), (9, 9))).holds(layout_of([[1, 1]]))

import re
from xml.etree import ElementTree

import pytest

from prunescope.report.grids import LARGEST, NAMES, SMALLEST, WIDTH, draw_grid
from prunescope.report.svg import LESS, MORE, RULE, TAGS

NAMES_OF = ["a", "b", "c", "d"]
VALUES = [0.6, -0.3, 0.001, None, 0.02, 2.0]


def drawn(values=VALUES, names=NAMES_OF, full=0.6):
    grid = draw_grid(names, values, full, "Correlations")
    return grid, ElementTree.fromstring(grid.svg)


def cells(svg, size):
    """Undo the merging: column and row → colour and strength of every cell."""
    found = {}
    for path in svg.iter("path"):
        if path.get("fill", "none") == "none" or not path.get("d"):
            continue
        for x, y, across in re.findall(r"M([\d.]+),([\d.]+)h([\d.]+)v", path.get("d")):
            for k in range(round(float(across) / size)):
                place = (round(float(x) / size) + k, round(float(y) / size))
                found[place] = (path.get("fill"), float(path.get("fill-opacity", 1)))
    return found


def test_every_pair_has_its_cell_below_the_diagonal():
    grid, svg = drawn()
    assert cells(svg, grid.size) == {
        (0, 1): (MORE, 1.0),
        (0, 2): (LESS, 0.5),
        (1, 2): (RULE, 0.4),
        (0, 3): ("var(--hatch)", 1.0),
        (1, 3): (RULE, 0.4),
        (2, 3): (MORE, 1.0),
    }


def test_cells_of_one_colour_in_a_row_are_one_stroke():
    grid, svg = drawn([0.6] * 6)
    (path,) = [p for p in svg.iter("path") if p.get("fill") == MORE]
    assert path.get("d").count("M") == 3
    assert len(cells(svg, grid.size)) == 6


def test_numbers_go_along_in_hundredths():
    grid, _ = drawn()
    assert grid.cells == "60,-30,0,,2,200"


def test_names_stand_along_the_diagonal_and_fit():
    grid, svg = drawn(names=["a", "b", "c", "a name that is much too long to stand beside a map"])
    texts = list(svg.iter("text"))
    assert [element.text for element in texts[:3]] == ["a", "b", "c"]
    assert texts[3].text.endswith("…")
    places = [(float(element.get("x")), float(element.get("y"))) for element in texts]
    assert places == sorted(places)
    assert places[2][0] == pytest.approx(2 * grid.size + 3)
    assert float(svg.get("viewBox").split()[2]) == WIDTH + NAMES


@pytest.mark.parametrize(("n", "size"), [(2, LARGEST), (10, 36), (20, 18), (40, SMALLEST)])
def test_cells_are_as_large_as_fits(n, size):
    grid, svg = drawn([0.1] * (n * (n - 1) // 2), [f"n{i}" for i in range(n)])
    assert grid.size == size
    assert float(svg.get("viewBox").split()[3]) == size * n


def test_those_who_do_not_see_it_are_told_the_extremes():
    _, svg = drawn()
    assert svg.get("aria-label") == (
        "Correlations, 5 pairs of attributes: from −0.30 between a and c to +2.00 between c and d"
    )
    _, empty = drawn([None], ["a", "b"])
    assert empty.get("aria-label") == "Correlations: no value"


def test_hostile_names_stay_text(planted):
    grid, svg = drawn([0.1], [planted.HOSTILE, planted.HOSTILE])
    assert "<img" not in grid.svg
    assert "<script" not in grid.svg
    assert planted.HOSTILE in svg.get("aria-label")
    assert {element.tag for element in svg.iter()} <= TAGS
    assert set(re.findall(r'fill="([^"]+)"', grid.svg)) <= {"none", MORE, LESS, RULE, "var(--ink)"}

import re
from xml.etree import ElementTree

import pytest

from prunescope.report import build
from prunescope.report.charts import dash_of, draw, series_of
from prunescope.report.svg import N_COLOURS, TAGS, colour


@pytest.fixture(scope="module")
def curves(many):
    return build(many).curves


def drawn(curves, index=0):
    return ElementTree.fromstring(draw(curves[index], series_of(curves)))


def points(svg):
    return [element for element in svg.iter("path") if element.get("data-tip")]


def test_methods_get_one_colour_each_in_order(curves):
    assert [(one.name, colour(one.place)) for one in series_of(curves)] == [
        ("gmp", "var(--s1)"),
        ("one-shot", "var(--s2)"),
    ]


def test_more_methods_than_colours_are_told_apart_by_dashes(curves):
    point = next(p for p in curves[0].points if not p.dense)
    points = [point.model_copy(update={"method": f"m{i}"}) for i in range(2 * N_COLOURS)]
    series = series_of([curves[0].model_copy(update={"points": points})])
    assert len({(colour(one.place), dash_of(one.place)) for one in series}) == 2 * N_COLOURS


def test_every_model_is_a_point_with_its_numbers(curves):
    tips = [point.get("data-tip") for point in points(drawn(curves))]
    assert len(tips) == 7
    assert "dense-0: 100% (99.7 to 100%)" in tips
    assert any(re.fullmatch(r"gmp-0\.95-0: 96\.8% \(\d\d\.\d to \d\d\.\d%\)", tip) for tip in tips)


def test_dense_stands_left_at_the_top_and_the_sparsest_right_at_the_bottom(curves):
    def place(point):
        x, y = re.match(r"translate\(([\d.]+),([\d.]+)\)", point.get("transform")).groups()
        return float(x), float(y)

    by_tip = {point.get("data-tip"): place(point) for point in points(drawn(curves))}
    dense = next(at for tip, at in by_tip.items() if tip.startswith("dense-0"))
    middle = next(at for tip, at in by_tip.items() if tip.startswith("gmp-0.8-0"))
    sparse = next(at for tip, at in by_tip.items() if tip.startswith("gmp-0.95-0"))
    assert dense[0] < middle[0] < sparse[0]
    assert dense[1] == middle[1] < sparse[1]


def test_the_axis_names_sparsities(curves):
    words = {element.text for element in drawn(curves).iter("text")}
    assert {"dense", "50%", "80%", "95%"} <= words


def test_the_word_dense_is_clear_of_the_vertical_axis(curves):
    (word,) = (element for element in drawn(curves).iter("text") if element.text == "dense")
    assert word.get("text-anchor") == "middle"
    assert float(word.get("x")) > len("dense") * 6 / 2


def test_lines_and_bands_take_two_sparsities(curves, harmed):
    lines = [e for e in drawn(curves).iter("path") if e.get("stroke-width") == "1.8"]
    assert [line.get("stroke") for line in lines] == ["var(--s1)", "var(--s2)"]
    one = drawn(build(harmed).curves)
    assert not [e for e in one.iter("path") if e.get("stroke-width") == "1.8"]
    assert len(points(one)) == 2


def test_an_element_of_a_page_that_the_page_colours(curves):
    text = draw(curves[0], series_of(curves))
    assert "http" not in text
    assert "width" not in ElementTree.fromstring(text).attrib
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', text))
    assert colours <= {
        "none",
        *(f"var(--{n})" for n in ("ink", "muted", "rule", "paper", "s1", "s2")),
    }
    assert {element.tag for element in ElementTree.fromstring(text).iter()} <= TAGS


def test_hostile_names_stay_text(hostile, planted):
    curves = build(hostile).curves
    text = draw(curves[0], series_of(curves))
    assert "<img" not in text
    assert "<script" not in text.lower()
    tips = [point.get("data-tip") for point in points(ElementTree.fromstring(text))]
    assert any(tip.startswith(planted.HOSTILE) for tip in tips)


def test_missing_intervals_draw_no_bar(curves):
    bare = [
        point.model_copy(
            update={"estimate": point.estimate.model_copy(update={"low": None, "high": None})}
        )
        for point in curves[0].points
    ]
    svg = ElementTree.fromstring(
        draw(curves[0].model_copy(update={"points": bare}), series_of(curves))
    )
    assert len(points(svg)) == 7
    assert not [e for e in svg.iter("line") if e.get("stroke-width") == "1.4"]


def test_seeds_stand_faint_behind_their_mean_and_draw_no_line(seeds):
    curves = build(seeds).curves
    svg = drawn(curves)
    by_opacity = {}
    for point in points(svg):
        by_opacity.setdefault(point.get("opacity"), []).append(point.get("data-tip").split(":")[0])
    assert len(by_opacity["0.5"]) == 9
    assert by_opacity["1"] == ["dense (3 seeds)", "gmp 0.5 (3 seeds)", "gmp 0.9 (3 seeds)"]
    assert len([e for e in svg.iter("path") if e.get("stroke-width") == "1.8"]) == 1


def test_lines_and_bands_are_those_of_the_means_alone(seeds):
    curve, *curves = build(seeds).curves
    alone = curve.model_copy(update={"points": [p for p in curve.points if not p.member]})
    assert len(alone.points) == 3
    bands = []
    for one in (curve, alone):
        svg = ElementTree.fromstring(draw(one, series_of([curve, *curves])))
        marks = [e for e in svg.iter("path") if e.get("opacity") == "0.16"]
        height = re.search(r"M[^L]+,([\d.]+)L", marks[0].get("d"))
        bands.append((len(marks), marks[0].get("d").count("L"), float(height[1])))
    assert bands[0] == pytest.approx(bands[1])


def test_churn_is_a_level_with_its_name(seeds):
    curves = build(seeds).curves
    place = next(i for i, curve in enumerate(curves) if curve.metric == "flip_rate")
    assert "churn" in [element.text for element in drawn(curves, place).iter("text")]
    assert "churn" not in [element.text for element in drawn(curves, 0).iter("text")]

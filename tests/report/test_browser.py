"""The page in a real browser, from disk, with the network cut."""

import json
import re

import polars as pl
import pytest

WIDTHS = ("desktop", "phone")


@pytest.fixture(scope="module")
def path_of(rendered, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")

    def path(name):
        path = folder / f"{name}.html"
        path.write_text(rendered(name, with_pictures=True)[1], encoding="utf-8")
        return path

    return path


@pytest.mark.parametrize(
    "name", ["many", "harmed", "few", "hostile", "seeds", "hostile_seeds", "hostile_classes"]
)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_opens_offline_without_an_error(visit, path_of, name, width):
    page = visit(path_of(name), width)
    root = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert root[0] <= root[1]
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    root = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert root[0] <= root[1]
    for image in page.locator("img").all()[:3]:
        assert image.evaluate("image => image.naturalWidth") == 16


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_are_drawn_legibly(visit, path_of, width):
    page = visit(path_of("many"), width)
    charts = page.locator("#sparsity figure svg")
    assert charts.count() == 7
    for chart in charts.all():
        box = chart.bounding_box()
        assert box["width"] > 250
        assert box["height"] > 100
        assert chart.locator("[data-tip]").count() >= 6
    sizes = charts.first.locator("text").evaluate_all(
        "texts => texts.map(text => text.getBoundingClientRect().height)"
    )
    assert min(sizes) > 9


def test_light_and_dark_and_paper_have_their_own_colours(visit, path_of):
    path = path_of("harmed")

    def colours(page):
        return page.evaluate(
            "['fill', 'background-color'].map((name, i) => getComputedStyle("
            "[document.querySelector('figure svg [data-tip]'), document.documentElement][i])"
            ".getPropertyValue(name))"
        )

    light, dark = colours(visit(path)), colours(visit(path, scheme="dark"))
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    page = visit(path, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert colours(page) == [light[0], "rgb(255, 255, 255)"]


def test_one_model_and_one_metric_are_shown_at_a_time(visit, path_of):
    page = visit(path_of("many"))

    def seen(section):
        panels = page.locator(f"#{section} .panel").all()
        return [panel.get_attribute("data-model") for panel in panels if panel.is_visible()]

    assert seen("attributes") == seen("bias") == seen("images") == ["4"]
    assert page.locator("#attributes .panel:visible caption").inner_text().startswith("Rare-value")
    page.select_option("#model", "0")
    assert seen("attributes") == seen("bias") == seen("images") == ["0"]
    page.get_by_text("Uncertainty", exact=True).locator("visible=true").last.click()
    page.locator(".tabs label", has_text="Accuracy").click()
    assert seen("attributes") == ["0"]
    assert page.locator("#attributes .panel:visible caption").inner_text().startswith("Accuracy")


def test_pointing_at_a_figure_tells_more(visit, path_of):
    page = visit(path_of("harmed"))
    tip = page.locator("#tip")
    assert tip.is_hidden()
    cell = page.locator(".heat td.harm").first
    cell.hover()
    assert tip.inner_text() == cell.get_attribute("data-tip")
    page.locator("h1").hover()
    assert tip.is_hidden()
    page.locator("figure svg [data-tip]").last.hover()
    assert "sparse95" in tip.inner_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_pointing_at_a_map_tells_the_pair_and_its_correlation(visit, path_of, seeds, width):
    page = visit(path_of("seeds"), width)
    page.locator("#together details.more").evaluate("folded => folded.open = true")
    maps = page.locator("#together figure:visible")
    assert maps.locator("figcaption").all_inner_texts() == [
        "Labels",
        "Dense answers",
        "Answers of gmp 0.5 (3 seeds)",
        "Change from dense to gmp 0.5 (3 seeds)",
    ]
    names = json.loads(page.locator("[data-names]").get_attribute("data-names"))
    pair = {names[1], names[6]}
    found = seeds.correlations.filter(
        pl.col("attribute").is_in(pair)
        & pl.col("other").is_in(pair)
        & (pl.col("model") == "a0-0.5-0")
    )
    cell = page.evaluate(
        """() => {
            const figure = document.querySelector('#together figure');
            figure.scrollIntoView({block: 'center', behavior: 'instant'});
            const svg = figure.querySelector('svg'), box = svg.getBoundingClientRect();
            const side = figure.dataset.size * box.width / svg.viewBox.baseVal.width;
            return [box.left + 1.5 * side, box.top + 6.5 * side, side];
        }"""
    )
    page.mouse.move(cell[0], cell[1])
    told = page.locator("#tip").inner_text()
    about, _, number = told.rpartition(": ")
    assert about == f"{names[1]} · {names[6]}"
    assert float(number.replace("−", "-")) == pytest.approx(found["labels"].item(), abs=0.00501)
    page.mouse.move(cell[0] + 8 * cell[2], cell[1])  # right of the triangle
    assert page.locator("#tip").is_hidden()


def test_a_map_follows_the_model_that_is_picked(visit, path_of):
    page = visit(path_of("seeds"))
    page.locator("#together details.more").evaluate("folded => folded.open = true")
    page.select_option("#model", "1")
    assert page.locator("#together figure:visible figcaption").all_inner_texts()[2:] == [
        "Answers of gmp 0.9 (3 seeds)",
        "Change from dense to gmp 0.9 (3 seeds)",
    ]


def test_pointing_at_a_point_tells_whose_it_is(visit, path_of):
    page = visit(path_of("seeds"))
    page.locator("#links circle[data-tip]").last.hover()
    assert re.fullmatch(r"a\d.* · gmp 0\.[59] \(3 seeds\): .*", page.locator("#tip").inner_text())


def test_on_paper_everything_is_unfolded(visit, path_of):
    page = visit(path_of("harmed"))
    assert page.locator("details:not([open])").count() > 3
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 3
    assert page.pdf()[:5] == b"%PDF-"


def test_without_script_everything_is_shown(browser, path_of):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path_of("many").as_uri())
    assert page.locator("#bias .panel:visible").count() == 6
    assert page.locator("#bias h3.fallback:visible").count() == 6
    context.close()


@pytest.mark.parametrize("name", ["hostile", "hostile_seeds", "hostile_classes"])
def test_hostile_names_run_nothing(visit, path_of, name):
    page = visit(path_of(name))
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    assert "owned" not in page.title().split("·")[-1]
    assert page.evaluate("document.title") == page.title()
    assert "onerror" in page.locator("h1").inner_text()

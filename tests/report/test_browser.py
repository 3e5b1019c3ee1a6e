"""The page in a real browser, from disk, with the network cut."""

import json
import re

import polars as pl
import pytest

from prunescope.verdict.glossary import GLOSSARY

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


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("harmed", "desktop", "light"),
        ("harmed", "desktop", "dark"),
        ("hostile_seeds", "phone", "light"),
    ],
)
def test_the_page_bars_nobody(visit, barriers, path_of, name, width, scheme):
    assert barriers(visit(path_of(name), width, scheme)) == []


def test_the_first_screen_answers(visit, path_of):
    page = visit(path_of("many"))
    assert page.locator("h1 .answer").inner_text() == (
        "Ship with care: at most 80% of weights removed. Do not ship: more than 80% removed."
    )
    for part in ("h1", "#verdict .answers", "#verdict .broken", "#trade-off svg >> visible=true"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 900
    assert page.locator("#verdict .broken > ul li").count() == 5
    assert page.locator("#verdict .broken h3").inner_text() == "Broken 9 found"
    page.locator("#verdict .broken summary").click()
    assert page.locator("#verdict .broken li >> visible=true").count() == 9
    assert page.locator("#settle").count() == 0  # more images would not mend what is broken


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_answer_has_a_colour_and_a_shape_of_its_own(visit, path_of, scheme):
    """Those who do not see colours see a tick, a triangle, a cross or a question mark."""
    colours, shapes = set(), set()
    for name in ("plenty", "unharmed", "harmed", "few"):
        page = visit(path_of(name), scheme=scheme)
        answer = page.locator("h1 .answer")
        colours.add(answer.evaluate("one => getComputedStyle(one).color"))
        shapes.add(answer.locator("use").get_attribute("href"))
        box = answer.locator("svg").bounding_box()
        assert box["width"] == pytest.approx(box["height"])
        assert box["width"] > 20
    assert len(colours) == len(shapes) == 4


def test_another_damage_can_be_chosen_for_the_picture(visit, path_of):
    page = visit(path_of("harmed"))
    picture = page.locator("#trade-off svg >> visible=true")
    assert picture.get_attribute("aria-label").startswith("Worst fading of a rare answer")
    page.locator("#trade-off select").select_option(label="Accuracy lost")
    assert picture.get_attribute("aria-label").startswith("Accuracy lost")
    picture.locator("[data-tip]").last.hover()
    assert page.locator("#tip").inner_text() == "sparse95: 5 %, accuracy lost 3.2 points"


def cells(page, column):
    return page.locator(f"#estimates tbody td:nth-child({column})").all_inner_texts()


@pytest.fixture
def rows(visit, path_of):
    """Return the page of `harmed`, scrolled to its table of all estimates, when that is ready."""

    def opened(fragment="#estimates", name="harmed"):
        page = visit(path_of(name), fragment=fragment)
        page.locator("#estimates.ready").wait_for()
        return page

    return opened


def test_all_estimates_are_searched_filtered_and_sorted(rows, harmed):
    page = rows()
    assert page.locator("#estimates h2").bounding_box()["y"] < 100
    table = harmed.table
    assert page.locator("#estimates output").inner_text() == f"1 to 25 of {table.height}"
    page.get_by_role("button", name="Later").click()
    assert page.locator("#estimates output").inner_text() == f"26 to 50 of {table.height}"
    page.locator("[data-filters=model]").select_option("sparse95")
    page.locator("[data-filters=metric]").select_option("Accuracy")
    accuracy = table.filter(model="sparse95", metric="accuracy")
    of_bald = accuracy.filter(attribute="Bald")
    page.locator("[data-filters=search]").fill("BALD accuracy")
    assert page.locator("#estimates output").inner_text().endswith(f"of {of_bald.height}")
    page.locator("[data-filters=search]").fill("")
    head = page.locator("#estimates th", has_text="Change")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    changes = [float(text.split()[0].replace("−", "-").replace("±", "")) for text in cells(page, 7)]
    expected = sorted(100 * change for change in accuracy["delta"].drop_nulls())
    assert len(set(changes)) > 3
    assert changes == pytest.approx(expected, abs=0.051)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    fallen = [float(text.split()[0].replace("−", "-").replace("±", "")) for text in cells(page, 7)]
    assert fallen == changes[::-1]
    page.locator("[data-filters=search]").fill("nobody")
    assert page.locator("#estimates output").inner_text() == "No estimate is like that."


def test_numbers_are_written_as_everywhere_in_the_report(rows, harmed):
    page = rows("#estimates&rows.model=sparse95&rows.search=bald")
    page.locator("[data-filters=metric]").select_option("Rare-value ratio")
    row = harmed.table.filter(
        pl.col("group").is_null(), model="sparse95", metric="rare_value_ratio", attribute="Bald"
    ).row(0, named=True)
    unit = GLOSSARY["rare_value_ratio"].unit
    value, change = (text.split(maxsplit=1) for text in (cells(page, 5)[0], cells(page, 7)[0]))
    assert value == [unit.value(row["value"]), unit.interval(row["low"], row["high"])]
    assert change == [
        unit.bare_change(row["delta"]),
        unit.change_interval(row["delta_low"], row["delta_high"]),
    ]
    assert cells(page, 9)[0] == row["verdict"]


def test_a_link_opens_the_same_view(rows, visit, path_of):
    page = rows()
    page.locator("[data-filters=verdict]").select_option("worse")
    page.locator("#estimates th", has_text="Change").get_by_role("button").click()
    page.locator("#find").fill("bald")
    page.locator(".tabs label", has_text="Accuracy").click()
    page.locator("#links > details > summary").click()
    page.locator("#provenance > details > summary").click()
    page.wait_for_url("**folds=**provenance**")
    seen = cells(page, 7)
    other = rows("#" + page.url.partition("#")[2])
    assert cells(other, 7) == seen
    assert set(cells(other, 9)) == {"worse"}
    assert other.locator(".tabs input:checked").get_attribute("value") == "accuracy"
    assert other.locator("#attributes .dots tbody tr:visible th").all_inner_texts() == ["Bald"]
    assert not other.locator("#links .notes").is_visible()
    assert other.locator("#provenance .provenance").is_visible()


def test_a_picked_model_stands_in_the_address_by_name(visit, path_of):
    page = visit(path_of("many"))
    page.select_option("#model", "0")
    name = page.locator("#model option").first.get_attribute("data-name")
    assert page.url.endswith(f"#model={name}")
    other = visit(path_of("many"), fragment=f"#bias&model={name}")
    assert other.locator("#model").input_value() == "0"
    assert other.evaluate("scrollY") > 500
    assert visit(path_of("many"), fragment="#model=gone").locator("#model").input_value() == "4"


def test_links_of_the_page_unfold_what_they_lead_to_and_keep_the_view(visit, path_of):
    page = visit(path_of("many"), fragment="#metric=accuracy")
    page.get_by_role("link", name="What could not be estimated").click()
    page.wait_for_url("**#gaps&metric=accuracy&folds=gaps")
    assert page.locator("#gaps .gap-list").first.is_visible()
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert not page.locator("#bias .panel:not([hidden])").first.is_visible()
    page.go_back()
    page.wait_for_url("**#metric=accuracy")
    assert page.locator("#bias .panel:not([hidden])").first.is_visible()


def test_a_link_to_a_finding_or_a_model_unfolds_it(visit, path_of):
    assert not visit(path_of("many")).locator("#finding-0-0").is_visible()
    assert visit(path_of("many"), fragment="#finding-0-0").locator("#finding-0-0").is_visible()
    page = visit(path_of("many"))
    page.locator("#verdict .answers a").first.click()
    assert page.locator("#model-0 .findings").is_visible()


def test_a_key_folds_and_sorts(visit, path_of):
    page = visit(path_of("many"))
    page.locator("#bias > details > summary").focus()
    page.keyboard.press("Enter")
    assert not page.locator("#bias .panel").first.is_visible()
    head = page.locator("#figures .key th", has_text="Accuracy")
    names = page.locator("#figures .key tbody th b")
    first = names.all_inner_texts()
    head.get_by_role("button").focus()
    orders = []
    for _ in range(3):
        page.keyboard.press("Enter")
        orders.append((head.get_attribute("aria-sort"), names.all_inner_texts()))
    assert [way for way, _ in orders] == ["ascending", "descending", None]
    assert orders[0][1][0].endswith("0.95-0")
    assert orders[1][1] != orders[0][1]
    assert orders[2][1] == first


def test_the_button_turns_day_to_night(visit, path_of):
    page = visit(path_of("harmed"))
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(paper) == light
    night = visit(path_of("harmed"), scheme="dark")
    assert night.evaluate(paper) == dark
    night.get_by_role("button", name="Light").click()
    assert night.evaluate(paper) == light


def test_hostile_names_are_text_in_all_estimates(rows, planted):
    page = rows(name="hostile")
    page.locator("#estimates [data-filters=model]").select_option(planted.HOSTILE + "1")
    assert set(cells(page, 1)) == {planted.HOSTILE + "1"}
    assert page.locator("#estimates img").count() == 0

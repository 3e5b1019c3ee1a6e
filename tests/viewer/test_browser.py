"""The viewer in a real browser: filter, look, review, export; by mouse, by keyboard, on a phone."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from prunescope.viewer.decisions import Decisions


@pytest.fixture
def go(running, opened):
    """Open a page of the viewer."""

    def go(path="/", width="desktop", scheme="light", **options):
        home = (running.url, "data:")
        return opened(running.url + path, home, width, color_scheme=scheme, **options)

    return go


def lines(decisions):
    return [json.loads(line) for line in decisions.path.read_text().splitlines()]


def test_from_a_filter_to_a_sample_to_a_review_to_an_export(go, decisions, running):
    page = go("/")
    page.get_by_role("link", name="Samples", exact=True).click()
    with page.expect_navigation():
        page.locator("[name=flip]").select_option("any")
    with page.expect_navigation():
        page.locator("[name=attribute]").select_option("Bald")
    assert page.url.endswith(
        "/samples?model=sparse-0&against=dense-0&attribute=Bald&flip=any&sort=change&order=desc"
    )
    n_cards = page.locator(".grid li").count()
    assert 0 < n_cards == int(page.locator("h1").inner_text().split()[0])
    shared = go(page.url.removeprefix(running.url))
    assert shared.locator(".grid li").count() == n_cards

    page.locator(".grid a").first.click()
    key = page.locator("h1").inner_text()
    assert page.locator(".said tbody tr").first.locator("th").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator("h1")).not_to_have_text(key)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("h1")).to_have_text(key)

    page.get_by_role("link", name="Review", exact=True).click()
    page.get_by_label("Your name").fill("grace")
    page.get_by_label("Your name").press("Enter")
    page.wait_for_selector(".question:not(:empty)")
    assert page.locator(".seen").is_hidden()
    page.keyboard.press("a")
    assert page.locator(".seen").is_visible()
    for number, letter in enumerate("yu", start=1):
        page.keyboard.press(letter)
        expect(page.locator("output")).to_contain_text(f"{number} of")
    page.keyboard.press("z")
    expect(page.locator("output")).to_contain_text("1 of")
    page.get_by_role("button", name="no", exact=False).nth(0).click()
    expect(page.locator("output")).to_contain_text("2 of")
    assert "Kept." in page.locator(".state").inner_text()
    assert [(one["answer"], one["by"]) for one in lines(decisions)] == [
        ("yes", "grace"),
        ("unsure", "grace"),
        (None, "grace"),
        ("no", "grace"),
    ]
    with page.expect_download() as download:
        page.get_by_role("link", name="export").click()
    rows = download.value.path().read_text().splitlines()
    assert len(rows) == 3
    assert rows[1].startswith(key)


def test_what_cannot_be_kept_is_told_and_asked_again(go, decisions):
    page = go("/review?flip=any")
    page.wait_for_selector(".question:not(:empty)")
    before = page.locator(".told").inner_text()
    page.evaluate(
        "() => { window.fetch = async () => { throw new TypeError('Failed to fetch'); }; }"
    )
    page.keyboard.press("y")
    page.wait_for_selector(".state.bad")
    assert "Not done: the viewer does not answer" in page.locator(".state").inner_text()
    assert page.locator(".told").inner_text() == before
    assert not decisions.path.exists()


def test_a_viewer_that_was_started_anew_asks_for_a_reload(running, browser):
    page = browser.new_page()
    page.goto(running.url + "/review?flip=any")
    page.wait_for_selector(".question:not(:empty)")
    page.route("**/decisions", lambda asked: asked.fulfill(status=403, body="another token"))
    page.keyboard.press("y")
    page.wait_for_selector(".state.bad")
    assert "reload this page" in page.locator(".state").inner_text()
    page.close()


def test_two_people_review_at_once(go, decisions):
    pages = []
    for who in ("ada", "bob"):
        page = go("/review?attribute=Bald&flip=any")
        page.get_by_label("Your name").fill(who)
        page.get_by_label("Your name").blur()
        page.wait_for_selector(".question:not(:empty)")
        pages.append(page)
    first, second = (page.locator(".told").inner_text() for page in pages)
    assert first != second
    for page in pages:
        page.keyboard.press("n")
        page.wait_for_selector(".state:not(:empty)")
    kept = Decisions(decisions.path)
    assert kept.counts == {"ada": 1, "bob": 1}
    assert len(kept.decided) == 2


PAGES = [
    "/", "/attribute?attribute=%3Cb%3EHat%3C%2Fb%3E", "/group?name=a+%22town%22%2C+or",
    "/samples?flip=any", "/sample?of=face%2F1+%C3%A9", "/map", "/compare", "/review?flip=any",
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_names_are_text_and_a_phone_shows_all_of_it(go, running, scheme):
    page = go(width="phone", scheme=scheme)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for path in PAGES:
        page.goto(running.url + path, wait_until="networkidle")
        assert page.locator("b:text-is('Hat')").count() == 0
        assert page.evaluate(wide) <= 0, path
        assert page.locator("h1").count() == 1
        if path.startswith("/attribute"):
            assert page.locator("h1").inner_text() == "<b>Hat</b>"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(go, running, scheme):
    page = go(scheme=scheme, bypass_csp=True)  # for axe to be put into the page
    for path in PAGES:
        page.goto(running.url + path, wait_until="networkidle")
        shown = (
            "[...document.querySelectorAll('table')].map((one) => getComputedStyle(one).display)"
        )
        assert set(page.evaluate(shown)) <= {"table"}, path
        found = Axe().run(page).response["violations"]
        assert [(path, one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_what_is_not_there_is_said_in_a_page(go, running, browser):
    page = browser.new_page()
    page.goto(running.url + "/samples?attribute=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "unknown attribute '<script>alert(1)</script>'" in page.locator("main").inner_text()
    page.close()

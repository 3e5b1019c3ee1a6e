"""The map in a real browser: by mouse, by keyboard, by finger."""

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from prunescope.viewer.area import Area
from prunescope.viewer.select import Selector

READY = ".stage[data-ready]"
FIT = 0.92
ZOOM = "parseFloat(location.hash.split('.').slice(2).join('.'))"


@pytest.fixture
def go(running, opened):
    """Open the map, ready to be used."""

    def go(query="", width="desktop", **options):
        page = opened(f"{running.url}/map?{query}", (running.url, "data:"), width, **options)
        page.wait_for_selector(READY)
        return page

    return go


def until(page, expression):
    """Wait until something is true; Playwright's own way evaluates text, which the page forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


class Seen:
    """Where points are on the screen, before anything is moved."""

    def __init__(self, page, collection):
        self.layout = Selector(collection).layouts.get("pca")
        places = self.layout.places.astype(float)
        low, high = places.min(axis=0), places.max(axis=0)
        page.locator(".stage").scroll_into_view_if_needed()
        box = page.locator(".stage canvas").bounding_box()
        size = np.array([box["width"], box["height"]])
        self.middle = np.array([box["x"], box["y"]]) + size / 2
        self.scale = FIT * (size / np.maximum(1, high - low)).min()
        self.points = (places - (low + high) / 2) * self.scale + self.middle

    def within(self, low, high):
        return int(((self.points > low) & (self.points < high)).all(axis=1).sum())


def arrived(page):
    """Wait for the grid; return its number of images, and the area of its URL."""
    page.wait_for_url("**/samples?**")
    [text] = parse_qs(urlsplit(page.url).query)["area"]
    n = int(page.locator("h1").inner_text().split()[0])
    assert page.locator(".grid").first.locator("li").count() == n
    assert page.locator(".picked").inner_text().split("✕")[1].split()[0] == str(n)
    return n, Area.parse(text)


def test_a_rectangle_leads_to_the_images_within_it_and_back(go, collection):
    page = go()
    seen = Seen(page, collection)
    page.get_by_role("button", name="Rectangle").click()
    low, high = seen.middle - [150.5, 90.5], seen.middle + np.array([120.5, 110.5])
    page.mouse.move(*low)
    page.mouse.down()
    page.mouse.move(*high, steps=4)
    assert page.locator("polygon.drawn").is_visible()
    page.mouse.up()
    n, area = arrived(page)
    assert 5 < n == seen.within(low, high) < len(seen.points)
    assert n == area.holds(seen.layout).sum()
    page.get_by_role("link", name="Show it on the map").click()
    page.wait_for_selector(READY)
    assert page.locator("polygon.area").is_visible()
    assert page.locator(".picked").inner_text().count(f"{n} images selected") == 1
    page.get_by_role("link", name="take the selection on the map away").click()
    page.wait_for_selector(READY)
    assert page.locator("polygon.area").is_hidden()


def test_a_lasso_holds_at_most_as_many_corners_as_a_url_does(go, collection):
    page = go("attribute=Bald")
    seen = Seen(page, collection)
    page.get_by_role("button", name="Lasso").click()
    turns = np.linspace(0, 2 * np.pi, 90)
    ring = seen.middle + 140 * np.column_stack([np.cos(turns), np.sin(turns)])
    page.mouse.move(*ring[0])
    page.mouse.down()
    for one in ring[1:]:
        page.mouse.move(*one)
    page.mouse.up()
    n, area = arrived(page)
    away = np.linalg.norm(seen.points - seen.middle, axis=1)
    assert (away < 130).sum() <= n <= (away < 141).sum()
    assert len(area.corners) == 32
    assert "attribute=Bald" in page.url


def test_by_keyboard_a_rectangle_is_stretched_and_an_image_opened(go, collection):
    page = go()
    seen = Seen(page, collection)
    page.get_by_role("button", name="Whole map").focus()
    page.keyboard.press("Tab")
    expect(page.locator(".stage canvas")).to_be_focused()
    assert page.locator(".cross").is_visible()
    for key in ("ArrowLeft", "ArrowUp", "r", *["ArrowRight"] * 3, *["ArrowDown"] * 2, "Enter"):
        page.keyboard.press(key)
    n, area = arrived(page)
    low, high = seen.middle - [60, 60], seen.middle + np.array([120, 60])
    assert 3 < n == seen.within(low, high) == area.holds(seen.layout).sum()

    page.go_back()
    page.wait_for_selector(READY)
    page.locator(".stage canvas").focus()
    page.keyboard.press("0")
    page.keyboard.press("ArrowLeft")
    nearest = np.linalg.norm(seen.points - (seen.middle - [60, 0]), axis=1).argmin()
    key = collection.samples.ids[int(nearest)]
    expect(page.locator(".state")).to_contain_text(key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sample?**")
    assert page.locator("h1").inner_text() == key


def test_a_point_tells_its_image_and_opens_it(go, collection):
    page = go("attribute=Bald")
    seen = Seen(page, collection)
    apart = np.linalg.norm(seen.points[:, None] - seen.points[None], axis=-1)
    row = int((apart + 1e9 * np.eye(len(apart))).min(axis=1).argmax())  # far from the others
    page.mouse.move(*seen.points[row] + 2)
    card = page.locator(".point")
    expect(card).to_contain_text(collection.samples.ids[row])
    expect(card).to_contain_text("Bald: ")
    page.mouse.click(*seen.points[row] + 2)
    page.wait_for_url("**/sample?**")
    assert page.locator("h1").inner_text() == collection.samples.ids[row]


def test_wheel_and_drag_and_fingers_move_the_map_and_the_address_keeps_it(go, collection):
    page = go(width="phone", has_touch=True)
    seen = Seen(page, collection)
    page.mouse.move(*seen.middle)
    page.mouse.wheel(0, -500)
    until(page, "location.hash.startsWith('#at=')")
    zoomed = page.evaluate(ZOOM)
    assert zoomed > 1.5
    page.evaluate(
        """() => {
          const canvas = document.querySelector(".stage canvas");
          const box = canvas.getBoundingClientRect();
          canvas.setPointerCapture = () => {};
          const finger = (type, pointerId, x) => canvas.dispatchEvent(new PointerEvent(type, {
            pointerId, clientX: box.left + x, clientY: box.top + 90, pointerType: "touch" }));
          finger("pointerdown", 7, 100); finger("pointerdown", 8, 140);
          finger("pointermove", 8, 220);
          finger("pointerup", 8, 220); finger("pointerup", 7, 100);
        }"""
    )
    until(page, f"{ZOOM} > {2 * zoomed}")
    page.reload()
    page.wait_for_selector(READY)
    at = page.url
    page.get_by_role("button", name="nearer").tap()
    until(page, f"location.href !== {at!r}")
    page.get_by_role("button", name="Whole map").tap()
    until(page, "location.hash === ''")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_another_colour_is_drawn_without_leaving(go, collection, scheme):
    page = go("attribute=Bald#at=30000.30000.2", color_scheme=scheme)
    pixels = "() => document.querySelector('.stage canvas').toDataURL()"
    before = page.evaluate(pixels)
    n = len(collection.samples)
    page.locator("form.chooser [name=colour]").first.select_option("group:Male")
    expect(page.locator(".legend caption")).to_have_text("Male")
    until(page, f"({pixels})() !== {before!r}")
    counts = page.locator(".legend tbody td:nth-child(2)").all_inner_texts()
    assert sum(map(int, counts)) == n
    assert "colour=group%3AMale" in page.url
    assert page.url.endswith("#at=30000.30000.2")
    page.locator(".legend a").first.click()
    page.wait_for_url("**/samples?**")
    assert int(page.locator("h1").inner_text().split()[0]) == int(counts[0])

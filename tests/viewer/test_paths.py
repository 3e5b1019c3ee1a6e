"""Under a path: behind a proxy that takes the path away, one that leaves it, and in a browser."""

import re
import threading
from contextlib import closing, contextmanager, suppress
from html import unescape
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin

import pytest
from playwright.sync_api import expect

from prunescope.errors import ConfigError
from prunescope.viewer import api, maps, pages
from prunescope.viewer.paths import root_path

PREFIX = "/tools/faces"
HOP = {"connection", "keep-alive", "transfer-encoding"}


@contextmanager
def proxied(viewer, *, strips):
    """Serve a viewer under `PREFIX`, and nothing else; yields the address, and what was missed."""
    missed = []

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if not self.path.startswith(f"{PREFIX}/"):
                missed.append(self.path)
                self.send_error(404)
                return
            path = self.path.removeprefix(PREFIX) if strips else self.path
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
            with closing(HTTPConnection(*viewer.socket.getsockname(), timeout=30)) as asked:
                asked.request(self.command, path, body, headers)
                answer = asked.getresponse()
                text = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {*HOP, "content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            with suppress(ConnectionError):  # a browser that went on to another page
                self.end_headers()
                self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - a name of the library's

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", missed
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("strips", "told"), [(True, ""), (True, PREFIX), (False, PREFIX)])
def test_a_person_behind_a_proxy_never_leaves_the_path(
    serving, decisions, opened, browser, strips, told
):
    with (
        serving(root=told) as viewer,
        proxied(viewer, strips=strips) as (origin, missed),
    ):
        home = f"{origin}{PREFIX}/"
        page = opened(home, (home, "data:"), "desktop")
        page.get_by_role("link", name="Samples", exact=True).click()
        with page.expect_navigation():
            page.locator("[name=flip]").select_option("any")
        with page.expect_navigation():
            page.locator("[name=attribute]").select_option("Bald")
        assert page.url.startswith(f"{home}samples?")
        pictures = page.locator(".grid img")
        assert pictures.count() > 0
        assert pictures.first.evaluate("one => one.decode().then(() => one.naturalWidth)") == 8
        page.locator(".grid a").first.click()
        page.keyboard.press("ArrowRight")
        page.get_by_role("link", name="Review", exact=True).click()
        page.wait_for_selector(".question:not(:empty)")
        page.keyboard.press("y")
        expect(page.locator("output")).to_contain_text("1 of")
        with page.expect_download() as download:
            page.get_by_role("link", name="export").click()
        assert len(download.value.path().read_text().splitlines()) == 2
        page.goto(f"{home}attribute")
        page.wait_for_url(home)
        page.get_by_role("link", name="Report").click()
        assert page.url == f"{home}report"
        lost = browser.new_page()  # a page that is not there is an error in the console
        lost.goto(f"{home}no/such/page?x=1")
        lost.get_by_role("link", name="Back to the overview").click()
        lost.wait_for_url(home)
        lost.close()
        assert missed == []
    assert len(decisions.decided) == 1


PAGES = [
    "", "attribute?attribute=Bald", "group?name=Male", "samples?flip=any",
    "sample?of=face%2F1+%C3%A9", "map", "compare", "review?flip=any", "no/such/page", "image/999",
    "static/none", "a%2Fb/c",
]  # fmt: skip


@pytest.mark.parametrize("kept", [True, False])
def test_every_link_and_form_and_picture_stays_under_the_path(
    collection, decisions, client_of, kept
):
    client = client_of(collection, decisions, root=PREFIX)
    home = f"http://127.0.0.1:8760{PREFIX}/"
    seen = set()
    for path in PAGES:
        url = home + path
        page = client.get(url if kept else url.replace(PREFIX, "")).text
        links = re.findall(r'(?:href|src|action)="([^"]*)"', page)
        whole = {
            urljoin(url, unescape(link)) for link in links if not link.startswith(("data:", "#"))
        }
        assert whole, path
        assert {link for link in whole if not link.startswith(home)} == set(), path
        seen |= whole
    assert len(seen) > 50
    for link in sorted(seen)[:200]:
        asked = client.get(link if kept else link.replace(PREFIX, ""))
        assert asked.status_code in (200, 303), link  # a form may be sent back


def test_what_is_wrong_is_told_to_a_program_as_json_under_a_path_too(
    collection, decisions, client_of
):
    client = client_of(collection, decisions, root=PREFIX)
    for path in (f"{PREFIX}/api/sample?id=none", "/api/sample?id=none"):
        assert client.get(path).json() == {"detail": "no sample has the id 'none'"}


def test_the_path_without_its_slash_leads_to_it(collection, decisions, client_of):
    client = client_of(collection, decisions, root=PREFIX)
    answer = client.get(f"{PREFIX}?model=sparse-0")
    assert (answer.status_code, answer.headers["location"]) == (308, f"{PREFIX}/?model=sparse-0")


@pytest.mark.parametrize(
    ("text", "read"),
    [("", ""), ("/", ""), ("/x", "/x"), ("x/", "/x"), ("/user/a.b/~c", "/user/a.b/~c")],
)
def test_paths_are_read(text, read):
    assert root_path(text) == read


@pytest.mark.parametrize(
    "text", ["/a//b", "/..", "/a/../b", "http://x/y", "/a?b", "/a#b", "/a b", "/é", "/a%20b", "\\a"]
)
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ConfigError, match="expected the path that a proxy serves the viewer under"):
        root_path(text)


def test_a_path_of_the_viewers_own_is_refused(collection, decisions, client_of):
    routes = [*pages.router.routes, *api.router.routes, *maps.router.routes]
    own = {route.path.split("/")[1] for route in routes} - {""} | {"static"}
    assert {"api", "image", "samples", "static"} <= own
    for name in own:
        with pytest.raises(ConfigError, match="a page of the viewer's own"):
            client_of(collection, decisions, root=f"/{name}/x")

"""How sensitive the layers are, beside an audit and alone; seen on a desk and on a phone."""

import threading

import polars as pl
import pytest
from starlette.testclient import TestClient

from prunescope.predictions import Metadata
from prunescope.report import sensitivity_html
from prunescope.sensitivity import Sensitivity, SensitivityInfo
from prunescope.sensitivity.result import LAYER_SCHEMA, MEMBER_SCHEMA, SCHEMA
from prunescope.viewer import bind, page_app
from prunescope.viewer.serve import Server

LAYERS = [f"network.stages.{i}.layers.{j}.convolution" for i in range(3) for j in range(2)]
LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95)


def result(settings):
    """Return a result in which a later layer and a higher level do more harm."""
    rows, figures = [], []
    for place, layer in enumerate(LAYERS):
        for level in LEVELS:
            flips = level * (1 + place) / 20
            rows.append({
                "layer": layer, "level": level, "weights": 1000, "kept": round(1000 * (1 - level)),
                "bytes": 4000 * (1 - level) + 125, "bytes_dense": 4000.0, "macs": 1.0,
                "macs_dense": 1.0, "error": level**2, "harm": flips + 0.01, "worst_group": "<Male>",
                "worst_value": "True", "worst_flips": flips, "rare_lost": 0.01,
            })  # fmt: skip
            figures.append({
                "layer": layer, "level": level, "metric": "harmful_flip_rate", "value": flips,
                "low": 0.0, "high": 0.5, "n": 60, "status": "ok",
            })  # fmt: skip
    info = SensitivityInfo(
        model="dense-0", metadata=Metadata(name="dense-0"), task="multilabel", kind="sparsity",
        levels=LEVELS, pattern="unstructured", split="val", n_samples=60, n_calibration=64,
        attributes=("Bald",), groups=("Male",), settings=settings, seed=0, whole=None, seconds=1.0,
        seconds_a_pass=1.0,
    )  # fmt: skip
    return Sensitivity(
        info, pl.DataFrame(figures, SCHEMA), pl.DataFrame(rows, LAYER_SCHEMA),
        pl.DataFrame([(layer, layer) for layer in LAYERS], MEMBER_SCHEMA, orient="row"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(collection):
    return result(collection.audit.info.settings)


def test_an_audit_leads_to_the_layers(serving, opened, found, tmp_path):
    with serving(layers=sensitivity_html(found)) as running:
        page = opened(running.url, (running.url, "data:"))
        page.get_by_role("link", name="Layers", exact=True).click()
        assert page.locator("h1").inner_text().startswith("stages.2.layers.1.convolution pruned")
        assert page.locator("table.heat").first.locator("tbody tr").count() == len(LAYERS)
        page.screenshot(path=tmp_path / "desktop.png")


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_layers_alone_fit_every_width(opened, found, width, barriers, token, tmp_path):
    taken = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    started = threading.Event()
    server = Server(page_app(sensitivity_html(found), token=token), started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    assert started.wait(30)
    page = opened(url, (url, "data:"), width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cells = page.locator("table.heat").first.locator("td")
    assert cells.count() == len(LAYERS) * len(LEVELS)
    assert cells.last.inner_text().split() == ["29.5", "<Male>", "=", "True"]
    page.screenshot(path=tmp_path / f"{width}.png")
    assert barriers(page) == []
    server.should_exit = True
    thread.join(20)
    taken.close()


def test_layers_are_not_shown_where_there_are_none(client):
    assert "Layers" not in client.get("/").text
    assert client.get("/layers").status_code == 404


def test_the_page_alone_is_guarded_as_the_viewer_is(found, token):
    home = "http://0.0.0.0:8760"
    app = page_app(sensitivity_html(found), token=token, loopback=False)
    client = TestClient(app, base_url=home, follow_redirects=True)
    assert client.get("/").status_code == 401
    assert client.get(f"/?token={token}").status_code == 200
    alone = TestClient(page_app("<p>x</p>", token=token), base_url="http://127.0.0.1:8760")
    assert alone.get("/").status_code == 200
    assert alone.get("/", headers={"host": "evil.example"}).status_code != 200

"""Why an answer flipped: worked out on request, kept, refused well; and seen in a browser."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.errors import CheckpointError, ConfigError, DataError
from prunescope.models import Classifier, ModelSpec, Preprocessing
from prunescope.viewer import Explainer
from prunescope.viewer import explainer as module
from prunescope.viewer.explainer import Asked

DENSE, SPARSE = "dense-0", "sparse-0"


class Small(nn.Module):
    """A convolution and a mean over its places."""

    def __init__(self, seed, answers):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, answers)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean(dim=(2, 3)))


def model(names, seed=0, size=8, task="multilabel"):
    spec = ModelSpec(
        arch="tests:small",
        attributes=tuple(names),
        task=task,
        image_size=size,
        preprocessing=Preprocessing(input_size=size),
    )
    return Classifier(Small(seed, len(names)), spec).eval()


def pair(collection):
    names = collection.samples.attributes
    return {DENSE: model(names), SPARSE: model(names[::-1], seed=1)}


@pytest.fixture
def explainer(collection):
    return Explainer(collection, pair(collection))


@pytest.fixture
def asked(collection):
    """Return a question about an answer that flipped, with an image."""
    dense, sparse = (collection.models[name] for name in (DENSE, SPARSE))
    flips = (dense.yes != sparse.yes) & (collection.places >= 0)[:, None]
    row, column = np.argwhere(flips)[0]
    return Asked(
        id=collection.samples.ids[int(row)],
        attribute=collection.samples.attributes[int(column)],
        model=SPARSE,
        against=DENSE,
    )


def test_an_answer_is_explained_and_kept(explainer, asked):
    found = explainer.explain(asked)
    assert found.method == "gradcam"
    assert [one.kind for one in found.maps] == ["dense", "compressed", "difference"]
    assert len(found.checks) == 4
    assert all(one.src.startswith("data:image/png;base64,") for one in (*found.maps, *found.checks))
    assert found.told[0].startswith(f"{asked.attribute}: dense-0 says ")
    assert explainer.explain(asked) is found
    other = explainer.explain(asked.model_copy(update={"method": "gradients"}))
    assert other.method == "gradients"


def test_a_checkpoint_that_answers_otherwise_than_the_file_is_told(explainer, asked):
    found = explainer.explain(asked)
    assert any("The checkpoint of dense-0 answers" in warning for warning in found.warnings)


def test_what_is_not_there_is_said(collection, explainer, asked):
    for changed, said in [
        ({"id": "nobody"}, "no sample has the id 'nobody'"),
        ({"attribute": "Bold"}, "unknown attribute 'Bold'"),
        ({"model": "sparse-1"}, "no checkpoint of sparse-1: start the viewer with --checkpoint"),
        ({"against": "other"}, "unknown model 'other'"),
    ]:
        with pytest.raises(ConfigError, match=said):
            explainer.explain(asked.model_copy(update=changed))
    lost = next(row for row, place in enumerate(collection.places) if place < 0)
    with pytest.raises(ConfigError, match="no image of"):
        explainer.explain(asked.model_copy(update={"id": collection.samples.ids[lost]}))


def test_without_checkpoints_no_torch_is_needed(collection, monkeypatch):
    monkeypatch.setitem(sys.modules, "prunescope.models", None)
    assert Explainer.load(collection, {}).lacks(DENSE) == [DENSE]


def test_checkpoints_that_do_not_fit_are_refused_at_the_start(collection, tmp_path):
    names = collection.samples.attributes
    for models, said in [
        ({"nobody": model(names)}, "unknown model 'nobody'"),
        ({DENSE: model(["Bald"])}, "the checkpoint of dense-0 answers Bald"),
        ({DENSE: model(names, task="multiclass")}, "multiclass"),
        ({DENSE: model(names, size=16)}, "images of 16 px, those of dots have 8"),
    ]:
        with pytest.raises(ConfigError, match=said):
            Explainer(collection, models)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        Explainer.load(collection, {DENSE: tmp_path / "nothing"})
    with pytest.raises(ConfigError, match="unknown model 'dense'"):
        Explainer.load(collection, {"dense": Path("anywhere")})


def test_without_images_checkpoints_are_refused(collection):
    blind = type(collection)(collection.audit, collection.samples, collection.models)
    with pytest.raises(ConfigError, match="name their data set by --data"):
        Explainer(blind, pair(collection))


def test_who_waits_too_long_is_told_and_finds_it_later(explainer, asked, monkeypatch):
    go_on, work = threading.Event(), Explainer._explained

    def slow(self, *given):
        assert go_on.wait(20)
        return work(self, *given)

    monkeypatch.setattr(Explainer, "_explained", slow)
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with pytest.raises(DataError, match="goes on: ask again in a moment"):
        explainer.explain(asked)
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    with pytest.raises(DataError, match="1 answers are being explained already"):
        explainer.explain(asked.model_copy(update={"method": "gradients"}))
    go_on.set()
    monkeypatch.setattr(module, "PATIENCE", 20)
    assert explainer.explain(asked).maps


def test_an_error_is_not_kept(explainer, asked, monkeypatch):
    with monkeypatch.context() as broken:

        def fail(*_):
            raise DataError("not finite")

        broken.setattr(Explainer, "_explained", fail)
        with pytest.raises(DataError, match="not finite"):
            explainer.explain(asked)
    assert explainer.explain(asked).maps


def test_only_so_many_are_kept(explainer, asked, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT", 1)
    first = explainer.explain(asked)
    explainer.explain(asked.model_copy(update={"method": "gradients"}))
    again = explainer.explain(asked)
    assert again is not first
    assert again == first


def test_asking_takes_the_token_and_names_what_is_wrong(
    client_of, collection, decisions, explainer, asked, token
):
    headers = {"x-prunescope-token": token}
    client = client_of(collection, decisions, explainer=explainer, **headers)
    stranger = client_of(collection, decisions, explainer=explainer)
    body = asked.model_dump()
    assert stranger.post("/api/explain", json=body).status_code == 403
    assert client.get("/api/explain").status_code == 405
    done = client.post("/api/explain", json=body)
    assert done.status_code == 200
    assert len(done.json()["maps"]) == 3
    lacking = client.post("/api/explain", json=body | {"model": "sparse-1"})
    assert (lacking.status_code, "no checkpoint" in lacking.json()["detail"]) == (404, True)
    assert client.post("/api/explain", json=body | {"method": "guess"}).status_code == 422
    page = client.get("/sample", params={"of": asked.id, "model": SPARSE, "against": DENSE}).text
    assert "data-explain=" in page
    without = client_of(collection, decisions).get("/sample", params={"of": asked.id}).text
    assert "data-explain=" not in without
    assert "--checkpoint dense-0=FOLDER" in without


def test_pages_are_answered_while_maps_are_made(
    client_of, collection, decisions, explainer, asked, token, monkeypatch
):
    go_on, work, codes = threading.Event(), Explainer._explained, []

    def slow(self, *given):
        assert go_on.wait(20)
        return work(self, *given)

    monkeypatch.setattr(Explainer, "_explained", slow)
    client = client_of(collection, decisions, explainer=explainer, **{"x-prunescope-token": token})

    def ask():
        codes.append(client.post("/api/explain", json=asked.model_dump()).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    assert client.get("/api/samples").status_code == 200
    assert codes == []
    go_on.set()
    asking.join(20)
    assert codes == [200]


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_a_person_presses_a_button_and_sees_where_they_look(
    serving, opened, explainer, asked, barriers, width
):
    with serving(explainer=explainer) as server:
        address = f"{server.url}/sample?model={SPARSE}&against={DENSE}&of="
        page = opened(address + asked.id.replace(" ", "%20"), (server.url, "data:"), width)
        button = page.locator("[data-explain]").first
        button.focus()
        page.keyboard.press("Enter")
        page.locator(".asked .maps img").first.wait_for()
        shown = page.locator(".asked .maps").first.locator("img")
        assert shown.count() == 3
        assert all(one.get_attribute("alt") for one in shown.all())
        assert page.locator(".asked .state").first.inner_text() == "Grad-CAM"
        assert page.locator(".asked .checks img").count() == 4
        assert page.evaluate(
            "[...document.querySelectorAll('.maps img')].every(i => i.naturalWidth)"
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert barriers(page) == []


def test_what_goes_wrong_is_said_in_words(serving, browser, explainer, asked, monkeypatch):

    def fail(*_):
        raise DataError("the network gives answers that are not finite")

    monkeypatch.setattr(Explainer, "_explained", fail)
    with serving(explainer=explainer) as server:
        page = browser.new_page()
        address = f"{server.url}/sample?model={SPARSE}&against={DENSE}&of="
        page.goto(address + asked.id.replace(" ", "%20"))
        page.locator("[data-explain]").first.click()
        page.locator(".asked .state.bad").first.wait_for()
        said = page.locator(".asked .state").first.inner_text()
        assert said == "Not done: the network gives answers that are not finite"
        assert page.locator("[data-explain]").first.is_enabled()
        page.close()

"""The map: its bytes, its colours, what is selected on it, and similar images; by brute force."""

import json
import re
import threading
from dataclasses import replace
from html import unescape
from types import SimpleNamespace
from urllib.parse import parse_qsl

import numpy as np
import pytest

from prunescope.errors import ConfigError
from prunescope.predictions.embeddings import Embeddings
from prunescope.viewer import layouts, maps
from prunescope.viewer.area import Area
from prunescope.viewer.colours import _by_group, coloured, flips
from prunescope.viewer.select import Selector
from prunescope.viewer.similar import similar
from prunescope.viewer.view import View

TOWN = 'a "town", or'


@pytest.fixture(scope="module")
def embedded(collection):
    """Return the collection with an embedding of five numbers."""
    rng = np.random.default_rng(3)
    order = rng.permutation(len(collection.samples))
    values = rng.normal(size=(len(order), 5)).astype(np.float32)
    given = Embeddings(collection.samples.ids[order], values[order])
    made = replace(collection, embeddings=given.aligned_to(collection.samples.ids))
    assert np.array_equal(made.embeddings.values, values)
    return made


@pytest.fixture(scope="module")
def selector(embedded):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "find_spec", lambda name: None)
        return Selector(embedded)


@pytest.fixture
def client(embedded, decisions, client_of):
    return client_of(embedded, decisions)


def read(body):
    """Read what /api/map sends, as it is documented."""
    length = int.from_bytes(body[:4], "little")
    assert length % 4 == 0
    header = json.loads(body[4 : 4 + length])
    n = header["n"]
    places = np.frombuffer(body, "<u2", 2 * n, 4 + length).reshape(n, 2)
    codes = np.frombuffer(body, "u1", n, 4 + length + 4 * n)
    assert len(body) == 4 + length + 5 * n
    return header, places, codes


def area_of(selector, low, high):
    found = selector.layouts.get("pca")
    return str(Area("pca", found.digest, (low, high)))


def flipped(collection, view):
    """Return (row, attribute, kind) of each answer that flipped, by a loop."""
    dense, compressed = Selector(collection).pair(view)
    labels = collection.samples.labels
    for row, column in np.argwhere(dense.yes != compressed.yes).tolist():
        label, before = labels[row, column], dense.yes[row, column]
        kind = "unlabelled" if label < 0 else "harmful" if label == before else "helpful"
        yield row, collection.samples.attributes[column], kind


@pytest.mark.parametrize("query", ["", "attribute=Bald&model=sparse-1", "group=Male%3DTrue"])
def test_the_bytes_hold_every_place_and_what_is_shown(client, selector, query):
    answer = client.get(f"/api/map?{query}")
    assert answer.headers["content-type"] == "application/octet-stream"
    header, places, codes = read(answer.content)
    layout = selector.layouts.get("pca")
    assert np.array_equal(places, layout.places)
    assert (header["layout"], header["digest"]) == ("pca", layout.digest)
    view = View(**dict(parse_qsl(query)))
    shown = np.flatnonzero(codes < maps.FADED)
    assert set(shown.tolist()) == set(selector.samples(view).rows.tolist())
    found = coloured(selector, view, "flip")
    assert np.array_equal(codes % maps.FADED, found.codes)
    counts = np.bincount(codes[shown], minlength=len(header["categories"]))
    assert [one["n"] for one in header["categories"]] == counts.tolist()


@pytest.mark.parametrize("model", ["sparse-0", "sparse-1"])
def test_of_an_attribute_the_colour_is_what_happened_to_it(embedded, selector, model):
    view = View(attribute="Bald", model=model)
    found = coloured(selector, view, "flip")
    words = {"harmful": "right to wrong", "helpful": "wrong to right"}
    expected = dict.fromkeys(range(len(embedded.samples)), "no flip")
    for row, attribute, kind in flipped(embedded, view):
        if attribute == "Bald":
            expected[row] = words.get(kind, "flipped, unlabelled")
    assert [found.categories[code].label for code in found.codes] == list(expected.values())
    [link] = [one for one in found.categories if one.query]
    grid = selector.samples(View(**dict(parse_qsl(link.query))))
    assert link.label == "right to wrong"
    assert len(grid) == link.n > 0


def test_over_all_attributes_the_colour_is_how_many_went_wrong(embedded, selector):
    count = np.zeros(len(embedded.samples), int)
    for row, _, kind in flipped(embedded, View()):
        count[row] += kind == "harmful"
    found = coloured(selector, View(), "flip")
    assert len(found.categories) > 2
    for n, code in zip(count, found.codes, strict=True):
        label = found.categories[code].label.replace("none", "0")
        low, high = (int(one) for one in (re.findall(r"\d+", label) * 2)[:2])
        assert low <= n <= (len(embedded.samples) if "or more" in label else high)


@pytest.mark.parametrize("attribute", [None, "Bald"])
def test_confidence_is_that_in_the_dense_answer(embedded, selector, attribute):
    view = View(attribute=attribute)
    found = coloured(selector, view, "confidence")
    dense, compressed = selector.pair(view)
    columns = [0] if attribute else range(3)
    for row, code in enumerate(found.codes):
        changes = []
        for column in columns:
            p, q = (float(one.probability[row, column]) for one in (dense, compressed))
            changes.append(q - p if dense.yes[row, column] else p - q)
        least, label = min(changes), found.categories[code].label
        ends = [float(one) for one in re.findall(r"[\d.]+", label)]
        if label == "about as sure":
            assert -0.25 <= least <= 0.1
        elif label.startswith("surer"):
            assert least >= ends[0]
        else:
            assert ends[0] <= -least <= (1 if "more than" in label else ends[1])
    assert {found.categories[code].tone for code in found.codes} >= {"rest", "loss-2", "loss-3"}


def test_a_group_is_coloured_by_its_values_and_each_leads_to_its_images(embedded, selector):
    found = coloured(selector, View(), f"group:{TOWN}")
    group = embedded.samples.groups[TOWN]
    told = [found.categories[code].label for code in found.codes]
    assert told == [str(group.values[code]) for code in group.codes]
    counts = [one.n for one in found.categories if one.query]
    assert counts == sorted(counts, reverse=True)  # the rarest on top
    for one in found.categories:
        if one.query:
            grid = selector.samples(View(**dict(parse_qsl(one.query))))
            assert len(grid) == one.n
    again = coloured(selector, View(group=('"a ""town"", or"=z',)), f"group:{TOWN}")
    assert not any(one.query for one in again.categories)  # one value of a group at a time


def test_many_values_share_a_colour():
    codes = np.repeat(np.arange(9), np.arange(9, 0, -1)).astype(np.int32)
    codes[:2] = -1
    group = SimpleNamespace(values=[f"v{i}" for i in range(9)], codes=codes)
    fake = SimpleNamespace(
        collection=SimpleNamespace(samples=SimpleNamespace(groups={"many": group}))
    )
    categories, found = _by_group(fake, View(), "many")
    labels = ["unknown", "3 others", "v1", "v0", "v2", "v3", "v4", "v5"]
    assert [one.label for one in categories] == labels
    assert len({(one.tone, one.shape) for one in categories[2:]}) == 6
    told = [categories[code].label for code in found]
    expected = ["unknown" if c < 0 else f"v{c}" if c < 6 else "3 others" for c in codes]
    assert told == expected


@pytest.mark.parametrize("more", [{}, {"flip": "any"}, {"group": ("Male=True",), "id": "1"}])
def test_a_part_of_the_map_is_the_same_in_grid_queue_and_headline(client, selector, more):
    places = selector.layouts.get("pca").places.astype(int)
    low, high = (15_000, 10_000), (50_000, 60_000)
    inside = ((places >= low) & (places <= high)).all(axis=1)
    assert 5 < inside.sum() < len(inside) - 5
    view = View(area=area_of(selector, low, high), **more)
    whole = set(selector.samples(View(**more)).rows.tolist())
    expected = {row for row in whole if inside[row]}
    assert set(selector.samples(view).rows.tolist()) == expected
    assert set(selector.queue(view).rows.tolist()) == expected
    told = client.get(f"/api/samples?{view.query()}").json()
    assert told["total"] == len(expected)

    members = selector.members(View(**more))
    members = np.ones(len(inside), bool) if members is None else members
    share, found = flips(selector, view), maps.selected(selector, view)
    assert (found.n, found.others) == ((members & inside).sum(), (members & ~inside).sum())
    assert found.flipped == pytest.approx(share[members & inside].mean())
    assert found.others_flipped == pytest.approx(share[members & ~inside].mean())
    page = unescape(client.get(f"/samples?{view.query()}").text)
    assert f"{found.n} images selected: {100 * found.flipped:.1f}% of answers flipped" in page
    taken = re.search(r'href="samples\?([^"]*)" aria-label="take the selection', page)
    assert taken[1] == View(**more).query()
    assert f'name="area" value="{view.area}"' in page  # another filter keeps it


def test_tiles_tell_of_every_part_where_answers_flip(embedded, selector):
    told = maps.tiles(selector, View(attribute="Bald"), "pca")
    share = flips(selector, View(attribute="Bald"))
    assert [one.flipped for one in told] == sorted((one.flipped for one in told), reverse=True)
    assert 0 < len(told) <= maps.MOST_TILES
    for tile in told:
        rows = selector.samples(View(**dict(parse_qsl(tile.query)))).rows
        assert len(rows) == tile.n > 0
        assert share[rows].mean() == pytest.approx(tile.flipped)
        assert tile.flipped > 0


@pytest.mark.parametrize(("attribute", "row"), [("Bald", 3), (None, 3), (None, 40)])
def test_similar_images_are_the_nearest_that_did_not_flip(embedded, selector, attribute, row):
    view = View(attribute=attribute)
    dense, compressed = selector.pair(view)
    differ = dense.yes != compressed.yes
    moved = differ[row] + np.abs(dense.probability[row] - compressed.probability[row])
    column = 0 if attribute else int(moved.argmax())
    values = embedded.embeddings.values.astype(float)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    away = sorted(
        (np.linalg.norm(values[other] - values[row]), other)
        for other in range(len(values))
        if other != row and not differ[other, column]
    )
    found = similar(selector, view, row)
    assert found.rows.tolist() == [other for _, other in away[:8]]
    assert set(found.columns.tolist()) == {column}


def test_similar_images_are_shown_and_lead_on(client, embedded):
    page = unescape(client.get("/sample", params={"of": "face/3 é", "attribute": "Bald"}).text)
    section = page[page.index('id="similar"') :]
    assert "whose answer to Bald did not flip" in section
    assert "embeddings (5 numbers each)" in section
    links = re.findall(r'href="(sample\?of=[^"]+)"', section)
    assert len(links) == 8
    assert client.get("/" + links[0]).status_code == 200


def test_a_point_is_its_image(client, embedded):
    for row in (0, 17):
        card = client.get(f"/api/map/image/{row}?attribute=Bald").json()
        assert (card["id"], card["answer"]["attribute"]) == (embedded.samples.ids[row], "Bald")
    assert client.get("/api/map/image/60").status_code == 404
    assert client.get("/api/map/image/-1").status_code == 422


def test_without_embeddings_the_dense_models_answers_are_laid_out(collection, decisions, client_of):
    selector = Selector(collection)
    dense = collection.models["dense-0"]
    log_odds = np.log(dense.probability / (1 - dense.probability))
    np.testing.assert_allclose(selector.layouts.values, log_odds, rtol=1e-4, atol=1e-5)
    page = client_of(collection, decisions).get("/map").text
    assert "answers of dense-0 (no embeddings were given)" in page


def test_classes_have_a_map_of_images_whose_class_changed(classes, decisions, client_of):
    selector = Selector(classes)
    dense, compressed = selector.pair(View())
    moved = (dense.yes != compressed.yes).any(axis=1)
    assert np.array_equal(flips(selector, View()), moved)
    client = client_of(classes, decisions)
    header, _, codes = read(client.get("/api/map").content)
    labels = [header["categories"][code]["label"] for code in codes]
    assert [label != "no flip" for label in labels] == moved.tolist()
    assert client.get("/sample", params={"of": "face/3 é"}).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("layout=tsne", 404, "unknown layout 'tsne'"),
        ("layout=umap", 404, "unknown layout 'umap'"),
        ("layout=" + "x" * 17, 422, "at most 16"),
        ("colour=red", 404, "red"),
        ("colour=group:Mole", 404, "did you mean group:Male"),
        ("colour=" + "x" * 1011, 422, "at most 1010"),
        ("area=pca.00000000_1.1_2.2", 404, "drawn on another map"),
        ("area=tsne.00000000_1.1_2.2", 404, "unknown layout 'tsne'"),
        ("area=pca.00000000_nan.1_2.2", 422, "area"),
        ("area=pca.00000000" + "_1.1" * 33, 422, "area"),
        ("attribute=%3Cscript%3E", 404, "unknown attribute '<script>'"),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(client, query, status, told):
    for path in ("/api/map", "/map"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == status
        assert told in unescape(answer.text)


def test_names_are_escaped_on_the_map(client):
    page = client.get("/map?colour=flip").text
    assert "<b>Hat</b>" not in page
    assert "&lt;b&gt;Hat&lt;/b&gt;" in page


def test_a_layout_under_way_is_told_as_such(embedded, decisions, client_of):
    client, gate = client_of(embedded, decisions), threading.Event()
    found = client.app.state.site.selector.layouts
    found._unfolds = lambda given: given[:, :2] if gate.wait(30) else None
    assert client.get("/api/map/layouts").json()["layouts"] == {"pca": "ready", "umap": "waiting"}
    assert " data-waits" in client.get("/map").text
    assert client.get("/api/map?layout=umap").status_code == 503
    assert client.get("/samples?area=umap.00000000_1.1_2.2").status_code == 503
    gate.set()
    found.wait(30)
    assert client.get("/api/map/layouts").json()["layouts"]["umap"] == "ready"
    assert " data-waits" not in client.get("/map").text
    assert read(client.get("/api/map").content)[0]["layout"] == "umap"


def test_the_map_is_looked_at_is_where_the_image_lies(selector):
    query = maps.link(selector, View(attribute="Bald"), 7)
    x, y = selector.layouts.get("pca").places[7]
    assert query == f"attribute=Bald&layout=pca#at={x}.{y}.{maps.CLOSE}"


def test_an_unknown_colour_is_refused_by_name(selector):
    with pytest.raises(ConfigError, match="unknown colour 'flop': did you mean flip"):
        coloured(selector, View(), "flop")

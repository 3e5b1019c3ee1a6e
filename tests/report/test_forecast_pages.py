"""The pages of a forecast and of its score: what they say, and in a browser without a network."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.data import Dataset, Group, Samples
from prunescope.forecast import forecast, score
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.report import build_forecast, build_score, write_forecast, write_score

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">{{7*7}}"
N = 600


def world(names, group="Male", task="multilabel"):
    """Return a forecast, its score against three runs, and pictures."""
    rng = np.random.default_rng(0)
    a = len(names)
    male = rng.random(N) < 0.5
    base = np.linspace(-2, 1, a)
    z = base + 2 * rng.normal(0, 1, (N, 1)) * (male[:, None] + 0.5) + rng.normal(0, 1, (N, a))
    z = z.astype("f4")
    if task == "multiclass":
        labels = np.eye(a, dtype=np.int8)[z.argmax(axis=1)]
    else:
        labels = (z + rng.logistic(0, 1, z.shape) > 0).astype(np.int8)
    samples = Samples(
        pl.Series([f"{names[0]}-{i}" for i in range(N)]),
        tuple(names),
        labels,
        {group: Group.from_series(pl.Series(male))},
        task=task,
    )
    rates = samples.rates()
    metadata = Metadata(
        name=f"dense {names[0]}",
        task=task,
        train_prevalence=dict(rates.prevalence),
        train_group_rates={g: dict(v) for g, v in rates.group_rates.items()},
        weights="of the dense model",
    )
    told = forecast(Predictions(samples, z, metadata), sparsity=0.99)
    how = Compression(method="gmp-pt", sparsity=0.99)
    made = {"task": task, "compression": how, "parent": "of the dense model"}
    runs = [
        Predictions(
            samples,
            (told.expected + rng.normal(0, 0.5, z.shape)).astype("f4"),
            Metadata(name=f"run {k} {names[0]}", **made),
        )
        for k in range(3)
    ]
    pixels = rng.integers(0, 256, (N, 3, 16, 16), np.uint8)
    pictures = Dataset("dots", "0", samples, pixels, np.arange(N), np.full(N, "test"))
    return told, score(told, runs, replicates=100), pictures


PLAIN = [f"Attribute_{i}" for i in range(9)]
WORLDS = {
    "plain": (PLAIN, "Male", "multilabel"),
    "hostile": ([f"{HOSTILE}{i}" for i in range(9)], HOSTILE, "multilabel"),
    "classes": (["cat", "dog", "owl"], "Male", "multiclass"),
}


@pytest.fixture(scope="module")
def worlds():
    return {name: world(*told) for name, told in WORLDS.items()}


@pytest.fixture(scope="module")
def pages(worlds, tmp_path_factory):
    found = {}
    for name, (told, judged, pictures) in worlds.items():
        folder = tmp_path_factory.mktemp(name)
        found[name] = (
            write_forecast(told, folder, dataset=pictures),
            write_score(judged, folder),
        )
    return found


def test_figures_of_the_page_are_those_of_the_forecast(worlds):
    told, _, _ = worlds["plain"]
    page = build_forecast(told)
    flips = told.at().filter(pl.col("group").is_null(), metric="flip_rate")
    assert [fate["attribute"] for fate in page["fates"]] == (
        flips.sort("expected", descending=True)["attribute"].to_list()
    )
    assert page["fates"][0]["flips"] == flips["expected"].max()
    leanings = told.at().filter(metric="bias_amplification", status="ok")
    assert len(page["leanings"]) == leanings.height
    assert page["leanings"][0]["expected"] - page["leanings"][0]["dense"] == pytest.approx(
        leanings["change"].max()
    )
    sums = told.probability.sum(axis=1)
    assert page["images"][0]["id"] == told.ids[int(sums.argmax())]
    chances = [answer["chance"] for answer in page["images"][0]["answers"]]
    assert chances == sorted(chances, reverse=True)
    assert "With 99% of the weights removed" in page["headline"]


def test_of_classes_the_page_is_about_images(worlds):
    told, judged, _ = worlds["classes"]
    page = build_forecast(told)
    [share] = told.at().filter(pl.col("group").is_null(), metric="top1_flip_rate")["expected"]
    assert f"about {100 * share:.1f}% of the images will get another class" in page["headline"]
    named = told.answer.argmax(axis=1)
    risk = told.risk[np.arange(N), named]
    assert page["images"][0]["id"] == told.ids[int(risk.argmax())]
    for image in page["images"]:
        [answer] = image["answers"]
        assert answer["answer"]
        assert answer["becomes"] != answer["attribute"]
    assert "top1_flip_rate" in {curve["metric"] for curve in page["curves"]}
    assert build_score(judged)["info"].forecast.task == "multiclass"


def test_rarity_and_the_dense_figure_stand_beside_what_is_expected(worlds, tmp_path):
    told, judged, _ = worlds["plain"]
    page = build_forecast(told)
    rates = told.info.metadata.train_prevalence
    assert {fate["attribute"]: fate["rarity"] for fate in page["fates"]} == pytest.approx(
        {name: min(rate, 1 - rate) for name, rate in rates.items()}
    )
    text = write_forecast(told, tmp_path).read_text()
    assert "Rarer value in training" in text
    assert page["plain"]
    assert all(sentence.replace("'", "&#39;") in text for sentence in page["plain"])
    fared = build_score(judged)
    shown = write_score(judged, tmp_path).read_text()
    assert fared["findings"]
    assert all(one.text.replace("'", "&#39;") in shown for one in fared["findings"])
    assert any("by rarity" in one.text for one in fared["findings"])


def test_curves_start_at_the_dense_model_and_are_over_the_same_attributes(worlds):
    page = build_forecast(worlds["plain"][0])
    for curve in page["curves"]:
        sparsities = [s for s, _ in curve["points"]]
        assert sparsities == [0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99]
    [flips] = [curve for curve in page["curves"] if curve["metric"] == "flip_rate"]
    assert flips["points"][0] == (0.0, 0.0)
    assert [v for _, v in flips["points"]] == sorted(v for _, v in flips["points"])


def test_the_headline_of_a_score_is_the_gap_closed(worlds):
    _, judged, _ = worlds["plain"]
    gap = judged.table.filter(measure="gap_closed", target="flips", average="pooled")["value"][0]
    assert f"{100 * gap:.1f}%" in build_score(judged)["headline"]
    alone = replace(judged, table=judged.table.filter(pl.col("measure") != "gap_closed"))
    recall = judged.of("flips", "recall_at_5%").filter(scorer="spectral-shrink")["value"][0]
    assert (
        f"finds {100 * recall:.1f}% of the flips; the margin finds"
        in build_score(alone)["headline"]
    )


def test_a_forecast_without_groups_or_pictures_says_so(worlds, tmp_path):
    told, _, _ = worlds["plain"]
    bare = replace(told, attributes=told.attributes.filter(pl.col("group").is_null()))
    text = write_forecast(bare, tmp_path).read_text()
    assert "No group can be looked at" in text
    assert "data:image" not in text


@pytest.mark.parametrize("width", ["desktop", "phone"])
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("kind", [0, 1])
def test_pages_open_offline_without_an_error(visit, pages, name, width, kind):
    page = visit(pages[name][kind], width)
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    root = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert root[0] <= root[1]
    assert page.title() != "owned"
    assert "49" not in page.locator("h1").inner_text()
    for chart in page.locator("figure > svg").all():
        box = chart.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 100
    legend = page.locator(".legend svg").first
    if legend.count():
        assert legend.bounding_box()["width"] < 20
    if kind == 0:
        assert page.locator(".card img").first.evaluate("image => image.naturalWidth") == 16


def test_hostile_names_are_text(visit, pages):
    page = visit(pages["hostile"][0])
    assert HOSTILE in page.locator("#attributes th").all_inner_texts()[6]
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", [0, 1])
def test_pages_bar_nobody(visit, barriers, pages, kind, scheme):
    assert barriers(visit(pages["hostile"][kind], scheme=scheme)) == []

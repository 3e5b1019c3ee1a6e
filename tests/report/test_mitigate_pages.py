"""The pages of a comparison and of a route: what they say, and in a browser without a network."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.data import Group, Samples
from prunescope.mitigate import Overrides, Scene, compare, judge_route, route
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.report import (
    build_comparison,
    build_route,
    write_comparison,
    write_route,
)

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">{{7*7}}"
N = 600


def split(name, group, seed):
    """Return a dense and a pruned model, which says yes too seldom."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 2, (N, 3))
    labels = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(np.int8)
    samples = Samples(
        pl.Series([f"{seed}-{i}" for i in range(N)]),
        tuple(f"{name}{a}" for a in range(3)),
        labels,
        {group: Group.from_series(pl.Series(z[:, 1] + rng.normal(0, 2, N) > 0))},
    )
    rates = samples.rates()
    told = {
        "train_prevalence": dict(rates.prevalence),
        "train_group_rates": {g: dict(v) for g, v in rates.group_rates.items()},
    }
    how = Compression(method="gmp-pt", sparsity=0.95)
    pruned = z - 1.2 + rng.normal(0, 0.5, z.shape)
    return (
        Predictions(samples, pruned, Metadata(name=f"sparse {name}", compression=how, **told)),
        Predictions(samples, z, Metadata(name=f"dense {name}", **told)),
    )


WORLDS = {"plain": ("Attribute_", "Male"), "hostile": (HOSTILE, HOSTILE)}


@pytest.fixture(scope="module")
def worlds():
    found = {}
    for title, (name, group) in WORLDS.items():
        (pruned, dense), test = split(name, group, 0), split(name, group, 1)
        scene = Scene(dense, pruned, test[1], test[0], group=group)
        routed = route(
            pruned, dense, certify_loss="disagreement", alpha=0.1, certify_groups=[group],
            test=test, macs=(100.0, 10.0),
        )  # fmt: skip
        found[title] = compare(scene, replicates=100), routed
    return found


@pytest.fixture(scope="module")
def overridden():
    """Return routes and what they and overrides do, by world."""
    found = {}
    for title, (name, group) in WORLDS.items():
        pruned, dense = split(name, group, 2)
        said = [(f"2-{i}", f"{name}0", "yes" if i % 2 else "label_wrong") for i in range(60)]
        columns = ["id", "attribute", "answer"]
        overrides = Overrides.of(pl.DataFrame(said, schema=columns, orient="row"), f"{name}.csv")
        for share in (None, 0.05):
            chosen = route(pruned, dense, share=share, overrides=overrides)
            effects = judge_route(chosen, pruned, dense, overrides=overrides, replicates=100)
            found[title, share] = chosen, effects
    return found


@pytest.fixture(scope="module")
def pages(worlds, tmp_path_factory):
    found = {}
    for name, (compared, routed) in worlds.items():
        folder = tmp_path_factory.mktemp(name)
        found[name] = write_comparison(compared, folder), write_route(routed, folder)
    return found


def test_cells_are_the_figures_of_the_comparison(worlds):
    compared, _ = worlds["plain"]
    page = build_comparison(compared)
    assert [row.name for row in page["info"].measures] == [
        one.name for one in compared.info.measures
    ]
    everyone, by_male = page["tables"]
    assert (everyone["title"], by_male["title"]) == ("All samples", "By Male")
    assert len(everyone["columns"]) + len(by_male["columns"]) == len(
        compared.table.filter(measure="nothing")
    )
    column = [label for label, _ in everyone["columns"]].index("Rare-value ratio")
    told = {
        measure.name: effects[column]
        for measure, effects in zip(page["info"].measures, everyone["measures"], strict=True)
    }
    value = compared.table.filter(measure="prevalence", metric="rare_value_ratio")["value"][0]
    assert told["prevalence"]["value"] == f"{value:.2f}"
    assert told["prevalence"]["verdict"] == "better"
    assert "of pruning's harm undone" in told["prevalence"]["tip"]
    first = compared.info.measures[0]
    assert f"{first.name} makes {first.better} key figures better" in page["headline"]


def test_a_comparison_in_which_nothing_helps_says_so(worlds):
    compared, _ = worlds["plain"]
    hopeless = tuple(
        one.model_copy(update={"better": 0, "worse": 1}) for one in compared.info.measures
    )
    info = compared.info.model_copy(update={"measures": hopeless})
    headline = build_comparison(replace(compared, info=info))["headline"]
    assert headline == "None of 12 measures makes more key figures better than worse."


def test_the_headline_of_a_route_is_what_the_cut_leaves(worlds):
    _, routed = worlds["plain"]
    page = build_route(routed)
    row = routed.curve.filter(split="test", order="chosen").row(0, named=True)
    assert page["split"] == "test"
    assert f"{100 * row['sent']:.1f}% of the answers sent to the dense model" in page["headline"]
    assert f"to {100 * row['flip_rate']:.1f}%." in page["headline"]
    none = routed.info.model_copy(update={"cut": None, "reason": "too few"})
    assert build_route(replace(routed, info=none))["headline"] == "No cut: too few."


def test_the_headline_of_overrides_alone_is_what_people_did(overridden):
    chosen, effects = overridden["plain", None]
    page = build_route(chosen, effects=effects)
    row = effects.table.filter(
        pl.col("group").is_null(), metric="accuracy", measure="overrides"
    ).row(0, named=True)
    before, after = (f"{100 * row[name]:.1f}%" for name in ("nothing", "value"))
    assert page["headline"] == (
        f"People looked at 60 answers: the accuracy goes from {before} to {after}."
    )
    none = replace(chosen, info=chosen.info.model_copy(update={"cut": None, "reason": "few"}))
    assert build_route(none, effects=effects)["headline"] == "No cut: few."
    idle = build_route(chosen)["headline"]
    assert idle == "People looked at 60 answers, and gave none that would replace the model's."


@pytest.mark.parametrize("width", ["desktop", "phone"])
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("share", [None, 0.05])
def test_before_and_after_is_on_the_page(visit, overridden, tmp_path, name, share, width):
    chosen, effects = overridden[name, share]
    page = visit(write_route(chosen, tmp_path, effects=effects), width)
    root = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert root[0] <= root[1]
    assert page.title() != "owned"
    text = page.locator("#effects").inner_text()
    assert "60 answers" in text
    assert ("which chose the cut, too" in text) == (share is not None)
    heads = page.locator("#effects thead").first.locator("th").all_text_contents()
    names = [one.name for one in effects.info.measures]
    assert heads == ["Figure", "dense", "pruned", *names]
    assert ("Nothing is sent." in page.locator("#proof").inner_text()) == (share is None)


@pytest.mark.parametrize("width", ["desktop", "phone"])
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("kind", [0, 1])
def test_pages_open_offline_without_an_error(visit, pages, name, width, kind):
    page = visit(pages[name][kind], width)
    root = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert root[0] <= root[1]
    assert page.title() != "owned"
    assert page.locator("img").count() == 0
    assert page.locator("table.plain").count() >= 2
    beyond = (
        "[...document.querySelectorAll('table.plain')].map(t => t.getBoundingClientRect().right)"
    )
    assert max(page.evaluate(beyond)) <= root[1]  # nothing is hidden beyond an edge
    if kind == 1:
        assert page.locator("figure > svg").count() >= 4
        assert "disagreement" in page.locator("#proof").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", [0, 1])
def test_pages_bar_nobody(visit, barriers, pages, kind, scheme):
    assert barriers(visit(pages["plain"][kind], scheme=scheme)) == []

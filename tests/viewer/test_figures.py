"""Counts and figures of the viewer's pages."""

import re

import numpy as np
import pytest

from prunescope.verdict.glossary import ATTRIBUTE_ONLY, CLASS_ONLY
from prunescope.viewer.figures import across, flip_counts


@pytest.fixture
def pair(classes):
    return classes.models["dense-0"], classes.models["sparse-0"]


def test_of_a_class_its_own_images_are_counted(classes, pair):
    truth = classes.samples.labels
    before, after = (one.yes for one in pair)
    counts = {one.attribute: one for one in flip_counts(classes, *pair)}
    for column, name in enumerate(classes.samples.attributes):
        own = np.flatnonzero(truth[:, column] == 1)
        lost = sum(bool(before[i, column] and not after[i, column]) for i in own)
        won = sum(bool(after[i, column] and not before[i, column]) for i in own)
        found = counts[name]
        assert (found.harmful, found.helpful, found.n) == (lost, won, len(own))
    assert sum(one.harmful for one in counts.values()) > 0


def test_the_links_beside_the_counts_lead_to_as_many_images(client_of, classes, decisions, pair):
    client = client_of(classes, decisions)
    page = client.get("/", params={"model": "sparse-0", "against": "dense-0"}).text
    assert "Of its images" in page
    links = re.findall(r'href="(samples\?[^"]*attribute=[^"]*flip=harmful[^"]*)"', page)
    counts = [one.harmful for one in flip_counts(classes, *pair)]
    assert len(links) == len(counts)
    for link, n in zip(links, counts, strict=True):
        answered = client.get("/api/" + link.replace("&amp;", "&")).json()
        assert answered["total"] == n


def test_figures_of_classes_and_of_attributes(classes, collection):
    of_class = {line.metric for line in across(classes, attribute="cat").lines}
    assert {"tpr", "rare_value_ratio"} <= of_class
    assert not of_class & {*ATTRIBUTE_ONLY, "uncertainty"}
    of_attribute = {line.metric for line in across(collection, attribute="Bald").lines}
    assert "accuracy" in of_attribute
    assert not of_attribute & set(CLASS_ONLY)


def test_pages_of_classes_name_the_figures_of_classes(client_of, classes, decisions):
    client = client_of(classes, decisions)
    page = client.get("/attribute", params={"attribute": "cat"}).text
    assert "Recall" in page
    assert "Rate ratio" in page
    assert "Rare-value ratio" not in page

"""Confusions gained, against SciPy's exact tests."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest, false_discovery_control

from prunescope.data import Group
from prunescope.report.confusions import gained, rows_of


def confused(labels, dense, compressed):
    """Return how many samples went from one answer to another, as an audit counts them."""
    counts = Counter(
        (label, before, after)
        for label, before, after in zip(labels, dense, compressed, strict=True)
        if before != after
    )
    rows = [(*place, n) for place, n in counts.items()]
    return pl.DataFrame(rows, ["label", "dense", "compressed", "n"], orient="row")


def test_every_pair_has_the_exact_test_of_what_it_gained_and_lost():
    rng = np.random.default_rng(0)
    names = np.array(list("abcd"))
    labels, dense = (names[rng.integers(0, 4, 600)] for _ in range(2))
    compressed = np.where(rng.random(600) < 0.5, dense, names[rng.integers(0, 2, 600)])
    found = rows_of(confused(labels, dense, compressed))
    p_values = []
    for label, called, more, p_value in found.select("label", "called", "more", "p_value").rows():
        mine = labels == label
        gain = int((mine & (dense != called) & (compressed == called)).sum())
        lost = int((mine & (dense == called) & (compressed != called)).sum())
        assert more == gain - lost
        p_values.append(binomtest(gain, gain + lost).pvalue)
        assert p_value == pytest.approx(p_values[-1], rel=1e-9)
        assert label != called
    assert found.height == 12
    assert found["q_value"].to_list() == pytest.approx(false_discovery_control(p_values).tolist())


def test_unlabelled_samples_are_confused_with_nothing():
    counts = {"label": [None], "dense": ["a"], "compressed": ["b"], "n": [9]}
    assert rows_of(pl.DataFrame(counts, schema_overrides={"label": pl.String()})).height == 0


def test_what_images_of_a_class_are_called_now(classes):
    (found,) = gained(classes, "sparse", ["sparse"])
    assert found.text == "Confusion gained: images of newt are now called cat (160 more)."
    assert (found.severity, found.clause) == ("note", "images of newt are called cat")


def test_seeds_are_counted(class_seeds):
    name = "gmp 0.98 (3 seeds)"
    (found,) = gained(class_seeds, name, ["sparse", "sparse1", "sparse2"])
    assert found.model == name
    assert "images of newt are now called cat (" in found.text
    assert "more, in 3 of 3 seeds)" in found.text


def test_nothing_is_tested_of_images_in_clusters(planted):
    dense, compressed = planted.animals()
    people = Group.from_series(pl.Series([str(i // 20) for i in range(1000)]))
    models = [
        replace(one, samples=replace(one.samples, groups={"Owner": people}))
        for one in (*dense, *compressed)
    ]
    audit = planted.run(*models, cluster="Owner", groups=[])
    assert audit.confusions["n"].to_list() == [160]
    assert list(gained(audit, "sparse", ["sparse"])) == []


def test_attributes_have_no_confusions(harmed):
    assert list(gained(harmed, "sparse95", ["sparse95"])) == []

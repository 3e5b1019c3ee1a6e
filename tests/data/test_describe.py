import numpy as np
import polars as pl
import pytest

from prunescope.data import Dataset, Group, Samples, describe


def dataset(labels, groups=None, cluster=None, splits=None, **options):
    labels = np.array(labels, np.int8)
    n, a = labels.shape
    groups = {k: Group.from_series(pl.Series(k, v)) for k, v in (groups or {}).items()}
    return Dataset(
        name="d",
        fingerprint="f",
        samples=Samples(
            ids=pl.Series([str(i) for i in range(n)]),
            attributes=tuple("ABCDEF"[:a]),
            labels=labels,
            groups=groups,
            cluster=cluster,
            **options,
        ),
        pixels=np.zeros((n, 3, 8, 8), np.uint8),
        rows=np.arange(n),
        splits=np.array(splits or ["test"] * n),
    )


def test_counts():
    found = describe(
        dataset(
            [[1, -1], [0, -1], [-1, -1], [1, -1]],
            groups={"person": [3, 3, None, 5]},
            cluster="person",
            splits=["train", "test", "train", "val"],
        )
    )
    assert (found.name, found.fingerprint, found.n, found.size) == ("d", "f", 4, 8)
    assert found.n_clusters == 2
    assert found.splits.rows() == [("train", 2), ("test", 1), ("val", 1)]
    assert found.attributes.rows() == [("A", 3, 1, 2, 2 / 3), ("B", 0, 4, 0, None)]
    assert found.groups.is_empty()
    assert found.gaps.is_empty()


def test_gaps_by_hand():
    found = describe(
        dataset(
            [[1, 1], [1, 0], [0, -1], [0, 1], [1, 0], [1, 1]],
            groups={
                "A": [True, True, False, False, True, True],
                "band": ["x", "x", "y", "y", "z", None],
                "one": [True] * 6,
            },
        )
    )
    assert found.n_clusters is None
    rates = {row[:3]: row[3:] for row in found.groups.rows()}
    assert rates == {
        ("B", "A", "False"): (1, 1.0),
        ("B", "A", "True"): (4, 0.5),
        ("A", "band", "x"): (2, 1.0),
        ("A", "band", "y"): (2, 0.0),
        ("A", "band", "z"): (1, 1.0),
        ("B", "band", "x"): (2, 0.5),
        ("B", "band", "y"): (1, 1.0),
        ("B", "band", "z"): (1, 0.0),
        ("A", "one", "False"): (0, None),
        ("A", "one", "True"): (6, pytest.approx(4 / 6)),
        ("B", "one", "False"): (0, None),
        ("B", "one", "True"): (5, pytest.approx(3 / 5)),
    }
    assert found.gaps.rows() == [
        ("A", "band", 1.0, "y", "x"),
        ("B", "band", 1.0, "z", "y"),
        ("B", "A", 0.5, "True", "False"),
        ("A", "one", None, None, None),
        ("B", "one", None, None, None),
    ]


def test_agrees_with_the_rates_of_samples():
    random = np.random.default_rng(0)
    made = dataset(
        random.integers(-1, 2, (300, 4)),
        groups={"g": random.integers(0, 5, 300), "h": random.integers(0, 2, 300) > 0},
    )
    rates, found = made.samples.rates(), describe(made)
    assert dict(found.attributes.select("attribute", "rate").rows()) == dict(rates.prevalence)
    for attribute, group, value, _, rate in found.groups.rows():
        assert rates.group_rates[group][value][attribute] == rate
    assert found.groups.height == 4 * (5 + 2)


def test_one_split():
    made = dataset([[1], [0]], splits=["train", "test"])
    found = describe(made.split("train"))
    assert found.splits.rows() == [("train", 1)]
    assert found.attributes["rate"].to_list() == [1.0]


def test_multiclass():
    found = describe(dataset([[1, 0], [0, 1], [-1, -1]], task="multiclass"))
    assert found.attributes.rows() == [("A", 2, 1, 1, 0.5), ("B", 2, 1, 1, 0.5)]

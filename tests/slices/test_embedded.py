"""Slices that nothing but an embedding shows: found, kept as numbers, told of other data."""

import numpy as np
import polars as pl
import pytest

from prunescope.errors import DataError
from prunescope.predictions import Embeddings, Predictions
from prunescope.slices import SliceRules, find_slices

N = 3000


@pytest.fixture(scope="module")
def world(seed):
    """Answers to one attribute of which a part that stands apart in an embedding loses many."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, N)
    planted = rng.random(N) < 0.06
    factors = rng.standard_normal((N, 6))
    factors[planted, 0] += 6
    seen = factors @ rng.standard_normal((6, 20)) + 0.1 * rng.standard_normal((N, 20))
    dense = (2 * labels - 1) * rng.uniform(1, 3, N)
    flips = rng.random(N) < np.where(planted, 0.5, 0.02)
    ids = [f"i{n}" for n in range(N)]
    models = [
        Predictions.of(z, labels, attributes=["Smiling"], ids=ids, name=name)
        for name, z in (("dense", dense), ("pruned", np.where(flips, -dense, dense)))
    ]
    return *models, Embeddings.of(seen, ids), planted


@pytest.fixture(scope="module")
def found(world):
    dense, pruned, seen, _ = world
    shuffled = seen.take(np.random.default_rng(0).permutation(N))  # joined by id
    return find_slices(dense, pruned, shuffled)


def test_the_part_that_is_hurt_is_found_and_nothing_else(world, found):
    _, _, seen, planted = world
    [row] = found.found.iter_rows(named=True)
    members = found.members.filter(slice=row["slice"])["id"]
    inside = seen.ids.is_in(members.implode()).to_numpy()
    assert (inside & planted).sum() / (inside | planted).sum() > 0.7
    assert row["low"] < 0.48 < row["high"] + 0.1
    told = found.of(row["slice"])
    assert planted[seen.ids.is_in(pl.Series(told.typical).implode()).to_numpy()].all()


def test_without_the_embedding_it_is_not(world):
    dense, pruned, _, _ = world
    assert not find_slices(dense, pruned).found.height


def test_the_rule_tells_the_same_of_the_same_and_of_other_samples(world, found, tmp_path):
    dense, _, seen, _ = world
    found.rules.save(tmp_path / "rules.json")
    rules = SliceRules.load(tmp_path / "rules.json")
    [group] = rules.groups(dense, seen).values()
    members = found.members.filter(slice=found.found["slice"][0])["id"]
    assert dense.samples.ids.filter(pl.Series(group.codes == 1)).to_list() == members.to_list()

    some = np.flatnonzero(np.arange(N) % 3 == 0)
    [part] = rules.groups(dense.take(some), seen.take(some[::-1])).values()
    assert (part.codes == group.codes[some]).all()


def test_only_what_the_rule_needs_is_kept(found):
    space = found.rules.space
    [rule] = found.rules.rules.values()
    asked = {(one.kind, one.name) for one in rule.features}
    kept = {("direction", str(n)) for n in space.directions}
    kept |= {("cluster", str(k)) for k in (space.clusters.centroids if space.clusters else ())}
    assert kept == asked


def test_samples_without_an_embedding_and_another_network_are_refused(world, found):
    dense, pruned, seen, _ = world
    with pytest.raises(DataError, match="lack 1 of 3,000 samples, 'i0' for example"):
        find_slices(dense, pruned, seen.take(np.arange(1, N)))
    with pytest.raises(DataError, match="19 features: expected 20"):
        found.rules.groups(dense, Embeddings(seen.ids, seen.values[:, 1:].copy()))
    with pytest.raises(DataError, match="give the embeddings"):
        found.rules.groups(dense)


def test_an_embedding_that_tells_nothing_is_no_harm(world):
    dense, pruned, seen, _ = world
    constant = Embeddings(seen.ids, np.ones((N, 3), np.float32))
    assert not find_slices(dense, pruned, constant).found.height

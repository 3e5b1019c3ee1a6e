"""The search half, against brute force over all rules of one term."""

import itertools

import numpy as np
import polars as pl

from prunescope.data.samples import Group
from prunescope.slices.damage import Losses
from prunescope.slices.rules import Feature
from prunescope.slices.search import PRIOR, Grid, search

RNG = np.random.default_rng(0)
N = 800


def drawn(damage, flags, numbers=None):
    columns = {
        Feature(kind="group", name=f"g{at}"): Group.from_series(pl.Series(flag))
        for at, flag in enumerate(flags)
    }
    for at, number in enumerate(numbers or ()):
        columns[Feature(kind="metadata", name=f"m{at}")] = number
    damage = np.asarray(damage, np.int8).reshape(N, -1)
    names = tuple(f"a{i}" for i in range(damage.shape[1]))
    expected = np.full(damage.shape, damage.mean(), np.float32)
    return columns, Losses(names, damage, np.ones(damage.shape, bool), expected)


def best_by_brute_force(columns, damage, least):
    """The most striking rule of one term or two, counted sample by sample."""
    excess = damage - damage.mean()
    variance = np.full(N, (excess**2).mean())
    terms = [(name, value) for name in columns for value in (False, True)]
    found = []
    for n_terms in (1, 2):
        for chosen in itertools.combinations(terms, n_terms):
            inside = np.logical_and.reduce(
                [columns[name].codes == int(value) for name, value in chosen]
            )
            if least <= inside.sum() <= N / 2:
                s, v = max(excess[inside].sum(), 0), variance[inside].sum() + PRIOR
                score = (v + s) * np.log(1 + s / v) - s - (n_terms - 1) * np.log(len(terms))
                found.append((score, {(name.name, value) for name, value in chosen}))
    return max(found, key=lambda one: one[0])


def test_the_best_rule_is_that_of_brute_force():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        flags = rng.random((6, N)) < rng.uniform(0.2, 0.6, (6, 1))
        both = flags[seed % 6] & flags[(seed + 2) % 6]
        damage = rng.random(N) < np.where(both if seed % 2 else flags[0], 0.3, 0.05)
        columns, losses = drawn(damage, flags)
        found = search(columns, losses, np.ones(N, bool), least=20, most=1)
        score, terms = best_by_brute_force(columns, damage.astype(float), 20)
        told = {(term.feature.name, term.value) for term in found[0].rule.terms}
        assert told == terms
        assert found[0].score == np.float64(score).round(6) or abs(found[0].score - score) < 1e-2


def test_overlapping_slices_are_told_once():
    """A part of a slice that is chosen, or a name for nearly the same, is not told again."""
    hurt = RNG.random(N) < 0.2
    nearly = hurt ^ (RNG.random(N) < 0.02)
    part = hurt & (RNG.random(N) < 0.5)
    damage = RNG.random(N) < np.where(hurt, 0.5, 0.03)
    columns, losses = drawn(damage, [hurt, nearly, part])
    found = search(columns, losses, np.ones(N, bool), least=20, most=10)
    assert str(found[0].rule) == "g0"
    assert all(one.score < 3 for one in found[1:])


def test_two_slices_are_both_told():
    one, other = RNG.random(N) < 0.15, RNG.random(N) < 0.15
    damage = RNG.random((N, 2)) < np.stack([np.where(g, 0.4, 0.03) for g in (one, other)], axis=1)
    found = search(*drawn(damage, [one, other]), np.ones(N, bool), least=20, most=2)
    assert {(str(one.rule), one.target) for one in found} == {("g0", "a0"), ("g1", "a1")}


def test_numbers_are_cut_where_the_damage_is():
    age = RNG.uniform(0, 100, N)
    damage = RNG.random(N) < np.where(age >= 90, 0.5, 0.03)
    found = search(*drawn(damage, [], [age]), np.ones(N, bool), least=20, most=1)
    [term] = found[0].rule.terms
    assert (term.feature.name, term.test) == ("m0", "from")
    assert abs(float(term.value) - 90) < 3


def test_only_the_search_half_is_looked_at():
    flags = RNG.random((3, N)) < 0.3
    seen = RNG.random(N) < 0.5
    damage = RNG.random(N) < np.where(flags[0], 0.4, 0.05)
    columns, losses = drawn(damage, flags)
    other = Losses(losses.names, np.where(seen[:, None], losses.damage, 1).astype(np.int8),
                   losses.known, losses.expected)  # fmt: skip
    asked = {"least": 20, "most": 5}
    assert search(columns, losses, seen, **asked) == search(columns, other, seen, **asked)


def test_terms_that_say_the_same_are_one():
    flag = RNG.random(N) < 0.3
    columns, _ = drawn(np.zeros(N), [flag, flag, ~flag, np.ones(N, bool)])
    grid = Grid.of(columns, np.ones(N, bool), 20)
    assert [str(term) for term in grid.terms] == ["not g0", "g0"]


def test_nothing_to_search():
    columns, losses = drawn(np.zeros(N), [np.ones(N, bool)])
    assert search(columns, losses, np.ones(N, bool), least=20, most=5) == []


def test_a_weak_slice_of_one_attribute_leaves_a_strong_part_of_it_of_another():
    rng = np.random.default_rng(0)
    n = 4000
    small, large = np.arange(n) < 100, (np.arange(n) >= 45) & (np.arange(n) < 1000)
    chance = np.stack([np.where(small, 0.5, 0.02), np.where(large, 0.1, 0.02)], axis=1)
    damage = (rng.random((n, 2)) < chance).astype(np.int8)
    known, expected = np.ones((n, 2), bool), np.full((n, 2), 0.02, np.float32)
    losses = Losses(("a", "b"), damage, known, expected)
    columns = {
        Feature(kind="metadata", name=name): Group(flags.astype(np.int32), (False, True))
        for name, flags in (("small", small), ("large", large))
    }
    chosen = search(columns, losses, np.ones(n, bool), least=20, most=5)
    told = {(str(one.rule), one.target) for one in chosen}
    assert {("small", "a"), ("large", "b")} <= told

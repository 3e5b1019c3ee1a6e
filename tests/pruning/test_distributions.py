from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import ConfigError
from prunescope.pruning.distributions import DISTRIBUTIONS, PerLayer, Pool, erk, everywhere, uniform

shapes_of_models = st.lists(
    st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6
).map(lambda shapes: {f"layer{i}": shape for i, shape in enumerate(shapes)})


@st.composite
def models_and_counts(draw):
    shapes = draw(shapes_of_models)
    return shapes, draw(st.integers(0, sum(map(prod, shapes.values()))))


@given(models_and_counts())
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_total_is_exact_and_no_layer_overflows(distribution, case):
    shapes, n_kept = case
    pools = DISTRIBUTIONS[distribution](shapes, n_kept)
    assert sum(pool.n_kept for pool in pools) == n_kept
    assert [layer for pool in pools for layer in pool.layers] == list(shapes)
    for pool in pools:
        assert 0 <= pool.n_kept <= sum(prod(shapes[layer]) for layer in pool.layers)


def test_global_is_one_pool():
    assert everywhere({"a": (2, 2), "b": (3,)}, 4) == [Pool(("a", "b"), 4)]


def test_uniform_rounds_by_largest_remainder_earlier_layer_first():
    # Shares 2.5, 2.5, 1.0 of 6: the two halves compete, the earlier wins.
    pools = uniform({"a": (5,), "b": (5,), "c": (2,)}, 6)
    assert [pool.n_kept for pool in pools] == [3, 2, 1]


@given(models_and_counts())
def test_uniform_is_within_one_weight_of_the_share(case):
    shapes, n_kept = case
    n_weights = sum(map(prod, shapes.values()))
    for pool in uniform(shapes, n_kept):
        ideal = n_kept * prod(shapes[pool.layers[0]]) / n_weights
        assert abs(pool.n_kept - ideal) < 1


def rigl_densities(shapes, density):
    """The loop of the RigL paper in floating point, one dense layer at a time."""
    dense = set()
    while True:
        rest = {n: s for n, s in shapes.items() if n not in dense}
        budget = density * sum(map(prod, shapes.values())) - sum(prod(shapes[n]) for n in dense)
        raw = {n: sum(s) / prod(s) for n, s in rest.items()}
        if not rest:
            return dict.fromkeys(shapes, 1.0)
        scale = budget / sum(raw[n] * prod(s) for n, s in rest.items())
        worst = max(rest, key=raw.__getitem__)
        if raw[worst] * scale <= 1 + 1e-12:
            return {n: 1.0 if n in dense else raw[n] * scale for n in shapes}
        dense.add(worst)


@given(models_and_counts())
def test_erk_follows_the_rule_of_the_paper(case):
    shapes, n_kept = case
    expected = rigl_densities(shapes, n_kept / sum(map(prod, shapes.values())))
    for pool in erk(shapes, n_kept):
        (layer,) = pool.layers
        assert abs(pool.n_kept - expected[layer] * prod(shapes[layer])) < 1 + 1e-6


def test_erk_by_hand():
    # Rule: scale × sum(shape). Without a cap: 8 and 16 of 24 weights in proportion 4 : 8.
    pools = erk({"a": (2, 2, 10), "b": (8, 20)}, 42)
    assert [pool.n_kept for pool in pools] == [14, 28]


def test_erk_keeps_a_layer_whole_and_gives_the_rest_to_the_others():
    # Uncapped, "tiny" would get 60 · 3/33 ≈ 5.5 of its 2 weights.
    pools = erk({"tiny": (1, 2), "wide": (10, 10), "wider": (5, 5, 4)}, 60)
    assert [pool.n_kept for pool in pools] == [2, 34, 24]  # 58 in proportion 20 : 14


# Layer by layer


def kept_by(sparsities, target, shapes, n_kept):
    pools = PerLayer(tuple(sparsities.items()), target)(shapes, n_kept)
    return {pool.layers[0]: pool.n_kept for pool in pools}


SHAPES = {"a.weight": (10, 4), "b.weight": (10, 6), "c.weight": (100,)}


def test_given_layers_have_theirs_and_the_others_share_the_rest():
    found = kept_by({"a": 0.0, "b": 0.5}, 0.5, SHAPES, 100)
    assert found == {"a.weight": 40, "b.weight": 30, "c.weight": 30}


def test_on_the_way_all_are_as_far():
    # a fifth of the way: b at 0.1, all at 0.1
    assert kept_by({"b": 0.5}, 0.5, SHAPES, 180) == {"a.weight": 36, "b.weight": 54, "c.weight": 90}


def test_the_first_pattern_counts():
    found = kept_by({"a": 0.9, "*": 0.5}, 0.58, SHAPES, 84)
    assert found == {"a.weight": 4, "b.weight": 30, "c.weight": 50}


@pytest.mark.parametrize(
    ("sparsities", "target", "message"),
    [
        ({"d": 0.5}, 0.5, "unknown layer with a sparsity 'd'"),
        ({"c": 0.0}, 0.6, "leave 0 to 0.5 for the whole, and 0.6 was asked for"),
        ({"*": 0.5}, 0.6, "leave 0.5 to 0.5 for the whole"),
        ({"a": 50}, 0.6, "50 percent is 0.5"),
    ],
)
def test_sparsities_that_do_not_add_up(sparsities, target, message):
    n = round(200 * (1 - target))
    with pytest.raises(ConfigError, match=message):
        kept_by(sparsities, target, SHAPES, n)

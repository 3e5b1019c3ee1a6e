import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.errors import ConfigError
from prunescope.pruning import Criterion, Masks
from prunescope.pruning.patterns import PATTERNS, Block, Channel, NOfM

unstructured = PATTERNS["unstructured"].masks

few_values = st.sampled_from([-np.inf, 0.0, 0.25, 1.0, 3.0])  # many ties


@st.composite
def scores_and_counts(draw):
    arrays = draw(
        st.lists(
            hnp.arrays(
                np.float32,
                hnp.array_shapes(max_dims=4, max_side=5),
                elements=few_values | st.floats(0, 10, width=32),
            ),
            min_size=1,
            max_size=4,
        )
    )
    return arrays, draw(st.integers(0, sum(a.size for a in arrays)))


@given(scores_and_counts())
def test_keeps_what_a_stable_sort_puts_first(case):
    arrays, n_kept = case
    flat = np.concatenate([a.ravel() for a in arrays])
    expected = np.zeros(flat.size, bool)
    expected[np.argsort(-flat, kind="stable")[:n_kept]] = True
    masks = unstructured([torch.from_numpy(a) for a in arrays], n_kept)
    assert [tuple(m.shape) for m in masks] == [a.shape for a in arrays]
    assert np.concatenate([m.numpy().ravel() for m in masks]).tolist() == expected.tolist()


def test_ties_go_to_the_earlier_layer_and_the_lower_index():
    a, b = unstructured([torch.ones(2, 2), torch.ones(3)], 5)
    assert a.tolist() == [[True, True], [True, True]]
    assert b.tolist() == [True, False, False]


def test_by_hand():
    scores = [torch.tensor([[0.1, 0.9], [0.5, 0.3]]), torch.tensor([0.4, 0.8])]
    a, b = unstructured(scores, 3)
    assert a.tolist() == [[False, True], [True, False]]
    assert b.tolist() == [False, True]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_floating_type(dtype):
    (mask,) = unstructured([torch.tensor([1, 3, 2], dtype=dtype)], 2)
    assert mask.tolist() == [False, True, True]


def test_order_is_row_major_whatever_the_memory_layout():
    score = torch.arange(24.0).view(2, 3, 2, 2).div(2, rounding_mode="floor")  # 0 0 1 1 … 11 11
    (mask,) = unstructured([score.to(memory_format=torch.channels_last)], 5)
    assert mask.flatten().tolist() == [False] * 18 + [True, False] + [True] * 4


# N of M


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 2), (2, 4), (1, 4)]), st.booleans())
def test_n_of_every_m_are_kept_and_they_are_the_highest(seed, n_of_m, conv):
    n, m = n_of_m
    shape = (3, 8, 2, 2) if conv else (5, 8)
    scores = torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))
    [mask] = NOfM(n, m).masks([scores], scores.numel() * n // m)
    groups, kept = (t.movedim(1, -1).reshape(-1, m) for t in (scores, mask))
    assert (kept.sum(dim=1) == n).all()
    for row, chosen in zip(groups, kept, strict=True):
        assert row[chosen].min() > row[~chosen].max()


@given(st.integers(0, 2**32 - 1), st.integers(16, 32))
def test_on_the_way_the_safe_ones_stay_and_the_lowest_others_go(seed, n_kept):
    scores = torch.from_numpy(np.random.default_rng(seed).normal(size=(4, 8)).astype(np.float32))
    [end] = NOfM(2, 4).masks([scores], 16)
    [mask] = NOfM(2, 4).masks([scores], n_kept)
    assert mask.sum() == n_kept
    assert (mask >= end).all()
    others = scores[mask & ~end]
    gone = scores[~mask]
    assert not len(others) or not len(gone) or others.min() > gone.max()


def test_layers_compete_for_what_is_not_safe():
    low, high = torch.full((1, 4), 1.0), torch.full((1, 4), 2.0)
    first, second = NOfM(2, 4).masks([low, high], 6)
    assert (first.sum(), second.sum()) == (2, 4)


# Blocks and channels


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_blocks_equal_a_loop(seed, n_kept):
    scores = np.random.default_rng(seed).normal(size=(2, 8, 3)).astype(np.float32)
    [mask] = Block(4).masks([torch.from_numpy(scores)], n_kept)
    sums = {
        (o, b, k): scores[o, 4 * b : 4 * b + 4, k].sum(dtype=np.float32)
        for o in range(2)
        for b in range(2)
        for k in range(3)
    }
    best = sorted(sums, key=lambda at: -sums[at])[:n_kept]
    expected = np.zeros(scores.shape, bool)
    for o, b, k in best:
        expected[o, 4 * b : 4 * b + 4, k] = True
    assert np.array_equal(mask.numpy(), expected)


def test_channels_go_by_their_mean_in_all_layers():
    wide = torch.tensor([[1.0] * 4, [4.0] * 4])
    narrow = torch.tensor([[2.0], [3.0]])
    first, second = Channel().masks([wide, narrow], 2)
    assert first.tolist() == [[False] * 4, [True] * 4]
    assert second.tolist() == [[False], [True]]


@pytest.mark.parametrize("pattern", ["2:4", "1:4", "block-1x4", "channel"])
def test_a_model_is_pruned_in_every_pattern_to_its_exact_sparsity(pattern):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(8, 4, 3), torch.nn.Conv2d(4, 8, 1))
    sparsity = {"2:4": 0.5, "1:4": 0.75}.get(pattern, 0.5)
    dense = Masks.dense(model)
    criterion = Criterion(distribution="uniform", pattern=pattern)
    criterion.check(dense, sparsity, model)
    masks = criterion.update(model, dense, sparsity)
    if pattern == "channel":
        assert sum(int(m.flatten(1).any(dim=1).sum()) for m in masks.values()) == 6  # of 12
        assert all(
            (m.flatten(1).all(dim=1) == m.flatten(1).any(dim=1)).all() for m in masks.values()
        )
    else:
        assert masks.n_kept == (1 - sparsity) * 320


@pytest.mark.parametrize(
    ("pattern", "channels", "sparsity", "message"),
    [
        ("2:4", 3, 0.5, "2:4 needs layers .* multiple of 4, unlike 0 with 3: .* ignore"),
        ("1:4", 6, 0.75, "1:4 needs layers .* unlike 0 with 6"),
        ("block-1x4", 3, 0.5, "blocks of 1×4 needs layers .* unlike 0 with 3"),
        ("2:4", 8, 0.9, "2:4 keeps 2 of every 4 weights: expected sparsity 0.5, got 0.9"),
    ],
)
def test_shapes_and_sparsities_that_do_not_fit(pattern, channels, sparsity, message):
    model = torch.nn.Sequential(torch.nn.Conv2d(channels, 4, 3))
    with pytest.raises(ConfigError, match=message):
        Criterion(pattern=pattern).check(Masks.dense(model), sparsity, model)

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.pruning.patterns import unstructured

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

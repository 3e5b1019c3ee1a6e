import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunescope.training.losses import LOSSES, binary_cross_entropy, cross_entropy

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31))


def cases(shape):
    n, width, seed = shape
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(n, width, generator=generator)
    return logits, generator


@given(SHAPES)
def test_binary_cross_entropy_against_a_loop(shape):
    logits, generator = cases(shape)
    labels = torch.randint(-1, 2, logits.shape, generator=generator, dtype=torch.int8)
    terms = []
    for row in range(logits.shape[0]):
        for column in range(logits.shape[1]):
            p = 1 / (1 + math.exp(-float(logits[row, column])))
            label = int(labels[row, column])
            if label != -1:
                terms.append(-math.log(p if label == 1 else 1 - p))
    expected = sum(terms) / len(terms) if terms else 0.0
    assert binary_cross_entropy(logits, labels).item() == pytest.approx(
        expected, rel=1e-4, abs=1e-6
    )


@given(SHAPES)
def test_cross_entropy_against_a_loop(shape):
    logits, generator = cases(shape)
    n, width = logits.shape
    classes = torch.randint(-1, width, (n,), generator=generator).tolist()
    labels = torch.full((n, width), -1, dtype=torch.int8)
    terms = []
    for row, chosen in enumerate(classes):
        if chosen == -1:
            continue
        labels[row] = 0
        labels[row, chosen] = 1
        exponentials = [math.exp(float(z)) for z in logits[row]]
        terms.append(-math.log(exponentials[chosen] / sum(exponentials)))
    expected = sum(terms) / len(terms) if terms else 0.0
    assert cross_entropy(logits, labels).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES.values())
def test_without_any_label_the_loss_and_its_gradient_are_zero(loss):
    logits = torch.randn(3, 2, requires_grad=True)
    value = loss(logits, torch.full((3, 2), -1, dtype=torch.int8))
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros(3, 2))


def test_unknown_cells_get_no_gradient_and_do_not_thin_out_the_others():
    logits = torch.zeros(1, 2, requires_grad=True)
    binary_cross_entropy(logits, torch.tensor([[1, -1]], dtype=torch.int8)).backward()
    assert logits.grad.tolist() == [[-0.5, 0.0]]


def test_each_task_has_its_loss():
    assert {"multilabel": binary_cross_entropy, "multiclass": cross_entropy} == LOSSES

"""Matching offsets, against scipy's assignment problem and linear program."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from prunescope.mitigate.transport import choices, matching_offsets


def drawn(seed, ties=False):
    """Return logits (N, K) and how often each class shall be chosen."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 6))
    n = int(rng.integers(2 * k, 60))
    z = rng.normal(0, 2, (n, k)) + rng.normal(0, 2, k)
    if ties:
        z = z.round()
    counts = 1 + rng.multinomial(n - k, rng.dirichlet(np.ones(k)))
    return (z.astype("f4") if seed % 2 else z * 10.0 ** rng.integers(-3, 5)), counts


def given(z, counts):
    """Return the class of each image where the sum of the chosen logits is highest (scipy)."""
    places = np.repeat(np.arange(len(counts)), counts)
    _, place = linear_sum_assignment(z.astype("f8")[:, places], maximize=True)
    return places[place]


@pytest.mark.parametrize("seed", range(30))
def test_each_class_is_chosen_as_often_as_asked_for_the_images_of_the_best_assignment(seed):
    z, counts = drawn(seed)
    found = choices(z, matching_offsets(z, counts))
    assert np.bincount(found, minlength=len(counts)).tolist() == counts.tolist()
    assert found.tolist() == given(z, counts).tolist()


@pytest.mark.parametrize("seed", range(30))
def test_exchanges_find_the_best_assignment_from_any_start(monkeypatch, seed):
    z, counts = drawn(seed)
    monkeypatch.setattr("prunescope.mitigate.transport.PASSES", 0)
    assert choices(z, matching_offsets(z, counts)).tolist() == given(z, counts).tolist()


@pytest.mark.parametrize("seed", range(12))
def test_no_other_offsets_leave_the_images_more_room(seed):
    z, counts = drawn(seed)
    b, scale = matching_offsets(z, counts), float(abs(z).max())
    answers = given(z, counts)
    # room r, as a linear program: z_ij + b_j - z_ik - b_k ≥ r for the given class j and any other k
    rows, limits = [], []
    for i, j in enumerate(answers):
        for k in set(range(len(counts))) - {j}:
            row = np.zeros(len(counts) + 1)
            row[[k, j, -1]] = 1, -1, 1
            rows.append(row)
            limits.append((float(z[i, j]) - float(z[i, k])) / scale)
    costs = np.append(np.zeros(len(counts)), -1)
    best = linprog(costs, rows, limits, bounds=(None, None))
    sums = np.sort(z + b, axis=1)
    assert (sums[:, -1] - sums[:, -2]).min() == pytest.approx(-best.fun * scale, abs=1e-6 * scale)
    assert b.mean() == pytest.approx(0, abs=1e-9 * scale)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_the_classes_does_not_matter(seed):
    z, counts = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(counts))
    again = matching_offsets(z[:, order], counts[order])
    b = matching_offsets(z, counts)
    np.testing.assert_allclose(again, b[order], atol=1e-6 * abs(b).max())


@pytest.mark.parametrize("seed", range(20))
def test_where_logits_tie_no_offsets_serve_the_sum_better(seed):
    """The convex function that matching offsets minimise is as low as the assignment's sum."""
    z, counts = drawn(seed, ties=True)
    z = z.astype("f8")
    b = matching_offsets(z, counts)
    answers = given(z, counts)
    highest = z[np.arange(len(z)), answers].sum()
    assert (z + b).max(axis=1).sum() - counts @ b == pytest.approx(highest, rel=1e-9)


def test_classes_that_are_all_but_one_share_what_is_theirs():
    """Two near twins: what one gains the other loses, so that steps by class alone never end."""
    rng = np.random.default_rng(1)
    base = rng.normal(0, 2, (4000, 3))
    twin = base[:, 0] + rng.normal(0, 1e-4, 4000)
    z = np.column_stack([base[:, 0], twin, base[:, 1], base[:, 2] + 3])
    found = choices(z, matching_offsets(z, np.full(4, 1000)))
    assert np.bincount(found).tolist() == [1000] * 4


def test_images_of_one_logit_move_together():
    z = np.zeros((3000, 2))
    assert matching_offsets(z, np.array([1000, 2000])).tolist() == [0.0, 0.0]


def test_a_class_that_is_free_to_move_stands_as_close_as_can_be():
    """Classes 0 and 1 leave room 1 and stand alike; class 2 may stand 3 to 9 above them."""
    z = np.array([[0.0, -1, -10], [-1, 0, -10], [2, 2, 0]])
    assert matching_offsets(z, np.ones(3, int)) == pytest.approx([-1, -1, 2])

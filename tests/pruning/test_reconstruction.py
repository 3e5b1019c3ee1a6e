"""The algebra of one layer, beside brute force and scipy's least squares."""

from itertools import combinations

import numpy as np
import pytest
import torch

from prunescope.pruning import reconstruction
from prunescope.pruning.patterns import PATTERNS
from prunescope.pruning.reconstruction import (
    cutter,
    damped,
    error,
    fit,
    inverse_factor,
    rounded,
)


def layer(seed, rows=4, columns=8, n=40, spread=1.0):
    """Draw weights and the moments of inputs that depend on each other."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(columns, columns)) @ rng.normal(size=(columns, n)) ** 3
    mixed *= spread ** -np.arange(columns)[:, None]
    moments = torch.from_numpy(mixed @ mixed.T / n)
    return torch.from_numpy(rng.normal(size=(rows, columns))), damped(moments), mixed


def least_squares(row, moments, kept):
    """Return the best weights on some columns, by numpy, and the error."""
    root = np.linalg.cholesky(moments.numpy()).T
    target = root @ row.numpy()
    solved = np.zeros(len(row))
    solved[kept] = np.linalg.lstsq(root[:, kept], target, rcond=None)[0]
    return solved, float(((root @ solved - target) ** 2).sum())


def test_error_is_the_change_of_the_output(seed):
    weights, _, inputs = layer(seed)
    others = weights + 0.1
    moments = torch.from_numpy(inputs @ inputs.T / inputs.shape[1])
    change = (0.1 * np.ones((4, 8))) @ inputs
    assert error(weights, others, moments) == pytest.approx((change**2).sum() / inputs.shape[1])


def test_the_factor_inverts_and_so_do_its_ends(seed):
    _, moments, _ = layer(seed)
    factor = inverse_factor(moments)
    torch.testing.assert_close(factor.t() @ factor, moments.inverse())
    torch.testing.assert_close(factor[3:, 3:].t() @ factor[3:, 3:], moments[3:, 3:].inverse())


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_fit_is_least_squares_row_by_row(seed, share):
    weights, moments, _ = layer(seed)
    keep = torch.rand(weights.shape, generator=torch.Generator().manual_seed(seed)) < share
    fitted = fit(weights, moments, keep)
    for row, mask, made in zip(weights, keep, fitted, strict=True):
        expected, _ = least_squares(row, moments, np.flatnonzero(mask.numpy()))
        np.testing.assert_allclose(made, expected, atol=1e-9)


def test_one_by_one_is_as_a_search_by_hand_finds_it(seed):
    """Each time the removal that leaves the least-squares fit with least error, by brute force."""
    weights, moments, _ = layer(seed, rows=1, columns=6)
    cut = cutter([weights], [moments], PATTERNS["unstructured"])
    kept = set(range(6))
    for n_kept in range(5, 0, -1):
        errors = {
            gone: least_squares(weights[0], moments, sorted(kept - {gone}))[1] for gone in kept
        }
        kept.remove(min(errors, key=errors.get))
        made = cut(n_kept)
        assert set(np.flatnonzero(made.keep[0][0].numpy())) == kept
        assert error(weights, made.weights[0], moments) == pytest.approx(min(errors.values()))


def test_rows_and_groups_compete(seed):
    """A row that gives nothing loses its weights before others do, and its order is kept."""
    weights, moments, _ = layer(seed)
    weights[2] *= 1e-4
    halves = [weights[:2], weights[2:]]
    made = cutter(halves, [moments, moments], PATTERNS["unstructured"])(24)
    together = torch.cat(made.keep)
    assert together.sum() == 24
    assert not together[2].any()


@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "1:4", "block-1x4"])
def test_in_order_of_columns_patterns_hold_and_the_others_make_up(seed, pattern, monkeypatch):
    monkeypatch.setattr(reconstruction, "SMALL", 0)
    monkeypatch.setattr(reconstruction, "BLOCK", 8)
    weights, moments, _ = layer(seed, rows=6, columns=24, n=200)
    cut = cutter([weights], [moments], PATTERNS[pattern])
    n_kept = {"unstructured": 72, "block-1x4": 18}.get(pattern, 0)
    [left], [keep] = cut(n_kept)
    fours = keep.view(6, 6, 4).sum(dim=2)
    if pattern == "unstructured":
        assert keep.sum() == 72
    elif pattern == "block-1x4":
        assert sorted(set(fours.ravel().tolist())) == [0, 4]
        assert keep.sum() == 72
    else:
        assert (fours == int(pattern[0])).all()
    assert not left[~keep].any()
    magnitude = PATTERNS[pattern].masks([weights.abs().float()], n_kept or int(keep.sum()))[0]
    plain = error(weights, weights * magnitude, moments)
    swept = error(weights, left, moments)
    best = error(weights, fit(weights, moments, keep), moments)
    assert best <= swept * (1 + 1e-9)
    assert swept < plain


def test_sweeping_removes_as_the_optimal_surgeon_does_when_all_go_first(seed, monkeypatch):
    """Where the columns that go come first, what is left is the least-squares fit."""
    monkeypatch.setattr(reconstruction, "SMALL", 0)
    weights, moments, _ = layer(seed)
    weights[:, :4] *= 1e-3
    [left], [keep] = cutter([weights], [moments], PATTERNS["unstructured"])(16)
    assert not keep[:, :4].any()
    torch.testing.assert_close(left, fit(weights, moments, keep))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_rounded_weights_lie_on_a_grid_and_beat_the_nearest(seed, bits):
    weights, moments, _ = layer(seed, rows=5, columns=16, n=100)
    keep = torch.ones(weights.shape, dtype=torch.bool)
    keep[:, 3] = False
    made = rounded(weights * keep, moments, keep, bits)
    assert not made[:, 3].any()
    top = 2 ** (bits - 1) - 1
    largest = weights.mul(keep).abs().amax(dim=1, keepdim=True) / top
    shrinks = [1.0] if bits == 8 else reconstruction.SHRINK
    multiples = torch.stack([made / (largest * shrink) for shrink in shrinks])
    off = (multiples - multiples.round()).abs().amax(dim=2) + (multiples.abs() > top + 0.5).any(2)
    assert (off.min(dim=0).values < 1e-9).all()  # each row lies on one of the grids
    nearest = (weights / largest).round() * largest * keep
    assert error(weights * keep, made, moments) < error(weights * keep, nearest, moments)


@pytest.mark.parametrize("case", ["dead input", "all dead", "one image", "ill-conditioned"])
def test_moments_that_cannot_be_inverted_are_damped(seed, case, monkeypatch):
    weights, moments, inputs = layer(seed, columns=8, n=40, spread=1e3 if case[0] == "i" else 1.0)
    if case == "dead input":
        inputs[5] = 0
    elif case == "all dead":
        inputs[:] = 0
    elif case == "one image":
        inputs = inputs[:, :1]
    moments = damped(torch.from_numpy(inputs.astype(np.float32) @ inputs.T.astype(np.float32)))
    for small in (0, 2e9):
        monkeypatch.setattr(reconstruction, "SMALL", small)
        [left], [keep] = cutter([weights], [moments], PATTERNS["unstructured"])(16)
        assert keep.sum() == 16
        fitted = fit(weights, moments, keep)
        assert left.isfinite().all()
        assert fitted.isfinite().all()
        assert error(weights, fitted, moments) <= error(weights, weights * keep, moments) + 1e-12
    if case == "all dead":  # nothing tells weights apart but their size
        assert torch.equal(keep, weights.abs() >= weights.abs().ravel().sort().values[16])


def test_no_choice_of_two_beats_the_search_by_much(seed):
    """Greedy is not optimal; of few weights the best pair shows how far off it is."""
    worst = 1.0
    for draw in range(10):
        weights, moments, _ = layer(seed + draw, rows=1, columns=6)
        made = cutter([weights], [moments], PATTERNS["unstructured"])(2)
        best = min(
            least_squares(weights[0], moments, list(pair))[1] for pair in combinations(range(6), 2)
        )
        worst = max(worst, error(weights, made.weights[0], moments) / best)
    assert 1 - 1e-9 <= worst < 3

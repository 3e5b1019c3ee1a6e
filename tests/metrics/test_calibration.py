import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import foldnorm
from torchmetrics.functional.classification import binary_calibration_error

from prunescope.data.samples import Group
from prunescope.metrics import (
    Counter,
    Layout,
    Slices,
    chance_in_calibration_error,
    count,
    expected_calibration_error,
    uncertainty,
)
from prunescope.predictions.batch import Answers, Batch


class Told(Answers):
    """Answers with given probabilities, which no logit spells exactly."""

    def probabilities(self, attribute, rows=slice(None)):
        return self.logits[attribute][rows]


def statistics(build, labels, probabilities, **options):
    labels = np.asarray(labels)[:, None]
    predictions = build(labels, np.zeros(labels.shape))
    told = Told([np.asarray(probabilities, np.float64)])
    counter = Counter(Batch.of([predictions]), Layout(Slices.of(predictions.samples), **options))
    return counter.statistics(told).total()


def ece_by_loop(labels, probabilities, n_bins):
    """Σ_b n_b/N · abs(mean p - mean y) over bins floor(p·B), p = 1 in the last."""
    bins = [[] for _ in range(n_bins)]
    for y, p in zip(labels, probabilities, strict=True):
        if y >= 0:
            bins[min(int(np.floor(p * n_bins)), n_bins - 1)].append((p, y))
    n = sum(map(len, bins))
    gaps = (len(b) / n * abs(np.mean(b, axis=0) @ [1, -1]) for b in bins if b)
    return sum(gaps) if n else np.nan


@given(
    data=st.lists(
        st.tuples(
            st.sampled_from([-1, 0, 1]),
            st.one_of(st.floats(0, 1), st.integers(0, 10).map(lambda k: k / 10)),
        ),
        min_size=1,
        max_size=40,
    ),
    n_bins=st.integers(1, 20),
)
def test_ece_equals_a_loop(build, data, n_bins):
    labels, probabilities = zip(*data, strict=True)
    measure = expected_calibration_error(statistics(build, labels, probabilities, n_bins=n_bins))
    wanted = ece_by_loop(labels, probabilities, n_bins)
    assert measure.value[0, 0] == pytest.approx(wanted, nan_ok=True, abs=1e-12)
    assert measure.support[0, 0] == sum(label >= 0 for label in labels)


def test_an_edge_belongs_to_the_bin_above_and_one_to_the_last(build):
    edges = np.arange(11) / 10
    gaps = statistics(build, [0] * 11, edges).gaps[0, 0]
    assert np.allclose(gaps, [*edges[:9], edges[9] + 1])
    below = edges[1:] - 1e-12
    assert np.allclose(statistics(build, [1] * 10, below).gaps[0, 0], below - 1)


def test_ece_agrees_with_torchmetrics_away_from_the_edges(build):
    """For binary tasks, torchmetrics takes the probability of the positive class too."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500)
    probabilities = (rng.integers(0, 10, 500) + rng.uniform(0.05, 0.95, 500)) / 10
    wanted = binary_calibration_error(
        torch.tensor(probabilities), torch.tensor(labels), n_bins=10, norm="l1"
    )
    measure = expected_calibration_error(statistics(build, labels, probabilities))
    assert measure.value[0, 0] == pytest.approx(wanted.item(), rel=1e-5)


def test_a_calibrated_model_has_no_error(build):
    labels = np.repeat([1, 0, 1, 0], [2, 8, 7, 3])
    probabilities = np.repeat([0.2, 0.7], 10)
    found = expected_calibration_error(statistics(build, labels, probabilities))
    assert found.value[0, 0] == pytest.approx(0)


def test_certain_and_wrong_is_the_worst(build):
    assert expected_calibration_error(statistics(build, [0, 1], [1.0, 0.0])).value[0, 0] == 1


def test_uncertainty_is_strict_at_both_ends(build):
    edges = [0.1, 0.9]
    inside = [np.nextafter(0.1, 1), 0.5, np.nextafter(0.9, 0)]
    outside = [0.0, np.nextafter(0.1, 0), np.nextafter(0.9, 1), 1.0]
    found = uncertainty(statistics(build, [0] * 9, edges + inside + outside))
    assert (found.value[0, 0], found.support[0, 0]) == (3 / 9, 9)


@given(st.integers(0, 99), st.integers(1, 100))
def test_uncertainty_is_strict_for_every_band(build, low, width):
    band = (low / 100, min(low + width, 100) / 100)
    assert uncertainty(statistics(build, [0, 1], band, band=band)).value[0, 0] == 0


def test_uncertainty_counts_unlabelled_samples(build):
    found = uncertainty(statistics(build, [-1, -1, 1], [0.5, 0.5, 1.0]))
    assert found.value[0, 0] == pytest.approx(2 / 3)


def test_both_are_made_for_each_slice(build):
    labels = np.array([[1], [0], [1], [0]])
    probabilities = np.array([[0.55], [0.75], [0.95], [0.95]])
    predictions = build(labels, logit(probabilities), groups={"g": ["x", "x", "y", None]})
    made = count(predictions, Slices.of(predictions.samples))
    assert uncertainty(made).value[:, 0].tolist() == pytest.approx([0.5, 1.0, 0.0])
    assert expected_calibration_error(made).value[:, 0].tolist() == pytest.approx(
        [(0.45 + 0.75 + 0.9) / 4, (0.45 + 0.75) / 2, 0.05]
    )
    assert isinstance(predictions.samples.groups["g"], Group)


# What chance adds


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.1, 1.0, 5.0]))
def test_chance_adds_what_a_folded_normal_has_above_its_mean(seed, scale):
    rng = np.random.default_rng(seed)
    gaps, error = rng.normal(size=(3, 4)), scale * rng.uniform(0.1, 1, (3, 4))
    of_bins = foldnorm.mean(np.abs(gaps) / error, scale=error) - np.abs(gaps)
    found = chance_in_calibration_error(gaps, error**2)
    assert found == pytest.approx(of_bins.sum(axis=1), abs=1e-12)


def test_chance_adds_nothing_where_nothing_varies():
    nothing = np.zeros((1, 3))
    assert chance_in_calibration_error(np.array([[0.0, 0.1, -0.2]]), nothing).tolist() == [0]

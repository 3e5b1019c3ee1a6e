"""Damage by hand, and what is expected of it in a world with a known answer."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from prunescope.data.samples import Samples
from prunescope.errors import ConfigError
from prunescope.predictions import Metadata, Predictions
from prunescope.slices.damage import Losses, losses_of

ALL = np.ones(4, bool)


def predictions(logits: list, labels: list, **more: object) -> Predictions:
    codes = np.array(labels, np.int8)
    names = tuple("abc"[: codes.shape[1]])
    samples = Samples(pl.Series(map(str, range(len(codes)))), names, codes, **more)
    return Predictions(samples, np.array(logits, float), Metadata(task=samples.task))


DENSE = predictions([[3, -3], [3, -3], [-3, 3], [3, 3]], [[1, 0], [1, 1], [1, 0], [-1, 1]])
SPARSE = replace(DENSE, logits=np.array([[1, 1], [-1, -3], [3, 3], [-3, -0.5]]))


@pytest.mark.parametrize(
    ("measure", "damage"),
    [
        # right → wrong: sample 0's b, sample 1's a, sample 3's b; the unlabelled a does not count.
        ("harmful_flips", [[0, 1], [1, 0], [0, 0], [0, 1]]),
        # sample 2's a became right.
        ("accuracy", [[0, 1], [1, 0], [-1, 0], [0, 1]]),
        # b is true for half of the labelled: its positives count as rare. a is true everywhere.
        ("rare_answers", [[0, 0], [0, 0], [0, 0], [0, 1]]),
        # |logit| < log 9 = 2.197: counted whether labelled or not.
        ("uncertainty", [[1, 1], [1, 0], [0, 0], [0, 1]]),
    ],
)
def test_by_hand(measure: str, damage: list):
    found = losses_of(DENSE, SPARSE, ALL, measure=measure, beyond="nothing")
    assert found.damage.tolist() == damage


def test_targets_sum_over_attributes():
    found = losses_of(DENSE, SPARSE, ALL, beyond="nothing")
    whole, first, second = found.targets()
    assert (whole.name, first.name, second.name) == (None, "a", "b")
    assert whole.damage.tolist() == [1, 1, 0, 1]
    assert whole.answers.tolist() == [2, 2, 2, 1]
    assert second.damage.tolist() == [1, 0, 0, 1]
    # Elsewhere: the mean over the samples that may be looked at, of the answers that are known.
    assert first.expected.tolist() == pytest.approx([1 / 3] * 3 + [0])


def test_classes_are_judged_by_the_top_answer():
    labels = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]]
    dense = predictions([[2, 1, 0], [0, 2, 1], [3, 0, 1], [0, 0, 1]], labels, task="multiclass")
    sparse = replace(dense, logits=np.array([[1, 2, 0], [0, 2, 1], [0, 0, 1], [1, 0, 0.0]]))
    found = losses_of(dense, sparse, ALL, measure="accuracy", beyond="nothing")
    assert found.damage[:, 0].tolist() == [1, 0, -1, 0]
    assert found.known[:, 0].tolist() == [True, True, True, False]
    by_class = {target.name: target for target in found.targets()}
    assert by_class["a"].answers.tolist() == [1, 0, 0, 0]
    assert by_class["a"].damage.tolist() == [1, 0, 0, 0]
    assert by_class["c"].damage.tolist() == [0, 0, -1, 0]


def test_equal_scores_are_judged_as_answers_are():
    """Of equal logits the first class is the answer, so the second is wrong, and lost if right."""
    labels = [[0, 1, 0]]
    tied = predictions([[1, 1, 0]], labels, task="multiclass")
    right = replace(tied, logits=np.array([[1, 1.5, 0]]))
    assert losses_of(right, tied, np.ones(1, bool), beyond="nothing").damage.tolist() == [[1]]
    assert losses_of(tied, right, np.ones(1, bool), beyond="nothing").damage.tolist() == [[0]]


def foretold(seed: int, measure: str, beyond: str = "margin", shift: float = 0.0) -> tuple:
    rng = np.random.default_rng(seed)
    n, noise = 20_000, 0.5
    margin = rng.normal(0, 2, n)
    labels = np.ones((n, 1), np.int8)
    dense = predictions(margin[:, None], labels)
    sparse = replace(dense, logits=(margin + shift + rng.normal(0, noise, n))[:, None])
    found = losses_of(dense, sparse, rng.random(n) < 0.5, measure=measure, beyond=beyond)
    return margin, found, lambda z: norm.cdf((z - margin - shift) / noise)


def test_expected_is_what_noise_of_that_size_makes():
    margin, found, below = foretold(0, "harmful_flips", shift=-0.2)
    truth = np.where(margin > 0, below(0.0), 0)
    assert np.abs(found.expected[:, 0] - truth).max() < 0.12
    assert np.abs(found.expected[:, 0] - truth).mean() < 0.01


def test_expected_of_uncertainty():
    margin, found, below = foretold(1, "uncertainty")
    edge = np.log(9)
    truth = below(edge) - below(-edge) - (np.abs(margin) < edge)
    assert np.abs(found.expected[:, 0] - truth).mean() < 0.02


def test_unlabelled_answers_are_no_side_with_others():
    """Answers that nobody labelled may become uncertain as others do, and are expected to so."""
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([-1, 0, 1], np.int8), (3000, 1))
    dense = predictions(rng.normal(0, 3, (3000, 1)), labels)
    found = losses_of(
        dense, replace(dense, logits=dense.logits * 0.6), np.ones(3000, bool), measure="uncertainty"
    )
    uncertain = np.abs(dense.logits) < np.log(9)
    assert (found.expected[uncertain] <= 0).all()
    assert (found.expected[~uncertain] >= 0).all()


def test_uncertainty_is_of_the_probability_whatever_the_threshold():
    moved = replace(DENSE, thresholds=np.array([2.0, -2.0]))
    found = losses_of(moved, SPARSE, ALL, measure="uncertainty", beyond="nothing")
    assert found.damage.tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]


def test_expected_looks_at_one_half_alone():
    rng = np.random.default_rng(3)
    margin = np.abs(rng.normal(0, 2, 1000))
    seen = rng.random(1000) < 0.5
    dense = predictions(margin[:, None], np.ones((1000, 1), np.int8))
    kind = replace(dense, logits=(margin + rng.normal(0, 0.5, 1000))[:, None])
    cruel = replace(kind, logits=np.where(seen[:, None], kind.logits, -9.0))
    both = [losses_of(dense, one, seen).expected for one in (kind, cruel)]
    np.testing.assert_array_equal(*both)


def test_churn_is_taken_off():
    churn = replace(DENSE, logits=np.array([[3, 1], [3, -3], [-3, 3], [3, -3.0]]))
    found = losses_of(DENSE, SPARSE, ALL, beyond="churn", churn=[churn])
    assert found.damage.tolist() == [[0, 0], [1, 0], [0, 0], [0, 0]]
    same: Losses = losses_of(DENSE, SPARSE, ALL, beyond="churn", churn=[SPARSE])
    assert not same.damage.any()
    both: Losses = losses_of(DENSE, SPARSE, ALL, beyond="churn", churn=[churn, SPARSE])
    assert both.damage.tolist() == [[0, 0], [0.5, 0], [0, 0], [0, 0]]


def test_choices_are_checked():
    with pytest.raises(ConfigError, match="damage 'flips'"):
        losses_of(DENSE, SPARSE, ALL, measure="flips")
    with pytest.raises(ConfigError, match="beyond 'luck'"):
        losses_of(DENSE, SPARSE, ALL, beyond="luck")
    with pytest.raises(ConfigError, match="second dense model"):
        losses_of(DENSE, SPARSE, ALL, beyond="churn")

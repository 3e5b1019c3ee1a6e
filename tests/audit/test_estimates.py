from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from prunescope.audit.estimates import (
    INSUFFICIENT,
    NOT_APPLICABLE,
    OK,
    UNDEFINED,
    estimate,
)
from prunescope.audit.summary import summarize
from prunescope.audit.support import Support
from prunescope.metrics import Measure


def make(value, support, metric="tpr", **options):
    value = np.array(value, float)
    replicates = options.pop("replicates", np.broadcast_to(value, (5, *value.shape)))
    return estimate(
        metric,
        tuple("abcdef"[: value.shape[-1]]),
        Measure(value, np.array(support, float)),
        np.asarray(replicates),
        min_support=10,
        basis="true positives",
        undefined="nothing to divide",
        **options,
    )


def test_too_little_support_comes_before_undefined():
    made = make([0.5, 0.5, np.nan, np.nan], [10, 9, 0, 12])
    assert made.status.tolist() == [OK, INSUFFICIENT, INSUFFICIENT, UNDEFINED]
    assert made.value.tolist() == pytest.approx([0.5] + [np.nan] * 3, nan_ok=True)
    assert made.support.tolist() == [10, 9, 0, 12]
    assert made.reason.tolist() == [
        None,
        "9 true positives: at least 10 are needed",
        "0 true positives: at least 10 are needed",
        "nothing to divide",
    ]


def test_explaining_removes_the_value():
    made = make([0.5, 0.6], [10, 10]).explain(np.array([False, True]), NOT_APPLICABLE, "because")
    assert made.value.tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert made.status.tolist() == [OK, NOT_APPLICABLE]
    assert made.reason.tolist() == [None, "because"]


def over_all(made, sizes, usable=None):
    """The figure over all attributes, of slices of some sizes."""
    sizes = np.array(sizes)
    rests = Support.of(np.ones((5, 1, 1)) * sizes[:, None] / 5)
    return summarize(made, made.ok if usable is None else usable, sizes, rests)


def test_the_summary_is_the_mean_over_usable_attributes():
    made = make([[0.2, 0.4, 0.9], [0.2, 0.4, np.nan]], [[10, 10, 10], [5, 5, 5]])
    whole = over_all(made, [100, 7])
    assert whole.attributes == (None,)
    assert whole.value[0].tolist() == pytest.approx([0.5])
    assert whole.replicates[0, 0].tolist() == pytest.approx([0.5])
    assert whole.status[:, 0].tolist() == [OK, INSUFFICIENT]
    none = f"none of the 3 attributes has a value: {made.reason[1, 0]}"
    assert made.reason[1, 0] is not None
    assert whole.reason[:, 0].tolist() == [None, none]
    assert whole.support[:, 0].tolist() == [100, 7]
    assert whole.rests.units[:, 0].tolist() == [100, 7]
    some = over_all(made, [100, 7], made.ok & [True, False, True])
    assert some.value[0].tolist() == pytest.approx([0.55])
    assert some.reason[0, 0] == "mean over 2 of 3 attributes"


def test_the_status_of_a_summary_is_that_of_its_own_slice():
    made = make([[0.2, 0.4], [0.2, 0.4], [0.2, 0.4]], [[50, 50], [5, 5], [5, 5]])
    made = made.explain(
        np.array([[True, True], [False, False], [False, False]]), NOT_APPLICABLE, "x"
    )
    whole = over_all(made, [100, 7, 7])
    assert whole.status[:, 0].tolist() == [NOT_APPLICABLE, INSUFFICIENT, INSUFFICIENT]


def test_a_replicate_without_one_attribute_averages_the_others():
    replicates = np.array([[0.2, 0.4], [0.3, np.nan], [np.nan, np.nan]])
    made = make([0.2, 0.4], [50, 50], replicates=replicates)
    whole = summarize(made, made.ok, np.array([100]), Support.of(np.ones((100, 1, 1))))
    assert whole.replicates[:, 0].tolist() == pytest.approx([0.3, 0.3, np.nan], nan_ok=True)


def test_the_spread_of_a_mean_allows_for_how_attributes_hang_together():
    """Three attributes on 200 samples, two of them the same: the mean of each sample's mean."""
    rng = np.random.default_rng(0)
    x = rng.random((200, 1, 3))
    x[..., 1] = x[..., 0]
    without = (x.sum(axis=0) - x) / 199
    rests = Support.of(np.ones((200, 1, 3)))
    made = replace(
        make(x.mean(axis=0), np.full((1, 3), 200), replicates=without, metric="auc"), rests=rests
    )
    whole = summarize(made, made.ok, np.array([200]), rests.take(np.s_[:, :1]))
    of_each = x.mean(axis=2)[:, 0]
    assert whole.spread.variance.item() == pytest.approx(of_each.var(ddof=1) / 200)


def test_the_summary_of_correlation_shifts_is_their_norm_alone():
    made = make([0.3, 0.4, 5.0], [50, 50, 5], metric="correlation_shift")
    whole = over_all(made, [100])
    assert whole.attributes == (None,)
    assert whole.value.tolist() == pytest.approx([np.sqrt(2) * 0.5])
    assert whole.reason.tolist() == ["norm over 2 of 3 pairs"]


def test_what_chance_adds_to_a_norm_is_the_variance_of_its_parts():
    """Of six shifts that are noise alone, and of one that is far beyond it."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (400, 6))
    for planted in (0.0, 2.0):
        noise[:, 0] += planted
        value = noise.mean(axis=0)
        without = (noise.sum(axis=0) - noise) / 399
        made = make(value, [400] * 6, metric="correlation_shift", replicates=without)
        rests = Support.of(np.ones((400, 1, 1)))
        whole = summarize(made, made.ok, np.array([400]), rests)
        assert whole.norm().chance == pytest.approx(2 * (noise.var(axis=0, ddof=1) / 400).sum())
    low, high = whole.interval(0.95)
    assert low < np.sqrt(2) * 2 < high


def test_no_pair_at_all_has_no_norm():
    made = make([], [], metric="correlation_shift", replicates=np.zeros((5, 0)))
    whole = over_all(made, [100])
    assert (whole.status.tolist(), whole.reason.tolist()) == (
        [UNDEFINED],
        ["none of the 0 pairs has a value"],
    )


# Units and intervals


def test_fewer_clusters_than_needed_are_too_few_however_many_samples():
    rests = Support(*(np.array([9.0, 10.0, 0.0]) for _ in range(3)), clustered=True)
    made = make([0.5, 0.5, np.nan], [200, 200, 0], rests=rests)
    assert made.status.tolist() == [INSUFFICIENT, OK, INSUFFICIENT]
    assert made.reason.tolist() == [
        "200 true positives, which come from 9 clusters: at least 10 are needed",
        None,
        "0 true positives, which come from 0 clusters: at least 10 are needed",
    ]


def shares(right, blocks=None):
    """The share of samples that are right, with clusters or without."""
    right = np.asarray(right, float)
    sizes = np.ones(len(right)) if blocks is None else np.bincount(blocks).astype(float)
    sums = right if blocks is None else np.bincount(blocks, right)
    n = float(len(right))
    return make(
        [right.mean()],
        [n],
        replicates=((sums.sum() - sums) / (n - sizes))[:, None],
        rests=Support.of(sizes[:, None], None if blocks is None else np.array([len(sizes) * 1.0])),
        trials=np.array([n]),
    )


@given(st.integers(0, 60), st.sampled_from([0.8, 0.95]))
def test_the_interval_of_a_share_of_independent_samples_is_wilsons(k, level):
    made = shares([1] * k + [0] * (60 - k))
    wanted = binomtest(k, 60).proportion_ci(level, method="wilson")
    assert [x.item() for x in made.interval(level)] == pytest.approx(
        [wanted.low, wanted.high], abs=1e-7
    )


def test_the_interval_of_a_share_of_clusters_is_wilsons_of_fewer():
    """Copies add nothing; a cluster of either kind says more than the same images apart."""
    apart = np.array([1] * 30 + [0] * 10)
    blocks = np.repeat(np.arange(40), 5)
    made = shares(np.repeat(apart, 5), blocks)
    effective = 0.75 * 0.25 / (apart.var(ddof=1) / 40)
    z = t.ppf(0.975, made.spread.df.item())
    centre = (0.75 + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective)
    half *= np.sqrt(0.75 * 0.25 / effective + z * z / (4 * effective**2))
    found = [x.item() for x in made.interval(0.95)]
    assert found == pytest.approx([centre - half, centre + half])
    alone = [x.item() for x in shares(np.repeat(apart, 5)).interval(0.95)]
    assert found[0] < alone[0] < alone[1] < found[1]


def test_clusters_that_all_say_the_same_are_what_a_share_of_one_rests_on():
    """All 200 images right, of 20 persons: Wilson of 20, with Student's t."""
    made = shares(np.ones(200), np.repeat(np.arange(20), 10))
    low, high = (x.item() for x in made.interval(0.95))
    square = t.ppf(0.975, 19) ** 2 / 20
    assert (low, high) == pytest.approx((1 / (1 + square), 1))


def test_a_share_of_part_of_its_samples_rests_on_that_part():
    """Precision 1 of 12 positive answers among 60 samples: Wilson of 12."""
    made = replace(
        make([1.0], [60], metric="precision", replicates=np.ones((60, 1))),
        trials=np.array([12.0]),
    )
    wanted = binomtest(12, 12).proportion_ci(0.95, method="wilson")
    assert [x.item() for x in made.interval(0.95)] == pytest.approx([wanted.low, wanted.high])


def test_replicates_without_chance_tell_the_variance_of_what_the_value_is_without_it():
    """The mean of 100 numbers less what chance adds to it, which varies with them."""
    rng = np.random.default_rng(0)
    x = 0.3 + 0.1 * rng.normal(size=(100, 1))
    without = (x.sum(axis=0) - x) / 99
    added = lambda mean: 0.5 * (0.4 - mean)  # noqa: E731 - the mean counts by half as much again
    value = x.mean(axis=0)
    made = make(value, [100], metric="ece", replicates=without)
    rests = Support.of(np.ones((100, 1)))
    made = replace(made, rests=rests, excess=added(value), cleared=without - added(without))
    low, high = made.interval(0.95)
    at, half = (value - added(value)).item(), 1.5 * x.std(ddof=1) / 10 * t(99).ppf(0.975)
    assert [low.item(), high.item()] == pytest.approx([at - half, max(at + half, value.item())])


def test_what_chance_adds_is_taken_off_the_ends_which_still_hold_the_value():
    rng = np.random.default_rng(0)
    x = rng.random((100, 1)) * 0.4
    plain = make(x.mean(axis=0), [100], metric="interdependence",
                 replicates=(x.sum(axis=0) - x) / 99)  # fmt: skip
    low, high = plain.interval(0.95)
    shifted = replace(plain, excess=np.array([0.01]))
    assert np.ravel(shifted.interval(0.95)) == pytest.approx(np.ravel([low - 0.01, high - 0.01]))
    far = replace(plain, excess=np.array([0.5])).interval(0.95)
    assert [x.item() for x in far] == pytest.approx([0, plain.value.item()])
    up, down = (replace(plain, bias=np.array([b])).interval(0.95) for b in (0.02, -0.02))
    assert np.ravel(up) == pytest.approx(np.ravel([low - 0.02, high]))
    assert np.ravel(down) == pytest.approx(np.ravel([low, high + 0.02]))


def test_without_replicates_there_is_no_interval():
    made = make([0.5], [50], replicates=np.zeros((0, 1)))
    assert np.isnan(made.interval(0.95)).all()

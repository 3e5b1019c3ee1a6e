import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    equalized_odds_difference,
    true_positive_rate,
)
from hypothesis import given
from hypothesis import strategies as st

from prunescope import metrics
from prunescope.metrics import Slices, bias_amplification, count, lean

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, n=st.integers(1, 60), group=st.sampled_from(["Male", "band", "town"]))
def test_bias_amplification_equals_a_loop(draw, seed, n, group):
    predictions = draw(seed, n=n)
    slices = Slices.of(predictions.samples, [group])
    if not slices.group_names():
        return
    rows = slices.of_group(group)
    counts = count(predictions, slices).counts[rows]
    codes = predictions.samples.groups[group].codes
    for side in range(len(counts)):
        measure = bias_amplification(counts, np.full(3, side))
        for a in range(3):
            called = inside_called = true = inside_true = 0
            for row in range(n):
                label = predictions.samples.labels[row, a]
                if label < 0 or codes[row] < 0:
                    continue
                inside = codes[row] == side
                if predictions.decisions[row, a]:
                    called += 1
                    inside_called += inside
                if label == 1:
                    true += 1
                    inside_true += inside
            assert measure.support[a] == min(inside_true, true - inside_true)
            if called and true:
                wanted = inside_called / called - inside_true / true
                assert measure.value[a] == pytest.approx(wanted)
            else:
                assert np.isnan(measure.value[a])


@given(
    rates=st.lists(
        st.lists(
            st.sampled_from([np.nan, 0.0, 0.1, 0.109, 0.112, 0.5, 1.0]), min_size=4, max_size=4
        ),
        min_size=1,
        max_size=4,
    )
)
def test_lean_is_to_the_highest_rate_if_it_differs_by_a_tenth_of_the_lowest(rates):
    side, applicable = lean(np.array(rates))
    for a, column in enumerate(zip(*rates, strict=True)):
        known = [rate for rate in column if not np.isnan(rate)]
        if not known:
            assert not applicable[a]
            continue
        assert column[side[a]] == max(known)
        low, high = min(known), max(known)
        apart = high > low and (low == 0 or (high - low) / low >= 0.1)
        assert applicable[a] == (len(known) > 1 and apart)


def test_lean_needs_ten_percent():
    assert lean(np.array([[0.5], [0.45]])).applicable.tolist() == [True]
    assert lean(np.array([[0.5], [0.46]])).applicable.tolist() == [False]
    assert lean(np.array([[0.6875], [0.625]])).applicable.tolist() == [True]  # exactly ten
    assert lean(np.array([[0.0], [0.0]])).applicable.tolist() == [False]
    assert lean(np.array([[1.0], [np.nan]])).applicable.tolist() == [False]


def fairness_data(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (300, 1))
    towns = rng.choice(["x", "y", "z"], 300)
    logits = rng.normal(0, 1, (300, 1)) + labels + (towns == "y")[:, None] * 0.7
    return labels, logits, towns


@pytest.mark.parametrize("seed", range(3))
def test_differences_agree_with_fairlearn(build, seed):
    labels, logits, towns = fairness_data(seed)
    predictions = build(labels, logits, groups={"town": towns.tolist()})
    slices = Slices.of(predictions.samples)
    counts = count(predictions, slices).counts[slices.of_group("town")]
    y, decided = labels[:, 0], predictions.decisions[:, 0].astype(int)
    known = {"y_true": y, "y_pred": decided, "sensitive_features": towns}

    def gap(metric):
        return np.ptp(metric(counts).value[:, 0])

    assert gap(metrics.selection_rate) == pytest.approx(demographic_parity_difference(**known))
    odds = max(gap(metrics.true_positive_rate), gap(metrics.false_positive_rate))
    assert odds == pytest.approx(equalized_odds_difference(**known))
    frame = MetricFrame(metrics={"tpr": true_positive_rate}, **known)
    found = metrics.true_positive_rate(counts).value[:, 0]
    assert found.tolist() == pytest.approx(frame.by_group["tpr"].tolist())
    assert gap(metrics.true_positive_rate) == pytest.approx(frame.difference()["tpr"])

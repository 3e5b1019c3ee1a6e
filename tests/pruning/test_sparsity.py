from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import ConfigError
from prunescope.pruning import check_sparsity, count_kept


@pytest.mark.parametrize(
    ("n_weights", "sparsity", "expected"),
    [
        (11_000_000, 0.95, 550_000),
        (11_000_000, 0.995, 55_000),
        (100, 0.0, 100),
        (3, 0.5, 2),  # halves round up
        (1000, 0.9995, 1),
        (7, 0.1, 6),
    ],
)
def test_known_counts(n_weights, sparsity, expected):
    assert count_kept(n_weights, sparsity) == expected


@given(st.integers(1, 10**8), st.integers(0, 9999))
def test_count_is_the_nearest_to_the_decimal_share(n_weights, ten_thousandths):
    share = Fraction(10_000 - ten_thousandths, 10_000) * n_weights
    expected = int(share + Fraction(1, 2))
    if expected == 0:
        with pytest.raises(ConfigError, match="keeps none"):
            count_kept(n_weights, ten_thousandths / 10_000)
    else:
        assert count_kept(n_weights, ten_thousandths / 10_000) == expected


@pytest.mark.parametrize(
    ("sparsity", "message"),
    [
        (95, "95 is outside .*: 95 percent is 0.95"),
        (99.5, "99.5 percent is 0.995"),
        (1, "1 would remove every weight"),
        (-0.1, "share of weights to remove"),
        (float("nan"), "nan is outside"),
        (250, "share of weights to remove"),
        ("most", "'most' is not a number"),
        (None, "None is not a number"),
    ],
)
def test_bad_sparsity(sparsity, message):
    with pytest.raises(ConfigError, match=message):
        check_sparsity(sparsity)

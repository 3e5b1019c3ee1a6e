import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prunescope.verdict.numbers import (
    AMPLIFICATION,
    GAP,
    MINUS,
    RANKING,
    RATIO,
    SHARE,
    counted,
    decimal,
    listing,
    removed,
    signed,
)


def read(text):
    return float(text.replace(MINUS, "-").replace("±", "").rstrip("%"))


@given(st.floats(0, 1))
@example(0.99999)
@example(1e-5)
@example(1e-8)
@example(1 - 1e-8)
def test_a_share_reads_0_or_100_only_where_it_is(share):
    text = SHARE.value(share)
    assert (read(text) == 0) == (share * 100 < 1e-9)
    assert (read(text) == 100) == (100 - share * 100 < 1e-9)
    assert read(text) == pytest.approx(100 * share, abs=0.051)


@given(st.floats(-3, 3))
@example(-1e-4)
def test_a_change_reads_unchanged_only_where_it_is(change):
    text = RATIO.bare_change(change)
    assert (text == "±0") == (abs(change) < 1e-9)
    if text != "±0":
        assert text[0] == ("+" if change > 0 else MINUS)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (SHARE, 0.9124, "91.2%"),
        (SHARE, 0.9996, "99.96%"),
        (SHARE, 1.0, "100%"),
        (SHARE, 0.0, "0%"),
        (SHARE, 0.0004, "0.04%"),
        (RATIO, 0.126, "0.13"),
        (RATIO, 0.0, "0"),
        (RATIO, 1.0, "1.00"),
        (RANKING, 0.99996, "0.99996"),
        (RANKING, 1.0, "1"),
        (GAP, 0.034, "3.4 points"),
        (AMPLIFICATION, 0.034, "+3.4 points"),
        (AMPLIFICATION, -0.2, "−20.0 points"),
        (AMPLIFICATION, 0.0, "±0 points"),
    ],
)
def test_values(unit, value, text):
    assert unit.value(value) == text


def test_intervals_carry_the_unit_once():
    assert SHARE.interval(0.9, 0.92) == "90.0 to 92.0%"
    assert SHARE.change_interval(-0.01, 0.002) == "−1.0 to +0.2 points"


def test_what_is_too_small_for_six_digits_is_still_not_zero():
    assert decimal(3e-8, 1) == "3e−08"
    assert signed(-3e-8, 1) == "−3e−08"


@given(st.floats(0, 0.99999))
def test_a_sparsity_is_true_to_a_hundredth_of_what_is_left(sparsity):
    shown = float(removed(sparsity).rstrip("%"))
    assert shown < 100
    assert abs(shown - 100 * sparsity) <= 0.01 * (100 - 100 * sparsity) + 1e-9
    assert re.fullmatch(r"\d+(\.\d+)?%", removed(sparsity))


def test_lists_and_plurals():
    assert listing([]) == ""
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(["a", "b", "c"], 2) == "a, b and 1 more"
    assert counted(1, "class") == "1 class"
    assert counted(0, "image") == "0 images"

"""Joint training beside single attributes, from tables written by hand."""

import pytest

from prunescope.study.results.pairs import beside, missing

S = "resnet_small"
TEXT = """
name: both
data: {groups: [Male]}
base:
  architectures: [resnet_small]
  methods: [gmp-pt]
  sparsities: [0.9, 0.99]
  seeds: [0, 1]
vary:
  - {}
  - {single: [Bald], sparsities: [0.99]}
"""
RATIO = {
    (S, "dense", 0.0, "rare_value_ratio", "Bald", None): [1.0, 0.9],
    (S, "gmp-pt", 0.9, "rare_value_ratio", "Bald", None): [0.8, 0.8],
    (S, "gmp-pt", 0.99, "rare_value_ratio", "Bald", None): [0.5, 0.7],
    (S, "gmp-pt", 0.99, "rare_value_ratio", "Smiling", None): [0.1, 0.1],
}
ALONE = {
    (f"{S}-Bald", "dense", 0.0, "rare_value_ratio", "Bald", None): "nothing",
    (f"{S}-Bald", "gmp-pt", 0.99, "rare_value_ratio", "Bald", None): [0.2, 0.4],
    (f"{S}-Bald", "gmp-pt", 0.99, "bias_amplification", "Bald", "Male"): [0.2, 0.4],
}


def test_a_row_is_an_attribute_that_both_have_a_value_of(tables):
    [one] = beside(tables(RATIO | ALONE, TEXT))
    assert one.title == "resnet_small: gmp-pt, 99% removed"
    [pairs] = one.pairs
    [row] = pairs.rows
    assert (pairs.metric, row.name) == ("rare_value_ratio", "Bald")
    assert (row.first.value, row.second.value) == pytest.approx((0.6, 0.3))
    assert (row.second.low, row.second.high) == pytest.approx((0.29, 0.31))
    assert "Rare-value ratio: 1 of 1 closer to 1 jointly" in one.caption


def test_the_sparsest_comes_first_and_dense_last(tables):
    told = RATIO | ALONE
    told[f"{S}-Bald", "dense", 0.0, "rare_value_ratio", "Bald", None] = [0.9, 0.9]
    assert [one.name for one in beside(tables(told, TEXT))] == [
        f"{S}-beside-gmp-pt-99",
        f"{S}-beside-dense-0",
    ]


def test_without_single_attributes_a_sentence_says_so(tables):
    results = tables(RATIO, TEXT.split("vary")[0])
    assert beside(results) == []
    assert missing(results) == "The study trains no attribute alone."


def test_single_attributes_that_are_not_finished_are_told(tables):
    results = tables(RATIO, TEXT)
    assert beside(results) == []
    assert missing(results).startswith("None of 1 attribute trained alone")


def test_models_of_one_request_stand_beside_each_other_whatever_is_counted(tables):
    """A model of one attribute has another last layer, and so another share of its weights."""
    text = TEXT.replace("gmp-pt", "structured")
    told = {
        (name, "structured" if how == "gmp-pt" else how, *rest): values
        for (name, how, *rest), values in (RATIO | ALONE).items()
    }
    shares = {
        (S, "structured", 0.99): [0.011, 0.012],
        (f"{S}-Bald", "structured", 0.99): [0.013] * 2,
    }
    [one] = beside(tables(told, text, counted=shares))
    assert one.title == "resnet_small: structured, 98.9% removed"
    assert one.name == "resnet_small-beside-structured-99"

"""Tables of a study, from values written by hand."""

import pytest

from prunescope.study.results import Claim
from prunescope.study.results.claims.figures import Figures
from prunescope.study.results.rows import Rows
from prunescope.study.results.tables import (
    attribute_table,
    change_table,
    claims_table,
    exemplar_table,
    key_table,
)

S, BA = "resnet_small", "bias_amplification"


def rows_of(results):
    return Rows(results, results.joint[0])


def test_key_figures_have_intervals_and_full_precision_beside(tables):
    told = {
        (S, "dense", 0.0, "accuracy", None, None): [0.91, 0.93],
        (S, "gmp-ri", 0.9, "accuracy", None, None): [0.9, 0.9],
        (S, "gmp-ri", 0.99, "accuracy", None, None): "no label",
        (S, "gmp-ri", 0.9, BA, None, "Male"): [0.02, 0.04],
    }
    table = key_table(rows_of(tables(told)))
    assert table.head == ["Method", "Removed", "Accuracy, %", "BA Male"]
    assert table.rows == [
        ["dense", "–", "92.0 [91.0, 93.0]", "–"],
        ["gmp-ri", "90%", "90.0 [89.0, 91.0]", "+3.0 [+2.0, +4.0]"],
        ["gmp-ri", "99%", "undefined", "–"],
    ]
    frame = table.frame()
    assert frame.height == 4
    change = frame.filter(method="gmp-ri", metric="accuracy", sparsity=0.9)["delta"].item()
    assert change == pytest.approx(-0.02)
    assert frame.filter(sparsity=0.99)["reason"].to_list() == ["no label"]


def test_change_of_bias_counts_the_attributes_of_both_models(tables):
    told = {}
    for name, value in (("Bald", 0.05), ("Smiling", -0.01)):
        told[S, "dense", 0.0, BA, name, "Male"] = [0.0, 0.0]
        told[S, "gmp-ri", 0.9, BA, name, "Male"] = [value, value]
    told[S, "gmp-ri", 0.99, BA, "Bald", "Male"] = "nothing was predicted positive"
    table = change_table(rows_of(tables(told)))
    assert table.rows == [["Male", "gmp-ri", "90%", "+2.0", "+0.5 to +3.5 points", "50.0%", "2"]]
    assert table.numbers[0]["median"] == pytest.approx(0.02)


def test_exemplars_are_told_for_one_side_of_a_group_of_yes_and_no(tables):
    told = {
        (S, "dense", 0.0, "auc", None, None): [0.9, 0.9],
        (S, "gmp-ri", 0.9, "cie_rate", None, None): [0.02, 0.02],
        (S, "gmp-ri", 0.9, "cie_odds_ratio", None, "Male"): [2.5, 2.5],
        (S, "gmp-ri", 0.9, "cie_rare_odds_ratio", "Bald", None): [4.0, 4.0],
        (S, "gmp-ri", 0.9, "cie_rare_odds_ratio", "Smiling", None): [1.0, 1.0],
    }
    table = exemplar_table(rows_of(tables(told, sides=("False", "True"))))
    assert table.head[2:4] == ["Share, %", "Odds, Male"]
    [row] = table.rows
    assert row == ["gmp-ri", "90%", "2.0 [1.0, 3.0]", "2.5 [2.5, 2.5]", "2.5, 1 of 2"]


def test_attributes_stand_in_full(tables):
    told = {
        (S, "dense", 0.0, "rare_value_ratio", "Bald", None): [1.0, 1.0],
        (S, "gmp-ri", 0.9, "rare_value_ratio", "Bald", None): [0.5, 0.5],
    }
    table = attribute_table(rows_of(tables(told)))
    assert table.rows[0] == ["Bald", "dense", "–", "–", "–", "–", "1.00"]
    assert table.frame()["value"].to_list() == [1.0, 0.5]
    assert {len(row) for row in table.rows} == {len(table.head)}


def test_claims_are_a_row_each():
    claim = Claim(key="1", title="Kept", setting="", test="t", verdict="held", evidence="e")
    table = claims_table([claim])
    assert table.rows == [["1 Kept", "–", "held", "t", "e"]]
    assert table.frame()["verdict"].to_list() == ["held"]


NARROW = """
name: narrow
data: {groups: [Male]}
base: {architectures: resnet_small, methods: structured, sparsities: 0.9, seeds: [0, 1]}
"""


def test_what_was_removed_is_what_was_counted(tables):
    told = {
        (S, "dense", 0.0, "accuracy", None, None): [0.91, 0.93],
        (S, "structured", 0.9, "accuracy", None, None): [0.9, 0.8],
    }
    results = tables(told, NARROW, counted={(S, "structured", 0.9): [0.0098, 0.0101]})
    rows = rows_of(results)
    assert [row[:2] for row in key_table(rows).rows] == [["dense", "–"], ["structured", "99.02%"]]
    [member] = rows.pruned
    assert (member.sparsity, member.asked) == (0.9902, 0.9)
    assert rows.mark(member, "accuracy").sparsity == 0.9902
    # Claims know the model by what was asked for, and judge it by what was counted.
    figures = Figures(results, results.joint[0])
    assert figures.arms == (("structured", 0.9),)
    assert figures.seeds("accuracy", figures.arms[0]) == [0.9, 0.8]
    assert list(figures.at(0.99)) == [("structured", 0.9)]
    assert figures.word(("structured", 0.9)) == "structured 99.02%"
    assert figures.word(("dense", 0.0)) == "dense"

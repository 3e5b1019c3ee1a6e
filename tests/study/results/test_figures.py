"""What figures show, from tables written by hand."""

import pytest

from prunescope.study.results.figures import attribute_figures, change_figure, key_figure
from prunescope.study.results.planted import backdoor_figures
from prunescope.study.results.rows import Rows, unfinished

S = "resnet_small"
BA = "bias_amplification"


def over_all(metric, dense, at90, at99, group=None, attribute=None):
    return {
        (S, method, sparsity, metric, attribute, group): told
        for method, sparsity, told in (
            ("dense", 0.0, dense),
            ("gmp-ri", 0.9, at90),
            ("gmp-ri", 0.99, at99),
        )
        if told is not None
    }


def figure_of(results, make=key_figure):
    return make(Rows(results, results.joint[0]))


def panel_of(figure, title):
    return next(panel for panel in figure.panels if panel.title == title)


def test_a_line_goes_from_dense_through_the_means_over_seeds(tables):
    results = tables(over_all("auc", [0.94, 0.96], [0.90, 0.94], [0.7, 0.8]))
    panel = panel_of(figure_of(results), "AUC")
    [line] = panel.series
    assert line.name == "gmp-ri"
    assert [mark.sparsity for mark in line.marks] == [0.0, 0.9, 0.99]
    assert [mark.value for mark in line.marks] == pytest.approx([0.95, 0.92, 0.75])
    assert (line.marks[1].low, line.marks[1].high) == pytest.approx((0.91, 0.93))
    assert line.marks[1].seeds == (0.90, 0.94)
    assert line.marks[1].n_seeds == 2
    assert panel.level == line.marks[0]
    assert panel.level.value == pytest.approx(0.95)


def test_flips_are_beside_churn_and_start_at_the_first_sparsity(tables):
    told = over_all("flip_rate", None, [0.02, 0.04], [0.2, 0.2])
    told |= over_all("churn", None, [0.05, 0.05], [0.05, 0.05])
    panel = panel_of(figure_of(tables(told)), "Flips")
    assert [mark.value for mark in panel.series[0].marks] == pytest.approx([0.03, 0.2])
    assert panel.level_name == "churn"
    assert panel.level.value == pytest.approx(0.05)


def test_bias_amplification_is_by_group_in_points_with_0_as_the_ideal(tables):
    figure = figure_of(tables(over_all(BA, [0.0, 0.02], [0.03, 0.05], [0.1, 0.1], group="Male")))
    panel = panel_of(figure, "Bias amplification by Male, points")
    assert panel.target == 0.0
    assert [mark.value for mark in panel.series[0].marks] == pytest.approx([0.01, 0.04, 0.1])


def test_one_seed_is_its_own_model(tables):
    text = """
name: one
base: {architectures: [resnet_small], methods: [gmp-ri], sparsities: [0.9], seeds: [3]}
"""
    results = tables(over_all("auc", [0.95], [0.9], None), text)
    mark = figure_of(results).panels[0].series[0].marks[-1]
    assert (mark.value, mark.seeds, mark.n_seeds) == (0.9, (), 1)
    assert (mark.low, mark.high) == pytest.approx((0.89, 0.91))


def test_what_is_not_there_is_a_sentence_and_no_panel(tables):
    told = over_all("auc", [0.95, 0.95], [0.9, 0.9], [0.8, 0.8])
    told |= over_all("ece", "no label", "no label at all", "no label at all")
    figure = figure_of(tables(told))
    assert [panel.title for panel in figure.panels] == ["AUC"]
    assert "ECE: no label at all." in figure.missing
    assert any(
        line.startswith("Accuracy, ") and line.endswith(": the audit does not have it.")
        for line in figure.missing
    )


def test_a_method_that_is_not_finished_has_no_line_and_is_told(tables):
    text = """
name: two
base:
  architectures: [resnet_small]
  methods: [gmp-pt, gmp-ri]
  sparsities: [0.9]
  seeds: [0, 1]
"""
    results = tables(over_all("auc", [0.95, 0.95], [0.9, 0.9], None), text)
    [line] = figure_of(results).panels[0].series
    assert (line.name, line.place) == ("gmp-ri", 1)
    assert unfinished(results, results.joint[0]) == ["gmp-pt 90%: 0 of 2 seeds"]


def test_quantised_models_are_no_line(tables):
    text = """
name: int8
base:
  architectures: [resnet_small]
  methods: [gmp-ri]
  sparsities: [0.9]
  seeds: [0, 1]
  int8: true
"""
    told = over_all("auc", [0.95, 0.95], [0.9, 0.9], None)
    told[S, "int8", 0.0, "auc", None, None] = [0.5, 0.5]
    results = tables(told, text)
    [line] = figure_of(results).panels[0].series
    assert [mark.value for mark in line.marks] == [0.95, 0.9]
    assert [one.method for one in Rows(results, results.joint[0]).controls] == ["int8"]


def test_attributes_have_a_panel_each(tables):
    told = over_all("uncertainty", [0.1, 0.1], [0.2, 0.2], [0.4, 0.6], attribute="Bald")
    told |= over_all("uncertainty", "nothing", "too few", "too few", attribute="Smiling")
    told |= over_all(BA, [0.0, 0.0], [0.1, 0.1], [0.2, 0.2], "Male", "Smiling")
    ratio, uncertain, by_male = figure_of(tables(told), attribute_figures)
    assert ratio.panels == ()
    [bald] = uncertain.panels
    assert bald.title == "Bald"
    assert [mark.value for mark in bald.series[0].marks] == pytest.approx([0.1, 0.2, 0.5])
    assert uncertain.missing == ("Smiling: too few.",)
    assert [panel.title for panel in by_male.panels] == ["Smiling"]


def test_change_of_bias_is_a_distribution_over_attributes(tables):
    names = ("a", "b", "c", "d", "e")
    told = {}
    for name, change in zip(names, (-0.02, 0.0, 0.01, 0.03, 0.04), strict=True):
        told |= over_all(BA, [0.1, 0.1], [0.1 + change] * 2, None, "Male", name)
    figure = figure_of(tables(told, names=names), change_figure)
    [panel] = figure.panels
    [mark] = panel.series[0].marks
    assert (mark.low, mark.value, mark.high) == pytest.approx((0.0, 0.01, 0.03))
    assert mark.note == "60.0% of 5 attributes above 0"
    assert panel.ranges


PLANTED = """
name: planted
base: {architectures: [resnet_small], methods: [gmp-ri], sparsities: [0.9], seeds: [0, 1]}
vary:
  - backdoors:
      - {kind: grayscale, attribute: Smiling}
      - {kind: grayscale, attribute: Smiling, positive: 0.65, negative: 0.35}
      - {kind: yellow-corner, attribute: Bald}
"""


def test_each_backdoor_is_a_line_from_dense_on(tables):
    strong, weak = (f"{S}-grayscale-Smiling-{shares}" for shares in ("5-95", "35-65"))
    other, metric = f"{S}-yellow-corner-Bald-5-95", "backdoor_bias_amplification"
    told = {
        (strong, "dense", 0.0, metric, "Smiling", "backdoor"): [0.1, 0.2],
        (strong, "gmp-ri", 0.9, metric, "Smiling", "backdoor"): [0.3, 0.4],
        (strong, "gmp-ri", 0.9, metric, "Bald", "backdoor"): [0.9, 0.9],
        (weak, "dense", 0.0, metric, "Smiling", "backdoor"): [0.0, 0.0],
        (weak, "gmp-ri", 0.9, metric, "Smiling", "backdoor"): [0.1, 0.1],
        (other, "dense", 0.0, metric, "Bald", "backdoor"): [0.5, 0.5],
        (other, "gmp-ri", 0.9, metric, "Bald", "backdoor"): "nothing was predicted positive",
    }
    [figure] = backdoor_figures(tables(told, PLANTED))
    [panel] = figure.panels
    assert [line.name for line in panel.series] == [
        "5/95 grayscale on Smiling",
        "35/65 grayscale on Smiling",
    ]
    assert [mark.value for mark in panel.series[0].marks] == pytest.approx([0.15, 0.35])
    assert [mark.value for mark in panel.series[1].marks] == pytest.approx([0.0, 0.1])
    assert figure.missing == (
        "gmp-ri, points: 5/95 yellow-corner on Bald: nothing was predicted positive.",
    )


def test_without_backdoors_there_is_no_figure(tables):
    assert backdoor_figures(tables(over_all("auc", [0.9, 0.9], [0.8, 0.8], None))) == []

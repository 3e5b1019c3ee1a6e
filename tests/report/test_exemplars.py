import numpy as np
import polars as pl
import pytest

from prunescope.report import build
from prunescope.report.exemplars import MOST_EXAMPLES, exemplars
from prunescope.report.table import Table

LATE = "gmp 0.9 (3 seeds)"


@pytest.fixture(scope="module")
def found(seeds):
    return exemplars(seeds, Table(seeds), LATE)


def modal(models):
    return np.sum([model.logits > 0 for model in models], axis=0) >= 2


@pytest.fixture(scope="module")
def changed(planted):
    """By hand: which answers most seeds at 90% give differently than most dense ones."""
    dense, compressed = planted.wide()
    return dense[0].samples, modal(dense), modal(compressed[3:])


def test_counts_are_those_of_a_vote_by_hand(found, changed):
    samples, before, after = changed
    cie = before != after
    assert found.rate.value == pytest.approx(cie.mean(axis=0).mean())
    assert (found.n, found.n_images) == (cie.sum(), cie.any(axis=1).sum())
    assert found.n_harmful == (cie & (before == (samples.labels == 1))).sum()


def test_the_planted_label_noise_is_counted_and_marked(seeds, planted, found):
    listed = seeds.cies.filter(model=LATE, definition="modal")
    doubted = listed.filter("label_may_be_wrong")
    assert ("w7", "a0") in doubted.select("id", "attribute").rows()
    assert found.n_doubted == doubted.height
    assert f"{doubted.height} exemplar" in found.text
    assert "may be label noise: every dense model confidently contradicts" in found.text


def test_the_planted_group_is_found_with_its_shares(found, changed):
    samples, before, after = changed
    first = next(row for row in found.groups if row.attribute == "a0")
    assert (first.group, first.group_value) == ("a8", "False")
    women = np.arange(len(samples)) % 2 == 0
    flips = (before != after)[:, 0]
    assert first.reason.startswith(
        f"{flips[women].mean():.2%} inside, {flips[~women].mean():.2%} outside"
    )
    assert first.supported
    assert all(row.supported and row.value > 1 for row in [*found.groups, *found.rare])


def test_those_that_are_large_for_certain_come_first(found):
    for rows in (found.groups, found.rare):
        assert len(rows) > 1
        assert [row.low for row in rows] == sorted((row.low for row in rows), reverse=True)


def test_examples_are_the_first_of_the_list(seeds, found):
    listed = seeds.cies.filter(model=LATE, definition="modal").head(MOST_EXAMPLES)
    assert [(one.id, one.about) for one in found.examples] == list(
        listed.select("id", "attribute").iter_rows()
    )
    first, second = found.examples[:2]
    assert (first.id, first.doubted, first.harmful, first.truth) == ("w7", True, False, "truly yes")
    assert first.dense < 0.05 < 0.95 < first.compressed
    assert (first.dense_share, first.compressed_share) == (0, 1)
    assert (second.doubted, second.harmful) == (False, True)
    assert second.dense > 0.5 > second.compressed


def test_the_text_tells_the_numbers(found):
    share, images = 100 * found.rate.value, found.n_images / 8
    assert found.text.startswith(
        f"Most compressed models answer otherwise than most dense ones in {share:.1f}% of the "
        f"answers: {found.n:,} exemplars on {images:.1f}% of the images. Of those with a label, "
        f"{100 * found.n_harmful / found.n:.1f}% went from right to wrong."
    )


def test_classes_are_told_as_one_answer(class_seeds):
    found = build(class_seeds).details[0].exemplars
    # newts are called cats, but each tenth animal is a fish to one seed or another, and outvoted
    assert found.text.startswith(
        "Most compressed models choose another class than most dense ones for 160 images (16.0%)."
    )
    assert (found.n, found.n_images) == (160, 160)
    first = found.examples[0]
    assert (first.about, first.truth, first.harmful) == ("newt → cat", "truly newt", True)


def test_too_few_seeds_have_none(harmed, many):
    for audit in (harmed, many):
        assert all(detail.exemplars is None for detail in build(audit).details)


def test_without_a_list_the_rate_is_told_alone(seeds):
    bare = type(seeds)(seeds.table, seeds.info, seeds.correlations)
    found = exemplars(bare, Table(bare), LATE)
    assert found.text.endswith("% of the answers.")
    assert (found.n, found.n_doubted, found.examples) == (0, 0, [])


def test_unlabelled_exemplars_are_neither_harm_nor_help(seeds):
    unknown = seeds.cies.with_columns(
        label=pl.lit(None, pl.String), harmful=pl.lit(None, pl.Boolean)
    )
    blind = type(seeds)(seeds.table, seeds.info, seeds.correlations, unknown)
    found = exemplars(blind, Table(blind), LATE)
    assert "right to wrong" not in found.text
    assert found.n_harmful == 0
    assert {one.truth for one in found.examples} == {"unlabelled"}

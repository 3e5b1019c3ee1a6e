"""Where it hurts most: in the report, and on a page of its own."""

import html
import re
from dataclasses import replace

import polars as pl
import pytest

import prunescope as ps
from prunescope.errors import ConfigError
from prunescope.report import build, build_hurt, to_html, write_slices
from prunescope.report.structure import Report
from prunescope.slices import find_slices


@pytest.fixture(scope="module")
def told(world):
    return world(n=2000, attributes=2)


@pytest.fixture(scope="module")
def slices(told):
    return find_slices(told.dense, told.sparse)


def text_of(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page)))


def test_the_page_tells_both_halves(slices, tmp_path):
    row = slices.found.row(0, named=True)
    page = write_slices(slices, tmp_path).read_text("utf-8")
    text = text_of(page)
    assert f"One sub-population loses more than others, +{100 * row['damage']:.1f} points" in text
    assert f"In the half where it was found it was +{100 * row['damage_search']:.1f}" in text
    assert "q ≤ 0.0001)" in text  # no draw of 20,000 was as bad
    assert f"{100 * row['inside']:.1f}% went from right to wrong" in text
    assert "<script src" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_luck_is_told_as_an_estimate(slices, tmp_path):
    lucky = slices.table.with_columns(damage_search=pl.col("damage") + 0.05)
    page = write_slices(replace(slices, table=lucky), tmp_path).read_text("utf-8")
    assert "about 5.0 of it was luck of the search" in text_of(page)


def test_luck_is_the_difference(slices):
    [one] = build_hurt(slices).found
    assert one.luck == pytest.approx(one.damage_search - one.damage)
    assert one.losses[0].name == "a0"


def test_the_report_has_the_section(told, slices):
    audit = ps.audit(told.dense, told.sparse, replicates=0)
    report = build(audit, slices=slices)
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert [one.rule for one in report.hurt.slices] == ["hat"]
    assert 'id="hurt"' in to_html(report)
    assert 'id="hurt"' not in to_html(build(audit))


def test_slices_of_another_audit_are_refused(told, slices):
    metadata = told.sparse.metadata.model_copy(update={"name": "other"})
    audit = ps.audit(told.dense, replace(told.sparse, metadata=metadata), replicates=0)
    with pytest.raises(ConfigError, match="slices are of sparse, which the audit, of dense"):
        build(audit, slices=slices)


def test_nothing_found_is_told_as_that(tmp_path, world):
    none = world(1, n=800, attributes=2, damage=0.0)
    found = find_slices(none.dense, none.sparse)
    assert not found.found.height
    text = text_of(write_slices(found, tmp_path).read_text("utf-8"))
    assert "No sub-population was found" in text
    assert "That is no proof that there is nothing" in text


def test_nothing_tested_is_not_told_as_refuted(told, tmp_path):
    same = find_slices(told.dense, {"same": told.dense})
    assert same.table.is_empty()
    text = text_of(write_slices(same, tmp_path).read_text("utf-8"))
    assert "nothing in one half of the images looked as if it did" in text
    assert "did not confirm" not in text
    assert "judged none, as nothing was striking" in text


def test_a_slice_of_two_models_is_one_sub_population(told, tmp_path):
    models = [
        replace(told.sparse, metadata=told.sparse.metadata.model_copy(update={"name": name}))
        for name in ("half", "most")
    ]
    twice = find_slices(told.dense, models)
    assert twice.found["rule"].to_list() == ["hat", "hat"]
    page = write_slices(twice, tmp_path).read_text("utf-8")
    row = twice.found.row(0, named=True)
    assert (
        f"One sub-population loses more than others, +{100 * row['damage']:.1f} points of a0"
        in (text_of(page))
    )
    plot = page[page.index("halves") : page.index("</table>")]
    assert "<small>half</small>" in plot
    assert "<small>most</small>" in plot


def test_churn_is_told_of_both_sides(told):
    again = replace(
        told.dense, logits=told.dense.logits + 0.1,
        metadata=told.dense.metadata.model_copy(update={"name": "again"}),
    )  # fmt: skip
    hurt = build_hurt(find_slices([told.dense, again], told.sparse))
    assert hurt.lost.endswith(
        "less those that did so in other trainings of the dense model (their mean)"
    )


def test_names_are_escaped(tmp_path, world):
    evil = "<img src=x onerror=alert(1)>"
    one = world(0, n=1500, attributes=1)
    dark = pl.DataFrame({"id": one.dense.samples.ids, evil: one.hurt})
    bare = replace(one.dense.samples, groups={})
    models = [replace(model, samples=bare) for model in (one.dense, one.sparse)]
    page = write_slices(find_slices(*models, metadata=dark), tmp_path).read_text("utf-8")
    assert evil not in page
    assert html.escape(evil) in page

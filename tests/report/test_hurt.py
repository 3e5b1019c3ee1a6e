"""Where it hurts most: in the report, and on a page of its own."""

import html
import re

import polars as pl
import pytest

import prunescope as ps
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
    assert f"{100 * row['inside']:.1f}% went from right to wrong" in text
    assert "<script src" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


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


def test_nothing_found_is_told_as_that(tmp_path, world):
    none = world(1, n=800, attributes=2, damage=0.0)
    found = find_slices(none.dense, none.sparse)
    assert not found.found.height
    text = text_of(write_slices(found, tmp_path).read_text("utf-8"))
    assert "No sub-population was found" in text
    assert "That is no proof that there is nothing" in text


def test_names_are_escaped(tmp_path, world):
    evil = "<img src=x onerror=alert(1)>"
    one = world(0, n=1500, attributes=1)
    dark = pl.DataFrame({"id": one.dense.samples.ids, evil: one.hurt})
    from dataclasses import replace

    bare = replace(one.dense.samples, groups={})
    models = [replace(model, samples=bare) for model in (one.dense, one.sparse)]
    page = write_slices(find_slices(*models, metadata=dark), tmp_path).read_text("utf-8")
    assert evil not in page
    assert html.escape(evil) in page

"""The report of a study: the page in a browser, and the files beside it."""

import json
import re

import polars as pl
import pytest

from prunescope.errors import DataError
from prunescope.study.results import Claim, StudyPage, build_study, study_html, write_study_report
from prunescope.study.results import write as writing

S, BA = "resnet_small", "bias_amplification"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">a&b_%"
CLAIMS = [
    Claim(key="1", title="Kept", setting=S, test="at most 1", verdict="held", evidence="a; b"),
    Claim(key="2", title=HOSTILE, setting="", test="t", verdict="failed",
          evidence="; ".join("abcdef")),
    Claim(key="3", title="Rises", setting=S, test="t", verdict="undecided", evidence="no runs"),
]  # fmt: skip
WIDTHS = ("desktop", "phone")
WITH_INT8 = """
name: int8
base:
  architectures: [resnet_small]
  methods: [gmp-ri]
  sparsities: [0.9, 0.99]
  seeds: [0, 1]
  int8: true
"""


def values(names):
    """Return values of everything that a page shows, by attribute too."""
    told = {}
    for step, (method, sparsity) in enumerate((("dense", 0.0), ("gmp-ri", 0.9), ("gmp-ri", 0.99))):
        arm = (S, method, sparsity)
        means = {"accuracy": 0.9, "auc": 0.9, "uncertainty": 0.2, "interdependence": 0.2,
                 "rare_value_ratio": 0.9, "ece": 0.02}  # fmt: skip
        for metric, value in means.items():
            told[*arm, metric, None, None] = [value - 0.02 * step, value - 0.03 * step]
        told[*arm, BA, None, "Male"] = [0.01 * step, 0.02 * step]
        for place, name in enumerate(names):
            told[*arm, "uncertainty", name, None] = [0.1 + 0.01 * step * place] * 2
            told[*arm, "rare_value_ratio", name, None] = [1 - 0.01 * step * (place % 3)] * 2
            told[*arm, BA, name, "Male"] = [0.01 * step * (place - 2)] * 2
        if step:
            told[*arm, "flip_rate", None, None] = [0.05 * step] * 2
            told[*arm, "churn", None, None] = [0.04] * 2
            told[*arm, "cie_rate", None, None] = [0.02 * step] * 2
            told[*arm, "cie_odds_ratio", None, "Male"] = [1.5] * 2
    return told


@pytest.fixture
def full(tables):
    names = tuple("abcdefghi")
    return tables(values(names), names=names)


@pytest.fixture
def hostile(tables):
    names = (HOSTILE, *"bcdefghi")
    return tables(values(names), names=names)


def opened(visit, results, tmp_path, width="desktop", claims=CLAIMS):
    path = tmp_path / "report.html"
    path.write_text(study_html(build_study(results, claims)), encoding="utf-8")
    return visit(path, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_opens_offline_without_an_error(visit, full, tmp_path, width):
    page = opened(visit, full, tmp_path, width)
    for _ in range(2):
        root = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert root[0] <= root[1]
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.locator("#key figure svg").count() == 8
    assert page.locator("#change figure svg").count() == 1
    assert page.locator("#links figure svg").count() == 2
    assert page.locator("#attributes figure svg").count() == 27
    for chart in page.locator("#key figure svg").all():
        assert chart.bounding_box()["width"] > 250


def test_claims_come_first_with_their_verdicts(visit, full, tmp_path):
    page = opened(visit, full, tmp_path)
    assert page.locator("h1").inner_text() == (
        "Of 3 judgements on the claims, 1 held, 1 failed and 1 undecided."
    )
    assert page.locator("main section").first.get_attribute("id") == "claims"
    assert page.locator("#claims .chip").all_inner_texts() == ["held", "failed", "undecided"]
    long = page.locator("#claims tbody tr").nth(1)
    assert long.locator("summary").inner_text() == "4 more"
    assert long.locator("td span:visible").all_inner_texts() == ["failed", "a", "b"]


def test_pointing_at_a_mark_tells_its_value(visit, full, tmp_path):
    page = opened(visit, full, tmp_path)
    page.locator("#key figure").first.locator("path[data-tip]").last.hover()
    assert re.fullmatch(
        r"gmp-ri, 99% removed: 85\.0% \(84\.0 to 86\.0%\), 2 seeds",
        page.locator("#tip").inner_text(),
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_names_run_nothing_and_are_shown(visit, hostile, tmp_path, width):
    page = opened(visit, hostile, tmp_path, width)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert "owned" not in page.evaluate("document.title")
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("#attributes figcaption").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_missing_is_said(visit, tables, tmp_path):
    told = {
        (S, "dense", 0.0, "auc", None, None): [0.9, 0.9],
        (S, "gmp-ri", 0.9, "auc", None, None): [0.8, 0.8],
    }
    page = opened(visit, tables(told), tmp_path, claims=[])
    text = page.locator("main").inner_text()
    assert "No claim was judged." in text
    assert "The study trains no attribute alone." in text
    assert "The study plants no backdoor." in text
    assert "Not all seeds are finished: gmp-ri 99%: 0 of 2 seeds." in text
    assert "No link could be tested" in text
    assert "they take several seeds" in text
    assert page.locator("figure").count() == 1


def test_only_single_attributes_leave_the_other_sections_with_a_sentence(visit, tables, tmp_path):
    text = """
name: alone
base: {architectures: [resnet_small], methods: [gmp-ri], sparsities: [0.9], single: [Bald]}
"""
    told = {
        (f"{S}-Bald", "dense", 0.0, "auc", "Bald", None): [0.9],
        (f"{S}-Bald", "gmp-ri", 0.9, "auc", "Bald", None): [0.8],
    }
    page = opened(visit, tables(told, text), tmp_path)
    assert page.locator("#key .empty").inner_text() == (
        "No setting with all attributes on clean data is audited yet."
    )
    assert page.locator("figure").count() == 0


def test_quantised_models_are_no_points_of_a_link(tables):
    names = tuple("abcdefghi")
    told = values(names)
    for name in names:
        told[S, "int8", 0.0, "uncertainty", name, None] = [0.9, 0.9]
        told[S, "int8", 0.0, "rare_value_ratio", name, None] = [0.1, 0.1]
    results = tables(told, WITH_INT8, names)
    [part] = build_study(results, []).parts
    drawn = {point.model for plot in part.links.plots for point in plot.points}
    assert drawn == {"gmp-ri 0.9 (2 seeds)", "gmp-ri 0.99 (2 seeds)"}
    assert drawn <= part.link_models.keys()
    assert "int8" in {row[0] for row in part.key_table.rows}


def test_failed_runs_are_counted_with_their_reasons(visit, full, tmp_path):
    from prunescope.study.running import Failure

    run = full.plan.runs[-1]
    full.store.begin(run)
    full.store.fail(run, Failure("<b>diverged</b> at step 3", "s"))
    page = opened(visit, full, tmp_path)
    assert "6 runs: 5 waiting, 1 failed" in page.locator("header").inner_text()
    page.locator("header summary").click()
    assert page.locator("header li").inner_text() == f"{run.key}: <b>diverged</b> at step 3"


def test_figures_and_tables_are_files_for_papers(hostile, tmp_path):
    out = tmp_path / "out"
    files = write_study_report(hostile, CLAIMS, out)
    assert files[0] == out / "report.html"
    assert set(files) == {path for path in out.rglob("*") if path.is_file()}
    names = {path.relative_to(out).as_posix() for path in files}
    stems = [f"{S}-key", f"{S}-change-of-bias", f"{S}-uncertainty", f"{S}-links"]
    assert {f"figures/{stem}.{kind}" for stem in stems for kind in ("svg", "png")} <= names
    stems = ["claims", *(f"{S}-{name}" for name in ("key", "exemplars", "attributes"))]
    assert {f"tables/{stem}.{kind}" for stem in stems for kind in ("csv", "tex")} <= names
    frame = pl.read_csv(out / "tables" / f"{S}-attributes.csv")
    assert HOSTILE in frame["attribute"].to_list()
    tex = (out / "tables" / f"{S}-attributes.tex").read_text("utf-8")
    assert r"a\&b\_\%" in tex
    assert "<img" not in tex


def test_everything_shown_is_kept_as_data(full, tmp_path):
    told = build_study(full, CLAIMS)
    write_study_report(full, CLAIMS, tmp_path)
    text = (tmp_path / "report.json").read_text("utf-8")
    assert json.loads(text)["format_version"] == 1
    assert StudyPage.model_validate_json(text) == told


def test_nothing_is_written_when_a_figure_fails(full, tmp_path, monkeypatch):
    def fail(_svg):
        raise DataError("no room")

    monkeypatch.setattr(writing, "to_png", fail)
    with pytest.raises(DataError, match="no room"):
        write_study_report(full, CLAIMS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_the_page_bars_nobody(visit, barriers, full, tmp_path, width):
    assert barriers(opened(visit, full, tmp_path, width)) == []

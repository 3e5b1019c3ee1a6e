import base64
import hashlib
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from prunescope.report import build, to_html, to_markdown, to_model_card, words
from prunescope.report.cells import STATUS, Axis, cell_tip, effect, line_tip, strength, tip
from prunescope.report.html import flat
from prunescope.report.structure import Estimate
from prunescope.verdict.glossary import GLOSSARY, VERDICTS
from prunescope.verdict.numbers import CORRELATION

AUDITS = (
    "harmed", "unharmed", "many", "few", "ungrouped", "single", "classes", "hostile",
    "pooled", "seeds", "untested", "class_seeds", "hostile_seeds", "hostile_classes",
)  # fmt: skip
VOID = {"meta", "img", "input", "br", "hr", "link"}
LEFT_OPEN = {"td", "tr", "th", "li", "p", "tbody", "thead", "dd", "dt"}
"""Elements whose end tag HTML lets one leave out."""


class Page(HTMLParser):
    """What a browser would find in a page: elements, their text, and whether they nest."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID | LEFT_OPEN:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in LEFT_OPEN:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.texts))

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.mark.parametrize("name", AUDITS)
def test_the_page_is_whole_and_tells_the_headline(rendered, name):
    report, text = rendered(name)
    page = Page(text)
    assert page.open == []
    assert report.headline in page.text
    assert all(finding.text in page.text for finding in report.findings)
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {attrs["href"] for attrs in page.all("a")}
    assert targets <= {f"#{name}" for name in ids}


@pytest.mark.parametrize("name", AUDITS)
def test_nothing_is_loaded_from_anywhere(rendered, name):
    _, text = rendered(name)
    page = Page(text)
    text = re.sub(r'data-rows="[\w+/=]*"', "", text)  # base 64 holds slashes
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert not page.all("link")
    for _, attrs in page.elements:
        assert attrs.get("src", "data:").startswith("data:image/jpeg;base64,") or "src" not in attrs
        assert not [name for name in attrs if name.startswith("on")]


@pytest.mark.parametrize("name", ["harmed", "hostile"])
def test_no_script_but_our_own_may_run(rendered, name):
    _, text = rendered(name)
    page = Page(text)
    assert page.all("script") == [{}]
    script = re.search(r"<script>(.*?)</script>", text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy
    assert "{{" not in script


def test_hostile_names_are_shown_and_do_nothing(rendered, planted):
    report, text = rendered("hostile", title=planted.HOSTILE)
    page = Page(text)
    assert page.all("img") == []
    assert planted.HOSTILE in page.text
    assert "49" not in report.title
    for name in (report.models[0].name, report.groups[0], report.details[0].affected[0].id):
        assert name in page.text
    assert text.count("<script") == 1


def test_statuses_are_words_and_never_a_blank_or_zero(rendered):
    _, text = rendered("few")
    cells = re.findall(r"<td class=absent data-tip=\"([^\"]+)\">([^<\n]*)", text)
    assert len(cells) == 4
    assert {code.strip() for _, code in cells} == {"few", "n/a"}
    for status in ("Insufficient support", "Undefined", "Not applicable"):
        assert re.search(rf"<b>{status}</b>: \d+ estimates?", text)
    assert text.count(STATUS["insufficient_support"][1]) > 10
    assert "labelled samples: at least 10 are needed" in Page(text).text


def test_each_section_stands_or_says_why_not(rendered):
    ungrouped = Page(rendered("ungrouped")[1]).text
    assert "No group was audited" in ungrouped
    assert "Images go by their ids" in ungrouped
    single = Page(rendered("single")[1])
    assert "Against sparsity" not in single.text
    assert "int8" in single.text
    unharmed = Page(rendered("unharmed")[1]).text
    assert "No answer differs from those of the dense model" in unharmed


def test_thumbnails_stand_in_the_page(rendered):
    report, text = rendered("harmed", with_pictures=True)
    sources = [attrs["src"] for attrs in Page(text).all("img")]
    assert sources == list(report.thumbnails.values())
    assert len(sources) == 24


def test_pictures_that_do_not_fit_are_counted(harmed, pictures, monkeypatch):
    monkeypatch.setattr(sys.modules["prunescope.report.build"], "MOST_BYTES", 5000)
    report = build(harmed, dataset=pictures)
    shown = len(report.thumbnails)
    assert 0 < shown < 24
    assert report.n_pictures_left_out == 24 - shown
    assert f"{24 - shown} more pictures are left out" in Page(to_html(report)).text


def test_images_missing_from_the_data_set_say_so(harmed, pictures):
    report = build(harmed, dataset=pictures, max_thumbnails=2)
    first = next(iter(report.thumbnails))
    half = report.model_copy(update={"thumbnails": {first: report.thumbnails[first]}})
    assert "no picture" in Page(to_html(half)).text


def test_several_models_can_be_picked(rendered):
    report, text = rendered("many")
    picker = Page(re.search(r'<select id="model".*?</select>', text, re.S).group(0))
    assert len(picker.all("option")) == 6
    assert [a["value"] for a in picker.all("option") if "selected" in a] == [
        str(next(i for i, d in enumerate(report.details) if d.model == report.featured))
    ]
    assert 'id="model"' not in rendered("harmed")[1]


def test_every_model_and_key_figure_is_in_the_table(rendered):
    report, text = rendered("many")
    table = re.search(r'<table class="key sorts">.*?</table>', text, re.S).group(0)
    for model in report.models:
        assert f"<b>{model.name}</b>" in table
        for row in model.figures:
            assert GLOSSARY[row.metric].unit.value(row.value) in table


def test_classes_are_called_classes(rendered):
    text = Page(rendered("classes")[1]).text
    assert "Class by class" in text
    assert "5 classes" in text


def test_warnings_come_before_everything_else(harmed):
    info = harmed.info.model_copy(update={"warnings": ["Rates are <guessed>."]})
    text = to_html(build(type(harmed)(harmed.table, info)))
    assert text.index("Rates are &lt;guessed&gt;.") < text.index("<nav")


def test_the_size_of_the_papers_study_stays_below_3_megabytes(large):
    text = to_html(build(large))
    assert len(large.info.attributes) == 40
    assert len(large.info.models) == 23
    assert "the 16 most damaged of 22 models" in Page(text).text
    assert len(text.encode()) <= 3_000_000


@pytest.mark.parametrize(
    ("metric", "harm", "delta", "supported", "name"),
    [
        ("accuracy", 0.1, -0.1, True, "harm"),
        ("accuracy", -0.1, 0.1, True, "relief"),
        ("accuracy", 0.1, -0.1, False, "unclear"),
        ("interdependence", None, -0.1, True, "shift"),
        ("bias_amplification", 0.0, -0.2, True, "shift"),
        ("accuracy", None, None, False, "nothing"),
    ],
)
def test_effect(metric, harm, delta, supported, name):
    row = Estimate(
        model="m", metric=metric, status="ok", value=0.8, delta=delta, supported=supported,
        harm=harm,
    )  # fmt: skip
    assert effect(row) == name


def test_cells_are_coloured_by_supported_damage_alone():
    def cell(harm, supported=True):
        row = Estimate(model="m", metric="bias_amplification", status="ok", value=harm,
                       delta=harm, harm=harm, supported=supported)  # fmt: skip
        return strength(row)

    assert cell(0.1, supported=False) == 0
    assert 0 < cell(0.01) < cell(0.05) < cell(0.1) == cell(0.3)


def test_a_tip_tells_all():
    row = Estimate(
        model="m", metric="bias_amplification", attribute="Bald", group="Male",
        group_value="False", value=0.05, low=0.03, high=0.07, n=1200, status="ok", delta=0.04,
        delta_low=0.02, delta_high=0.06, q_value=0.0123,
    )  # fmt: skip
    assert tip(row) == (
        "Bald · not Male · +5.0 points (+3.0 to +7.0) · dense +1.0 · "
        "change +4.0 points (+2.0 to +6.0) · q 0.012 · n 1,200"
    )
    assert line_tip(row) == (
        "+5.0 points (+3.0 to +7.0) · dense +1.0 · change +2.0 to +6.0 points · q 0.012 · n 1,200"
    )
    people = row.model_copy(update={"units": 90})
    assert tip(people).endswith("n 1,200 in 90 clusters")
    assert tip(row.model_copy(update={"units": 1200})) == tip(row)
    judged = row.model_copy(update={"verdict": "worse", "q_value": 1e-7})
    assert cell_tip(judged) == (
        "not Male · +5.0 points (+3.0 to +7.0) · dense +1.0 · change +4.0 points (+2.0 to +6.0) · "
        "q <0.0001 · n 1,200 · worse"
    )
    bare = row.model_copy(update={"delta_low": None, "low": None, "q_value": None})
    assert line_tip(bare) == "+5.0 points · dense +1.0 · n 1,200"
    gone = row.model_copy(update={"value": None, "status": "undefined", "reason": "no answer"})
    assert line_tip(gone) == "no value can be computed from these answers (no answer)"
    assert tip(gone) == ("Bald · not Male: no value can be computed from these answers (no answer)")


@pytest.mark.parametrize(
    "intervals", [[(-0.7, 0.1)], [(0.0, 0.0)], [(1e-6, 3e-6)], [(-3.0, -2.0), (5.0, 40.0)], []]
)
def test_an_axis_holds_0_and_every_interval(intervals):
    axis = Axis.fit(intervals)
    assert 0.0 in axis.ticks
    assert 2 <= len(axis.ticks) <= 9 or not any(high for _, high in intervals)
    for end in (0.0, *(end for interval in intervals for end in interval)):
        assert 0 <= axis.at(end) <= 100


def test_nested_settings_become_one_list():
    assert flat({"a": {"b": {"c": 1}}, "d": [], "e": False}) == {
        "a.b.c": "1",
        "d": "",
        "e": "False",
    }


def section(text, name):
    return re.search(rf'<section id="{name}">.*?</section>', text, re.S).group(0)


def test_a_section_has_one_name_in_the_menu_and_above_it(rendered):
    _, page = rendered("classes")
    menu = re.findall(r'<a href="#(\w+)">([^<]+)</a>', page.split("<nav")[1].split("</nav>")[0])
    parts = re.findall(r'(?s)<section id="(\w+)".*?<h2>([^<]+)</h2>', page)
    assert len(parts) > 10
    assert menu == parts


def test_verdicts_stand_in_words_beside_changes_and_are_explained(rendered):
    report, text = rendered("harmed")
    key = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", section(text, "figures")))
    assert "96.8% −3.2 worse" in key
    for detail in report.details:
        shown = Counter(re.findall(r"<em>([a-z ]+)</em>\n", section(text, "attributes")))
        rows = [row for figure in detail.attributes for row in figure.rows if row.delta is not None]
        assert shown == Counter(row.verdict for row in rows)
    heat = section(text, "bias")
    assert "<i>worse</i>" in heat
    assert "no evidence</i>" not in heat
    words = Page(section(text, "words")).text
    for verdict, meaning in VERDICTS.items():
        assert f"{verdict.capitalize()}{meaning.capitalize()}." in words


def test_flips_always_have_churn_beside_them(rendered):
    for name, beside in (("seeds", "churn [0-9.]+%"), ("harmed", "churn not known")):
        report, text = rendered(name)
        assert len(re.findall(f"<em>{beside}</em>", section(text, "figures"))) >= len(
            report.compressed
        )
    row = next(f for f in rendered("seeds")[0].compressed[0].figures if f.metric == "flip_rate")
    share = GLOSSARY["flip_rate"].unit
    assert f"churn {share.bare(row.baseline)} · beyond it +" in tip(row)


def test_seeds_stand_folded_behind_their_populations(rendered):
    report, text = rendered("seeds")
    first, second = section(text, "figures").split('<details class="more"', 1)
    for model in report.models:
        assert (f"<b>{model.name}</b>" in first) == (model.population is None)
        assert (f"<b>{model.name}</b>" in second) == (model.population is not None)
    assert "9 single seeds" in Page(text).text
    assert "6 compressed models in 2 recipes against 3 dense models" in Page(text).text
    assert "also covers how training again would have turned out" in Page(text).text


def test_exemplars_say_whom_they_gather_in_and_which_they_are(rendered):
    report, text = rendered("seeds")
    part = Page(section(text, "exemplars")).text
    found = report.details[1].exemplars
    assert found.text in part
    for row in found.groups:
        assert f"{words.side(row)}, on {row.attribute or 'any attribute'}" in part
    assert "% inside, " in part
    assert part.count("Label in doubt") >= 2
    assert "9 more exemplars" in part


def test_without_seeds_a_sentence_says_what_exemplars_take(rendered):
    part = Page(section(rendered("harmed")[1], "exemplars")).text
    assert "They take several dense and several compressed models" in part
    mixed = Page(section(rendered("many")[1], "exemplars")).text
    assert "They take several dense" in mixed


def test_exemplars_have_pictures(seeds, pictures):
    ids = [one.id for one in build(seeds).details[1].exemplars.examples][:3]
    some = replace(pictures.samples, ids=pl.Series([*ids, *pictures.samples.ids[3:]]))
    report = build(seeds, dataset=replace(pictures, samples=some), max_thumbnails=0)
    assert set(report.thumbnails) == set(ids)
    assert Page(section(to_html(report), "exemplars")).all("img")


def test_correlations_are_told_in_a_table_and_drawn_for_each_model(rendered):
    report, text = rendered("seeds")
    part = section(text, "together")
    maps = re.findall(r"<figcaption>([^<]+)</figcaption>", part)
    assert maps[:2] == ["Labels", "Dense answers"]
    assert len(maps) == 2 + 2 * len(report.details)
    for detail in report.details:
        assert detail.correlations.text in Page(part).text
        for pair in detail.correlations.pairs:
            assert f"{pair.attribute} · {pair.other}" in Page(part).text
    (names,) = re.findall(r"data-names='([^']+)'", part)
    assert json.loads(names) == report.correlations.attributes
    for cells in re.findall('data-cells="([^"]*)"', part):
        assert len(cells.split(",")) == 36


def test_links_are_told_drawn_and_listed(rendered):
    report, text = rendered("seeds")
    part = section(text, "links")
    for sentence in report.links.texts:
        assert sentence in Page(part).text
    assert part.count("<figcaption>") == len(report.links.plots)
    assert part.count("<circle") - 2 == sum(len(plot.points) for plot in report.links.plots)
    for link in report.links.links:
        if link.rho is not None:
            assert f"<b>{CORRELATION.bare(link.rho)}</b>" in part


def test_without_intervals_nothing_is_said_of_them(rendered):
    report, text = rendered("untested")
    page = Page(text).text
    for word in ("interval", "bar is", "Bars and bands", "± ", "None", " nan"):
        told = re.sub("no intervals were asked for|(it has no|without an) interval", "", page)
        assert word not in told
    assert "no intervals were asked for" in page
    assert "not tested" in page
    assert report.headline.startswith("95% of weights removed: accuracy −3.2 points (without an ")


def test_classes_show_their_one_answer_and_what_became_what(rendered):
    _, text = rendered("class_seeds")
    heads = re.findall(r'<th scope="col" data-tip="[^"]+">([^<]+)', section(text, "figures"))
    assert heads[:6] == [
        "Top-1 accuracy", "Macro-recall", "Worst group", "Top-label ECE", "Changed classes",
        "Harmful changes",
    ]  # fmt: skip
    part = Page(section(text, "attributes")).text
    assert "Which class became which" in part
    assert "newt → cat right to wrong" in part
    assert "Answers of 3 seeds" in part
    assert "means over" not in Page(section(text, "sparsity")).text


@pytest.mark.parametrize("name", ["hostile_seeds", "hostile_classes"])
def test_hostile_names_do_nothing_in_any_section(rendered, planted, name):
    report, text = rendered(name)
    page = Page(text)
    assert page.all("img") == []
    assert text.count("<script") == 1
    assert "{{7*7}}" in page.text
    together = ["together"] if name == "hostile_seeds" else []
    for part in ("exemplars", *together, "attributes"):
        assert planted.HOSTILE in Page(section(text, part)).text
    assert report.details[0].exemplars.examples
    for _, attrs in page.elements:
        assert not [key for key in attrs if key.startswith("on") or "<" in key]
    for names in re.findall(r"data-names='([^']+)'", text):
        assert json.loads(names) == report.correlations.attributes
        assert "<" not in names


def test_what_was_removed_is_the_same_in_every_rendering(counted):
    report = build(counted)
    html, markdown, card = to_html(report), to_markdown(report), to_model_card(report)
    for text in (html, markdown):
        assert "75% of weights removed (50% of the channels)" in text
    assert "- narrow: structured, 75% of weights removed (50% of the channels), comp" in card
    assert "- small: int8, 8 bits a weight, compared with dense" in card
    assert "| narrow | 75% |" in markdown
    assert "| small | – (8 bits) |" in markdown
    assert "Not here, as all their weights are kept: small." in html
    assert "Not known of, or all weights kept by, small." in html
    for text in (html, markdown, card):
        assert "50% of weights" not in text
        assert not re.search(r"\b0% of weights", text)

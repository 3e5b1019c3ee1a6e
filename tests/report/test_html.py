import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from prunescope.report import build, to_html
from prunescope.report.glossary import GLOSSARY
from prunescope.report.html import STATUS, Axis, effect, flat, strength, tip
from prunescope.report.structure import Estimate

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


def test_images_missing_from_the_data_set_say_so(harmed, pictures):
    report = build(harmed, dataset=pictures, max_thumbnails=2)
    first = next(iter(report.thumbnails))
    half = report.model_copy(update={"thumbnails": {first: report.thumbnails[first]}})
    assert "no picture" in Page(to_html(half)).text


def test_several_models_can_be_picked(rendered):
    report, text = rendered("many")
    page = Page(text)
    assert len(page.all("option")) == 6
    assert [a["value"] for a in page.all("option") if "selected" in a] == [
        str(next(i for i, d in enumerate(report.details) if d.model == report.featured))
    ]
    assert "select" not in {tag for tag, _ in Page(rendered("harmed")[1]).elements}


def test_every_model_and_key_figure_is_in_the_table(rendered):
    report, text = rendered("many")
    table = re.search(r'<table class="key">.*?</table>', text, re.S).group(0)
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
    ("metric", "value", "delta", "supported", "name"),
    [
        ("accuracy", 0.8, -0.1, True, "harm"),
        ("accuracy", 0.8, 0.1, True, "relief"),
        ("accuracy", 0.8, -0.1, False, "unclear"),
        ("interdependence", 0.8, -0.1, True, "shift"),
        ("bias_amplification", -0.1, -0.2, True, "shift"),
        ("accuracy", 0.8, None, False, "nothing"),
    ],
)
def test_effect(metric, value, delta, supported, name):
    row = Estimate(
        model="m", metric=metric, status="ok", value=value, delta=delta, supported=supported
    )
    assert effect(row) == name


def test_cells_are_coloured_by_supported_damage_alone():
    def cell(value, delta, supported=True):
        row = Estimate(model="m", metric="bias_amplification", status="ok", value=value,
                       delta=delta, supported=supported)  # fmt: skip
        return strength(row)

    assert cell(0.1, 0.05, supported=False) == 0
    assert 0 < cell(0.01, 0.01) < cell(0.05, 0.05) < cell(0.1, 0.1) == cell(0.3, 0.3)


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
    gone = row.model_copy(update={"value": None, "status": "undefined", "reason": "no answer"})
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

import re

import pytest

from prunescope.report import build, to_markdown
from prunescope.report.markdown import escape


def test_headline_findings_and_figures(harmed):
    text = to_markdown(build(harmed))
    assert text.startswith("# sparse95 against dense\n\n**Do not ship.** 95% of weights rem")
    assert "\n9 broken, 4 held:\n\n- **broken, severe** Accuracy falls: 100 → 96.8% (" in text
    assert re.search(r"\n- held: Rare answers swell: (Smiling|Male): at most 0\.\d+ worse", text)
    assert "- **severe**: Rare answers fade: on 2 of 4 attributes" in text
    row = next(line for line in text.splitlines() if line.startswith("| sparse95 "))
    assert row.startswith("| sparse95 | 95% | 96.8% [96.")
    assert "] **−3.2 worse** |" in row
    assert "1,200 images, 4 attributes." in text


def test_models_get_a_heading_each_where_there_are_several(many):
    text = to_markdown(build(many))
    assert "## gmp-0.8-0: 80% of weights removed by gmp. Ship with care\n" in text
    assert "## gmp-0.95-0: 95% of weights removed by gmp. Do not ship\n" in text
    assert text.count("- **none found**: No criterion finds anything worse") == 4


def test_an_estimate_that_is_missing_says_why(few):
    row = next(
        line for line in to_markdown(build(few)).splitlines() if line.startswith("| sparse |")
    )
    assert "*insufficient support*" in row
    assert " 0" not in row.replace("90%", "")


def test_hostile_names_break_neither_table_nor_markup(hostile):
    text = to_markdown(build(hostile))
    assert not re.search(r"(?<!\\)[<>]", re.sub(r"^> ", "", text, flags=re.M))
    table = [line for line in text.splitlines() if line.startswith("|")]
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
    assert cells == {9}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Big_Nose", "Big_Nose"),
        ("_x_", r"\_x\_"),
        ("a\n\n# b", r"a \# b"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("a|b`c`", r"a\|b\`c\`"),
        ("\\<", r"\\\<"),
        ("@someone @", "@&#8203;someone @"),
        ("#12 # 1", r"\#&#8203;12 \# 1"),
        ("https://a.b www.c.d", "https://&#8203;a.b www.&#8203;c.d"),
    ],
)
def test_escape(text, escaped):
    assert escape(text) == escaped


def table(text):
    return [line for line in text.splitlines() if line.startswith("| ")][2:]


def test_populations_stand_in_the_table_and_seeds_do_not(seeds):
    text = to_markdown(build(seeds))
    assert [line.split(" | ")[0] for line in table(text)] == [
        "| dense (3 seeds)", "| gmp 0.5 (3 seeds)", "| gmp 0.9 (3 seeds)",
    ]  # fmt: skip
    assert "(churn " in table(text)[1]
    assert "churn not known" not in text
    assert "- Most compressed models answer otherwise" in text
    assert "## Does uncertainty go with bias?" in text


def test_without_intervals_nothing_is_said_of_brackets(untested):
    text = to_markdown(build(untested))
    assert "In brackets" not in text
    assert "[" not in table(text)[0]
    assert "−3.2 not tested |" in table(text)[1]


@pytest.mark.parametrize("name", ["hostile_seeds", "hostile_classes"])
def test_hostile_names_of_seeds_and_classes_break_nothing(request, name):
    text = to_markdown(build(request.getfixturevalue(name)))
    assert not re.search(r"(?<!\\)[<>]", re.sub(r"^> ", "", text, flags=re.M))
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table(text)}
    assert cells == {9}

"""The summary for a pull request."""

import re

import pytest

from prunescope.verdict import Criterion, Judged, ModelVerdict, Policy, Verdict, to_markdown
from prunescope.verdict.numbers import escape


def judged(audit, *criteria):
    told = [Criterion(**{"metric": "accuracy"} | one) for one in criteria]
    return Policy(version=2, criteria=told).judge(audit)


def tables(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_what_is_broken_or_open_comes_first_and_the_rest_is_folded(made, row):
    text = to_markdown(
        judged(
            made(*[{**row, "model": m} for m in "ab"], models=("a", "b")),
            {"gte": 0.5, "name": "fine"},
            {"gte": 0.95, "severity": "moderate", "name": "careful"},
            {"gte": 0.91, "name": "unsure"},
            {"gte": 0.95, "name": "strict"},
            {"gte": 0, "group": "g", "optional": True, "name": "groups"},
        )
    )
    assert text.startswith(
        "## ❌ fail: prunescope gate\n\n**Do not ship any of them.** Gate not passed by 2 of 2 "
        "models: a and b, at 0.95 confidence.\n"
    )
    names = [line.split(" | ")[1] for line in tables(text) if "---" not in line]
    told = ["criterion", "**strict**", "careful", "unsure", "criterion", "fine", "groups"]
    assert names == told * 2
    told = "90.0% (88.0 to 92.0%), limit at least 95.0%"
    assert f"| ❌ broken, severe | **strict** | {told} |" in text
    assert "| ⚠️ broken, moderate | careful |" in text
    assert "| ➖ not asked | groups | no group was audited" in text
    before, after = text.split("<details>")[:2]
    assert "fine" not in before
    assert "<summary>2 held, or not asked</summary>" in after
    assert "2 broken, 1 open, 1 held, 1 not asked." in text


@pytest.mark.parametrize(
    ("told", "heading"),
    [
        ({"gte": 0.5}, "✅ Ship: sparse"),
        ({"gte": 0.95, "severity": "moderate"}, "⚠️ Ship with care: sparse"),
        ({"gte": 0.91}, "❔ Cannot tell: sparse"),
        ({"gte": 0.95}, "❌ Do not ship: sparse"),
    ],
)
def test_four_answers_have_four_signs_and_their_words(made, row, told, heading):
    text = to_markdown(judged(made(row), told))
    assert f"\n### {heading}\n" in text
    passed = "hip" in heading and "not" not in heading
    assert text.startswith("## ✅ pass:" if passed else "## ❌ fail:")
    assert ("❌" in text) != passed


def test_seeds_that_disagree_are_told(made, row):
    rows = [{**row, "model": m} for m in ("s-0", "s-1")]
    rows[1] |= {"value": 0.5, "low": 0.4, "high": 0.6}
    audit = made(*rows, models=("s-0", "s-1"), populations=[("s", ["s-0", "s-1"])])
    text = to_markdown(judged(audit, {"gte": 0.8}))
    assert "\nThe seeds of s disagree. Ship: s-0. Do not ship: s-1.\n" in text


def test_hostile_names_break_neither_table_nor_markup_nor_mention_anybody(hostile):
    told = {"attribute": "*", "group": "*", "gte": 0.95}
    text = to_markdown(judged(hostile, {**told, "name": "@who #1 | <b>"}, told))
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables(text)} == {4}
    bare = re.sub(r"</?(details|summary)>", "", text)
    assert not re.search(r"(?<!\\)[<>`]", bare)
    assert not re.search(r"@\w|(?<!&)#\d|://\w", text)
    assert "\x1b" not in text
    assert "\x00" not in text


def test_a_comment_is_not_too_long_for_github():
    long = "<" * 5000
    criteria = [
        Judged(criterion=f"{i}{long}", metric="accuracy", reason=long, **state)
        for state in ({"state": "held"}, {"state": "broken", "severity": "severe"})
        for i in range(20)
    ]
    models = [
        ModelVerdict(model=f"{i}{long}", answer=answer, criteria=criteria)
        for answer in ("ship", "stop")
        for i in range(50)
    ]
    text = to_markdown(Verdict(answer="stop", text="Do not.", answers={}, models=models))
    assert 55_000 < len(text.encode()) < 65_000
    n_told = text.count("\n### ❌ Do not ship")
    assert "### ✅" not in text
    assert f"\n{100 - n_told} models more: see the JUnit or JSON output." in text
    hidden = re.findall(r"(\d+) criteria more", text)
    shown = text.count("\n| ❌ broken, severe") + text.count("\n| ✅ held")
    assert 40 * n_told - shown == sum(map(int, hidden))
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    assert escape(long[:79]) in text

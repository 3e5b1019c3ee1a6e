"""The summary for a pull request."""

import re

from prunescope.gate import Checked, ModelVerdict, Policy, Verdict, to_markdown

from prunescope.report.markdown import escape


def judged(audit, *conditions):
    return Policy(version=1, conditions=list(conditions)).judge(audit)


def tables(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_what_does_not_pass_comes_first_and_the_rest_is_folded(made, row):
    text = to_markdown(
        judged(
            made(*[{**row, "model": m} for m in "ab"], models=("a", "b")),
            {"metric": "accuracy", "gte": 0.5, "name": "fine"},
            {"metric": "accuracy", "gte": 0.91, "severity": "warning", "name": "careful"},
            {"metric": "accuracy", "gte": 0.91, "name": "strict"},
        )
    )
    assert text.startswith(
        "## ❌ fail: prunescope gate\n\n**Gate not passed by 2 of 2 models: a and b**\n"
    )
    names = [line.split(" | ")[1] for line in tables(text) if "---" not in line]
    assert names == ["condition", "strict", "careful", "condition", "fine"] * 2
    assert "| ❌ fail | strict | over all: 0.9000 (0.8800 to 0.9200), limit 0.91 |" in text
    before, after = text.split("<details>")[:2]
    assert "fine" not in before
    assert "<summary>1 condition in order</summary>" in after
    assert "1 fail, 1 warn, 1 pass." in text


def test_a_gate_that_passes_says_so(made, row):
    text = to_markdown(judged(made(row), {"metric": "accuracy", "gte": 0.5}))
    assert text.startswith("## ✅ pass: prunescope gate\n\n**Gate passed by 1 of 1 model: sparse**")
    assert "❌" not in text


def test_hostile_names_break_neither_table_nor_markup_nor_mention_anybody(hostile):
    told = {"metric": "accuracy", "attribute": "*", "group": "*", "gte": 0.95}
    text = to_markdown(judged(hostile, {**told, "name": "@who #1 | <b>"}, told))
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables(text)} == {4}
    bare = re.sub(r"</?(details|summary)>", "", text)
    assert not re.search(r"(?<!\\)[<>`]", bare)
    assert not re.search(r"@\w|(?<!&)#\d|://\w", text)
    assert "\x1b" not in text
    assert "\x00" not in text


def test_a_comment_is_not_too_long_for_github():
    long = "<" * 5000
    checks = [
        Checked(name=f"{i}{long}", status=status, severity="error", reason=long)
        for status in ("pass", "fail")
        for i in range(20)
    ]
    models = [
        ModelVerdict(model=f"{i}{long}", status=status, checks=checks)
        for status in ("pass", "fail")
        for i in range(50)
    ]
    text = to_markdown(Verdict(status="fail", models=models))
    assert 55_000 < len(text.encode()) < 65_000
    n_told = text.count("\n### ❌ fail")
    assert "✅ pass: " not in text
    assert f"\n{100 - n_told} models more: see the JUnit or JSON output." in text
    hidden = re.findall(r"(\d+) conditions? more", text)
    assert 40 * n_told - text.count("\n| ❌ fail") - text.count("\n| ✅ pass") == sum(
        map(int, hidden)
    )
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    assert escape(long[:79]) in text

"""Tables for LaTeX: escaped, and as wide as told."""

import re

from hypothesis import given
from hypothesis import strategies as st

from prunescope.report.latex import escape, tabular


def test_hostile_names_are_shown_as_they_are():
    assert escape("<script>a&b_%") == r"\textless{}script\textgreater{}a\&b\_\%"
    assert escape("\\input{/etc/passwd}") == r"\textbackslash{}input\{/etc/passwd\}"


@given(st.text(alphabet="ab\\{}$&#_%~^<>\n", max_size=20))
def test_nothing_special_is_left(words):
    left = re.sub(r"\\text[a-z]+\{\}|\\[&%$#_{}]", "", escape(words))
    assert not set(left) & set("\\{}$&#_%~^\n")


def test_columns_and_rows():
    made = tabular(["A", "B", "C"], [["a", "[1]", "2"], ["b", "3", "−4"]], left=2)
    lines = made.splitlines()
    assert lines[1] == r"\begin{tabular}{llr}"
    assert lines[5:7] == [r"a & {[1]} & 2 \\", r"b & 3 & $-$4 \\"]
    assert all(line.count(" & ") == 2 for line in (lines[3], *lines[5:7]))

"""JUnit XML, read back."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prunescope.gate import Checked, ModelVerdict, Policy, Verdict, to_junit

INSIDE = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "skipped", "system-out"},
    "failure": set(), "skipped": set(), "system-out": set(),
}  # fmt: skip
"""What Jenkins reads, of what we write: element → elements inside."""

ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"classname", "name", "time"},
    "failure": {"message", "type"}, "skipped": {"message"}, "system-out": set(),
}  # fmt: skip


def read(text):
    """Parse a report, and check structure and counts."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ')
    root = ET.fromstring(text.encode())
    for element in root.iter():
        assert {child.tag for child in element} <= INSIDE[element.tag]
        assert set(element.attrib) == ATTRIBUTES[element.tag]
    for owner in (root, *root):
        cases = list(owner.iter("testcase"))
        assert int(owner.get("tests")) == len(cases)
        for count, tag in (("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
            assert int(owner.get(count)) == len([c for c in cases if c.find(tag) is not None])
    return root


def check(name, status, reason="why"):
    return Checked(name=name, status=status, severity="error", reason=reason)


def verdict(**models):
    told = [
        ModelVerdict(
            model=name, status="fail", checks=[check(f"c{i}", s) for i, s in enumerate(of)]
        )
        for name, of in models.items()
    ]
    return Verdict(status="fail", models=told)


def test_a_suite_per_model_and_a_case_per_condition():
    root = read(to_junit(verdict(a=["pass", "warn", "fail", "skip"], b=["pass"])))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("5", "1", "1")
    assert [suite.get("name") for suite in root] == ["a", "b"]
    cases = {case.get("name"): case for case in root[0]}
    assert {case.get("classname") for case in root[0]} == {"a"}
    assert cases["c0"].findtext("system-out") == "why"
    assert cases["c1"].findtext("system-out") == "warning: why"
    assert cases["c2"].find("failure").attrib == {"message": "why", "type": "error"}
    assert cases["c3"].find("skipped").get("message") == "why"


def test_a_model_of_which_nothing_is_judged_fails_here_too():
    root = read(to_junit(verdict(a=["skip", "skip"])))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "1", "2")
    assert "nothing was judged" in root.find(".//failure").get("message")


def test_a_real_verdict(made, row):
    policy = Policy(version=1, conditions=[{"metric": "accuracy", "gte": 0.89}])
    root = read(to_junit(policy.judge(made(row))))
    message = root.find(".//failure").get("message")
    assert message == "over all: 0.9000 (0.8800 to 0.9200), limit 0.89, missed by the low end"


def test_hostile_names(hostile):
    told = {"metric": "accuracy", "attribute": "*", "group": "*", "gte": 0.95}
    root = read(to_junit(Policy(version=1, conditions=[told]).judge(hostile)))
    assert root[0].get("name").startswith("x�[31m�</script>|`@who` #12\nhttps")
    assert "https://a.b <!--" in root.find(".//failure").get("message")


@given(st.text(), st.text())
def test_whatever_the_names_are(model, reason):
    told = Verdict(
        status="fail",
        models=[ModelVerdict(model=model, status="fail", checks=[check("c", "fail", reason)])],
    )
    root = read(to_junit(told))
    if (model + reason).isprintable():
        assert root[0].get("name") == model
        assert root.find(".//failure").get("message") == reason


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\ufffe", "\uffff", "\ud800", "\x0b"])
def test_what_xml_cannot_hold_is_replaced(character):
    root = read(to_junit(verdict(**{f"a{character}b": ["pass"]})))
    assert root[0].get("name") == "a�b"

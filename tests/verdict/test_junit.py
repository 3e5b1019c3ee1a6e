"""JUnit XML, read back."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.verdict import Criterion, Judged, ModelVerdict, Policy, Verdict, to_junit, together

INSIDE = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase", "system-out"},
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


def said(state, name="c", reason="why", **more):
    return Judged(criterion=name, metric="accuracy", state=state, reason=reason, **more)


SEVERE, MODERATE = ({"state": "broken", "severity": s} for s in ("severe", "moderate"))


def verdict(**models):
    told = [ModelVerdict.of(name, criteria) for name, criteria in models.items()]
    answers = {one.model: one.answer for one in told}
    return Verdict(answer="ship", text="", answers=answers, models=told)


def test_a_suite_per_model_and_a_case_per_criterion():
    told = [
        said("held", "h"), said(**MODERATE, name="m"), said(**SEVERE, name="s"),
        said("open", "o"), said("absent", "x"),
    ]  # fmt: skip
    root = read(to_junit(verdict(a=told, b=told[:1])))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("6", "1", "1")
    assert [suite.get("name") for suite in root] == ["a", "b"]
    cases = {case.get("name"): case for case in root[0].iter("testcase")}
    assert {case.get("classname") for case in cases.values()} == {"a"}
    assert cases["h"].findtext("system-out") == "held: why"
    assert cases["m"].findtext("system-out") == "broken, moderate: why"
    assert cases["o"].findtext("system-out") == "open: why"  # it would block, were none severe
    assert cases["s"].find("failure").attrib == {"message": "why", "type": "broken"}
    assert cases["x"].find("skipped").get("message") == "why"
    assert [suite.findtext("system-out") for suite in root] == ["Do not ship", "Ship"]


def test_what_is_open_fails_where_it_decides():
    told = [said("open", "a"), said("open", "b", decides=False), said("not judged", "c")]
    root = read(to_junit(verdict(m=told)))
    failed = [
        case.get("name") for case in root.iter("testcase") if case.find("failure") is not None
    ]
    assert failed == ["a", "c"]


@pytest.mark.parametrize("states", [["absent", "absent"], []])
def test_a_model_of_which_nothing_is_judged_fails_here_too(states):
    root = read(to_junit(verdict(a=[said(state, f"c{i}") for i, state in enumerate(states)])))
    assert (root.get("tests"), root.get("failures")) == (str(len(states) + 1), "1")
    assert root.find(".//failure").get("type") == "not judged"


def test_it_fails_just_where_the_gate_does():
    for state in ("held", "open", "not judged", "absent"):
        for decides in (True, False):
            one = verdict(m=[said(state, decides=decides)])
            assert (read(to_junit(one)).get("failures") == "0") == one.passed


def test_suites_of_several_audits_have_both_names():
    both = together({"runs/a": verdict(m=[said("held")]), "b": verdict(m=[said("held")])})
    assert [suite.get("name") for suite in read(to_junit(both))] == ["m (runs/a)", "m (b)"]


def test_a_real_verdict(made, row):
    policy = Policy(version=2, criteria=[Criterion(metric="accuracy", gte=0.95)])
    root = read(to_junit(policy.judge(made(row))))
    assert root.find(".//failure").get("message") == "90.0% (88.0 to 92.0%), limit at least 95.0%"


def test_hostile_names(hostile):
    told = {"metric": "accuracy", "attribute": "*", "group": "*", "gte": 0.95}
    root = read(to_junit(Policy(version=2, criteria=[Criterion(**told)]).judge(hostile)))
    assert root[0].get("name").startswith("x�[31m�</script>|`@who` #12\nhttps")
    assert "https://a.b <!--" in root.find(".//failure").get("message")


@given(st.text(), st.text())
def test_whatever_the_names_are(model, reason):
    root = read(to_junit(verdict(**{model: [said(**SEVERE, reason=reason)]})))
    if (model + reason).isprintable() and "  " not in reason and len(reason) < 200:
        assert root[0].get("name") == model
        assert root.find(".//failure").get("message") == " ".join(reason.split())


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\ufffe", "\uffff", "\ud800", "\x0b"])
def test_what_xml_cannot_hold_is_replaced(character):
    root = read(to_junit(verdict(**{f"a{character}b": [said("held")]})))
    assert root[0].get("name") == "a�b"

"""`to_junit`: a verdict as JUnit XML, which CI systems show test by test."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree as ET

from prunescope.gate.verdict import Checked, ModelVerdict, Verdict

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def to_junit(verdict: Verdict) -> str:
    """Render a verdict: a test suite per model, a test case per condition.

    A condition that fails is a ``failure``, one that does not apply ``skipped``; a warning passes
    and says so in ``system-out``. Characters that XML cannot hold become U+FFFD.
    """
    root = ET.Element("testsuites", name="prunescope gate")
    for model in verdict.models:
        _suite(root, model)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _suite(root: ET.Element, model: ModelVerdict) -> None:
    counts = Counter(check.status for check in model.checks)
    nothing = counts["skip"] == len(model.checks)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_clean(model.model),
        tests=str(len(model.checks) + nothing),
        failures=str(counts["fail"] + nothing),
        errors="0",
        skipped=str(counts["skip"]),
        time="0",
    )
    for check in model.checks:
        _case(suite, model.model, check)
    if nothing:
        case = _named(suite, model.model, "something is judged")
        ET.SubElement(case, "failure", message=_clean(model.text), type="gate")


def _case(suite: ET.Element, model: str, check: Checked) -> None:
    case = _named(suite, model, check.name)
    text = _clean(check.text)
    if check.status == "fail":
        ET.SubElement(case, "failure", message=text, type=check.severity).text = text
    elif check.status == "skip":
        ET.SubElement(case, "skipped", message=text)
    else:
        word = "warning: " if check.status == "warn" else ""
        ET.SubElement(case, "system-out").text = word + text


def _named(suite: ET.Element, model: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_clean(model), name=_clean(name), time="0")


def _clean(text: str) -> str:
    """Replace what XML cannot hold."""
    return _NOT_XML.sub("�", text)

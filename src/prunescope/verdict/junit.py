"""`to_junit`: a verdict as JUnit XML, which CI systems show test by test."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from prunescope.verdict.judgement import WORDS
from prunescope.verdict.of_models import ModelVerdict, Verdict

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def to_junit(verdict: Verdict) -> str:
    """Render a verdict: a test suite per model, a test case per criterion.

    What keeps a model from being shipped is a ``failure``: a severe limit that is broken, or a
    criterion that decides and is open. What the audit has nothing about is ``skipped``; everything
    else passes and is told in ``system-out``. Characters that XML cannot hold become U+FFFD.
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
    blocking = model.blocking
    absent = model.having("absent")
    unexplained = not model.passed and not blocking
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_clean(model.model),
        tests=str(len(model.criteria) + unexplained),
        failures=str(len(blocking) + unexplained),
        errors="0",
        skipped=str(len(absent)),
        time="0",
    )
    for one in model.criteria:
        case = _named(suite, model.model, one.criterion)
        text = _clean(one.text)
        if one in blocking:
            ET.SubElement(case, "failure", message=text, type=one.state).text = text
        elif one in absent:
            ET.SubElement(case, "skipped", message=text)
        else:
            ET.SubElement(case, "system-out").text = f"{one.outcome}: {text}"
    if unexplained:
        case = _named(suite, model.model, "something is judged")
        ET.SubElement(case, "failure", message=_clean(model.text), type="not judged")
    ET.SubElement(suite, "system-out").text = WORDS[model.answer]


def _named(suite: ET.Element, model: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_clean(model), name=_clean(name), time="0")


def _clean(text: str) -> str:
    """Replace what XML cannot hold."""
    return _NOT_XML.sub("�", text)

import re
from xml.etree import ElementTree

import pytest

from prunescope.report.svg import TAGS, inline, shrink_points, text

DOCUMENT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" viewBox="0 0 9 9">{}</svg>'


def parsed(inside):
    return inline(DOCUMENT.format(inside), "it")


def test_an_unknown_element_is_refused():
    with pytest.raises(ValueError, match="unexpected element <script>"):
        parsed("<script>1</script>")


def test_spare_markup_goes_and_lengths_are_short():
    root = parsed('<g role="x" class="y"><path d="M1.23456,2h0.100000001" aria-label="z"/></g>')
    assert root.attrib == {"viewBox": "0 0 9 9", "role": "img", "aria-label": "it"}
    assert text(root[0]) == '<g><path d="M1.23,2h0.1" /></g>'


def test_only_points_have_tips():
    root = parsed(
        '<path aria-roledescription="point" aria-label="a"/>'
        '<path aria-roledescription="rect mark" aria-label="b"/>'
    )
    assert [element.get("data-tip") for element in root] == ["a", None]


def test_a_disc_becomes_a_circle_and_other_shapes_stay():
    disc = "M2.5,0A2.5,2.5,0,1,1,-2.5,0A2.5,2.5,0,1,1,2.5,0"
    point = 'aria-roledescription="point" aria-label="a&lt;b" fill="red" opacity="1"'
    root = shrink_points(
        parsed(
            f'<path {point} transform="translate(1.234,-5)" d="{disc}"/>'
            '<path transform="translate(1,2)" d="M-4,0L0,-4Z"/>'
        )
    )
    assert text(root[0]) == '<circle cx="1.23" cy="-5" r="2.5" fill="red" data-tip="a&lt;b" />'
    assert root[1].tag == "path"


def test_elements_are_few():
    assert re.search("script|image|use|style|foreign", " ".join(TAGS)) is None
    assert ElementTree.fromstring(text(parsed("<g/>"))).tag == "svg"

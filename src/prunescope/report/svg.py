"""What charts share: the colours of the page, and shapes that stand inside it as SVG."""

from __future__ import annotations

from xml.etree import ElementTree

N_COLOURS = 6
INK, MUTED, RULE, PAPER = "var(--ink)", "var(--muted)", "var(--rule)", "var(--paper)"
MORE, LESS = "var(--more)", "var(--less)"
TAGS = {"svg", "g", "path", "text", "line", "rect", "circle"}
"""Elements that a picture is made of."""


def add(root: ElementTree.Element, kind: str, /, **attributes: object) -> ElementTree.Element:
    """Add a shape to a picture."""
    told = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    return ElementTree.SubElement(root, kind, told)


def picture(width: float, height: float, label: str) -> ElementTree.Element:
    """Begin a picture that is drawn by hand."""
    view = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": label}
    return ElementTree.Element("svg", view)


def colour(place: int) -> str:
    """Return the colour of a series, which the page chooses; they repeat after `N_COLOURS`."""
    return f"var(--s{place % N_COLOURS + 1})"


def cut(name: str, most: int) -> str:
    """Cut a name that is too long for its place.

    >>> cut("Wearing_Lipstick", 10)
    'Wearing_L…'
    """
    return name if len(name) <= most else name[: most - 1] + "…"


def text(root: ElementTree.Element) -> str:
    """Write an element; every name in it is escaped."""
    return ElementTree.tostring(root, encoding="unicode")

"""What an explanation shows, in plain words."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel

from prunescope.explain.checks import SAME, Check
from prunescope.explain.compare import Explanation, Map, Values
from prunescope.verdict.numbers import CORRELATION, SHARE

NINTHS = (
    ("top left", "top", "top right"),
    ("left", "centre", "right"),
    ("bottom left", "bottom", "bottom right"),
)

FEW, MANY = 0.25, 0.5
"""Shares that moved from which maps differ in part, and differ much."""

METHOD_NAMES = {"gradcam": "Grad-CAM", "gradients": "Integrated gradients"}

DRAWN = {"last": "last layer drawn at random", "all": "all layers drawn at random"}


class Caption(BaseModel):
    """What stands at a picture of `drawn`, whose name is `kind`; `alt` tells what it shows."""

    kind: str
    title: str
    note: str
    alt: str


def where(values: Values) -> tuple[str, float]:
    """Name the ninth of an image with the largest share of what speaks for yes, and that share.

    Examples
    --------
    >>> where(np.diag([0.1, 0.2, 0.7]))
    ('bottom right', 0.7)
    """
    positive = values.clip(0)
    parts = [np.array_split(row, 3, axis=1) for row in np.array_split(positive, 3, axis=0)]
    sums = np.array([[part.sum() for part in row] for row in parts])
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    total = positive.sum()
    return NINTHS[row][column], float(sums[row, column] / total) if total else 0.0


def told(found: Explanation, dense: str, compressed: str) -> list[str]:
    """Say in sentences what two maps show, `dense` and `compressed` by their names."""
    both = [(dense, found.dense), (compressed, found.compressed)]
    said = [_answers(found.attribute, both)]
    said += [_place(found.attribute, name, one) for name, one in both]
    if found.moved is not None:
        said.append(_moved(found.moved))
    return said


def warnings_of(found: Explanation, dense: str, compressed: str) -> list[str]:
    """Say why a map should not be believed, if there is a reason."""
    said = []
    for name, one in ((dense, found.dense), (compressed, found.compressed)):
        said += [_unchanged(name, check) for check in one.checks if not check.passed]
        if one.complete is False:
            said.append(
                f"{name}: the attributions miss the change of the answer by {one.gap:.2f} logits "
                f"with {one.steps} steps, more than is tolerated: read the map as a sketch."
            )
    return said


def captions(found: Explanation, key: str, dense: str, compressed: str) -> list[Caption]:
    """Return what stands at the pictures of an explanation of an image, `key` its id."""
    both = [("dense", dense, found.dense), ("compressed", compressed, found.compressed)]
    made = [Caption(kind="image", title="Image", note="", alt=f"image of {key}")]
    for kind, name, one in both:
        note = f"{_word(one.yes)}, {_probability(one.probability)}"
        alt = _described(found.attribute, name, one)
        made.append(Caption(kind=kind, title=name, note=note, alt=alt))
    moved = "" if found.moved is None else f"{SHARE.value(found.moved)} moved"
    alt = f"where more speaks for {found.attribute} in {compressed} than in {dense}, and where less"
    made.append(Caption(kind="difference", title="Difference", note=moved, alt=alt))
    for kind, name, one in both:
        made += [_check_caption(kind, name, check) for check in one.checks]
    return made


def _check_caption(kind: str, name: str, check: Check) -> Caption:
    note = "nothing to compare"
    if check.correlation is not None:
        note = f"rank correlation {CORRELATION.value(check.correlation)}"
    return Caption(
        kind=f"{kind}-{check.layers}",
        title=f"{name}, {DRAWN[check.layers]}",
        note=note if check.passed else f"{note}: hardly changed",
        alt=f"the same map of {name} with {DRAWN[check.layers]}",
    )


def _described(attribute: str, name: str, one: Map) -> str:
    """Describe the picture of a map, for who does not see it."""
    if one.empty:
        return f"{name}: nothing in the image speaks for {attribute}"
    place, share = where(one.values)
    return f"where {name} sees {attribute}: {SHARE.value(share)} of it {_at(place)}"


def _answers(attribute: str, both: list[tuple[str, Map]]) -> str:
    each = [f"{name} says {_word(one.yes)} ({_probability(one.probability)})" for name, one in both]
    return f"{attribute}: {', '.join(each)}."


def _place(attribute: str, name: str, one: Map) -> str:
    if one.empty:
        return f"To {name} nothing in the image speaks for {attribute}: its map is empty."
    place, share = where(one.values)
    return (
        f"To {name} the largest part of what speaks for {attribute} lies {_at(place)}: "
        f"{SHARE.value(share)}, in a ninth of the image."
    )


def _moved(moved: float) -> str:
    share = SHARE.value(moved)
    if moved < FEW:
        return f"Both look at much the same places: {share} of what speaks for yes lies elsewhere."
    much = "quite other" if moved >= MANY else "partly other"
    return f"They look at {much} places: {share} of what speaks for yes lies elsewhere."


def _unchanged(name: str, check: Check) -> str:
    return (
        f"{name}: this map does not depend on what the network learned. With its "
        f"{DRAWN[check.layers]} it looks much the same (rank correlation {check.correlation:.2f}; "
        f"from {SAME} on it counts as the same)."
    )


def _probability(value: float) -> str:
    """Write a probability; on which side of a half it is can be seen.

    Examples
    --------
    >>> _probability(0.731), _probability(0.4971)
    ('0.73', '0.497')
    """
    return f"{value:.3f}" if f"{value:.2f}" == "0.50" else f"{value:.2f}"


def _at(place: str) -> str:
    return f"in the {place}" if place == "centre" else f"at the {place}"


def _word(yes: bool) -> str:
    return "yes" if yes else "no"

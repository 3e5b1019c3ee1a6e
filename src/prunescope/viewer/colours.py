"""What images are coloured by on the map: categories, the last of which are drawn on top."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from prunescope.audit import Where
from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError, one_of
from prunescope.viewer.collection import Flags
from prunescope.viewer.select import Selector
from prunescope.viewer.view import View

GROUP = "group:"
"""What the colour of a group begins with; its name follows."""

MOST_VALUES = 6
"""Values of a group that have a colour each; rarer ones share one."""

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "bar")
STEPS = (-0.5, -0.25, -0.1, 0.1)
"""Where changes of the confidence of one answer are cut, from the greatest loss on."""

STEPS_OF_WORST = (-0.75, -0.5, -0.25, 0.1)
"""The same for the worst of several."""


CROWDS = (0.5, 0.8, 0.95)

Codes = NDArray[np.uint8]


class Category(BaseModel):
    """One line of the legend.

    `n` images of the view are of it, and the share `flipped` of their answers did. `tone` names a
    colour, `shape` is one of `SHAPES`; `query` is that of the grid of just these images, where
    there is one.
    """

    label: str
    tone: str
    shape: str
    n: int = 0
    flipped: float = 0
    query: str | None = None


@dataclass(frozen=True)
class Colouring:
    """The category of each of N images, and whether a view shows it."""

    categories: list[Category]
    codes: Codes
    shown: Flags


def check_colour(selector: Selector, colour: str) -> dict[str, str]:
    """Return what images can be coloured by: key → words; a colour must be among its keys.

    Raises
    ------
    ConfigError
        It is not.
    """
    groups = selector.collection.samples.groups
    known = {"flip": "flips", "confidence": "change of confidence"}
    known |= {GROUP + name: name for name in groups}
    if colour not in known:
        raise ConfigError(one_of("colour", colour, known))
    return known


def coloured(selector: Selector, view: View, colour: str) -> Colouring:
    """Colour the images by a key of `check_colour`.

    Raises
    ------
    ConfigError
        There is no such colour.
    """
    check_colour(selector, colour)
    name = GROUP if colour.startswith(GROUP) else colour
    categories, codes = _COLOURS[name](selector, view, colour.removeprefix(GROUP))
    shown = _mask(selector, view)
    n = np.bincount(codes[shown], minlength=len(categories))
    total = np.bincount(codes[shown], flips(selector, view)[shown], len(categories))
    told = [
        category.model_copy(update={"n": of_it, "flipped": share})
        for category, of_it, share in zip(
            categories, n.tolist(), (total / np.maximum(n, 1)).tolist(), strict=True
        )
    ]
    return Colouring(told, codes, shown)


def by_image(selector: Selector, view: View) -> bool:
    """Tell whether one answer of each image is looked at: an attribute's, or the class."""
    return view.attribute is not None or selector.collection.samples.task == "multiclass"


def flips(selector: Selector, view: View) -> NDArray[np.float64]:
    """Return which share of each image's answers flipped (N,).

    Where `by_image`, that is 0 or 1; elsewhere the mean over attributes.
    """
    dense, compressed = selector.pair(view)
    columns = slice(None)
    if view.attribute is not None:
        columns = slice(at := selector.collection.column(view.attribute), at + 1)
    differ: Flags = dense.yes[:, columns] != compressed.yes[:, columns]
    shares = differ.any(axis=1) if by_image(selector, view) else differ.mean(axis=1)
    return np.asarray(shares, np.float64)


def _mask(selector: Selector, view: View) -> Flags:
    mask = np.zeros(len(selector.collection.samples), bool)
    mask[selector.samples(view.unpaged).rows] = True
    return mask


def _by_flip(selector: Selector, view: View, _: str) -> tuple[list[Category], Codes]:
    """Colour by what happened to the one answer, or by how many of several went wrong."""
    if not by_image(selector, view):
        return _by_count(selector, view)
    code = (flips(selector, view) > 0).astype(np.uint8)
    for number, kind in ((2, "helpful"), (3, "harmful")):
        code[_mask(selector, view.model_copy(update={"flip": kind}))] = number
    free = view.flip in (None, "any", "harmful")
    query = view.query(flip="harmful", page=1) if free else None
    return [
        Category(label="no flip", tone="rest", shape="circle"),
        Category(label="flipped, unlabelled", tone="shift", shape="diamond"),
        Category(label="wrong to right", tone="relief", shape="square"),
        Category(label="right to wrong", tone="harm", shape="triangle", query=query),
    ], code


def _by_count(selector: Selector, view: View) -> tuple[list[Category], Codes]:
    """Colour by how many answers of an image went from right to wrong; unlabelled: flipped.

    The steps are where the shares `CROWDS` of the images have no more.
    """
    dense, compressed = selector.pair(view)
    labels = selector.collection.labels
    labelled = bool((labels != UNKNOWN).any())
    count = np.zeros(len(labels), np.int64)
    for column in range(labels.shape[1]):
        before = dense.yes[:, column]
        right = labels[:, column] == before if labelled else True
        count += (before != compressed.yes[:, column]) & right
    cuts = np.unique(np.quantile(count, CROWDS, method="lower"))
    code = np.searchsorted(cuts, count, side="left").astype(np.uint8)
    what = "right to wrong" if labelled else "flipped"
    edges = [-1, *cuts.tolist()]
    words = [
        f"{high or 'none'} {what}" if high == low + 1 else f"{low + 1} to {high} {what}"
        for low, high in itertools.pairwise(edges)
    ]
    words.append(f"{edges[-1] + 1} or more {what}")
    looks = [
        ("rest", "circle"),
        ("loss-1", "circle"),
        ("loss-2", "diamond"),
        ("loss-3", "triangle"),
    ]
    looks[1:] = looks[len(looks) - len(words) + 1 :]
    return [
        Category(label=word, tone=tone, shape=shape)
        for word, (tone, shape) in zip(words, looks, strict=True)
    ], code


def _by_confidence(selector: Selector, view: View, _: str) -> tuple[list[Category], Codes]:
    """Colour by how much surer the dense model's own answer got; of any answer: the greatest loss.

    That is the change of the probability of what the dense model says, in [-1, 1].
    """
    dense, compressed = selector.pair(view)
    wanted = range(dense.yes.shape[1])
    if view.attribute is not None:
        wanted = range(at := selector.collection.column(view.attribute), at + 1)
    change = np.full(len(dense.yes), np.inf, np.float32)
    for column in wanted:
        moved = compressed.probability[:, column] - dense.probability[:, column]
        np.minimum(change, np.where(dense.yes[:, column], moved, -moved), out=change)
    steps = STEPS if by_image(selector, view) else STEPS_OF_WORST
    lost = np.searchsorted(np.array(steps), change, side="right")  # 0: the greatest loss
    code = np.array([4, 3, 2, 0, 1], np.uint8)[lost]
    most, more, least = (f"{-step:g}" for step in steps[:3])
    return [
        Category(label="about as sure", tone="rest", shape="circle"),
        Category(label=f"surer by {steps[3]:g} or more", tone="gain", shape="square"),
        Category(label=f"less sure by {least} to {more}", tone="loss-1", shape="circle"),
        Category(label=f"less sure by {more} to {most}", tone="loss-2", shape="diamond"),
        Category(label=f"less sure by more than {most}", tone="loss-3", shape="triangle"),
    ], code


def _by_group(selector: Selector, view: View, name: str) -> tuple[list[Category], Codes]:
    """Colour by a group's values: the rarest on top."""
    group = selector.collection.samples.groups[name]
    counts = np.bincount(group.codes[group.codes != UNKNOWN], minlength=len(group.values))
    order = np.argsort(-counts, kind="stable").tolist()
    kept, others = order[:MOST_VALUES], order[MOST_VALUES:]
    rest = [Category(label="unknown", tone="rest", shape="circle")]
    if others:
        rest.append(Category(label=f"{len(others)} others", tone="shift", shape="circle"))
    free = not any(Where.parse(one).group == name for one in view.group)
    categories = list(rest)
    code = np.full(len(group.codes), len(others) > 0, np.uint8)
    code[group.codes == UNKNOWN] = 0
    for place, value in enumerate(kept):
        text = str(group.values[value])
        where = str(Where(group=name, group_value=text))
        code[group.codes == value] = len(categories)
        categories.append(
            Category(
                label=text,
                tone=f"s{place + 1}",
                shape=SHAPES[place],
                query=view.query(group=(*view.group, where), page=1) if free else None,
            )
        )
    return categories, code


_COLOURS: dict[str, Callable[[Selector, View, str], tuple[list[Category], Codes]]] = {
    "flip": _by_flip,
    "confidence": _by_confidence,
    GROUP: _by_group,
}

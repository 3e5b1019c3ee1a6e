"""`find`: the answers that flipped, explained; and what of it is kept as figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from prunescope import __version__
from prunescope.errors import ConfigError, one_of, shorten
from prunescope.explain.answers import answers_of, flipped
from prunescope.explain.checks import SAME
from prunescope.explain.compare import CHECKS, Explanation, Map, check_alike, explain
from prunescope.explain.pictures import drawn
from prunescope.explain.saliency import Method
from prunescope.explain.words import Caption, captions, told, warnings_of, where
from prunescope.models import Classifier, to_unit_range

MAPS = "maps"
"""Folder of the pictures."""

MOST_ANSWERS = 3
"""Flipped answers of one image that are explained unless told otherwise."""


class CheckFigures(BaseModel):
    """A check: see `Check`."""

    layers: Literal["last", "all"]
    correlation: float | None
    passed: bool


class MapFigures(BaseModel):
    """One map in figures; `place` is the ninth of the image with the largest share, `share`."""

    log_odds: float
    probability: float
    yes: bool
    strength: float
    empty: bool
    place: str | None
    share: float | None
    places: tuple[int, int] | None
    steps: int | None
    gap: float | None
    complete: bool | None
    checks: list[CheckFigures]


class PictureFile(Caption):
    """A picture, and its file within the folder."""

    file: str


class Case(BaseModel):
    """One answer about one image."""

    id: str
    attribute: str
    flipped: bool
    dense: MapFigures
    compressed: MapFigures
    moved: float | None
    told: list[str]
    warnings: list[str]
    pictures: list[PictureFile]


class ExplainInfo(BaseModel):
    """What ``explain.json`` holds.

    History of the format: 1 (0.2.0) first.
    """

    format_version: Literal[1] = 1
    dense: str
    compressed: str
    method: Method
    baseline: tuple[float, float, float] | None
    same_from: float = SAME
    draws: int
    seed: int
    cases: list[Case]
    notes: list[str]
    version: str = __version__


@dataclass(frozen=True)
class Found:
    """Explanations of answers, as figures and as pictures.

    Parameters
    ----------
    info : ExplainInfo
    pictures : dict of str to bytes
        PNG files, by the names in `info`.
    """

    info: ExplainInfo
    pictures: dict[str, bytes]


def find(
    dense: Classifier,
    compressed: Classifier,
    images: NDArray[np.uint8],
    ids: Sequence[str],
    attributes: Sequence[str] = (),
    *,
    names: tuple[str, str] = ("dense", "compressed"),
    method: Method,
    draws: int = CHECKS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Explain answers about images: those that are named, or else those that flipped.

    Parameters
    ----------
    dense, compressed : Classifier
    images : array (N, 3, H, W) of uint8
    ids : sequence of str
        Of the images.
    attributes : sequence of str
        Or classes; default: of each image those that flipped, at most three, largest change of
        probability first.
    names : (str, str)
        Of the models.
    method : {"gradcam", "gradients"}
    draws, seed : int
        See `explain`.
    progress : callable (done, total), optional

    Raises
    ------
    ConfigError
        The models do not fit together, an attribute is unknown, or none is named and none flipped.
    DataError
        The images do not fit, or something is not finite.
    """
    check_alike({names[0]: dense, names[1]: compressed})
    wanted, flips, notes = _chosen(dense, compressed, images, ids, attributes)
    cases: list[Case] = []
    pictures: dict[str, bytes] = {}
    baseline = None
    for done, (row, attribute) in enumerate(wanted):
        if progress is not None:
            progress(done, len(wanted))
        [one] = explain(
            dense, compressed, images[row : row + 1], attribute,
            method=method, checks=draws, seed=seed,
        )  # fmt: skip
        baseline = one.baseline
        case = _case(one, ids[row], names, done + 1, flipped=attribute in flips[row])
        drawings = drawn(images[row], one)
        pictures |= {picture.file: drawings[picture.kind] for picture in case.pictures}
        cases.append(case)
    if progress is not None:
        progress(len(wanted), len(wanted))
    info = ExplainInfo(
        dense=names[0], compressed=names[1], method=method, baseline=baseline,
        draws=draws, seed=seed, cases=cases, notes=notes,
    )  # fmt: skip
    return Found(info, pictures)


def _case(
    found: Explanation, key: str, names: tuple[str, str], number: int, *, flipped: bool
) -> Case:
    """Put an explanation into figures and words."""
    return Case(
        id=key,
        attribute=found.attribute,
        flipped=flipped,
        dense=_figures(found.dense),
        compressed=_figures(found.compressed),
        moved=found.moved,
        told=told(found, *names),
        warnings=warnings_of(found, *names),
        pictures=[
            PictureFile(**one.model_dump(), file=f"{MAPS}/{number:03}-{one.kind}.png")
            for one in captions(found, key, *names)
        ],
    )


def _figures(one: Map) -> MapFigures:
    place, share = (None, None) if one.empty else where(one.values)
    return MapFigures(
        log_odds=one.log_odds,
        probability=one.probability,
        yes=one.yes,
        strength=one.strength,
        empty=one.empty,
        place=place,
        share=share,
        places=one.places,
        steps=one.steps,
        gap=one.gap,
        complete=one.complete,
        checks=[
            CheckFigures(layers=c.layers, correlation=c.correlation, passed=c.passed)
            for c in one.checks
        ],
    )


def _chosen(
    dense: Classifier,
    compressed: Classifier,
    images: NDArray[np.uint8],
    ids: Sequence[str],
    attributes: Sequence[str],
) -> tuple[list[tuple[int, str]], list[list[str]], list[str]]:
    """Return (row, attribute) of what is to be explained, what flipped in each row, and notes."""
    known = dense.spec.attributes
    for name in attributes:
        if name not in known:
            raise ConfigError(one_of("attribute", name, known))
    import torch

    pixels = to_unit_range(torch.from_numpy(np.array(images)))
    before, after = answers_of(dense, pixels), answers_of(compressed, pixels)
    order = [compressed.spec.attributes.index(name) for name in known]
    after = type(after)(after.log_odds[:, order], after.yes[:, order])
    flips = [[known[c] for c in flipped(before, after, row)] for row in range(len(ids))]
    if attributes:
        return [(row, name) for row in range(len(ids)) for name in attributes], flips, []
    if not any(flips):
        raise ConfigError(
            f"both models answer alike about {shorten(ids, 3)}: nothing flipped that could be "
            f"explained; choose other images, or name an attribute of {shorten(known)}"
        )
    notes = []
    for key, found in zip(ids, flips, strict=True):
        if not found:
            notes.append(f"{key}: no answer flipped.")
        elif len(found) > MOST_ANSWERS:
            rest = shorten(found[MOST_ANSWERS:])
            notes.append(f"{key}: {len(found)} answers flipped; not shown are {rest}.")
    chosen = [(row, name) for row, names in enumerate(flips) for name in names[:MOST_ANSWERS]]
    return chosen, flips, notes

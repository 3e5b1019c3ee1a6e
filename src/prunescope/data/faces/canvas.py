"""Curves, colours, and a canvas that draws one scene for many faces at once.

A scene is a list of shapes. Each shape holds its outline, colour and opacity for all N faces as
arrays, so that geometry is computed once per batch; only the filling of polygons goes face by face.

Coordinates: the picture spans [-1, 1] in x (right) and y (down). A curve is an array (N, P, 2), or
(1, P, 2) where all faces share it. A colour is an array (N, 3) or a triple, in [0, 255]. A knot is
a pair of coordinates, each a number or an array (N,).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Knot: TypeAlias = tuple[ArrayLike, ArrayLike]
Frame: TypeAlias = Literal["head", "body", "picture"]

PIVOT = 0.52
"""Height at which the head is hinged on the neck."""


def smoothstep(low: float, high: float, x: Array) -> Array:
    """Return 0 below `low`, 1 above `high`, and a smooth rise between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(first: ArrayLike, second: ArrayLike, share: ArrayLike) -> Array:
    """Blend two colours; `share` (N,) or a number in [0, 1] belongs to the second."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    t = np.asarray(share, float)[..., None]
    return np.asarray(a + (b - a) * t)


def choose(palette: ArrayLike, share: Array) -> Array:
    """Pick one colour of a palette (K, 3) for each uniform number in [0, 1)."""
    colours = np.asarray(palette, float)
    return np.asarray(colours[(share * len(colours)).astype(int)])


def ramp(anchors: ArrayLike, position: Array) -> Array:
    """Interpolate a colour ramp (K, 3) at positions in [0, 1]."""
    colours = np.asarray(anchors, float)
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(position, at, channel) for channel in colours.T], axis=-1)


def divide(share: Array, *parts: float) -> list[Mask]:
    """Sort uniform numbers in [0, 1) into parts of the given sizes; return one mask for each.

    Examples
    --------
    >>> [mask.tolist() for mask in divide(np.array([0.1, 0.4, 0.9]), 0.3, 0.2)]
    [[True, False, False], [False, True, False]]
    """
    part = np.searchsorted(np.cumsum(parts), share, side="right")
    return [part == i for i in range(len(parts))]


def points(*knots: Knot) -> Array:
    """Return the knots, joined by straight lines, as a curve."""
    flat = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, float)) for k in knots for c in k))
    return np.stack(flat, axis=-1).reshape(len(flat[0]), len(knots), 2)


@lru_cache(maxsize=64)
def _spline_weights(knots: int, closed: bool, steps: int) -> Array:
    """Return the Catmull-Rom weights (P, K) of each point of the curve on the knots."""
    t = np.arange(steps) / steps
    blend = 0.5 * np.stack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2],
        axis=-1,
    )
    spans = knots if closed else knots - 1
    weights = np.zeros((spans * steps + (not closed), knots))
    for span in range(spans):
        for offset in range(4):
            knot = span - 1 + offset
            knot = knot % knots if closed else min(max(knot, 0), knots - 1)
            weights[span * steps : (span + 1) * steps, knot] += blend[:, offset]
    if not closed:
        weights[-1, -1] = 1
    return weights


def spline(*knots: Knot, closed: bool = True, steps: int = 6) -> Array:
    """Return the smooth (Catmull-Rom) curve through the knots.

    Examples
    --------
    >>> spline((0, 0), (1, 1), (2, 0), closed=False, steps=2)[0].tolist()
    [[0.0, 0.0], [0.4375, 0.5625], [1.0, 1.0], [1.5625, 0.5625], [2.0, 0.0]]
    """
    return np.asarray(_spline_weights(len(knots), closed, steps) @ points(*knots))


def symmetric(*knots: Knot, steps: int = 6) -> Array:
    """Return the closed smooth curve through knots of the right half, top to bottom, and the left.

    A knot on the axis is given as ``(0, y)`` and stands first or last.
    """
    left = [(-np.asarray(x), y) for x, y in reversed(knots) if not (np.isscalar(x) and x == 0)]
    return spline(*knots, *left, steps=steps)


def ellipse(x: ArrayLike, y: ArrayLike, rx: ArrayLike, ry: ArrayLike, n: int = 20) -> Array:
    """Return an ellipse as a closed curve of `n` points."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    centre, radius = points((x, y)), points((rx, ry))
    return np.asarray(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1))


def stroke(centre: Array, width: ArrayLike, *, tapered: bool = True) -> Array:
    """Return the outline of a brush stroke along an open curve, thin at both ends if tapered."""
    t = np.linspace(0, 1, centre.shape[1])
    press = 0.15 + 0.85 * np.sin(np.pi * t) ** 0.7 if tapered else np.ones_like(t)
    half = np.atleast_1d(np.asarray(width, float))[:, None] * press / 2
    offset = _normals(centre) * half[..., None]
    return np.concatenate([centre + offset, (centre - offset)[:, ::-1]], axis=1)


def ripple(curve: Array, amplitude: Array, phase: ArrayLike = 0.0, period: float = 0.2) -> Array:
    """Bend a curve into waves across its direction; `amplitude` (N,), `phase` (N,) in turns."""
    step = np.diff(curve, axis=1, prepend=curve[:, :1])
    length = np.cumsum(np.linalg.norm(step, axis=-1), axis=1)
    turns = np.asarray(phase, float).reshape(-1, 1) + length / period
    wave = amplitude[:, None] * np.sin(2 * np.pi * turns)
    return np.asarray(curve + _normals(curve) * wave[..., None])


def _normals(curve: Array) -> Array:
    """Return the unit vector across the curve at each of its points."""
    along = np.gradient(curve, axis=1)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    return np.asarray(across / (np.linalg.norm(across, axis=-1, keepdims=True) + 1e-9))


def mirror(curve: Array) -> Array:
    """Return the curve on the other side of the face."""
    return np.asarray(curve * (-1.0, 1.0))


def move(curve: Array, dx: float, dy: float) -> Array:
    """Return the curve, shifted to the right and down."""
    return np.asarray(curve + np.array([dx, dy]))


@dataclass(frozen=True)
class Pose:
    """Where the head stands in the picture: arrays (N,).

    Parameters
    ----------
    tilt : array
        Rotation of the head about the neck, in radians.
    yaw, nod : array
        Shift of a feature per unit of its depth, to the right and down.
    dx, dy : array
        Shift of the whole person.
    scale : array
    """

    tilt: Array
    yaw: Array
    nod: Array
    dx: Array
    dy: Array
    scale: Array

    def apply(self, curve: Array, frame: Frame, depth: float) -> Array:
        """Place a curve in the picture; a larger depth lies nearer to the viewer."""
        if frame == "picture":
            return curve
        x, y = curve[..., 0], curve[..., 1]
        if frame == "head":
            x = x + (self.yaw * depth)[:, None]
            y = y + (self.nod * depth)[:, None] - PIVOT
            cos, sin = np.cos(self.tilt)[:, None], np.sin(self.tilt)[:, None]
            x, y = x * cos - y * sin, x * sin + y * cos + PIVOT
        x = x * self.scale[:, None] + self.dx[:, None]
        y = y * self.scale[:, None] + self.dy[:, None]
        return np.stack([x, y], axis=-1)


@dataclass(frozen=True)
class _Shape:
    curve: Array  # (N, P, 2), placed in the picture
    colour: NDArray[np.uint8]  # (N, 4), the last is opacity
    soft: bool


class Style(TypedDict, total=False):
    """The options of `Canvas.fill`."""

    opacity: ArrayLike
    where: ArrayLike
    frame: Frame
    depth: float
    soft: bool


class Canvas:
    """A scene of filled shapes for N faces, back to front.

    Parameters
    ----------
    pose : Pose
        Places what is drawn in the frames ``head`` and ``body``.
    """

    def __init__(self, pose: Pose) -> None:
        self._pose = pose
        self._n = len(pose.tilt)
        self._shapes: list[_Shape] = []

    def fill(
        self,
        curve: Array,
        colour: ArrayLike,
        *,
        opacity: ArrayLike = 1.0,
        where: ArrayLike = True,
        frame: Frame = "head",
        depth: float = 0.0,
        soft: bool = False,
    ) -> None:
        """Add a filled outline for the faces `where` it is seen.

        `frame` says what moves it: the head, the body, or nothing; `depth` how much it follows a
        turn of the head. Where `soft`, a glow fills the bounding box and fades out to its edge.
        """
        alpha = np.broadcast_to(np.clip(opacity, 0, 1) * np.asarray(where, float), self._n)
        rgb = np.broadcast_to(np.clip(colour, 0, 255), (self._n, 3))
        shared = np.broadcast_to(curve, (self._n, *curve.shape[1:]))
        self._shapes.append(
            _Shape(
                curve=self._pose.apply(shared, frame, depth),
                colour=np.rint(np.column_stack([rgb, 255 * alpha])).astype(np.uint8),
                soft=soft,
            )
        )

    def pair(self, curve: Array, colour: ArrayLike, **style: Unpack[Style]) -> None:
        """Add an outline on the right half of the face and its mirror image, as `fill` does."""
        self.fill(curve, colour, **style)
        self.fill(mirror(curve), colour, **style)

    def paint(self, size: int, background: Array) -> Iterator[NDArray[np.uint8]]:
        """Yield each face as an array (size, size, 3), drawn larger and averaged down."""
        factor = 4 if size <= 48 else 3 if size <= 128 else 2
        side = size * factor
        layers: list[list[tuple[list[int], tuple[int, ...], bool]]] = [[] for _ in range(self._n)]
        for shape in self._shapes:
            (shown,) = np.nonzero(shape.colour[:, 3])
            outlines = np.rint((shape.curve[shown] + 1) * (side / 2)).astype(int)
            drawn = zip(
                shown.tolist(),
                outlines.reshape(len(shown), 2 * outlines.shape[1]).tolist(),
                map(tuple, shape.colour[shown].tolist()),
                strict=True,
            )
            for face, outline, rgba in drawn:
                layers[face].append((outline, rgba, shape.soft))
        paper = map(tuple, np.rint(background).astype(int).tolist())
        for colour, shapes in zip(paper, layers, strict=True):
            picture = Image.new("RGB", (side, side), colour)
            opaque, translucent = ImageDraw.Draw(picture), ImageDraw.Draw(picture, "RGBA")
            for outline, rgba, soft in shapes:
                if soft:
                    _stamp(picture, outline, rgba)
                elif rgba[3] == 255:
                    opaque.polygon(outline, fill=rgba[:3])
                else:
                    translucent.polygon(outline, fill=rgba)
            yield np.asarray(picture.reduce(factor))


@lru_cache(maxsize=256)
def _glow(alpha: int) -> Image.Image:
    """Return a round mask that fades from `alpha` at its centre to 0 at its edge."""
    axis = np.linspace(-1, 1, 48)
    distance = np.minimum(np.hypot(axis[:, None], axis), 1)
    return Image.fromarray((alpha * (1 - distance**2) ** 2).astype(np.uint8))


def _stamp(picture: Image.Image, outline: list[int], rgba: tuple[int, ...]) -> None:
    left, right = min(outline[::2]), max(outline[::2])
    top, bottom = min(outline[1::2]), max(outline[1::2])
    if right > left and bottom > top:
        mask = _glow(rgba[3]).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        picture.paste(rgba[:3], (left, top), mask)

"""What stands behind and in front of people: backdrops and occluders."""

from __future__ import annotations

from functools import partial

import numpy as np

from prunescope.data.faces.canvas import (
    Array,
    Canvas,
    Mask,
    choose,
    divide,
    ellipse,
    mix,
    move,
    points,
    spline,
    stroke,
)
from prunescope.data.faces.hair import strand_over_eye
from prunescope.data.faces.person import INK, Person
from prunescope.data.faces.wardrobe import CLOTHES, WHITE

BACKDROPS = (
    (247, 214, 190), (196, 222, 218), (214, 206, 232), (244, 226, 168), (186, 208, 230),
    (226, 196, 200), (206, 220, 184), (240, 232, 220), (120, 152, 168), (94, 116, 108),
    (148, 112, 128), (70, 84, 112), (228, 164, 128), (168, 188, 164), (206, 200, 192), (58, 70, 78),
)  # fmt: skip


def paper(p: Person) -> Array:
    """Return the colour (N, 3) behind everything."""
    return choose(BACKDROPS, p.u["backdrop_colour"])


def backdrop(canvas: Canvas, p: Person) -> None:
    """Draw a disc, a slope, a picture on the wall, lights, or a soft glow."""
    fill = partial(canvas.fill, frame="picture")
    disc, slope, wall, lights, glow = divide(p.u["backdrop"], 0.25, 0.17, 0.18, 0.20, 0.20)
    base, place = paper(p), p.spread("backdrop_place", -0.6, 0.6)
    accent, light = (
        mix(base, choose(BACKDROPS, p.u["backdrop_accent"]), 0.55),
        mix(base, WHITE, 0.28),
    )

    fill(ellipse(place * 0.4, -0.05, 0.86, 0.86, 40), accent, where=disc)
    fill(points((-1.1, place), (1.1, -place), (1.1, 1.1), (-1.1, 1.1)), accent, where=slope)
    x = np.where(place < 0, -0.72, 0.72) + 0.2 * place
    for half, colour in ((0.35, mix(base, INK, 0.35)), (0.30, accent)):
        top, bottom = -0.48 - half - 0.08, -0.48 + half + 0.08
        frame = points((x - half, top), (x + half, top), (x + half, bottom), (x - half, bottom))
        fill(frame, colour, where=wall)
    hill = points((x - 0.3, -0.1), (x + 0.05, -0.5), (x + 0.3, -0.1))
    fill(hill, mix(accent, INK, 0.2), where=wall)
    spots = ((-0.7, -0.6, 0.3), (0.75, -0.75, 0.24), (0.85, 0.05, 0.34), (-0.85, 0.25, 0.22))
    for i, (across, down, radius) in enumerate(spots):
        spot = ellipse(across + 0.3 * place, down + 0.2 * place * (-1) ** i, radius, radius)
        fill(spot, (accent, light)[i % 2], opacity=0.7, where=lights)
    fill(ellipse(place, -0.3, 1.5, 1.4), light, opacity=0.9, where=glow, soft=True)


def occluder(canvas: Canvas, p: Person) -> None:
    """Hide a part of one face in five: by a strand of hair, a hand, a mug, or something dark."""
    strand, hand, mug, bar = divide(p.u["occluder"], 0.05, 0.05, 0.04, 0.06)
    side, place = np.where(p.u["occluder_side"] < 0.5, -1.0, 1.0), p.u["occluder_place"]
    haired = (p.bald < 0.5) & (p.level["Wearing_Hat"] <= 0)
    strand_over_eye(canvas, p, side, strand & haired)
    _hand(canvas, p, side, hand)
    _mug(canvas, p, side, mug)
    edge = side * (0.30 + 0.45 * place)
    slanted = edge + side * 0.25 * (place - 0.5)
    front = points((edge, -1.2), (slanted, 1.2), (side * 2, 1.2), (side * 2, -1.2))
    colour = mix(choose(BACKDROPS, place), (16, 16, 24), 0.75)
    canvas.fill(front, colour, opacity=0.94, where=bar, frame="picture")


def _hand(canvas: Canvas, p: Person, side: Array, where: Mask) -> None:
    """Draw a hand on which the chin leans."""
    fill = partial(canvas.fill, where=where, depth=1.5)
    x, y = side * p.width * 0.78, 0.42 + 0.10 * p.u["occluder_place"]
    sleeve = choose(CLOTHES, p.u["garment_colour"])
    fill(stroke(points((x, y + 0.12), (x + side * 0.16, 1.2)), 0.26, tapered=False), sleeve)
    cuff = points((x, y + 0.12), (x + side * 0.016, y + 0.20))
    fill(stroke(cuff, 0.3, tapered=False), mix(sleeve, INK, 0.3))
    fist = spline(
        (x + side * 0.13, y + 0.10), (x + side * 0.15, y - 0.06), (x + side * 0.06, y - 0.15),
        (x - side * 0.12, y - 0.13), (x - side * 0.19, y - 0.03), (x - side * 0.13, y + 0.10),
    )  # fmt: skip
    fill(move(fist, 0, 0.018), p.shade)
    fill(fist, mix(p.skin, p.shade, 0.08))
    for across in (0.08, -0.005, -0.09):
        gap = points((x + side * across, y - 0.12), (x + side * (across * 0.88), y - 0.02))
        fill(stroke(gap, 0.02, tapered=False), p.shade)


def _mug(canvas: Canvas, p: Person, side: Array, where: Mask) -> None:
    """Draw a mug at the mouth."""
    fill = partial(canvas.fill, where=where, depth=1.5)
    colour = choose(CLOTHES, p.u["mug_colour"])
    x, y = side * 0.16, 0.42 + 0.12 * p.u["occluder_place"]
    angle = np.linspace(0, 2 * np.pi, 21)
    grip = points(
        *((x + side * 0.17 + 0.09 * np.sin(a), y + 0.14 + 0.10 * np.cos(a)) for a in angle)
    )
    fill(stroke(grip, 0.05, tapered=False), mix(colour, INK, 0.2))
    fill(points((x - 0.17, y), (x + 0.17, y), (x + 0.15, y + 0.32), (x - 0.15, y + 0.32)), colour)
    fill(ellipse(x, y, 0.17, 0.04), mix(colour, WHITE, 0.35))

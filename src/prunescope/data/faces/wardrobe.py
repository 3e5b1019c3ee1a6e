"""What people wear: clothes, glasses, earrings and hats."""

from __future__ import annotations

from functools import partial

import numpy as np

from prunescope.data.faces.canvas import (
    Canvas,
    choose,
    divide,
    ellipse,
    mix,
    move,
    points,
    spline,
    stroke,
    symmetric,
)
from prunescope.data.faces.person import EYE_Y, INK, LOBE_Y, Person

CLOTHES = (
    (44, 62, 92), (176, 62, 58), (64, 122, 112), (226, 168, 66), (238, 234, 226), (58, 58, 66),
    (126, 92, 140), (108, 148, 192), (206, 116, 92), (88, 110, 72), (214, 146, 160),
    (150, 120, 92), (36, 98, 122), (244, 206, 142),
)  # fmt: skip
FRAMES = ((30, 26, 30), (88, 52, 34), (42, 48, 84), (138, 34, 46), (120, 122, 130), (186, 146, 72))
METALS = ((236, 192, 84), (222, 226, 234), (250, 244, 232), (84, 196, 190), (226, 84, 96))
WHITE = (255, 255, 255)


def clothes(canvas: Canvas, p: Person) -> None:
    """Draw shoulders in a jumper with a round or pointed neck, a shirt, a hood or a roll neck."""
    fill, pair = partial(canvas.fill, frame="body"), partial(canvas.pair, frame="body")
    round_neck, vee, shirt, hood, roll = divide(p.u["garment"], 0.28, 0.20, 0.22, 0.16, 0.14)
    colour, accent = choose(CLOTHES, p.u["garment_colour"]), choose(CLOTHES, p.u["accent_colour"])
    dark, pale = mix(colour, (20, 16, 36), 0.28), mix(accent, (250, 248, 244), 0.7)
    throat = mix(p.skin, p.shade, 0.3)
    b = p.build
    broad = 0.62 + 1.1 * (b - 0.19)

    shoulders = symmetric(
        (0, 0.80), (b + 0.03, 0.66), (broad * 0.75, 0.75), (broad + 0.06, 0.90),
        (broad + 0.14, 1.35), (0, 1.5),
    )  # fmt: skip
    fill(shoulders, colour)
    for y in (0.90, 1.04, 1.18):
        half = broad * (0.62 + 0.42 * (y - 0.72))
        band = points((-half, y), (half, y), (half + 0.02, y + 0.07), (-half - 0.02, y + 0.07))
        fill(band, accent, where=p.u["stripes"] < 0.22)
    arm = spline((broad * 0.86, 0.92), (broad * 0.80, 1.1), (broad * 0.82, 1.3), closed=False)
    pair(stroke(arm, 0.022), dark)

    scoop = spline(
        (-b - 0.05, 0.66), (-b * 0.7, 0.79), (0, 0.84), (b * 0.7, 0.79), (b + 0.05, 0.66),
        closed=False,
    )  # fmt: skip
    fill(scoop, throat, where=round_neck)
    fill(stroke(scoop, 0.05, tapered=False), dark, where=round_neck)
    wedge = points((-b - 0.06, 0.66), (0, 0.96), (b + 0.06, 0.66))
    fill(wedge, throat, where=vee | shirt)
    fill(stroke(wedge, 0.05, tapered=False), dark, where=vee)
    lapel = points((b + 0.01, 0.56), (b + 0.11, 0.70), (b * 0.75, 0.94), (0, 0.90))
    pair(lapel, pale, where=shirt)
    pair(points((b * 0.75, 0.94), (0, 0.90), (0.02, 0.955)), dark, where=shirt)
    rim = spline(
        (b, 0.56), (b + 0.17, 0.66), (b + 0.10, 0.84), (0, 0.98), (0.02, 0.88), (b * 0.8, 0.72)
    )
    pair(rim, dark, where=hood)
    pair(stroke(points((0.07, 0.9), (0.085, 1.1)), 0.03, tapered=False), pale, where=hood)
    tube = symmetric((0, 0.63), (b + 0.03, 0.56), (b + 0.06, 0.76), (0, 0.84))
    fill(tube, mix(colour, WHITE, 0.12), where=roll)
    crease = spline((-b - 0.04, 0.64), (0, 0.71), (b + 0.04, 0.64), closed=False)
    fill(stroke(crease, 0.025), dark, where=roll)


def glasses(canvas: Canvas, p: Person) -> None:
    """Draw round or square glasses, sometimes with dark lenses."""
    worn, square, dark = p.level["Eyeglasses"] > 0, p.u["frame"] < 0.5, p.u["lenses"] < 0.18
    fill, pair = partial(canvas.fill, where=worn), partial(canvas.pair, where=worn)
    colour, width, y = choose(FRAMES, p.u["frame_colour"]), p.spread("frame", 0.026, 0.04), EYE_Y
    rx, ry = np.where(square, 0.148, 0.138), np.where(square, 0.112, 0.135)
    angle = np.linspace(0, 2 * np.pi, 29)
    cos, sin, power = np.cos(angle), np.sin(angle), np.where(square, 0.5, 1.0)[:, None]
    ring = np.stack(
        [
            p.eye_x[:, None] + rx[:, None] * np.sign(cos) * np.abs(cos) ** power,
            y + 0.015 + ry[:, None] * np.sign(sin) * np.abs(sin) ** power,
        ],
        axis=-1,
    )
    lens = np.where(dark[:, None], (34, 34, 46), (222, 236, 246))
    pair(ring, lens, opacity=np.where(dark, 0.9, 0.24), depth=1.2)
    for x in (p.eye_x, -p.eye_x):  # the light comes from one side
        glint = points((x - 0.06, y - 0.035), (x - 0.01, y - 0.055), (x - 0.05, y + 0.065),
                       (x - 0.09, y + 0.065))  # fmt: skip
        fill(glint, WHITE, opacity=0.30, depth=1.2)
    pair(stroke(ring, width, tapered=False), colour, depth=1.2)
    arm = points((p.eye_x + rx, y - 0.02), (p.width + 0.01, y - 0.015))
    pair(stroke(arm, 0.03, tapered=False), colour, depth=0.4)
    inner = p.eye_x - rx + 0.006
    bridge = spline((-inner, y - 0.005), (0, y - 0.03), (inner, y - 0.005), closed=False)
    fill(stroke(bridge, width, tapered=False), colour, depth=1.3)


def earrings(canvas: Canvas, p: Person) -> None:
    """Draw hoops, studs or drops below both ears."""
    worn = p.level["Wearing_Earrings"] > 0
    hoop, stud, drop = (worn & kind for kind in divide(p.u["earring"], 0.4, 0.3, 0.3))
    metal = choose(METALS, p.u["metal"])
    edge = mix(metal, INK, 0.45)
    x, y = p.width + 0.045, LOBE_Y
    angle = np.linspace(0, 2 * np.pi, 21)
    ring = points(*((x + 0.055 * np.sin(a), y + 0.085 + 0.075 * np.cos(a)) for a in angle))
    canvas.pair(stroke(ring, 0.048, tapered=False), edge, where=hoop)
    canvas.pair(stroke(ring, 0.030, tapered=False), metal, where=hoop)
    for radius, colour in ((0.047, edge), (0.036, metal)):
        canvas.pair(ellipse(x, y + 0.01, radius, radius), colour, where=stud)
        pear = spline(
            (x, y - 0.02), (x + radius, y + 0.11), (x, y + 0.11 + radius), (x - radius, y + 0.11)
        )
        canvas.pair(pear, colour, where=drop)
    gleam = ellipse(x - 0.012, np.where(drop, y + 0.1, y), 0.011, 0.011, 8)
    canvas.pair(gleam, WHITE, where=stud | drop)


def hat(canvas: Canvas, p: Person) -> None:
    """Draw a beanie, a baseball cap, a felt hat or a sun hat."""
    worn = p.level["Wearing_Hat"] > 0
    beanie, cap, felt, sun = (worn & kind for kind in divide(p.u["hat"], 0.3, 0.28, 0.24, 0.18))
    colour, ribbon = choose(CLOTHES, p.u["hat_colour"]), choose(CLOTHES, p.u["ribbon_colour"])
    dark, light = mix(colour, (16, 12, 30), 0.32), mix(colour, WHITE, 0.22)
    x = np.maximum(p.dome_x, p.width + 0.06)

    canvas.fill(ellipse(0, -0.92, 0.12, 0.11), ribbon, where=beanie)
    crown = symmetric((x * 0.5, -0.84), (x * 0.96, -0.56), (x + 0.01, -0.30), (0, -0.34))
    canvas.fill(crown, colour, where=beanie | cap)
    sheen = stroke(points((-x * 0.55, -0.62), (-x * 0.40, -0.72), (-x * 0.2, -0.78)), 0.06)
    canvas.fill(sheen, light, opacity=0.7, where=beanie | cap)
    cuff = symmetric((0, -0.53), (x + 0.03, -0.46), (x + 0.03, -0.28), (0, -0.34))
    canvas.fill(cuff, light, where=beanie)
    for across in (0.15, 0.45, 0.75):
        rib = stroke(points((x * across, -0.49), (x * across, -0.33)), 0.02, tapered=False)
        canvas.pair(rib, dark, opacity=0.5, where=beanie)
    visor = symmetric((0, -0.50), (x * 0.98, -0.36), (x * 0.72, -0.24), (0, -0.29))
    canvas.fill(move(visor, 0, 0.04), p.shade, opacity=0.5, where=cap)
    canvas.fill(visor, dark, where=cap)
    seam = spline((0, -0.83), (x * 0.45, -0.68), (x * 0.58, -0.45), closed=False)
    canvas.pair(stroke(seam, 0.016), dark, opacity=0.7, where=cap)
    canvas.fill(ellipse(0, -0.60, 0.10, 0.085), ribbon, where=cap)

    pinched = symmetric((0, -0.83), (x * 0.25, -0.88), (x * 0.80, -0.78), (x * 0.92, -0.36))
    canvas.fill(pinched, colour, where=felt)
    bowl = symmetric((0, -0.92), (x * 0.8, -0.74), (x * 0.98, -0.36))
    canvas.fill(bowl, light, where=sun)
    band = symmetric((0, -0.55), (x * 0.95, -0.50), (x * 0.97, -0.36), (0, -0.40))
    canvas.fill(band, ribbon, where=felt | sun)
    reach = np.where(felt, 1.42, 1.75)
    brim = symmetric((0, -0.46), (x * 0.7, -0.44), (x * reach, -0.36), (x * 0.8, -0.28), (0, -0.30))
    canvas.fill(move(brim * (0.9, 1), 0, 0.05), p.shade, opacity=0.4, where=felt | sun)
    canvas.fill(brim, dark, where=felt)
    canvas.fill(brim, colour, where=sun)

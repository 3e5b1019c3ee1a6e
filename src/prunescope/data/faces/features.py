"""The head: neck, ears, face, marks of age, nose, mouth and beard."""

from __future__ import annotations

import numpy as np

from prunescope.data.faces.canvas import (
    Array,
    Canvas,
    choose,
    ellipse,
    mix,
    move,
    points,
    smoothstep,
    spline,
    stroke,
    symmetric,
)
from prunescope.data.faces.person import EYE_Y, INK, LOBE_Y, MOUTH_Y, Person

LIPSTICKS = ((196, 30, 58), (214, 48, 98), (158, 22, 60), (226, 72, 64), (172, 40, 96))


def neck(canvas: Canvas, p: Person) -> None:
    """Draw the neck and the shadow of the chin on it."""
    b = p.build
    column = symmetric((b, 0.2), (b, 0.6), (b + 0.10, 0.74), (0, 0.98), steps=1)
    canvas.fill(column, mix(p.skin, p.shade, 0.35), frame="body")
    shadow = symmetric((b, 0.3), (b, 0.52), (0, p.chin_y + 0.10))
    canvas.fill(shadow, p.shade, opacity=0.9, frame="body")


def ears(canvas: Canvas, p: Person) -> None:
    """Draw both ears; the face later covers their inner half."""
    x = p.width + 0.015
    ear = spline(
        (x - 0.05, -0.10), (x + 0.03, -0.12), (x + 0.07, -0.04), (x + 0.045, 0.06),
        (x + 0.015, LOBE_Y), (x - 0.05, 0.10),
    )  # fmt: skip
    canvas.pair(ear, mix(p.skin, p.shade, 0.25), depth=-0.5)
    fold = spline((x + 0.005, -0.07), (x + 0.042, -0.03), (x + 0.012, 0.05), closed=False)
    canvas.pair(stroke(fold, 0.022), p.shade, depth=-0.5)


def head(canvas: Canvas, p: Person) -> None:
    """Draw the face with a shaded side, warm cheeks, freckles and a double chin."""
    outline = p.face(0, 351, 56)
    canvas.fill(outline, mix(p.skin, p.shade, 0.6))
    aside = np.stack([-0.021 * p.shadow, np.full_like(p.shadow, -0.012)], axis=-1)
    canvas.fill(outline * (0.945, 0.965) + aside[:, None], p.skin)
    forehead = ellipse(-0.06 * p.shadow, -0.36, 0.24, 0.14)
    canvas.fill(forehead, mix(p.skin, (255, 236, 214), 0.35), opacity=0.4, soft=True)

    blush = (0.46 + 0.34 * p.level["Rosy_Cheeks"]).clip(0.08, 0.95)
    rose = mix(p.skin * (1.05, 0.60, 0.60), (218, 52, 66), 0.45)
    cheek = ellipse(p.width * 0.60, 0.14, 0.19, 0.155)
    canvas.pair(cheek, rose, opacity=blush, soft=True, depth=0.6)
    for x, y in ((0.16, 0.07), (0.23, 0.105), (0.28, 0.06), (0.20, 0.045)):
        freckle = ellipse(x, y, 0.011, 0.010, 8)
        canvas.pair(freckle, p.shade, opacity=0.7 * p.freckles, depth=0.7)

    chin = p.chin_y
    double = smoothstep(-0.9, 0.8, p.level["Chubby"])
    fold = spline(
        (-0.22, chin - 0.05), (-0.12, chin + 0.045), (0, chin + 0.07), (0.12, chin + 0.045),
        (0.22, chin - 0.05), closed=False,
    )  # fmt: skip
    canvas.fill(stroke(move(fold, 0, 0.012), 0.05), mix(p.skin, p.shade, 0.5), opacity=double)
    canvas.fill(stroke(move(fold, 0, 0.03), 0.022), p.shade, opacity=double)
    dent = spline((-0.05, chin - 0.085), (0, chin - 0.095), (0.05, chin - 0.085), closed=False)
    canvas.fill(stroke(dent, 0.016), p.shade, opacity=0.45, depth=0.8)


def age(canvas: Canvas, p: Person) -> None:
    """Draw lines on the forehead, beside eyes and mouth, and bags under the eyes."""
    ink, deep, x = mix(p.shade, (96, 44, 40), 0.25), p.wrinkles, p.eye_x
    for y, half in ((-0.40, 0.17), (-0.34, 0.21), (-0.28, 0.15)):
        crease = spline(
            (-half, y + 0.01), (-half / 2, y - 0.012), (0, y), (half / 2, y - 0.012),
            (half, y + 0.01), closed=False,
        )  # fmt: skip
        canvas.fill(stroke(crease, 0.017), ink, opacity=0.75 * deep, depth=0.7)
    bag = spline((x - 0.08, 0.035), (x, 0.075), (x + 0.09, 0.03), closed=False)
    canvas.pair(stroke(bag, 0.024), ink, opacity=0.6 * deep, depth=0.9)
    for y in (-0.035, 0.0, 0.035):
        crow = points((x + 0.115, EYE_Y + 0.4 * y), (x + 0.165, EYE_Y + 1.5 * y))
        canvas.pair(stroke(crow, 0.014, tapered=False), ink, opacity=0.75 * deep, depth=0.6)
    fold = spline((0.105, 0.15), (0.175, 0.21), (0.205, 0.31), closed=False)
    grin = 0.35 * smoothstep(0.0, 1.5, p.level["Smiling"])
    canvas.pair(stroke(fold, 0.018), ink, opacity=np.maximum(0.85 * deep, grin), depth=0.9)


def nose(canvas: Canvas, p: Person) -> None:
    """Draw the nose: a shaded flank, the ball with its wings, nostrils and a highlight."""
    big = p.level["Big_Nose"]
    wing = (0.100 + 0.028 * big).clip(0.045, 0.16)
    tip = 0.145 + p.spread("nose_length", -0.02, 0.02) + 0.008 * big.clip(-2, 2)
    side = p.shadow
    flank = spline(
        (side * 0.035, -0.10), (side * 0.05, 0.0), (side * wing * 0.98, tip - 0.02),
        (side * wing * 0.5, tip + 0.02), (side * 0.02, tip - 0.03), (side * 0.022, 0.0),
    )  # fmt: skip
    canvas.fill(flank, p.shade, opacity=0.5, depth=1.3)
    cast = symmetric(
        (0, tip - 0.05), (wing * 1.02, tip), (wing * 0.6, tip + 0.042), (0, tip + 0.055)
    )
    canvas.fill(cast, p.shade, opacity=0.95, depth=1.3)
    ball = symmetric(
        (0, tip - 0.085), (wing * 0.62, tip - 0.058), (wing, tip - 0.018),
        (wing * 0.72, tip + 0.018), (0, tip + 0.032),
    )  # fmt: skip
    canvas.fill(ball, mix(p.skin, p.shade, 0.16), depth=1.3)
    nostril = ellipse(wing * 0.48, tip + 0.017, wing * 0.24, 0.0125, 12)
    canvas.pair(nostril, mix(p.shade, INK, 0.6), depth=1.3)
    crease = spline(
        (wing * 0.82, tip - 0.055), (wing * 1.03, tip - 0.018), (wing * 0.86, tip + 0.018),
        closed=False,
    )  # fmt: skip
    canvas.pair(stroke(crease, 0.016), mix(p.shade, INK, 0.2), opacity=0.8, depth=1.3)
    shine = ellipse(-side * wing * 0.18, tip - 0.035, wing * 0.42, 0.038)
    canvas.fill(shine, mix(p.skin, (255, 246, 232), 0.55), opacity=0.75, soft=True, depth=1.4)


def mouth(canvas: Canvas, p: Person) -> None:
    """Draw the mouth: corners that rise with the smile, lips with their colour, and teeth."""
    smile = p.level["Smiling"]
    painted = 1 / (1 + np.exp(-2.6 * p.level["Wearing_Lipstick"]))
    lift = (0.030 + 0.029 * smile).clip(0.001, 0.080)
    wide = 0.138 + p.spread("mouth_width", -0.012, 0.012) + 0.022 * smile.clip(-1, 2)
    gape = 0.05 * smoothstep(0.80, 1.0, p.u["talking"]) + 0.08 * smoothstep(0.15, 1.7, smile)
    full = p.spread("lips", 0.7, 1.15) + 0.1 * p.lashes + 0.35 * painted
    t = np.linspace(-1, 1, 17)

    def arc(sag: Array) -> Array:
        """Return a curve from corner to corner that hangs by `sag` in the middle."""
        drop = -lift[:, None] * np.abs(t) ** 1.7 + sag[:, None] * (1 - t**2)
        return np.stack([wide[:, None] * t, (MOUTH_Y + 0.25 * lift)[:, None] + drop], axis=-1)

    def between(upper: Array, lower: Array) -> Array:
        return np.concatenate([upper, lower[:, ::-1]], axis=1)

    above, below = arc(0.25 * lift), arc(0.25 * lift + gape)
    top, bottom = arc(0.25 * lift - 0.042 * full), arc(0.25 * lift + gape + 0.054 * full)
    top[..., 1] += 0.012 * full[:, None] * np.exp(-((t / 0.18) ** 2))  # the bow in the middle
    natural = mix(p.skin * (0.91, 0.76, 0.73), (176, 84, 80), 0.12)
    lips = mix(natural, choose(LIPSTICKS, p.u["lipstick"]), 0.92 * painted)
    canvas.fill(between(top, bottom), lips, depth=1)
    canvas.fill(between(top, above), mix(lips, (60, 10, 24), 0.16), depth=1)

    apart = gape > 0.01
    canvas.fill(between(above, below), (92, 26, 36), where=apart, depth=1)
    tongue = between((above + below) / 2, below) * (0.6, 1)
    canvas.fill(tongue, (206, 92, 96), where=gape > 0.05, depth=1)
    bite = np.clip(0.03 / (gape + 1e-6), 0, 0.62)[:, None, None]
    teeth = between(above, above + (below - above) * bite) * (0.93, 1)
    canvas.fill(teeth, (252, 250, 245), where=apart, depth=1)
    canvas.fill(stroke(above, 0.014), mix(lips, (60, 16, 24), 0.65), where=~apart, depth=1)

    y = MOUTH_Y + 0.5 * lift + gape + 0.030 * full
    gloss = stroke(points((-0.045, y), (0, y + 0.003), (0.045, y)), 0.016)
    canvas.fill(gloss, mix(lips, (255, 255, 255), 0.55), opacity=0.35 + 0.5 * painted, depth=1)
    y = MOUTH_Y - 0.75 * lift
    corner = stroke(points((wide - 0.005, y + 0.012), (wide + 0.018, y - 0.012)), 0.012)
    canvas.pair(corner, p.shade, opacity=0.8, depth=1)


def beard(canvas: Canvas, p: Person) -> None:
    """Draw the shade of a shaven chin, stubble, a goatee or a full beard, as the latent says."""
    level, goatee = p.level["Beard"], p.u["beard_cut"] < 0.25
    grown = smoothstep(-0.9, 0.35, level)
    long = 0.085 * smoothstep(0.2, 2.2, level)
    shaven = mix(p.shade, (72, 70, 84), 0.5)

    high = p.spread("beard_cut", 0.20, 0.12)
    cheeks = spline(
        (-p.width * 0.93, 0.0), (-p.width * 0.80, high), (-0.20, MOUTH_Y - 0.06),
        (-0.10, MOUTH_Y - 0.04), (0.10, MOUTH_Y - 0.04), (0.20, MOUTH_Y - 0.06),
        (p.width * 0.80, high), (p.width * 0.93, 0.0), closed=False,
    )  # fmt: skip
    jaw = np.concatenate([p.face(-4, 184, 40, 0.012 + long), cheeks], axis=1)
    canvas.fill(jaw, shaven, opacity=0.36 * p.stubble, depth=0.2)
    canvas.fill(jaw, p.whiskers, opacity=grown, where=~goatee, depth=0.2)
    chin = symmetric(
        (0.12, MOUTH_Y + 0.06), (0.17, MOUTH_Y - 0.01), (0.16, p.chin_y - 0.06),
        (0.08, p.chin_y + 0.015 + long),
    )  # fmt: skip
    canvas.fill(chin, p.whiskers, opacity=grown, where=goatee, depth=0.6)
    moustache = spline(
        (0, MOUTH_Y - 0.085), (0.08, MOUTH_Y - 0.095), (0.165, MOUTH_Y - 0.03),
        (0.185, MOUTH_Y + 0.04), (0.12, MOUTH_Y - 0.005), (0, MOUTH_Y - 0.03),
    )  # fmt: skip
    canvas.pair(moustache, shaven, opacity=0.3 * p.stubble, depth=1)
    canvas.pair(moustache, p.whiskers, opacity=grown, depth=1)

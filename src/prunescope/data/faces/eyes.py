"""Eyes and eyebrows."""

from __future__ import annotations

import numpy as np

from prunescope.data.faces.canvas import (
    Array,
    Canvas,
    ellipse,
    mirror,
    mix,
    smoothstep,
    spline,
    stroke,
)
from prunescope.data.faces.person import BROW_Y, EYE_Y, INK, Person


def eyes(canvas: Canvas, p: Person) -> None:
    """Draw both eyes: white, iris and pupil between the lids, lashes, and the fold above."""
    opening = (0.036 - 0.0185 * p.level["Narrow_Eyes"]).clip(0.010, 0.068)
    half = p.spread("eye_size", 0.084, 0.100)
    x, gaze = p.eye_x, p.spread("gaze", -0.018, 0.018)

    hollow = ellipse(x, EYE_Y - 0.01, half + 0.05, opening + 0.075)
    canvas.pair(hollow, mix(p.shade, (92, 50, 62), 0.2), opacity=0.45, soft=True, depth=0.8)
    t = np.linspace(-1, 1, 15)
    high, low = _lids(np.broadcast_to(t, (len(x), 15)), opening)
    across = x[:, None] + half[:, None] * t
    upper, lower = np.stack([across, high], axis=-1), np.stack([across, low], axis=-1)
    almond = np.concatenate([upper, lower[:, ::-1]], axis=1)
    canvas.pair(almond, mix((250, 250, 250), p.skin, 0.08), depth=1)

    for side in (1, -1):  # both eyes look, and shine, to the same side
        centre = x + side * gaze
        for radius, colour in ((0.058, mix(p.iris, INK, 0.45)), (0.050, p.iris), (0.027, INK)):
            disc = ellipse(centre, EYE_Y - 0.006, radius, radius, 22)
            disc = _between_lids(disc, x, half, opening)
            canvas.fill(disc if side == 1 else mirror(disc), colour, depth=1)
        glint = ellipse(centre - side * 0.016, EYE_Y - 0.022, 0.014, 0.014, 10)
        glint = _between_lids(glint, x, half, opening)
        canvas.fill(glint if side == 1 else mirror(glint), (255, 255, 255), depth=1)

    ink = mix(INK, p.hair_shade, 0.2)
    canvas.pair(stroke(upper, 0.020 + 0.017 * p.lashes), ink, depth=1)
    canvas.pair(stroke(lower, 0.012), mix(p.shade, INK, 0.3), opacity=0.8, depth=1)
    out = x + half
    wing = spline(
        (out - 0.05, EYE_Y - opening * 0.62), (out - 0.005, EYE_Y - 0.008),
        (out + 0.042, EYE_Y - 0.035 - opening * 0.3), closed=False,
    )  # fmt: skip
    canvas.pair(stroke(wing, 0.022), ink, opacity=0.85 * p.lashes, depth=1)
    fold = stroke(upper[:, 2:-1] - (0, 0.032), 0.012)
    canvas.pair(fold, mix(p.shade, INK, 0.25), opacity=0.7, depth=1)


def _lids(t: Array, opening: Array) -> tuple[Array, Array]:
    """Return the height of both lids at t in [-1, 1], from the inner corner to the outer."""
    bulge = 1 - t**2
    return EYE_Y - opening[:, None] * bulge**0.75, EYE_Y + 0.72 * opening[:, None] * bulge**0.9


def _between_lids(disc: Array, x: Array, half: Array, opening: Array) -> Array:
    """Press a disc into the almond of the eye at `x`."""
    t = ((disc[..., 0] - x[:, None]) / half[:, None]).clip(-1, 1)
    high, low = _lids(t, opening)
    return np.stack([disc[..., 0], disc[..., 1].clip(high, low)], axis=-1)


def brows(canvas: Canvas, p: Person) -> None:
    """Draw both eyebrows, as thick as the latent says and rough where bushy."""
    bushy, x = p.level["Bushy_Eyebrows"], p.eye_x
    thick = (0.043 + 0.0165 * bushy).clip(0.014, 0.082)
    arch = p.spread("brow_arch", 0.012, 0.045)
    raised = 0.012 * smoothstep(0, 2, p.level["Smiling"])
    y = BROW_Y + p.spread("brow_height", -0.02, 0.012) - raised
    line = spline(
        (x - 0.105, y + 0.015), (x - 0.03, y - arch * 0.7), (x + 0.05, y - arch),
        (x + 0.125, y + 0.022), closed=False,
    )  # fmt: skip
    brow = stroke(line, thick)
    rough = 0.007 * smoothstep(-0.6, 0.8, bushy)[:, None] * (-1.0) ** np.arange(brow.shape[1])
    brow[..., 1] += rough
    canvas.pair(brow, mix(p.whiskers, INK, 0.35), opacity=0.95, depth=0.9)

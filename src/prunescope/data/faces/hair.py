"""Hair: what lies behind the head, what frames the face, and the fringe around a bald crown."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from prunescope.data.faces.canvas import (
    Array,
    Canvas,
    Mask,
    ellipse,
    mirror,
    mix,
    move,
    points,
    ripple,
    smoothstep,
    spline,
    stroke,
)
from prunescope.data.faces.person import MOUTH_Y, Person

TEMPLE_Y = -0.20
"""Height at which the dome of the hair turns into its sides."""


def hair_behind(canvas: Canvas, p: Person) -> None:
    """Draw what is seen behind the neck, and a bun or a ponytail."""
    bun = p.tied & (p.u["tied"] < 0.11) & (p.level["Wearing_Hat"] <= 0)
    knot = ellipse(p.spread("parting", -0.08, 0.08), p.dome_y - 0.07, 0.17, 0.15)
    canvas.fill(ripple(knot, 0.025 * p.waves), p.hair_shade, where=bun, depth=-0.6)
    canvas.fill(ripple(knot * 0.93, 0.02 * p.waves), p.hair, where=bun, depth=-0.6)
    x, end = np.where(p.u["parting"] < 0.5, -1.0, 1.0) * p.dome_x, p.hair_end.clip(0.55, 0.85)
    tail = spline(
        (x * 0.75, -0.45), (x * 1.25, -0.42), (x * 1.52, -0.05), (x * 1.42, end * 0.6),
        (x * 1.50, end), (x * 1.18, end * 0.7), (x * 1.12, 0.0),
    )  # fmt: skip
    colour = mix(p.hair, p.hair_shade, 0.4)
    canvas.fill(ripple(tail, 0.03 * p.waves), colour, where=p.tied & ~bun, depth=-0.6)

    end = p.hair_end.clip(0.1)
    flare = 0.03 + 0.05 * smoothstep(0.2, 0.9, end) + 0.05 * p.waves * smoothstep(0.1, 0.4, end)
    side = spline(
        (p.dome_x, TEMPLE_Y), (p.dome_x + flare * 0.6, (TEMPLE_Y + end) / 2),
        (p.dome_x + flare, end - 0.05), (p.dome_x * 0.8, end + 0.02), (p.dome_x * 0.3, end + 0.03),
        closed=False, steps=12,
    )  # fmt: skip
    outline = np.concatenate([_dome(p), side, mirror(side)[:, ::-1]], axis=1)
    outline = ripple(outline, 0.034 * p.waves, p.u["wave_phase"])
    canvas.fill(outline, mix(p.hair, p.hair_shade, 0.65), where=_loose(p), depth=-0.3)


def hair_in_front(canvas: Canvas, p: Person) -> None:
    """Draw the cap of hair with its hairline, bangs, and the locks beside the face."""
    cover = 1 - smoothstep(0.55, 0.92, p.bald)
    line = _hairline(p)
    forehead = line[:, 4:-4]
    shadow = np.concatenate([move(forehead, 0, 0.035), forehead[:, ::-1]], axis=1)
    canvas.fill(shadow, p.shade, opacity=0.75 * cover, depth=0.1)
    _locks(canvas, p)
    _fringe(canvas, p)
    dome = ripple(_dome(p), 0.026 * p.waves, p.u["wave_phase"])
    cap = np.concatenate([dome, line[:, ::-1]], axis=1)
    canvas.fill(cap, p.hair, opacity=cover, depth=0.1)
    _strands(canvas, p, cover)


def strand_over_eye(canvas: Canvas, p: Person, side: Array, where: ArrayLike) -> None:
    """Draw a strand of hair that hangs over one eye."""
    x = side * p.eye_x
    strand = spline(
        (x * 0.2, -0.52), (x * 1.2, -0.30), (x * 1.25, 0.0), (x * 1.7, MOUTH_Y), closed=False
    )
    strand = ripple(strand, 0.02 * p.waves, p.u["wave_phase"])
    canvas.fill(stroke(move(strand, 0.02, 0.015), 0.13), p.shade, opacity=0.5, where=where, depth=1)
    canvas.fill(stroke(strand, 0.13), p.hair, where=where, depth=1)
    canvas.fill(stroke(strand, 0.03), p.hair_shade, opacity=0.6, where=where, depth=1)


def _loose(p: Person) -> Mask:
    """Tell whose hair falls past the ears."""
    return np.asarray((p.hair_end > 0.1) & ~p.tied)


def _dome(p: Person) -> Array:
    """Return the outer edge over the crown, from the left temple to the right one."""
    angle = np.linspace(np.pi, 2 * np.pi, 64)
    cos, sin = np.cos(angle), np.abs(np.sin(angle))
    x = p.dome_x[:, None] * np.sign(cos) * np.abs(cos) ** 0.9
    return np.stack([x, TEMPLE_Y + (p.dome_y - TEMPLE_Y)[:, None] * sin**0.95], axis=-1)


def _hairline(p: Person) -> Array:
    """Return the lower edge on the forehead, from the left sideburn to the right one."""
    x = np.linspace(-1, 1, 33)
    part = p.spread("parting", -0.55, 0.55)[:, None]
    bald = p.bald[:, None]
    power = p.spread("curtain", 1.0, 2.6)[:, None] + 3 * bald
    top = -0.47 - 0.10 * bald
    fall = np.abs(x - part) / np.where(x < part, 1 + part, 1 - part)
    y = top + (-0.24 - top) * fall**power
    teeth = 0.018 * np.abs(np.sin(9 * x + 3 * p.u["wave_phase"][:, None]))
    bangs = -0.235 - teeth - 0.05 * x * np.sign(part)
    y += p.bangs[:, None] * (np.maximum(bangs, y) - y)
    inner = np.stack([0.90 * x * p.width[:, None], y], axis=-1)
    burn = p.spread("beard_cut", -0.10, 0.04)
    sideburn = points(
        (p.dome_x * 0.985, TEMPLE_Y + 0.05), (p.width * 1.03, TEMPLE_Y + 0.13),
        (p.width * 1.02, burn), (p.width * 0.95, burn),
    )  # fmt: skip
    return np.concatenate([mirror(sideburn), inner, sideburn[:, ::-1]], axis=1)


def _locks(canvas: Canvas, p: Person) -> None:
    """Draw the hair that falls beside the cheeks."""
    x, end, loose = p.width, p.hair_end.clip(0.15), _loose(p)
    flare = 0.04 + 0.05 * smoothstep(0.2, 0.9, end)
    lock = spline(
        (p.dome_x * 0.90, -0.40), (p.dome_x + 0.01, TEMPLE_Y),
        (p.dome_x + flare * 0.8, (end + TEMPLE_Y) / 2), (p.dome_x + flare, end),
        (x * 0.98, end + 0.02), (x * 0.88, end - 0.10 * (end > 0.4)),
        (x * 0.97, TEMPLE_Y + 0.55 * (end - TEMPLE_Y)), (x * 0.90, TEMPLE_Y + 0.04),
        (x * 0.72, -0.36), steps=10,
    )  # fmt: skip
    lock = ripple(lock, 0.03 * p.waves, p.u["wave_phase"])
    edge = mix(p.shade, p.hair_shade, 0.7)
    canvas.pair(move(lock, -0.02, 0.015), edge, opacity=0.6, where=loose, depth=0.1)
    canvas.pair(lock, p.hair, where=loose)
    for across, reach in ((0.35, 0.95), (0.7, 0.8)):
        at = x * 0.93 + across * (p.dome_x + flare * 0.7 - x * 0.93)
        down = np.linspace(0, reach, 14)
        strand = points(*((at, TEMPLE_Y + t * (end - TEMPLE_Y)) for t in down))
        strand = ripple(strand, 0.028 * p.waves, p.u["wave_phase"])
        canvas.pair(stroke(strand, 0.02), p.hair_shade, opacity=0.55, where=loose)


def _fringe(canvas: Canvas, p: Person) -> None:
    """Draw the hair above the ears that is left around a bald crown."""
    shaven = smoothstep(0.1, 1.3, p.level["Bald"])
    x, top = p.width, TEMPLE_Y - 0.10 * (1 - shaven)
    patch = spline(
        (x * 0.93, top), (x + 0.03, top + 0.05), (x + 0.05, -0.08), (x + 0.02, 0.04),
        (x * 0.96, 0.05), (x * 0.93, -0.08),
    )  # fmt: skip
    canvas.pair(patch, p.hair, opacity=(0.95 - 0.6 * shaven) * smoothstep(0.3, 0.6, p.bald))


def _strands(canvas: Canvas, p: Person, cover: Array) -> None:
    """Draw a few strands that run from the parting to the sides, and a sheen over the crown."""
    part = p.spread("parting", -0.5, 0.5)

    def crown(x: Array | float, share: float) -> tuple[Array, Array]:
        """Return the knot at x in [-1, 1], some share of the way up to the edge of the dome."""
        rise = (p.dome_y - TEMPLE_Y) * np.sqrt(1 - np.square(x)) * share
        return x * p.dome_x, TEMPLE_Y + rise

    for end, share in ((-0.93, 0.88), (-0.74, 0.74), (0.74, 0.74), (0.93, 0.88)):
        strand = spline(
            crown(part, share), crown(0.55 * end + 0.45 * part, share), crown(end, share),
            closed=False,
        )  # fmt: skip
        strand = ripple(strand, 0.02 * p.waves, p.u["wave_phase"])
        canvas.fill(stroke(strand, 0.018), p.hair_shade, opacity=0.45 * cover, depth=0.1)
    sheen = spline(crown(-0.62, 0.9), crown(-0.25, 0.88), crown(0.2, 0.88), closed=False)
    sheen = ripple(sheen, 0.015 * p.waves, p.u["wave_phase"])
    canvas.fill(stroke(sheen, 0.045), p.hair_light, opacity=0.8 * cover, depth=0.1)

"""The person to draw: what attribute levels and nuisances mean in sizes, colours and pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from prunescope.data.faces.canvas import Array, Mask, Pose, choose, mix, ramp, smoothstep

NUISANCES = (
    # pose
    *("tilt", "yaw", "nod", "dx", "dy", "scale"),
    # how much of Male and Young each single cue shows
    *("jaw", "hair_length", "shave", "lashes", "build", "wrinkles", "grey", "hairline"),
    # looks
    *("undertone", "ginger", "face_length", "face_width", "eye_spacing", "eye_size", "iris"),
    *("gaze", "brow_arch", "brow_height", "nose_length", "mouth_width", "lips", "lipstick"),
    *("talking", "volume", "parting", "curtain", "tied", "wave_phase", "beard_cut", "freckles"),
    # what is worn, and where
    *("garment", "garment_colour", "accent_colour", "stripes"),
    *("hat", "hat_colour", "ribbon_colour"),
    *("frame", "frame_colour", "lenses", "earring", "metal"),
    *("backdrop", "backdrop_colour", "backdrop_accent", "backdrop_place"),
    # what stands in the way
    *("occluder", "occluder_side", "occluder_place", "mug_colour"),
    # the camera
    *("light_angle", "light", "exposure", "contrast", "warmth", "blur", "noise"),
)
"""Everything that varies besides the attributes: independent uniform numbers in [0, 1)."""

EYE_Y, BROW_Y, MOUTH_Y, LOBE_Y = -0.04, -0.19, 0.31, 0.13
FACE_Y, CROWN_Y, CHIN_Y = -0.06, -0.62, 0.54

SKIN = (
    (82, 51, 38),
    (108, 69, 49),
    (139, 91, 64),
    (172, 119, 86),
    (202, 150, 113),
    (224, 176, 142),
    (236, 196, 166),
    (242, 209, 187),
    (245, 221, 207),
)
HAIR = (
    (26, 22, 25),
    (38, 28, 27),
    (56, 37, 30),
    (80, 51, 36),
    (110, 73, 47),
    (152, 109, 64),
    (203, 160, 95),
    (231, 198, 131),
    (244, 223, 174),
)
IRIS = ((58, 36, 24), (84, 54, 32), (104, 78, 42), (82, 104, 66), (74, 112, 150), (108, 128, 140))
GREY, GINGER, INK = (188, 188, 192), (176, 84, 38), (44, 28, 30)


@dataclass(frozen=True)
class Person:
    """N people: sizes as arrays (N,), colours as arrays (N, 3).

    Parameters
    ----------
    level : mapping of str to array (N,)
        How far each latent lies above its threshold, in standard deviations; positive = true.
    u : mapping of str to array (N,)
        The nuisances, each in [0, 1).
    pose : Pose
    skin, shade, hair, hair_shade, hair_light, whiskers, iris : array (N, 3)
        Whiskers, that is brows and beard, are darker than the hair.
    width, chin_y, jaw, plump : array
        The face: half width, height of the chin, squareness, fullness of the cheeks.
    eye_x : array
        Distance of each eye from the middle.
    lashes, stubble, wrinkles, freckles : array
        Strength, in [0, 1].
    build : array
        Half width of the neck.
    bald, bangs : array
        0 a full head of hair, 1 none; 0 a free forehead, 1 hair down to the brows.
    hair_end : array
        Height at which the hair ends; `dome_x` and `dome_y` are its half width and top.
    waves : array
        Amplitude of the waves.
    tied : array of bool
        Long hair that is worn up.
    shadow : array
        The side away from the light: 1 right, -1 left.
    """

    level: Mapping[str, Array]
    u: Mapping[str, Array]
    pose: Pose
    skin: Array
    shade: Array
    hair: Array
    hair_shade: Array
    hair_light: Array
    whiskers: Array
    iris: Array
    width: Array
    chin_y: Array
    jaw: Array
    plump: Array
    eye_x: Array
    lashes: Array
    stubble: Array
    wrinkles: Array
    freckles: Array
    build: Array
    bald: Array
    bangs: Array
    hair_end: Array
    dome_x: Array
    dome_y: Array
    waves: Array
    tied: Mask
    shadow: Array

    def spread(self, name: str, low: float, high: float) -> Array:
        """Return a nuisance stretched to [low, high]."""
        return _spread(self.u, name, low, high)

    def face(self, start: float, stop: float, n: int = 40, grow: Array | float = 0.0) -> Array:
        """Return the outline of the face between two angles in degrees: (N, n, 2).

        0 is the right ear, 90 the chin, 180 the left ear, 270 the crown. `grow` widens it.
        """
        angle = np.radians(np.linspace(start, stop, n))
        cos, sin = np.cos(angle), np.sin(angle)
        low = sin > 0
        square = np.where(low, self.jaw[:, None], 2.15)
        grown = np.broadcast_to(grow, self.width.shape)[:, None]
        half = self.width[:, None] * (1 + self.plump[:, None] * (low * np.sin(2 * angle) ** 2))
        drop = (self.chin_y - FACE_Y)[:, None]
        height = np.where(low, drop, FACE_Y - CROWN_Y)
        x = (half + grown) * np.sign(cos) * np.abs(cos) ** (2 / square)
        y = FACE_Y + (height + grown) * np.sign(sin) * np.abs(sin) ** (2 / square)
        return np.stack([x, y], axis=-1)


def person(level: Mapping[str, Array], u: Mapping[str, Array]) -> Person:
    """Work out N people from their attribute levels and nuisances.

    Male and Young show in several cues, each blurred by a nuisance of its own, as in life.
    """

    def cue(name: str, attribute: str) -> Array:
        return _cue(level[attribute], u[name])

    def between(name: str, low: float, high: float) -> Array:
        return _spread(u, name, low, high)

    chubby = level["Chubby"]
    bald = smoothstep(-1.6, 0.35, level["Bald"])
    bald = np.maximum(bald, 0.45 * smoothstep(0.2, 1.8, -cue("hairline", "Young")))
    length = -cue("hair_length", "Male")
    hair_end = np.interp(
        length, (-0.9, 0.05, 0.25, 0.6, 1.2, 2.0), (-0.14, 0.04, 0.3, 0.5, 0.8, 1.1)
    )
    hair_end = np.minimum(hair_end, 1.1 - 1.3 * smoothstep(0.3, 0.75, bald))

    width = 0.433 + 0.026 * chubby.clip(-2, 2.2) + between("face_width", -0.018, 0.018)
    volume = between("volume", 0.01, 0.075) * (1 - 0.9 * bald) + 0.012 * smoothstep(
        0.2, 0.5, hair_end
    )
    return Person(
        level=level,
        u=u,
        pose=Pose(
            tilt=0.075 * ndtri(u["tilt"] * 0.96 + 0.02),
            yaw=between("yaw", -0.05, 0.05),
            nod=between("nod", -0.02, 0.02),
            dx=between("dx", -0.07, 0.07),
            dy=between("dy", 0.02, 0.11),
            scale=between("scale", 1.0, 1.18),
        ),
        **_colours(level, u),
        width=width,
        chin_y=CHIN_Y + between("face_length", -0.03, 0.02) + 0.012 * chubby.clip(-1, 2),
        jaw=(2.25 + 0.24 * cue("jaw", "Male")).clip(1.85, 2.9),
        plump=0.15 * smoothstep(-1.2, 1.4, chubby),
        eye_x=between("eye_spacing", 0.168, 0.19),
        lashes=smoothstep(-0.8, 1.6, -cue("lashes", "Male")),
        stubble=smoothstep(-0.3, 2.2, cue("shave", "Male")),
        wrinkles=smoothstep(-1.1, 1.5, -cue("wrinkles", "Young")),
        freckles=smoothstep(0.86, 0.95, u["freckles"]),
        build=(0.19 + 0.022 * cue("build", "Male") + 0.02 * chubby.clip(-2, 2)).clip(0.14, 0.3),
        bald=bald,
        bangs=smoothstep(-0.6, 0.7, level["Bangs"]) * (1 - smoothstep(0.3, 0.6, bald)),
        hair_end=hair_end,
        dome_x=width + 0.035 * (1 - bald) + volume,
        dome_y=CROWN_Y - 0.04 * (1 - bald) - 1.4 * volume,
        waves=smoothstep(-0.9, 1.4, level["Wavy_Hair"]),
        tied=(u["tied"] < 0.22) & (hair_end > 0.35),
        shadow=np.where(np.cos(2 * np.pi * u["light_angle"]) > 0, -1.0, 1.0),
    )


def _colours(level: Mapping[str, Array], u: Mapping[str, Array]) -> dict[str, Array]:
    """Work out the colours of skin, hair and eyes."""
    pale = 7.1 + 1.7 * level["Pale_Skin"]
    skin = ramp(SKIN, np.clip(pale / 8, 0, 1))
    skin = skin + _spread(u, "undertone", -7, 7)[:, None] * np.array([0.3, -0.4, -1.0])
    dark = 1 - np.clip(pale / 5, 0, 1)
    grey = 0.9 * smoothstep(-0.5, 1.6, -_cue(level["Young"], u["grey"]))
    hair = ramp(HAIR, np.clip((5.0 + 1.75 * level["Blond_Hair"]) / 8, 0, 1))
    hair = mix(hair, GINGER, 0.75 * smoothstep(0.88, 0.97, u["ginger"]) * (1 - dark))
    whiskers = mix(mix(hair, HAIR[2], 0.25 + 0.6 * dark), GREY, grey)
    hair = mix(hair, GREY, grey)
    return {
        "skin": skin,
        "shade": mix(skin * np.array([0.80, 0.72, 0.70]), (120, 52, 44), 0.12),
        "hair": hair,
        "hair_shade": mix(hair * 0.70, (34, 22, 34), 0.18),
        "hair_light": mix(hair, (255, 240, 214), 0.20),
        "whiskers": whiskers,
        "iris": choose(IRIS, u["iris"]),
    }


def _cue(level: Array, nuisance: Array) -> Array:
    """Return what an attribute shows of itself in one cue, which a nuisance blurs."""
    return np.asarray(0.8 * level + 0.6 * ndtri(nuisance * 0.998 + 0.001))


def _spread(u: Mapping[str, Array], name: str, low: float, high: float) -> Array:
    return low + (high - low) * u[name]

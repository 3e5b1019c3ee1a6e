"""Drawn faces: from attribute levels to photographs of people who do not exist.

A *level* says how far an attribute's latent lies above its threshold, in standard deviations: the
attribute is true where it is positive. Most attributes are drawn as a continuous function of their
level; glasses, hats and earrings are worn where it is positive. A *nuisance* is anything else that
varies. `person` turns both into sizes and colours, the other modules draw the parts back to front
onto a `canvas`, and the `camera` adds light, blur and noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from prunescope.data.faces.camera import photograph
from prunescope.data.faces.canvas import Array, Canvas
from prunescope.data.faces.eyes import brows, eyes
from prunescope.data.faces.features import age, beard, ears, head, mouth, neck, nose
from prunescope.data.faces.hair import hair_behind, hair_in_front
from prunescope.data.faces.person import NUISANCES, person
from prunescope.data.faces.surroundings import backdrop, occluder, paper
from prunescope.data.faces.wardrobe import clothes, earrings, glasses, hat

__all__ = ["NUISANCES", "render"]

SCENE = (
    *(backdrop, hair_behind, neck, clothes, ears, head, age, beard, nose, mouth, eyes, brows),
    *(hair_in_front, glasses, earrings, hat, occluder),
)
"""What is drawn, back to front."""


def render(
    levels: Mapping[str, Array], streams: Sequence[np.random.Generator], size: int
) -> NDArray[np.uint8]:
    """Draw N faces.

    Parameters
    ----------
    levels : mapping of str to array (N,)
        The level of each attribute.
    streams : sequence of N random generators
        Each gives one face its nuisances and its noise, so that a face does not depend on the
        others that are drawn with it.
    size : int
        Side of the images, in pixels.

    Returns
    -------
    array (N, 3, size, size) of uint8
    """
    nuisances = np.stack([stream.random(len(NUISANCES)) for stream in streams])
    grain = np.stack([stream.standard_normal((3, size, size), np.float32) for stream in streams])
    people = person(levels, dict(zip(NUISANCES, nuisances.T, strict=True)))
    canvas = Canvas(people.pose)
    for draw in SCENE:
        draw(canvas, people)
    drawn = np.stack(list(canvas.paint(size, paper(people))))
    return photograph(drawn, people.u, grain)

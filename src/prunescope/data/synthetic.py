"""Synthetic faces: a data set whose bias is planted, stated, and known in closed form.

Each face has one latent z_a per attribute a, jointly normal with unit variances. The attribute is
true where its latent lies in the upper tail that has the stated prevalence π_a,

    y_a = [z_a > t_a],   t_a = Φ⁻¹(1 − π_a),

and all attributes hang together only through two of them,

    z_a = α_a · z_Male + β_a · z_Young + e_a,

with the loadings α_a and β_a of `PLANTED` and independent residuals e_a that fill the variance up
to one. This table is the planted bias, all of it: women wear lipstick and earrings more often than
men, men are bald and bearded, old people are chubby and wear glasses, roughly as in CelebA.

What is drawn follows the latent, not the label: the nose grows, the eyes narrow and the lips redden
with z, so that near its threshold an attribute cannot be told for sure. Male and Young are drawn
only as several such cues (jaw, hair, stubble, lashes; wrinkles, grey hair, hairline), each with
noise of its own. Pose, light, clothes, backdrop, occlusion, blur and noise are independent of all
latents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm

from prunescope.data.dataset import Dataset
from prunescope.data.faces import render
from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError, one_of


class Planted(NamedTuple):
    """Prevalence of an attribute, and the loadings of its latent on those of Male and Young."""

    prevalence: float
    male: float
    young: float


PLANTED = {
    "Bald": Planted(0.04, 0.60, -0.30),
    "Bangs": Planted(0.15, -0.30, 0.20),
    "Beard": Planted(0.17, 0.88, 0.05),
    "Big_Nose": Planted(0.23, 0.40, -0.30),
    "Blond_Hair": Planted(0.15, -0.45, 0.10),
    "Bushy_Eyebrows": Planted(0.14, 0.45, 0.20),
    "Chubby": Planted(0.07, 0.25, -0.40),
    "Eyeglasses": Planted(0.08, 0.25, -0.40),
    "Male": Planted(0.42, 1.0, 0.0),
    "Narrow_Eyes": Planted(0.12, 0.05, -0.10),
    "Pale_Skin": Planted(0.06, -0.15, 0.10),
    "Rosy_Cheeks": Planted(0.08, -0.45, 0.05),
    "Smiling": Planted(0.48, -0.15, 0.0),
    "Wavy_Hair": Planted(0.32, -0.40, 0.10),
    "Wearing_Earrings": Planted(0.19, -0.60, -0.05),
    "Wearing_Hat": Planted(0.06, 0.30, 0.10),
    "Wearing_Lipstick": Planted(0.46, -0.85, 0.10),
    "Young": Planted(0.77, 0.0, 1.0),
}
"""What is planted: the only source of bias between attributes."""

MALE_YOUNG = -0.35
"""Correlation of the latents of Male and Young."""

ATTRIBUTES: tuple[str, ...] = tuple(PLANTED)

DRAWING_VERSION = 1
"""Goes into the fingerprint: raise it whenever the same parameters give other faces."""

MIN_SIZE = 16

CHUNK = 128
"""Faces that are drawn at once; it changes the speed and nothing else."""


def correlation() -> NDArray[np.float64]:
    """Return the correlation matrix of the latents, in the order of `ATTRIBUTES`.

    B R Bᵀ off the diagonal and 1 on it, with B the loadings (A, 2) and R the correlation of the
    latents of Male and Young.

    Examples
    --------
    >>> c = correlation()
    >>> lipstick, male = ATTRIBUTES.index("Wearing_Lipstick"), ATTRIBUTES.index("Male")
    >>> c.shape, round(float(c[lipstick, male]), 3)  # -0.85 + 0.10 * -0.35
    ((18, 18), -0.885)
    """
    loadings = np.array([(trait.male, trait.young) for trait in PLANTED.values()])
    factors = np.array([[1, MALE_YOUNG], [MALE_YOUNG, 1]])
    matrix = np.asarray(loadings @ factors @ loadings.T, np.float64)
    np.fill_diagonal(matrix, 1)
    return matrix


def thresholds() -> NDArray[np.float64]:
    """Return the value (A,) above which each latent makes its attribute true."""
    return np.asarray(norm.isf([trait.prevalence for trait in PLANTED.values()]), np.float64)


def prevalence() -> dict[str, float]:
    """Return the true share of faces that have each attribute.

    Examples
    --------
    >>> prevalence()["Smiling"]
    0.48
    """
    return {name: trait.prevalence for name, trait in PLANTED.items()}


def true_rates(group: str, value: bool) -> dict[str, float]:
    """Return the true P(attribute | group = value) of every attribute.

    From the distribution function of two correlated normal variables,
    P(a = 1, g = 1) = Φ₂(−t_a, −t_g; ρ_ag).

    Raises
    ------
    ConfigError
        No attribute has the group's name.

    Examples
    --------
    >>> round(true_rates("Male", True)["Beard"], 3), round(true_rates("Male", False)["Beard"], 3)
    (0.39, 0.011)
    """
    if group not in PLANTED:
        raise ConfigError(one_of("group", group, ATTRIBUTES))
    g = ATTRIBUTES.index(group)
    share, above = PLANTED[group].prevalence, -thresholds()
    rates = {}
    for a, (name, rho) in enumerate(zip(ATTRIBUTES, correlation()[g], strict=True)):
        if a == g:
            rates[name] = float(value)
            continue
        both = multivariate_normal.cdf([above[a], above[g]], cov=[[1, rho], [rho, 1]])
        rate = both / share if value else (PLANTED[name].prevalence - both) / (1 - share)
        rates[name] = float(rate)
    return rates


def draw_latents(streams: Sequence[np.random.Generator]) -> NDArray[np.float64]:
    """Draw the latents (N, A) of one face from each random stream."""
    noise = np.stack([stream.standard_normal(len(ATTRIBUTES)) for stream in streams])
    factor = np.linalg.cholesky(correlation())
    return np.asarray(
        (factor @ noise[..., None])[..., 0]
    )  # face by face: rounds alike in any batch


def face_streams(seed: int, faces: range) -> list[np.random.Generator]:
    """Return one random stream per face, which depends on the seed and the face's number alone."""
    return [np.random.default_rng((seed, face)) for face in faces]


def draw_faces(seed: int, faces: range, size: int) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """Return the labels (N, A) and pixels (N, 3, size, size) of some faces, by their numbers."""
    streams = face_streams(seed, faces)
    levels = draw_latents(streams) - thresholds()
    pixels = render(dict(zip(ATTRIBUTES, levels.T, strict=True)), streams, size)
    return (levels > 0).astype(np.int8), pixels


def synthetic_faces(
    n_train: int = 6000,
    n_val: int = 1000,
    n_test: int = 2000,
    *,
    size: int = 64,
    seed: int = 0,
    groups: Sequence[str] = ("Male", "Young", "Chubby", "Pale_Skin"),
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Draw the embedded data set: faces with planted bias, one by one the same for one seed.

    Parameters
    ----------
    n_train, n_val, n_test : int
        Faces in each split, at least 1; they are numbered through in this order.
    size : int
        Side of the images in pixels, at least 16.
    seed : int
        Not negative. Face i of a seed is the same whatever the numbers of faces.
    groups : sequence of str
        Attributes that also serve as groups.
    progress : callable, optional
        Called with the number of faces drawn and the number of all faces.

    Raises
    ------
    ConfigError
        A number is too small, or a group is not an attribute.

    Examples
    --------
    >>> faces = synthetic_faces(3, 1, 1, size=32)
    >>> faces.samples.ids.to_list()[:2], faces.pixels.shape, list(faces.samples.groups)
    (['face-000000', 'face-000001'], (5, 3, 32, 32), ['Male', 'Young', 'Chubby', 'Pale_Skin'])
    """
    counts = {"train": n_train, "val": n_val, "test": n_test}
    for name, value, least in (
        *((f"n_{split}", count, 1) for split, count in counts.items()),
        ("size", size, MIN_SIZE),
        ("seed", seed, 0),
    ):
        if value < least:
            raise ConfigError(f"{name} is {value}: synthetic faces need at least {least}")
    for group in groups:
        if group not in PLANTED:
            raise ConfigError(one_of("group", group, ATTRIBUTES))

    total = sum(counts.values())
    labels = np.empty((total, len(ATTRIBUTES)), np.int8)
    pixels = np.empty((total, 3, size, size), np.uint8)
    for start in range(0, total, CHUNK):
        stop = min(start + CHUNK, total)
        labels[start:stop], pixels[start:stop] = draw_faces(seed, range(start, stop), size)
        if progress is not None:
            progress(stop, total)

    setting = {"drawing": DRAWING_VERSION, **counts, "size": size, "seed": seed}
    content = json.dumps([setting, list(groups)], sort_keys=True)
    return Dataset(
        name="synthetic",
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        samples=Samples(
            ids=pl.Series("id", [f"face-{i:06d}" for i in range(total)]),
            attributes=ATTRIBUTES,
            labels=labels,
            groups={
                name: Group(labels[:, ATTRIBUTES.index(name)].astype(np.int32), (False, True))
                for name in groups
            },
        ),
        pixels=pixels,
        rows=np.arange(total),
        splits=np.repeat(list(counts), list(counts.values())),
    )

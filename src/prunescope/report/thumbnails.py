"""Small pictures of samples, as text that stands inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from prunescope.data import Dataset
from prunescope.predictions.ids import ABSENT, places_of

LARGEST_SIDE = 128
"""Pixels; larger images are scaled down."""

QUALITY = 88

MOST_BYTES = 4_000_000
"""Characters of all pictures of a page together: more would make it slow to open and to send."""


def thumbnails(dataset: Dataset, ids: Iterable[str], most: int = MOST_BYTES) -> dict[str, str]:
    """Return a ``data:`` URI for each of the ids that the data set has, the first ones first.

    As soon as one more would make all of them longer than `most`, the rest is left out.

    >>> from prunescope.data import Samples
    >>> samples = Samples(pl.Series(["a"]), ("Red",), np.array([[1]], np.int8))
    >>> pixels = np.zeros((1, 3, 4, 4), np.uint8)
    >>> dots = Dataset("dots", "0", samples, pixels, np.array([0]), np.array(["test"]))
    >>> found = thumbnails(dots, ["a", "b"])
    >>> list(found), found["a"][:23]
    (['a'], 'data:image/jpeg;base64,')
    """
    wanted = pl.Series("id", list(dict.fromkeys(ids)), dtype=pl.String)
    places = places_of(wanted, dataset.samples.ids)
    there = places != ABSENT
    images = dataset.images(places[there])
    uris: dict[str, str] = {}
    for key, image in zip(wanted.filter(pl.Series(there)), images, strict=True):
        uri = _uri(image)
        most -= len(uri)
        if most < 0:
            break
        uris[key] = uri
    return uris


def _uri(pixels: NDArray[np.uint8]) -> str:
    """Encode one image (3, H, W) as JPEG."""
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

"""`Layouts`: where each image lies on the map, in two dimensions."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import ConfigError, DataError, PrunescopeError, one_of
from prunescope.viewer import unfold

if TYPE_CHECKING:
    from prunescope.viewer.collection import Collection

SIDE = 2**16 - 1
"""Places are whole numbers from 0 to this, on both axes."""

PCA, UMAP = "pca", "umap"
NAMES = {PCA: "principal components", UMAP: "UMAP"}
"""What layouts are called."""

FITTED = 50_000
"""Images that principal components are fitted on, at most: every second of more, every third …"""

WIDE = 1000
"""Numbers an image from which on their covariance is not written out."""

AT_ONCE = 8192
"""Rows that are projected at once."""

REDUCED = 50
"""Principal components that UMAP is given."""

SURE = 12.0
"""Log-odds beyond which an answer is not any surer on the map."""

Values = NDArray[np.float32]
Places = NDArray[np.uint16]
Unfold = Callable[[Values], Values]


@dataclass(frozen=True)
class Layout:
    """A map of N images.

    Parameters
    ----------
    name : str
        A key of `NAMES`.
    places : array (N, 2) of uint16
    digest : str
        Eight hexadecimal digits: another one, and places are others.
    """

    name: str
    places: Places
    digest: str


class Layouts:
    """The maps that there are of N images: principal components at once, UMAP when it is ready.

    UMAP takes seconds to minutes, so it runs in a process of its own and is kept in a file. It is
    there where the extra ``map`` is installed and there are images enough.

    Parameters
    ----------
    make : callable
        Returns what the maps are made of: (N, D) of float32. Called once.
    source : str
        What that is, in words: what is similar of images that lie near each other.
    kept : path, optional
        The file that UMAP's places are kept in.
    unfolds : callable, optional
        Takes (N, D), returns (N, 2): UMAP, or another; None: there is none.

    Examples
    --------
    >>> line = np.array([[0, 0], [1, 1], [2, 2]], np.float32)
    >>> layouts = Layouts(lambda: line, "a line", unfolds=None)
    >>> layouts.get("pca").places[:, 0].tolist()
    [0, 32768, 65535]
    """

    def __init__(
        self,
        make: Callable[[], Values],
        source: str,
        kept: Path | None = None,
        unfolds: Unfold | None = unfold.apart,
    ) -> None:
        self.source = source
        self._make, self._kept, self._unfolds = make, kept, unfolds
        self._lock = threading.RLock()
        self._found: dict[str, Layout] = {}
        self._job: threading.Thread | None = None
        self.problem: str | None = None

    @classmethod
    def of(cls, collection: Collection) -> Layouts:
        """Lay out a collection's embeddings or, where it has none, its dense model's answers."""
        unfolds = unfold.apart if find_spec("umap") else None
        if (given := collection.embeddings) is not None:
            width = given.values.shape[1]
            source = f"embeddings ({width:,} number{'s' * (width != 1)} each)"
            return cls(lambda: given.values, source, collection.layout_file, unfolds)
        dense = collection.against(collection.model(None), None)

        def log_odds() -> Values:
            least = np.float32(1 / (1 + np.exp(SURE)))
            p = np.clip(dense.probability, least, 1 - least)
            return np.ascontiguousarray(np.log(p / (1 - p)))

        source = f"answers of {dense.name} (no embeddings were given)"
        return cls(log_odds, source, collection.layout_file, unfolds)

    @cached_property
    def _values(self) -> Values:
        return self._make()

    @property
    def values(self) -> Values:
        """What the maps are made of: (N, D)."""
        with self._lock:
            return self._values

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The layouts that may be asked for."""
        fits = unfold.NEIGHBOURS < len(self.values) <= unfold.MOST
        return (PCA, UMAP) if self._unfolds and fits else (PCA,)

    def state(self, name: str) -> str:
        """Return ``ready``, ``waiting``, ``under way`` or ``failed``."""
        with self._lock:
            if name in self._found or name == PCA:
                return "ready"
            if self.problem is not None:
                return "failed"
            return "waiting" if self._job is None else "under way"

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The layouts that can be chosen now: name, words."""
        return [(name, NAMES[name]) for name in self.names if self.state(name) == "ready"]

    @property
    def waits(self) -> bool:
        """Whether there will be another layout."""
        return any(self.state(name) == "under way" for name in self.names)

    @property
    def best(self) -> str:
        """The layout that is shown unless another is asked for."""
        return UMAP if self.state(UMAP) == "ready" else PCA

    def get(self, name: str) -> Layout:
        """Return a layout.

        Raises
        ------
        ConfigError
            There is no such layout.
        DataError
            It is not ready yet, or could not be made.
        """
        if name not in self.names:
            raise ConfigError(
                one_of("layout", name, self.names)
                + (
                    ""
                    if name != UMAP
                    else f"; it takes the extra 'map' and more than {unfold.NEIGHBOURS} images"
                )
            )
        with self._lock:
            if name not in self._found:
                self.begin() if name == UMAP else self._lay_out()
            if name not in self._found:
                raise DataError(
                    self.problem or f"the map by {NAMES[name]} is being made: try again in a while"
                )
            return self._found[name]

    def begin(self) -> None:
        """Begin to make the layout that takes long, unless it is there or under way."""
        with self._lock:
            if UMAP not in self.names or UMAP in self._found or self._job or self.problem:
                return
            if (places := unfold.load(self._kept, self._key, len(self.values))) is not None:
                self._found[UMAP] = _layout(UMAP, places)
                return
            self._job = threading.Thread(target=self._unfold, name="map", daemon=True)
            self._job.start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until nothing is under way any more."""
        if (job := self._job) is not None:
            job.join(seconds)

    @cached_property
    def _key(self) -> str:
        """What tells these values from others, and this way to lay them out from others."""
        told = hashlib.sha256(f"{unfold.RECIPE} {self.values.shape}".encode())
        told.update(np.ascontiguousarray(self.values).data)
        return told.hexdigest()

    def _lay_out(self) -> None:
        places = quantised(principal(self.values, 2))
        self._found[PCA] = Layout(PCA, places, self._key[:8])

    def _unfold(self) -> None:
        assert self._unfolds is not None
        try:
            places = quantised(self._unfolds(principal(self.values, REDUCED)))
        except PrunescopeError as error:
            self.problem = str(error)
            return
        with self._lock:
            self._found[UMAP] = _layout(UMAP, places)
        with contextlib.suppress(DataError):  # where nothing can be kept, it is made again
            unfold.save(self._kept, self._key, places)


def _layout(name: str, places: Places) -> Layout:
    return Layout(name, places, hashlib.sha256(places.tobytes()).hexdigest()[:8])


def principal(values: Values, n: int) -> Values:
    """Return the first n principal components of each row.

    Their signs are such that in every component the largest loading is positive. They are fitted on
    at most `FITTED` rows, evenly spread.

    Parameters
    ----------
    values : array (N, D) of float32
    n : int

    Returns
    -------
    array (N, n) of float32
        0 in what is beyond min(N, D) components.
    """
    from sklearn import decomposition

    fitted = values[:: -(-len(values) // FITTED)]
    mean = fitted.mean(axis=0, dtype=np.float64).astype(np.float32)
    fitted = fitted - mean
    result = np.zeros((len(values), n), np.float32)
    if not fitted.any():  # all images are alike
        return result
    k = min(n, *fitted.shape)
    solver = "covariance_eigh" if fitted.shape[1] <= WIDE else "arpack"
    if k == min(fitted.shape):  # which arpack cannot
        solver = "full"
    axes = decomposition.PCA(k, svd_solver=solver, random_state=0).fit(fitted).components_.T
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(k)])
    for start in range(0, len(values), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        result[part, :k] = (values[part] - mean) @ axes
    return result


def quantised(points: NDArray[Any]) -> Places:
    """Bring points (N, 2) onto the map's whole numbers: centred, both axes to one scale.

    Examples
    --------
    >>> quantised(np.array([[-1.0, 0.0], [1.0, 1.0]])).tolist()
    [[0, 16384], [65535, 49151]]
    """
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    extent = float((high - low).max()) or 1.0
    scaled = (points - (low + high) / 2) / extent + 0.5
    places: Places = np.floor(np.clip(scaled, 0, 1) * SIDE + 0.5).astype(np.uint16)
    return places

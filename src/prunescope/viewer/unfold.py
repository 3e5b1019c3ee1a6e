"""UMAP, in a process of its own; and the file that what it found is kept in.

It holds Python's lock for seconds at a time, so the viewer would not answer meanwhile.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as as_bytes

from prunescope.errors import DataError
from prunescope.files import replacing

NEIGHBOURS = 15
"""Images that each image is kept near to."""

MOST = 500_000
"""Images that are laid out at most: more take hours."""

RECIPE = f"umap {NEIGHBOURS} neighbours, distance 0.1, seed 0"
"""Changes whenever places would."""

_running: list[subprocess.Popen[bytes]] = []


def apart(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay out (N, D) in two dimensions by UMAP, in another process: (N, 2).

    Seeded, on one thread: the same on the same machine.

    Raises
    ------
    DataError
        It failed; says how.

    References
    ----------
    McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension
    Reduction", 2018.
    """
    with tempfile.TemporaryDirectory(prefix="prunescope-map-") as folder:
        given, made = Path(folder, "given.npy"), Path(folder, "made.npy")
        np.save(given, values)
        run = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", __file__, str(given), str(made)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        )
        _running.append(run)
        try:
            _, told = run.communicate()
        finally:
            _running.remove(run)
        if run.returncode:
            last = told.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise DataError(f"the map by UMAP could not be made: {last or run.returncode}")
        places: NDArray[np.float32] = np.load(made, allow_pickle=False)
    if places.shape != (len(values), 2) or not np.isfinite(places).all():
        raise DataError("the map by UMAP could not be made: it gives no places")
    return places


def stop() -> None:
    """End what is under way."""
    for run in list(_running):
        run.kill()


atexit.register(stop)


def load(path: Path | None, key: str, n: int) -> NDArray[np.uint16] | None:
    """Read places that were kept under a key; None: there are none, or of other images."""
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, "numpy") as kept:
            if (kept.metadata() or {}).get("key") != key:
                return None
            places = kept.get_tensor("places")
    except (OSError, SafetensorError):
        return None
    return places if places.shape == (n, 2) and places.dtype == np.uint16 else None


def save(path: Path | None, key: str, places: NDArray[np.uint16]) -> None:
    """Keep places under a key.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    if path is None:
        return
    with replacing(path) as beside:
        beside.write_bytes(as_bytes({"places": places}, {"key": key}))


def main(given: str, made: str) -> None:
    """Read values from a file, write their places to another."""
    if hasattr(os, "nice"):
        os.nice(10)  # pages come first
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    import umap

    values = np.load(given, allow_pickle=False)
    made_of: dict[str, Any] = {"n_neighbors": NEIGHBOURS, "min_dist": 0.1, "init": "pca"}
    places = umap.UMAP(random_state=0, n_jobs=1, **made_of).fit_transform(values)
    np.save(made, np.asarray(places, np.float32), allow_pickle=False)


def _end_with(parent: int) -> None:
    """End when the viewer is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])

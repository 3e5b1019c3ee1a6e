"""Decoded images on disk: built once, memory-mapped afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import __version__ as pillow_version

from prunescope.errors import DataError
from prunescope.files import FolderExistsError, WriteError, new_folder

_PIXELS, _FRAME = "pixels.npy", "frame.parquet"
_BLOCK = 256
"""Items that threads have in hand at a time."""
_DAY = 86_400

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Entry:
    """What the cache holds of one source.

    Parameters
    ----------
    pixels : array (M, 3, H, W) of uint8
        A read-only memory map.
    frame : polars.DataFrame
        M rows, what is known of each image. `write_pixels` fills ``digest``, a hash of its pixels.
    """

    pixels: NDArray[np.uint8]
    frame: pl.DataFrame


def fetch(cache: Path, key: str, build: Callable[[Path], None]) -> Entry:
    """Open the entry `key` of a cache; `build` fills a folder with it if it is not there.

    An entry appears whole or not at all: it is built in a folder of its own, flushed to disk, and
    renamed. Processes that build one entry at once do the work twice, and the first to finish
    wins. What a killed build leaves is never opened, and is removed by a build a day later. A
    damaged entry is built again.

    Raises
    ------
    DataError
        The cache cannot be written, and whatever `build` raises.
    """
    folder = cache / key
    stood = folder.exists()  # before opening: an entry that appears later is whole
    entry = _open(folder)
    if entry is not None:
        return entry
    if stood:
        shutil.rmtree(folder, ignore_errors=True)
    _remove_leftovers(cache)
    try:
        with new_folder(folder) as part:
            build(part)
            _flush(part)
    except FolderExistsError:
        pass  # another process was faster
    except WriteError as error:
        raise DataError(
            f"cannot write the cache of images in {cache}: {error.reason}; choose another folder "
            "with the environment variable PRUNESCOPE_CACHE"
        ) from error
    entry = _open(folder)
    if entry is None:
        raise DataError(f"{folder} vanished while it was being opened: start again")
    return entry


def write_pixels(
    part: Path,
    shape: tuple[int, int],
    images: Iterable[Callable[[], NDArray[np.uint8] | None]],
    progress: Callable[[int, int], None] | None = None,
) -> list[bytes | None]:
    """Write the pixels of (M, side) = `shape` images in parallel; return a digest of each.

    Each of `images` is called in some thread and returns an image (3, side, side), or None: then
    the pixels are 0 and the digest is None.
    """
    n, side = shape
    array = np.lib.format.open_memmap(
        part / _PIXELS, mode="w+", dtype=np.uint8, shape=(n, 3, side, side)
    )
    offset, step = array.offset, 3 * side * side
    del array
    digests: list[bytes | None] = []

    # Written through the file, not the map: a full disk is an error there and a crash here.
    with (part / _PIXELS).open("r+b") as file:

        def write(job: tuple[int, Callable[[], NDArray[np.uint8] | None]]) -> bytes | None:
            row, image = job
            pixels = image()
            if pixels is None:
                return None
            content = pixels.tobytes()
            os.pwrite(file.fileno(), content, offset + row * step)
            return hashlib.blake2b(content, digest_size=16).digest()

        with closing(in_threads(write, enumerate(images))) as written:
            for digest in written:
                digests.append(digest)
                if progress is not None:
                    progress(len(digests), n)
    return digests


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """Apply a function to items in parallel and yield the results in order.

    A block of items is drawn at a time, so neither memory nor the wait after an error grows with
    their number. Close the iterator to be sure that no thread still works.
    """
    rest = iter(items)
    with ThreadPoolExecutor() as threads:
        while block := list(islice(rest, _BLOCK)):
            yield from threads.map(function, block)


def write_frame(part: Path, frame: pl.DataFrame) -> None:
    """Write what is known of each image."""
    frame.write_parquet(part / _FRAME)


def code_key(*modules: Path) -> str:
    """Return a hash of some modules' source files and of Pillow's version.

    It belongs in the key of all that they compute, so that no change of the code meets old pixels.
    """
    digest = hashlib.blake2b(pillow_version.encode(), digest_size=16)
    for module in modules:
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _open(folder: Path) -> Entry | None:
    """Open an entry, or return None if it is not there or not whole."""
    try:
        pixels = np.load(folder / _PIXELS, mmap_mode="r", allow_pickle=False)
        frame = pl.read_parquet(folder / _FRAME)
    except (OSError, EOFError, ValueError, pl.exceptions.PolarsError):
        return None
    return Entry(pixels, frame) if len(pixels) == frame.height else None


def _flush(folder: Path) -> None:
    """Wait until the files of a folder are on the disk, so that a rename never outruns them."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove_leftovers(cache: Path) -> None:
    """Remove what builds that were killed a day ago or earlier have left."""
    for part in cache.glob(".*.part"):
        try:
            if time.time() - part.stat().st_mtime > _DAY:
                shutil.rmtree(part, ignore_errors=True)
        except FileNotFoundError:  # its build has just ended
            continue

"""Writing a data set as a folder of images and a table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

from prunescope.data.cache import in_threads
from prunescope.data.dataset import Dataset
from prunescope.data.labels import columns_of, to_frame
from prunescope.data.tables import ROLES_NAME, TABLE_NAMES, write_roles
from prunescope.files import FolderExistsError, new_folder


def export_dataset(
    dataset: Dataset, folder: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write a data set as a folder that `load_dataset` reads back.

    The folder holds ``labels.csv`` (``id, image, split``, the attributes or the class ``label``,
    the groups), ``dataset.json`` (which column means what) and the images as PNG files. Read back
    at the same size, pixels, ids, labels, groups, splits and fingerprint are the same; the images
    are called after their files, and a group of text that spells numbers, or true and false, is
    read as such.

    Parameters
    ----------
    dataset : Dataset
    folder : path
        New or empty; it appears when all of it is written.
    progress : callable (done, total), optional

    Raises
    ------
    FolderExistsError
        The folder is not empty.
    DataError
        It cannot be written, or an attribute or group has the name of another column.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderExistsError(f"{folder} exists already: choose a new or empty folder")
    names = [f"images/{row:06d}.png" for row in range(len(dataset))]
    frame = to_frame(dataset.samples, dataset.splits, names)
    with new_folder(folder) as part:
        (part / "images").mkdir()

        def write(row: int) -> None:
            pixels = dataset.images(np.array([row]))[0].transpose(1, 2, 0)
            Image.fromarray(np.ascontiguousarray(pixels)).save(part / names[row])

        with closing(in_threads(write, range(len(names)))) as written:
            for done, _ in enumerate(written, start=1):
                if progress is not None:
                    progress(done, len(names))
        frame.write_csv(part / TABLE_NAMES[0])
        write_roles(part / ROLES_NAME, columns_of(dataset.samples))
